"""Channel sorting: before widths shrink, the channels that matter most move to the front.

Importance of a channel is the L1 norm of the weights that consume it (Cai et al., ICLR 2020, section 3.3, figure 4).
The largest network computes the same as before.
"""

import torch
from torch import Tensor

from carbon_nas.errors import UsageError
from carbon_nas.supernet.layers import BlockSpec
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.weights import block_name

__all__ = ["sort_channels"]

_PER_CHANNEL = (
    "expand.conv.weight",
    "expand.bn.weight",
    "expand.bn.bias",
    "depthwise.conv.weight",
    "depthwise.bn.weight",
    "depthwise.bn.bias",
)


@torch.no_grad()
def sort_channels(net: ElasticMobileNetV3, stage: int = 0) -> None:
    """Re-order the expanded channels and the squeeze units of every block, most important first, in place.

    Momentum that an optimiser keeps is not re-ordered: begin with a new one.

    Args:
        net: the supernet.
        stage: how many expand ratios below the largest have been trained already. Their sub-networks stay as they are:
            channels only move between one trained width and the next. 0 before the first width phase, 1 before the
            second.

    Raises:
        UsageError: if there are not so many expand ratios.
    """
    space = net.space
    trained = range(len(space.expand_ratios) - 1 - stage, len(space.expand_ratios))
    if not 0 <= stage < len(space.expand_ratios):
        raise UsageError(f"stage must be from 0 to {len(space.expand_ratios) - 1}, not {stage}", where="sort_channels")
    # Each block at every trained width, the largest last.
    widths = [
        space.blocks(space.architecture(ks=space.kernel_sizes[-1], e=space.expand_ratios[at], d=space.depths[-1]))
        for at in trained
    ]
    for block in zip(*widths, strict=True):
        _sort_block(net, block)


def _sort_block(net: ElasticMobileNetV3, widths: tuple[BlockSpec, ...]) -> None:
    name = block_name(widths[-1])

    def reorder(parameter: str, order: Tensor, dim: int = 0) -> None:
        tensor = net.parameter(f"{name}.{parameter}")
        tensor.copy_(tensor.index_select(dim, order))

    order = _order(net.parameter(f"{name}.project.conv.weight"), [spec.mid_channels for spec in widths])
    reorder("project.conv.weight", order, dim=1)
    for parameter in _PER_CHANNEL:
        reorder(parameter, order)
    units = [spec.squeeze_channels for spec in widths if spec.squeeze_channels is not None]
    if units:
        reorder("squeeze.expand.weight", order)
        reorder("squeeze.expand.bias", order)
        reorder("squeeze.reduce.weight", order, dim=1)
        # Hidden units are shared by prefix as well, and so they keep to the same bands.
        order = _order(net.parameter(f"{name}.squeeze.expand.weight"), units)
        reorder("squeeze.expand.weight", order, dim=1)
        reorder("squeeze.reduce.weight", order)
        reorder("squeeze.reduce.bias", order)


def _order(consumer: Tensor, widths: list[int]) -> Tensor:
    """Sort the inputs of a 1x1 convolution by importance within the bands that the widths cut."""
    importance = consumer.abs().sum((0, 2, 3))
    bands = []
    for begin, end in zip([0, *widths], widths, strict=False):
        # Stable, so that equal channels keep their places and a seed means the same on every machine.
        bands.append(begin + torch.argsort(importance[begin:end], descending=True, stable=True))
    return torch.cat(bands)
