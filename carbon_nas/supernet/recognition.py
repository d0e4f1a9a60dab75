"""Recognising a file of official weights by what is in it; nothing in the file is ever run."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from carbon_nas.errors import CheckpointError
from carbon_nas.supernet.official import by_canonical_name, canonical_name, official_name
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.spaces import mobilenet_v3_space
from carbon_nas.supernet.weights import shapes

__all__ = ["Recognised", "read_tensors", "recognise"]

_WIDTH_MULTS = (1.0, 1.2, *(hundredths / 100 for hundredths in range(25, 301)))
_OTHERS = {
    "feature_mix_layer.bn.weight": "OFAProxylessNASNets",
    "input_stem.0.conv.weight": "OFAResNets",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognised:
    """What official weights are.

    Attributes:
        space: the search space, by the widths of the tensors.
        num_classes: of the classifier.
        older_names: whether blocks go by `mobile_inverted_conv`, as in the released files.
        is_static: whether it is a plain network, such as the largest one before shrinking, without matrices.
    """

    space: SearchSpace
    num_classes: int
    older_names: bool
    is_static: bool


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a state dict, from a PyTorch file (`weights_only`) or from safetensors, onto the CPU.

    Raises:
        CheckpointError: if the file cannot be read, or holds something else.
    """
    try:
        if _is_safetensors(path):
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings():  # About pickles of other kinds; whatever is wrong with one ends as an error.
            warnings.simplefilter("ignore")
            held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged file makes the readers raise nearly anything.
        # Torch tells at length how to run what the file says; that is never done here.
        code = "Weights only load failed" in str(error)
        raise CheckpointError(
            "is no file of weights, or holds code beside them, which is never run" if code else "is no file of weights",
            where=str(path),
            cure="give a file of a state dict, as torch.save(net.state_dict(), ...) or safetensors write it",
        ) from error
    held = held.get("state_dict", held) if isinstance(held, Mapping) else held
    if not isinstance(held, Mapping) or not held or not all(isinstance(value, Tensor) for value in held.values()):
        raise CheckpointError("holds no state dict: names and their tensors, and nothing else", where=str(path))
    return dict(held)


def _is_safetensors(path: Path) -> bool:
    # The length of a JSON header, and then the header; PyTorch's files begin with a pickle or a zip.
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def recognise(state_dict: Mapping[str, Tensor]) -> Recognised:
    """Tell what official weights are from their names and shapes.

    Raises:
        CheckpointError: if they are none of OFAMobileNetV3.
    """
    given = by_canonical_name(state_dict)
    for name, family in _OTHERS.items():
        if name in given:
            raise CheckpointError(f"these are weights of {family}; only OFAMobileNetV3 can be taken in")
    stem, bias = (given.get(official_name(name)) for name in ("stem.conv.weight", "head.classifier.bias"))
    if stem is None or bias is None or stem[1].dim() != 4 or bias[1].dim() != 1:
        raise CheckpointError("these are no weights of OFAMobileNetV3: it has another stem or classifier")
    in_channels, num_classes = stem[1].shape[1], len(bias[1])
    found = {key: tensor.shape for key, (_, tensor) in given.items()}
    for width_mult in _WIDTH_MULTS:
        space = mobilenet_v3_space(width_mult, in_channels=in_channels)
        needed_shapes = shapes(space.layers(space.max(), num_classes), kernel_size=space.kernel_sizes[-1])
        if all(found.get(canonical_name(official_name(name))) == shape for name, shape in needed_shapes.items()):
            return Recognised(
                space=space,
                num_classes=num_classes,
                older_names=any(".mobile_inverted_conv." in name for name in state_dict),
                is_static=not any(key.endswith("_matrix") for key in found),
            )
    raise CheckpointError(
        "these have the names of OFAMobileNetV3, and the widths of no whole supernet",
        cure="only a whole supernet or its largest network can be taken in, not a specialised sub-network",
    )
