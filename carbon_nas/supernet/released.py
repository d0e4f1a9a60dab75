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
from carbon_nas.supernet.official import by_meaning, meaning, official_name
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.spaces import mobilenet_v3_space
from carbon_nas.supernet.weights import shapes

__all__ = ["Released", "read_tensors", "recognise"]

_WIDTH_MULTS = (1.0, 1.2, *(hundredths / 100 for hundredths in range(25, 301)))
_OTHERS = {
    "feature_mix_layer.bn.weight": "OFAProxylessNASNets",
    "input_stem.0.conv.weight": "OFAResNets",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """What official weights are.

    Attributes:
        space: the search space, by the widths of the tensors.
        num_classes: of the classifier.
        older_names: whether blocks go by `mobile_inverted_conv`, as in the released files.
        static: whether it is a plain network, such as the largest one before shrinking, without matrices.
    """

    space: SearchSpace
    num_classes: int
    older_names: bool
    static: bool


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a state dict, from a PyTorch file (`weights_only`) or from safetensors, onto the CPU.

    Raises:
        CheckpointError: if the file cannot be read, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings():  # About pickles of other kinds; whatever is wrong with one ends as an error.
            warnings.simplefilter("ignore")
            held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged file makes the readers raise nearly anything.
        # Torch explains at length how to run what the file says; that is never done here.
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise CheckpointError(
            f"cannot be read as weights ({reason})",
            where=str(path),
            cure="give a file that torch.load(weights_only=True) takes, or safetensors",
        ) from error
    held = held.get("state_dict", held) if isinstance(held, Mapping) else held
    if not isinstance(held, Mapping) or not held or not all(isinstance(value, Tensor) for value in held.values()):
        raise CheckpointError("holds no state dict: names and their tensors, and nothing else", where=str(path))
    return dict(held)


def recognise(state_dict: Mapping[str, Tensor]) -> Released:
    """Tell what official weights are from their names and shapes.

    Raises:
        CheckpointError: if they are none of OFAMobileNetV3.
    """
    given = by_meaning(state_dict)
    for name, family in _OTHERS.items():
        if name in given:
            raise CheckpointError(f"these are weights of {family}; only OFAMobileNetV3 can be taken in")
    needed = [official_name(name) for name in ("stem.conv.weight", "head.classifier.bias")]
    if not all(name in given for name in needed):
        raise CheckpointError(f"these are no weights of OFAMobileNetV3: there is no {needed[0]} or no {needed[1]}")
    in_channels, num_classes = given[needed[0]][1].shape[1], len(given[needed[1]][1])
    found = {key: tensor.shape for key, (_, tensor) in given.items()}
    for width_mult in _WIDTH_MULTS:
        space = mobilenet_v3_space(width_mult, in_channels=in_channels)
        needed_shapes = shapes(space.layers(space.max(), num_classes), kernel_size=space.kernel_sizes[-1])
        if all(found.get(meaning(official_name(name))) == shape for name, shape in needed_shapes.items()):
            return Released(
                space=space,
                num_classes=num_classes,
                older_names=any(".mobile_inverted_conv." in name for name in state_dict),
                static=not any(key.endswith("_matrix") for key in found),
            )
    raise CheckpointError(
        "these have the names of OFAMobileNetV3, and the widths of no whole supernet",
        cure="only a whole supernet or its largest network can be taken in, not a specialised sub-network",
    )
