"""From a sub-network of the supernet to a plain network of its own."""

import torch
from torch import Tensor

from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.batch_norm import BatchNormStatistics
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.static import StaticMobileNetV3, fold_batch_norm

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

    With statistics it comes in evaluation mode and computes exactly what `net(x, arch, statistics)` does; without, in
    training mode, exactly what `net(x, arch)` does.

    Args:
        net: the supernet.
        arch: the sub-network.
        statistics: its batch norm statistics at its resolution; without them the copy has to be trained first.
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
    # On the supernet's device and in its precision, and without drawing weights that would be overwritten at once.
    with torch.device("meta"):
        static = StaticMobileNetV3(net.space, arch, net.num_classes)
    stem = found["stem.conv.weight"]
    static.to(stem.dtype).to_empty(device=stem.device)
    _reset(static)
    static.load_state_dict({**static.state_dict(), **found})
    return fold_batch_norm(static) if fold_bn else static.train(statistics is None)


def _reset(static: StaticMobileNetV3) -> None:
    for module in static.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
