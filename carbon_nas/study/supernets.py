"""Supernets to go on from: what a run trained once, so that a later study can start from it."""

from pathlib import Path

from carbon_nas.errors import CheckpointError
from carbon_nas.files import name_for_file
from carbon_nas.ledger.run import Run
from carbon_nas.strategies.base import Bench
from carbon_nas.strategies.stages import kept_supernet
from carbon_nas.study.shipping import MODELS
from carbon_nas.supernet.checkpoint import load_supernet, save_supernet

__all__ = ["ship_supernet"]


def ship_supernet(folder: Path, run: Run, bench: Bench, phase: str) -> Path | None:
    """Write the supernet of a finished run to `models/<strategy>/supernet/seed<k>/`, and return that folder.

    One that is there already, whole and of this ledger, is left alone; None, and nothing is written, if the checkpoint
    is gone.

    Args:
        folder: of the comparison.
        run: the ledger of the strategy and seed.
        bench: with its checkpoints.
        phase: the one that left the supernet.

    Raises:
        LedgerMismatch: if the checkpoint is not the one that the ledger speaks of.
        OutputError: if a file cannot be written.
    """
    own = folder / MODELS / name_for_file(run.header.strategy) / "supernet" / f"seed{run.header.seed}"
    if _whole(own, run, phase):
        return own
    if not bench.artefacts.path(phase).is_file():
        return None
    bench.artefacts.check(phase, run.done[phase].artefact_hash)
    origin = {
        "workload": bench.workload.name,
        "images": bench.workload.digest,
        "strategy": run.header.strategy,
        "phase": phase,
        "seed": run.header.seed,
        "ledger": run.path.name,
        "phase_hash": run.done[phase].artefact_hash,
    }
    save_supernet(own, kept_supernet(bench, phase), origin=origin)
    return own


def _whole(own: Path, run: Run, phase: str) -> bool:
    """Tell whether the supernet of a finished phase lies in a folder, undamaged."""
    try:
        return load_supernet(own).origin.get("phase_hash") == run.done[phase].artefact_hash
    except CheckpointError:
        return False
