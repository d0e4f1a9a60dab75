"""Networks to take away: for each strategy, scenario and seed a folder that needs neither ledger nor supernet.

models/<strategy>/<scenario>/seed<k>/architecture.json    what it is, how good it is, and the hashes of the others
                                     weights.safetensors  its state dict, batch norm statistics included
                                     model.onnx           the same as one file, if the extra `onnx` is installed
"""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

import carbon_nas
from carbon_nas.errors import CheckpointError, MissingExtra, OutputError, UsageError
from carbon_nas.files import name_for_file, output_folder, sha256, write_whole
from carbon_nas.ledger.records import Result, phase_key
from carbon_nas.ledger.run import Run
from carbon_nas.strategies.artefact import Artefacts
from carbon_nas.study.delivery import (
    DESCRIPTION,
    NETWORK,
    WEIGHTS,
    Delivery,
    damaged_file,
    describe,
    read_delivery,
)
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.onnx_graph import OPSET, onnx_bytes
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.static import StaticMobileNetV3
from carbon_nas.training.workload import Picture

__all__ = ["MODELS", "load_shipped", "ship", "ship_run"]

MODELS = "models"
"""The folder of a comparison that holds them."""

_NO_ONNX = "the package onnx was not installed"


def ship_run(
    folder: Path,
    run: Run,
    artefacts: Artefacts,
    space: SearchSpace,
    num_classes: int,
    *,
    made_by: str,
    normalisation: str | Mapping[str, Any] | None = None,
    picture: Picture | None = None,
    classes: Sequence[str] | None = None,
) -> Mapping[str, Path | None]:
    """Ship what a finished run of a strategy delivers, and return the folder of each scenario.

    It is None, and nothing is written, where the checkpoint is gone: then what was shipped earlier stays.

    Args:
        folder: of the comparison.
        run: the ledger of the strategy and seed.
        artefacts: its checkpoints.
        space: what the architectures are of.
        num_classes: of the workload.
        made_by: the name of the phase that left the delivered weights.
        normalisation: what is done to pixels before the network sees them, if it is known.
        picture: how pictures become those pixels, if it is known.
        classes: the names of the classes, in the order of the logits, if they are known.

    Raises:
        UsageError: if that phase is not done for a scenario that has a result.
        LedgerMismatch: if a checkpoint is not the one that the ledger speaks of.
        OutputError: if a file cannot be written.
    """
    shipped: dict[str, Path | None] = {}
    for scenario, result in run.results.items():
        phase = phase_key(made_by, scenario)
        if phase not in run.done:
            raise UsageError(f"phase {phase!r} is not done, so there is nothing to ship", where=str(run.path))
        shipped[scenario] = None
        if artefacts.path(phase).is_file():
            artefacts.check(phase, run.done[phase].artefact_hash)
            shipped[scenario] = ship(
                folder,
                artefacts.load(phase).tensors,
                result,
                space,
                num_classes,
                strategy=run.header.strategy,
                seed=run.header.seed,
                normalisation=normalisation,
                picture=picture,
                classes=classes,
            )
    return shipped


