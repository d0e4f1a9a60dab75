"""Weights as the OFA code names them: released ones come in, ours can go out.

Today's names, the older ones of the released files (`mobile_inverted_conv`) and those of the static teacher (a single
`conv.weight`, no matrices) are read alike. Source: the OFA code, `ofa_mbv3.py` and `dynamic_layers.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from carbon_nas.errors import CheckpointError, UsageError
from carbon_nas.supernet.batch_norm import BatchNormStatistics
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.weights import is_matrix

__all__ = [
    "LoadReport",
    "by_canonical_name",
    "canonical_name",
    "load_official_state_dict",
    "official_name",
    "official_state_dict",
]

_PLACES = {
    "stem": "first_conv",
    "separable.depthwise": "blocks.0.conv.depth_conv",
    "separable.project": "blocks.0.conv.point_linear",
    "head.expand": "final_expand_layer",
    "head.mix": "feature_mix_layer.conv",
    "head.classifier": "classifier.linear",
}
_PARTS = {"expand": "inverted_bottleneck", "depthwise": "depth_conv", "project": "point_linear"}
_BLOCK = re.compile(r"blocks\.(\d+)\.(\w+)\.(.+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadReport:
    """What a state dict held besides the weights of blocks, stem and head.

    Attributes:
        statistics: its running averages of batch norm. They describe the largest sub-network, and only if it alone was
            trained; for any other, recalibrate.
        classifier_loaded: whether its classifier was taken; one for another number of classes is not.
        matrices_loaded: whether it had matrices for smaller kernels; a static teacher has none, and they stay as they
            were.
    """

    statistics: BatchNormStatistics
    classifier_loaded: bool
    matrices_loaded: bool


def official_name(name: str) -> str:
    """Return the official name of a tensor: a parameter, or a batch norm's `running_mean` and the like."""
    block = _BLOCK.fullmatch(name)
    if block is None:
        place = next(place for place in _PLACES if name.startswith(f"{place}."))
        return name.replace(place, _PLACES[place], 1)
    index, part, rest = block.groups()
    # The separable block is the official block 0.
    here = f"blocks.{int(index) + 1}.conv"
    if part == "squeeze":
        return f"{here}.depth_conv.se.fc.{rest}"
    if rest.startswith("matrices."):
        return f"{here}.depth_conv.conv.{rest.removeprefix('matrices.')}_matrix"
    # An elastic layer is a wrapper around the real one, of the same name.
    layer, _, value = rest.partition(".")
    return f"{here}.{_PARTS[part]}.{layer}.{layer}.{value}"


def by_canonical_name(state_dict: Mapping[str, Tensor]) -> dict[str, tuple[str, Tensor]]:
    """Return every tensor with its name under what the different names of one tensor have in common.

    A state dict within a dict, as in the released files, is taken out of it.

    Raises:
        CheckpointError: if two of them mean the same, or something is no name or no plain tensor.
    """
    inner = state_dict.get("state_dict") if isinstance(state_dict, Mapping) else None
    state_dict = inner if isinstance(inner, Mapping) else state_dict
    if not isinstance(state_dict, Mapping):
        raise CheckpointError(f"this is no state dict but a {type(state_dict).__name__}")
    found: dict[str, tuple[str, Tensor]] = {}
    for name, tensor in state_dict.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or not _is_plain(tensor):
            raise CheckpointError(f"{name} is no plain tensor with a name")
        key = canonical_name(name)
        if key in found:
            raise CheckpointError(f"{name} and {found[key][0]} are two names of one tensor")
        found[key] = name, tensor
    return found


