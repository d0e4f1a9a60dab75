"""Deployment targets: the ways to run a network in the field that can be timed here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from carbon_nas.errors import UnknownName

__all__ = ["Processor", "Runtime", "TARGETS", "Target", "target_named"]

Runtime = Literal["eager", "onnx"]
Processor = Literal["cpu", "cuda"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A way to run a network in the field.

    Attributes:
        batch_size: images per call.
        fold_batch_norm: whether batch norm is merged into the convolutions first.
        description: in words, for the report.
        runtime: what calls the kernels: PyTorch's eager mode, or ONNX Runtime.
        processor: what they run on.
    """

    name: str
    batch_size: int
    fold_batch_norm: bool
    description: str
    runtime: Runtime = "eager"
    processor: Processor = "cpu"


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target(name="eager-b1", batch_size=1, fold_batch_norm=False, description="CPU, one image a call"),
        Target(
            name="folded-b1", batch_size=1, fold_batch_norm=True, description="CPU, one image a call, batch norm folded"
        ),
        Target(name="eager-b32", batch_size=32, fold_batch_norm=False, description="CPU, 32 images a call"),
        Target(
            name="onnx-b1",
            batch_size=1,
            fold_batch_norm=True,
            description="CPU, ONNX Runtime, one image a call",
            runtime="onnx",
        ),
        Target(
            name="onnx-b32",
            batch_size=32,
            fold_batch_norm=True,
            description="CPU, ONNX Runtime, 32 images a call",
            runtime="onnx",
        ),
        Target(
            name="cuda-b1",
            batch_size=1,
            fold_batch_norm=False,
            description="NVIDIA GPU, one image a call",
            processor="cuda",
        ),
        Target(
            name="cuda-b32",
            batch_size=32,
            fold_batch_norm=False,
            description="NVIDIA GPU, 32 images a call",
            processor="cuda",
        ),
    )
}


def target_named(name: str) -> Target:
    """Return a target of the catalogue.

    Raises:
        UnknownName: if there is none of that name.
    """
    if name not in TARGETS:
        raise UnknownName(f"there is no deployment target {name!r}", cure=f"choose one of {', '.join(TARGETS)}")
    return TARGETS[name]