def ship(
    folder: Path,
    tensors: Mapping[str, Tensor],
    result: Result,
    space: SearchSpace,
    num_classes: int,
    *,
    strategy: str,
    seed: int,
    normalisation: str | Mapping[str, Any] | None = None,
    picture: Picture | None = None,
    classes: Sequence[str] | None = None,
) -> Path:
    """Write one delivered network, and return its folder. One that is there already, and whole, is left alone.

    Args:
        folder: of the comparison.
        tensors: the state dict of the static network.
        result: what it was delivered as: its scenario, architecture, accuracy and latency.
        space: what the architecture is of.
        num_classes: of the workload.
        strategy: that found it.
        seed: of the run.
        normalisation: what is done to pixels before the network sees them, if it is known.
        picture: how pictures become those pixels, if it is known.
        classes: the names of the classes, in the order of the logits, if they are known.

    Raises:
        CheckpointError: if the tensors are not those of this architecture.
        OutputError: if a file cannot be written, or the network of another scenario stands in its place.
    """
    arch = space.from_json(result.architecture)
    weights = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    described = describe(
        result,
        space,
        num_classes,
        strategy=strategy,
        seed=seed,
        normalisation=dict(normalisation) if isinstance(normalisation, Mapping) else normalisation,
        picture=picture,
        classes=None if classes is None else tuple(classes),
        weights_sha256=sha256(weights),
    )
    own = folder / MODELS / name_for_file(strategy) / name_for_file(result.scenario) / f"seed{seed}"
    kept = read_delivery(own)
    if kept is not None and kept.place != described.place:
        raise OutputError(
            f"the network of {kept.strategy} for {kept.scenario}, seed {kept.seed}, stands here",
            where=str(own),
            cure="give the strategy or the scenario a name that differs in letters and digits",
        )
    whole = kept is not None and kept.is_of(described) and damaged_file(own, kept) is None
    if whole and kept is not None and kept.files[NETWORK] is not None:
        return own
    network = _onnx(_network(space, arch, num_classes, tensors, where=str(own)), space, arch)
    if network is None and whole:
        return own
    output_folder(own)
    # The description is written last: until then it names other files by hash, and the folder is refused.
    write_whole(own / WEIGHTS, weights)
    if network is None:
        (own / NETWORK).unlink(missing_ok=True)
    else:
        write_whole(own / NETWORK, network)
    described = described.model_copy(update=_circumstances(described, network))
    write_whole(own / DESCRIPTION, (described.model_dump_json(indent=2) + "\n").encode())
    return own


def load_shipped(folder: str | Path) -> StaticMobileNetV3:
    """Return a network that was shipped, on the CPU and ready to evaluate.

    Raises:
        CheckpointError: if it is not there, damaged, or not what its description says.
    """
    folder = Path(folder)
    described = read_delivery(folder)
    if described is None:
        raise CheckpointError(
            f"there is no network here: {DESCRIPTION} is missing, or describes none",
            where=str(folder),
            cure=f"give a folder below {MODELS}/ of a comparison",
        )
    damaged = damaged_file(folder, described)
    if damaged is not None:
        raise CheckpointError(
            f"is not the file that {DESCRIPTION} names, by its hash", where=str(folder / damaged), cure="restore it"
        )
    try:
        tensors = safetensors.torch.load((folder / WEIGHTS).read_bytes())
        space = TypeAdapter(SearchSpace).validate_python(described.space)
        arch = space.from_json(described.architecture)
    except (OSError, safetensors.SafetensorError, ValidationError, UsageError) as error:
        raise CheckpointError(f"cannot be read as a network ({error})", where=str(folder), cure="restore it") from error
    return _network(space, arch, described.num_classes, tensors, where=str(folder))


def _circumstances(described: Delivery, network: bytes | None) -> dict[str, Any]:
    versions = {"carbon_nas": carbon_nas.__version__, "torch": torch.__version__}
    if network is not None:
        versions["onnx"] = metadata.version("onnx")
    return {
        "made_with": versions,
        "files": {**described.files, NETWORK: None if network is None else sha256(network)},
        "onnx_opset": None if network is None else OPSET,
        "without_onnx_because": _NO_ONNX if network is None else None,
    }


def _network(
    space: SearchSpace, arch: Architecture, num_classes: int, tensors: Mapping[str, Tensor], *, where: str
) -> StaticMobileNetV3:
    try:
        net = StaticMobileNetV3(space, arch, num_classes)
        net.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise CheckpointError(f"these are not the weights of {arch} ({error})", where=where) from error
    return net.eval()


def _onnx(net: StaticMobileNetV3, space: SearchSpace, arch: Architecture) -> bytes | None:
    try:
        return onnx_bytes(net, (space.in_channels, arch.resolution, arch.resolution))
    except MissingExtra:
        return None