def _is_plain(tensor: Tensor) -> bool:
    """Tell whether every number of a tensor is really there: it is not sparse, and no number stands for many."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    return tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()


def canonical_name(official: str) -> str:
    """Return what all official names of one tensor, current and older, have in common."""
    name = official.removeprefix("module.").replace(".mobile_inverted_conv.", ".conv.")
    for twice, once in ((".bn.bn.", ".bn."), (".conv.conv.weight", ".conv.weight"), (".linear.linear.", ".linear.")):
        name = name.replace(twice, once)
    return name


def _check_has_names(net: ElasticMobileNetV3) -> None:
    if net.space.separable_channels is None:
        raise UsageError(
            "has no official names: the OFA code knows no network without a separable block behind the stem",
            where=f"space {net.space.name}",
            cure="keep it with save_supernet",
        )


def official_state_dict(net: ElasticMobileNetV3, statistics: BatchNormStatistics | None = None) -> dict[str, Tensor]:
    """Return a supernet's weights as the OFA code's `load_state_dict` takes them; they share memory with the supernet.

    Args:
        net: the supernet. At width 1.0 with 1,000 classes there are 475 entries.
        statistics: batch norm statistics of the largest sub-network; without them those of a network that has not seen
            an image, mean 0 and variance 1.

    Raises:
        UsageError: if the space has no official names, or the statistics are not those of its largest sub-network.
    """
    _check_has_names(net)
    if statistics is not None:
        at = statistics.resolution or net.space.resolutions[-1]
        statistics.check(net.space.max(), at, at)
    found = {official_name(name): parameter.detach() for name, parameter in net.named_parameters()}
    for site, channels in net.sites().items():
        mean = torch.zeros(channels) if statistics is None else statistics.mean[site]
        var = torch.ones(channels) if statistics is None else statistics.var[site]
        found[official_name(f"{site}.running_mean")], found[official_name(f"{site}.running_var")] = mean, var
        found[official_name(f"{site}.num_batches_tracked")] = torch.tensor(0)
    return found


@torch.no_grad()
def load_official_state_dict(net: ElasticMobileNetV3, state_dict: Mapping[str, Tensor]) -> LoadReport:
    """Fill a supernet with official weights, all of them or none.

    Args:
        net: the supernet, of the checkpoint's width. If it has another number of classes, its classifier stays.
        state_dict: the weights, by current or older official names.

    Raises:
        UsageError: if the space has no official names.
        CheckpointError: if a tensor is missing, unknown or of another shape, all of which are silent in the OFA code
            or end in a torch error.
    """
    _check_has_names(net)
    given = by_canonical_name(state_dict)
    wanted = {name: parameter.shape for name, parameter in net.named_parameters()}
    for site, channels in net.sites().items():
        wanted |= {f"{site}.{value}": torch.Size([channels]) for value in ("running_mean", "running_var")}
    has_matrices = any(key.endswith("_matrix") for key in given)
    _, bias = given.get(official_name("head.classifier.bias"), ("", None))
    same_classes = bias is None or bias.shape == (net.num_classes,)
    taken = {
        name: _taken(given, official_name(name), shape)
        for name, shape in wanted.items()
        if (has_matrices or not is_matrix(name)) and (same_classes or not _classifies(name))
    }
    known = {canonical_name(official_name(name)) for name in wanted}
    unknown = [name for key, (name, _) in given.items() if key not in known and not key.endswith("num_batches_tracked")]
    if unknown:
        others = f", nor are {len(unknown) - 1} others" if unknown[1:] else ""
        raise CheckpointError(f"{unknown[0]} is no tensor of this network{others}")
    for name, parameter in net.named_parameters():
        if name in taken:
            parameter.copy_(taken[name])
    return LoadReport(statistics=_statistics(net, taken), classifier_loaded=same_classes, matrices_loaded=has_matrices)


def _classifies(name: str) -> bool:
    return name.startswith("head.classifier.")


def _taken(given: Mapping[str, tuple[str, Tensor]], official: str, shape: torch.Size) -> Tensor:
    if canonical_name(official) not in given:
        raise CheckpointError(
            f"{official} is missing, and {len(given)} other tensors are there",
            cure="only a whole supernet or its largest network can be loaded",
        )
    name, tensor = given[canonical_name(official)]
    if tensor.shape != shape:
        raise CheckpointError(
            f"{name} has the shape {tuple(tensor.shape)}, and {tuple(shape)} is needed",
            cure="make the space with the checkpoint's width_mult and in_channels",
        )
    if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(f"{name} holds something else than finite numbers")
    if official.endswith("running_var") and bool((tensor < 0).any()):
        raise CheckpointError(f"{name} holds a negative variance")
    return tensor


def _statistics(net: ElasticMobileNetV3, taken: Mapping[str, Tensor]) -> BatchNormStatistics:
    device, sites = net.parameter("stem.conv.weight").device, net.sites()
    return BatchNormStatistics(
        architecture=net.space.max(),
        resolution=None,
        mean={site: taken[f"{site}.running_mean"].to(device, torch.float32, copy=True) for site in sites},
        var={site: taken[f"{site}.running_var"].to(device, torch.float32, copy=True) for site in sites},
    )
