"""A supernet on disk: `supernet.json` says what it is, `weights.safetensors` holds its tensors. No pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from torch import Tensor

from carbon_nas.errors import CheckpointError, UsageError
from carbon_nas.files import output_folder, sha256, write_whole
from carbon_nas.supernet.batch_norm import BatchNormStatistics
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.space import SearchSpace

__all__ = ["Checkpoint", "DESCRIPTION", "WEIGHTS", "load_supernet", "save_supernet"]

DESCRIPTION, WEIGHTS = "supernet.json", "weights.safetensors"
_MEAN, _VAR = "running_mean", "running_var"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """A supernet that was kept.

    Attributes:
        statistics: batch norm statistics of one of its sub-networks, if some were kept.
        origin: where the weights come from, such as the name and hash of a released file.
    """

    net: ElasticMobileNetV3
    statistics: BatchNormStatistics | None
    origin: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


class _Statistics(BaseModel):
    model_config = ConfigDict(extra="forbid")

    architecture: dict[str, Any]
    resolution: int | None


class _Description(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["carbon_nas supernet"] = "carbon_nas supernet"
    version: Literal[1] = 1
    space: dict[str, Any]
    num_classes: int
    statistics: _Statistics | None
    origin: dict[str, str | int | float | bool | None]
    weights_sha256: str


def save_supernet(
    folder: str | Path,
    net: ElasticMobileNetV3,
    statistics: BatchNormStatistics | None = None,
    *,
    origin: Mapping[str, str | int | float | bool | None] | None = None,
) -> None:
    """Keep a supernet in a folder; what was there under the same names is replaced.

    Args:
        folder: is made if it is not there.
        net: the supernet.
        statistics: batch norm statistics of one of its sub-networks.
        origin: where the weights come from.

    Raises:
        OutputError: if the folder cannot be written to.
    """
    folder, tensors = Path(folder), dict(net.state_dict())
    if statistics is not None:
        tensors |= {f"{site}.{_MEAN}": mean for site, mean in statistics.mean.items()}
        tensors |= {f"{site}.{_VAR}": var for site, var in statistics.var.items()}
    data = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    description = _Description(
        space=asdict(net.space),
        num_classes=net.num_classes,
        statistics=None
        if statistics is None
        else _Statistics(architecture=statistics.architecture.to_json(), resolution=statistics.resolution),
        origin=dict(origin or {}),
        weights_sha256=sha256(data),
    )
    output_folder(folder)
    # Each is written whole or not at all, the description last. If only the weights are new, it names others by hash,
    # and the folder is refused.
    write_whole(folder / WEIGHTS, data)
    write_whole(folder / DESCRIPTION, (description.model_dump_json(indent=2) + "\n").encode())


def load_supernet(folder: str | Path) -> Checkpoint:
    """Return a supernet that was kept, on the CPU.

    Raises:
        CheckpointError: if it is not there, damaged, or not what its description says.
    """
    folder = Path(folder)
    description = _described(folder / DESCRIPTION)
    try:
        tensors = safetensors.torch.load(_named(folder / WEIGHTS, description.weights_sha256))
        space = TypeAdapter(SearchSpace).validate_python(description.space)
        net = ElasticMobileNetV3(space, description.num_classes)
        net.load_state_dict({name: tensors[name] for name in net.state_dict()})
        kept = description.statistics
        statistics = None if kept is None else _statistics(kept, space, tensors)
    except (OSError, safetensors.SafetensorError, ValidationError, KeyError, RuntimeError, UsageError) as error:
        raise CheckpointError(
            f"cannot be read as a supernet ({error})", where=str(folder), cure="restore it, or import it again"
        ) from error
    return Checkpoint(net=net, statistics=statistics, origin=description.origin)


def _named(path: Path, digest: str) -> bytes:
    data = path.read_bytes()
    if sha256(data) != digest:
        raise CheckpointError(
            f"is not the file that {DESCRIPTION} names, by its hash", where=str(path), cure="restore it"
        )
    return data


def _described(path: Path) -> _Description:
    try:
        return _Description.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise CheckpointError(
            "there is no supernet here", where=str(path.parent), cure="make one with carbon-nas import"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"does not describe a supernet ({error})", where=str(path), cure="make one with carbon-nas import"
        ) from error


def _statistics(described: _Statistics, space: SearchSpace, tensors: Mapping[str, Tensor]) -> BatchNormStatistics:
    def of(value: str) -> dict[str, Tensor]:
        ending = f".{value}"
        return {name.removesuffix(ending): tensor for name, tensor in tensors.items() if name.endswith(ending)}

    # It may have been measured at a resolution that the space does not offer.
    encoded = dict(described.architecture)
    resolution = int(encoded.pop("r"))
    return BatchNormStatistics(
        architecture=space.from_json(encoded).at(resolution),
        resolution=described.resolution,
        mean=of(_MEAN),
        var=of(_VAR),
    )
