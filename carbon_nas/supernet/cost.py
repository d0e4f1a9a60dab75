"""Multiply-accumulates and parameters in closed form; no network is built or run.

Counted: convolutions, squeeze-excite and the classifier. Not counted, as is usual: batch norm, activations, pooling,
additions. One multiply-accumulate is one MAC (two FLOP).
"""

from dataclasses import dataclass
from functools import lru_cache

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.layers import BlockSpec, HeadSpec, LayerSpec, SeparableSpec, StemSpec
from carbon_nas.supernet.space import SearchSpace

__all__ = ["Cost", "cost", "feature_macs", "layer_cost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one forward pass of one image costs, and how many numbers the network holds."""

    macs: int
    parameters: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(macs=self.macs + other.macs, parameters=self.parameters + other.parameters)


def _conv(weights: int, out_channels: int, out_size: int) -> Cost:
    # A convolution without bias and the batch norm behind it (scale and shift).
    return Cost(macs=weights * out_size * out_size, parameters=weights + 2 * out_channels)


def layer_cost(spec: LayerSpec) -> Cost:
    """Return the cost of one layer of a network."""
    match spec:
        case StemSpec():
            return _conv(9 * spec.in_channels * spec.out_channels, spec.out_channels, spec.out_size)
        case SeparableSpec():
            depthwise = _conv(9 * spec.in_channels, spec.in_channels, spec.size)
            return depthwise + _conv(spec.in_channels * spec.out_channels, spec.out_channels, spec.size)
        case BlockSpec():
            expand = _conv(spec.in_channels * spec.mid_channels, spec.mid_channels, spec.size)
            depthwise = _conv(spec.kernel_size**2 * spec.mid_channels, spec.mid_channels, spec.out_size)
            project = _conv(spec.mid_channels * spec.out_channels, spec.out_channels, spec.out_size)
            total = expand + depthwise + project
            if spec.squeeze_channels is not None:
                weights = 2 * spec.mid_channels * spec.squeeze_channels
                biases = spec.mid_channels + spec.squeeze_channels
                total += Cost(macs=weights, parameters=weights + biases)
            return total
        case HeadSpec():
            mix = spec.expand_channels * spec.feature_channels
            classify = spec.feature_channels * spec.num_classes
            return (
                _conv(spec.in_channels * spec.expand_channels, spec.expand_channels, spec.size)
                + Cost(macs=mix, parameters=mix)
                + Cost(macs=classify, parameters=classify + spec.num_classes)
            )


@lru_cache(maxsize=16_384)
def cost(space: SearchSpace, arch: Architecture, num_classes: int) -> Cost:
    """Return the cost of an architecture as a static network, for one image at its resolution."""
    return sum(map(layer_cost, space.layers(arch, num_classes)), Cost(macs=0, parameters=0))


def feature_macs(space: SearchSpace, arch: Architecture) -> int:
    """Return the multiply-accumulates of one image up to the last batch norm, as recalibration runs it."""
    head = space.head(arch, num_classes=1)
    behind = head.feature_channels * (head.expand_channels + head.num_classes)
    return cost(space, arch, head.num_classes).macs - behind
