"""From a sub-network of the supernet to a plain network of its own."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.network import ElasticBlock, ElasticMobileNetV3
from carbon_nas.supernet.static import StaticMobileNetV3, fold_batch_norm
from carbon_nas.supernet.statistics import BatchNormStatistics

__all__ = ["extract"]


@torch.no_grad()
def extract(
    net: ElasticMobileNetV3,
    arch: Architecture,
    statistics: BatchNormStatistics | None = None,
    *,
    fold_bn: bool = False,
) -> nn.Module:
    """Copy a sub-network into a plain module that shares nothing with the supernet.

    In training mode it computes what `net(x, arch)` does, in evaluation what `net(x, arch, statistics)` does, both
    exactly.

    Args:
        net: the supernet.
        arch: the sub-network.
        statistics: its batch norm statistics; without them the copy has to be trained before it is evaluated.
        fold_bn: merge batch norm into the convolutions; then outputs are equal up to rounding.

    Raises:
        ValueError: if batch norm is to be folded without statistics.
    """
    if fold_bn and statistics is None:
        raise ValueError("batch norm can only be folded with its statistics: pass those of recalibrate()")
    static = StaticMobileNetV3(net.space, arch, net.num_classes)
    weights: dict[str, Tensor] = {"stem.conv.weight": net.stem.weight}
    sites = {"stem.bn": (net.stem.bn, net.space.stem_channels)}
    for position, spec in enumerate(net.space.blocks(arch)):
        block, name = net.blocks[spec.index], f"blocks.{position}"
        assert isinstance(block, ElasticBlock)  # noqa: S101  for the type checker; the list holds nothing else
        mid, squeeze = spec.mid_channels, spec.squeeze_channels
        weights[f"{name}.expand.conv.weight"] = block.expand.weight[:mid]
        weights[f"{name}.depthwise.conv.weight"] = block.depthwise.kernel(mid, spec.kernel_size)
        weights[f"{name}.project.conv.weight"] = block.project.weight[:, :mid]
        if block.squeeze is not None and squeeze is not None:
            weights[f"{name}.squeeze.reduce.weight"] = block.squeeze.reduce_weight[:squeeze, :mid]
            weights[f"{name}.squeeze.reduce.bias"] = block.squeeze.reduce_bias[:squeeze]
            weights[f"{name}.squeeze.expand.weight"] = block.squeeze.expand_weight[:mid, :squeeze]
            weights[f"{name}.squeeze.expand.bias"] = block.squeeze.expand_bias[:mid]
        sites[f"{name}.expand.bn"] = (block.expand.bn, mid)
        sites[f"{name}.depthwise.bn"] = (block.depthwise.bn, mid)
        sites[f"{name}.project.bn"] = (block.project.bn, spec.out_channels)
    weights["head.expand.conv.weight"] = net.head.weight
    weights["head.mix.weight"] = net.mix_weight
    weights["head.classifier.weight"] = net.classifier.weight
    weights["head.classifier.bias"] = net.classifier.bias
    sites["head.expand.bn"] = (net.head.bn, net.space.head_channels[0])
    for name, (bn, channels) in sites.items():
        weights[f"{name}.weight"], weights[f"{name}.bias"] = bn.weight[:channels], bn.bias[:channels]
        if statistics is not None:
            weights[f"{name}.running_mean"] = statistics.mean[bn.site]
            weights[f"{name}.running_var"] = statistics.var[bn.site]
    _fill(static, weights)
    return fold_batch_norm(static) if fold_bn else static


def _fill(static: StaticMobileNetV3, weights: Mapping[str, Tensor]) -> None:
    state = static.state_dict()
    missing = [
        name for name in state if name not in weights and not name.endswith(("_mean", "_var", "num_batches_tracked"))
    ]
    if missing or not weights.keys() <= state.keys():
        raise RuntimeError(f"the static network and the supernet differ at {missing or weights.keys() - state.keys()}")
    static.load_state_dict({**state, **weights})
