"""From a sub-network of the supernet to a plain network of its own."""

import torch
from torch import Tensor

from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.recalibration import BatchNormStatistics
from carbon_nas.supernet.static import StaticMobileNetV3, fold_batch_norm
from carbon_nas.supernet.weights import block_name

__all__ = ["extract"]


@torch.no_grad()
def extract(
    net: ElasticMobileNetV3,
    arch: Architecture,
    statistics: BatchNormStatistics | None = None,
    *,
    fold_bn: bool = False,
) -> torch.nn.Module:
    """Copy a sub-network into a plain module that shares nothing with the supernet.

    In training mode it computes what `net(x, arch)` does, in evaluation what `net(x, arch, statistics)` does, both
    exactly.

    Args:
        net: the supernet.
        arch: the sub-network.
        statistics: its batch norm statistics; without them the copy has to be trained before it is evaluated.
        fold_bn: merge batch norm into the convolutions; then outputs are equal up to rounding.

    Raises:
        UsageError: if batch norm is to be folded without statistics, or with those of another sub-network.
    """
    found: dict[str, Tensor] = net.weights(arch)
    if statistics is not None:
        statistics.check(arch, arch.resolution, arch.resolution)
        found.update({f"{site}.running_mean": mean for site, mean in statistics.mean.items()})
        found.update({f"{site}.running_var": var for site, var in statistics.var.items()})
    elif fold_bn:
        raise UsageError("batch norm can only be folded with its statistics", cure="pass those of recalibrate()")
    # On the supernet's device, and without drawing weights that would be overwritten at once.
    with torch.device("meta"):
        static = StaticMobileNetV3(net.space, arch, net.num_classes)
    static.to_empty(device=found["stem.conv.weight"].device)
    _reset(static)
    # A plain network counts its blocks by the order of the data, a supernet by their place in the space.
    position = {block_name(spec): f"blocks.{place}" for place, spec in enumerate(net.space.blocks(arch))}
    named = {}
    for name, tensor in found.items():
        block = ".".join(name.split(".")[:2])
        named[name.replace(block, position[block], 1) if block in position else name] = tensor
    static.load_state_dict({**static.state_dict(), **named})
    return fold_batch_norm(static) if fold_bn else static


def _reset(static: StaticMobileNetV3) -> None:
    for module in static.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
