"""What a finished run of a strategy leaves to take away: its networks, and the supernet that they were taken from."""

from pathlib import Path

from carbon_nas.ledger.run import Run
from carbon_nas.strategies.base import Bench
from carbon_nas.strategies.evolution import Evolution
from carbon_nas.strategies.once_for_all import OnceForAll
from carbon_nas.study.shipping import ship_run
from carbon_nas.study.supernets import ship_supernet

__all__ = ["ship_outcome"]


def ship_outcome(folder: Path, run: Run, bench: Bench, strategy: OnceForAll | Evolution) -> None:
    """Write what a finished run leaves below `models/`; what is there already, and whole, is left alone.

    Args:
        folder: of the comparison.
        run: the ledger of the strategy and seed.
        bench: with its checkpoints.
        strategy: that was run.

    Raises:
        LedgerMismatch: if a checkpoint is not the one that the ledger speaks of.
        OutputError: if a file cannot be written.
    """
    workload = bench.workload
    ship_run(
        folder,
        run,
        bench.artefacts,
        bench.space,
        workload.num_classes,
        made_by=strategy.made_by,
        normalisation=workload.normalisation,
        picture=workload.picture,
        classes=workload.class_names,
    )
    if isinstance(strategy, OnceForAll):
        ship_supernet(folder, run, bench, strategy.supernet)
