"""What is said of a network that is shipped: everything that is needed to use it, and to know how good it is."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from carbon_nas.devices.targets import TARGETS
from carbon_nas.files import sha256
from carbon_nas.ledger.records import Result
from carbon_nas.supernet.onnx_graph import INPUT, OUTPUT
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.training.images import RESIZE_METHOD
from carbon_nas.training.workload import Picture

__all__ = ["DESCRIPTION", "Delivery", "NETWORK", "WEIGHTS", "damaged_file", "describe", "read_delivery"]

DESCRIPTION, WEIGHTS, NETWORK = "architecture.json", "weights.safetensors", "model.onnx"

_LEGEND = {
    "target": "how the network is called in its scenario, null if the scenario is not of the catalogue",
    "architecture": "one network of the space, in the encoding of the once-for-all code (Cai et al., ICLR 2020): "
    "ks, the kernel size, and e, the expand ratio, of every block of the space, stage after stage, skipped blocks "
    "included; d, the number of blocks that are used of each stage, from its first; r, the side of the image in pixels",
    "layers": "the same spelled out, from the image to the logits; size is the side of a layer's input in pixels, "
    "h_swish is x relu6(x + 3) / 6, squeeze_channels the hidden units of squeeze-excite, null without it",
    "input": "float32; channels in their order; steps, what is done to a picture from first to last, and in_words the "
    "same as a sentence; normalisation, what the step of that name does to every pixel; null is not known",
    "delivered": "accuracy on the test split; latency end to end for one call on the scenario's device; parameters; "
    "multiply-accumulates of one image; null is not known",
    "files": "SHA-256 of the files beside this one; null is not there",
    "weights.safetensors": "the state dict of carbon_nas.supernet.StaticMobileNetV3, running statistics included",
    "model.onnx": f"batch norm merged into the convolutions, any batch size, from {INPUT} to {OUTPUT}, the logits",
}
# What may differ between two writings of one network.
_CIRCUMSTANCES = {"files", "legend", "made_with", "onnx_opset", "without_onnx_because"}


_STRICT = ConfigDict(frozen=True, extra="forbid")


class _Input(BaseModel):
    model_config = _STRICT

    shape: tuple[str | int, ...]
    channels: tuple[str, ...] | None = None
    steps: tuple[dict[str, Any], ...] | None = None
    normalisation: str | dict[str, Any] | None
    in_words: str | None = None


class _Delivered(BaseModel):
    model_config = _STRICT

    workload: str | None
    accuracy_fraction: float | None
    test_size: int | None
    latency_ms: float | None
    latency_limit_ms: float | None
    parameters: int | None
    macs: int | None


class Delivery(BaseModel):
    """What `architecture.json` says of a delivered network, in words that need no program to be read."""

    model_config = _STRICT

    kind: Literal["carbon_nas network"] = "carbon_nas network"
    version: Literal[1] = 1
    legend: dict[str, str] = _LEGEND
    strategy: str
    scenario: str
    seed: int
    target: dict[str, Any] | None
    architecture: dict[str, Any]
    space: dict[str, Any]
    in_channels: int
    num_classes: int
    classes: tuple[str, ...] | None
    input: _Input
    delivered: _Delivered
    layers: tuple[dict[str, Any], ...]
    made_with: dict[str, str]
    files: dict[str, str | None]
    onnx_opset: int | None
    without_onnx_because: str | None

    @property
    def place(self) -> tuple[str, str, int]:
        """Whose network it is."""
        return self.strategy, self.scenario, self.seed

    def is_of(self, other: "Delivery") -> bool:
        """Tell whether both describe the same weights of the same network, wherever they were written."""
        one, two = (made.model_dump(mode="json", exclude=_CIRCUMSTANCES) for made in (self, other))
        return one == two and self.files[WEIGHTS] == other.files[WEIGHTS]


def describe(
    result: Result,
    space: SearchSpace,
    num_classes: int,
    *,
    strategy: str,
    seed: int,
    normalisation: str | dict[str, Any] | None,
    picture: Picture | None,
    classes: tuple[str, ...] | None,
    weights_sha256: str,
) -> Delivery:
    """Describe a delivered network; what it was written with, and as ONNX, is left open."""
    arch = space.from_json(result.architecture)
    return Delivery(
        strategy=strategy,
        scenario=result.scenario,
        seed=seed,
        target=None if result.scenario not in TARGETS else asdict(TARGETS[result.scenario]),
        architecture=arch.to_json(),
        space=json.loads(json.dumps(asdict(space))),
        in_channels=space.in_channels,
        num_classes=num_classes,
        classes=classes,
        input=_input(space.in_channels, arch.resolution, picture, normalisation),
        delivered=_Delivered(
            workload=result.workload,
            accuracy_fraction=result.accuracy_fraction,
            test_size=result.test_size,
            latency_ms=result.latency_ms,
            latency_limit_ms=result.latency_limit_ms,
            parameters=result.parameters,
            macs=result.macs,
        ),
        layers=tuple({"key": spec.key, **asdict(spec)} for spec in space.layers(arch, num_classes)),
        made_with={},
        files={WEIGHTS: weights_sha256, NETWORK: None},
        onnx_opset=None,
        without_onnx_because=None,
    )


def _input(
    in_channels: int, resolution: int, picture: Picture | None, normalisation: str | dict[str, Any] | None
) -> _Input:
    shape = ("batch", in_channels, resolution, resolution)
    if picture is None:
        return _Input(shape=shape, normalisation=normalisation)
    steps: list[dict[str, Any]] = [{"step": "take", "part": picture.part, "side_fraction": picture.side_fraction}]
    if picture.method is None:
        steps[0]["side"] = picture.side
    else:
        steps.append({"step": "resize", "side": picture.side, "method": picture.method})
    steps.append({"step": "normalise"})
    if picture.side != resolution:
        steps.append({"step": "resize", "side": resolution, "method": RESIZE_METHOD})
    words = ", then ".join(_words(step, picture, normalisation) for step in steps)
    return _Input(
        shape=shape,
        channels=picture.channels,
        steps=tuple(steps),
        normalisation=normalisation,
        in_words=f"{words[0].upper()}{words[1:]}.",
    )


def _words(step: dict[str, Any], picture: Picture, normalisation: str | dict[str, Any] | None) -> str:
    match step["step"]:
        case "take":
            inner = f", of it the middle {step['side_fraction']:.1%} of each side" if step["side_fraction"] < 1 else ""
            pixels = f", of {step['side']} by {step['side']} pixels" if "side" in step else ""
            channels = (
                "the order of the data" if picture.channels is None else f"the order {', '.join(picture.channels)}"
            )
            return f"take {step['part']}{inner}{pixels}, its channels in {channels}"
        case "resize":
            return f"bring it to {step['side']} by {step['side']} pixels ({step['method']})"
    if normalisation is None:
        return "normalise it in a way that is not known"
    how = normalisation if isinstance(normalisation, str) else normalisation.get("formula", "normalisation")
    return f"make float32 of every pixel by {how}"


def read_delivery(folder: Path) -> Delivery | None:
    """Read the description of a shipped network; None if there is none, or it cannot be read."""
    try:
        kept = Delivery.model_validate(json.loads((folder / DESCRIPTION).read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None
    return kept if kept.files.keys() == {WEIGHTS, NETWORK} else None


def damaged_file(folder: Path, described: Delivery) -> str | None:
    """Return the first file that is missing, or is not the one that is described; None if all is well."""
    for name, digest in described.files.items():
        try:
            found = sha256((folder / name).read_bytes())
        except OSError:
            found = None
        if found != digest:
            return name
    return None
