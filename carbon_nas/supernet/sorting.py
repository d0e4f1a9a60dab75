"""Channel sorting: before widths shrink, the channels that matter most move to the front.

Importance of a channel is the L1 norm of the weights that consume it (Cai et al., ICLR 2020, section 3.3, figure 4).
The largest network computes the same as before.
"""

import torch
from torch import Tensor

from carbon_nas.supernet.network import ElasticBlock, ElasticMobileNetV3

__all__ = ["sort_channels"]


@torch.no_grad()
def sort_channels(net: ElasticMobileNetV3) -> None:
    """Re-order the expanded channels and the squeeze units of every block, most important first, in place."""
    for block in net.blocks:
        assert isinstance(block, ElasticBlock)  # noqa: S101  for the type checker; the list holds nothing else
        order = _order(block.project.weight, consumer_dim=1)
        block.project.weight.copy_(block.project.weight[:, order])
        for parameter in (
            block.expand.weight,
            block.expand.bn.weight,
            block.expand.bn.bias,
            block.depthwise.weight,
            block.depthwise.bn.weight,
            block.depthwise.bn.bias,
        ):
            parameter.copy_(parameter[order])
        if block.squeeze is None:
            continue
        squeeze = block.squeeze
        squeeze.expand_weight.copy_(squeeze.expand_weight[order])
        squeeze.expand_bias.copy_(squeeze.expand_bias[order])
        squeeze.reduce_weight.copy_(squeeze.reduce_weight[:, order])
        units = _order(squeeze.expand_weight, consumer_dim=1)
        squeeze.expand_weight.copy_(squeeze.expand_weight[:, units])
        squeeze.reduce_weight.copy_(squeeze.reduce_weight[units])
        squeeze.reduce_bias.copy_(squeeze.reduce_bias[units])


def _order(consumer: Tensor, consumer_dim: int) -> Tensor:
    others = [dim for dim in range(consumer.dim()) if dim != consumer_dim]
    # Stable, so that equal channels keep their places and a seed means the same on every machine.
    return torch.argsort(consumer.abs().sum(others), descending=True, stable=True)
