"""Static networks: plain modules for one architecture, trained from scratch or filled by `extract`.

Shape letters: B batch, C channels, H height, W width, K classes.
"""

import copy
from collections import OrderedDict
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.batch_norm import BN_EPS
from carbon_nas.supernet.depthwise import DepthwiseConv2d
from carbon_nas.supernet.layers import Activation, BlockSpec, HeadSpec, LayerSpec, SeparableSpec, StemSpec
from carbon_nas.supernet.pointwise import PointwiseConv2d
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.weights import initial

__all__ = [
    "Head",
    "InvertedBottleneck",
    "Separable",
    "SqueezeExcite",
    "StaticMobileNetV3",
    "activate",
    "channels_last",
    "fold_batch_norm",
    "initialise",
    "layer",
]

_Module = TypeVar("_Module", bound=nn.Module)


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Apply relu or h_swish, in place where no gradient asks for the input: it must be nobody else's."""
    return F.relu(x, inplace=True) if activation == "relu" else F.hardswish(x, inplace=not torch.is_grad_enabled())


class _Activation(nn.Module):
    def __init__(self, kind: Activation) -> None:
        super().__init__()
        self.kind: Activation = kind

    def forward(self, x: Tensor) -> Tensor:
        return activate(x, self.kind)


def _normed(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(conv.out_channels, eps=BN_EPS)))


def _pointwise(in_channels: int, out_channels: int) -> nn.Sequential:
    return _normed(PointwiseConv2d(in_channels, out_channels))


class SqueezeExcite(nn.Module):
    """Scale channels by what their means say (Hu et al., CVPR 2018), with a hard sigmoid as in MobileNetV3."""

    def __init__(self, channels: int, squeeze_channels: int) -> None:
        super().__init__()
        self.reduce = PointwiseConv2d(channels, squeeze_channels, bias=True)
        self.expand = PointwiseConv2d(squeeze_channels, channels, bias=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the scaled input."""
        pooled = x_BCHW.mean((2, 3), keepdim=True)
        return x_BCHW * F.hardsigmoid(self.expand(activate(self.reduce(pooled), "relu")))


class Separable(nn.Module):
    """MobileNetV3's first block: depthwise 3x3, then 1x1; add the input where it fits."""

    def __init__(self, spec: SeparableSpec) -> None:
        super().__init__()
        self.residual = spec.residual
        self.depthwise = _normed(DepthwiseConv2d(spec.in_channels, 3))
        self.project = _pointwise(spec.in_channels, spec.out_channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the block's output."""
        y: Tensor = self.project(activate(self.depthwise(x_BCHW), "relu"))
        return x_BCHW + y if self.residual else y


class InvertedBottleneck(nn.Module):
    """Expand, convolve depthwise, squeeze-excite after the activation, project; add the input where it fits."""

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.activation: Activation = spec.activation
        self.residual = spec.residual
        self.expand = _pointwise(spec.in_channels, spec.mid_channels)
        self.depthwise = _normed(DepthwiseConv2d(spec.mid_channels, spec.kernel_size, spec.stride))
        self.squeeze = (
            None if spec.squeeze_channels is None else SqueezeExcite(spec.mid_channels, spec.squeeze_channels)
        )
        self.project = _pointwise(spec.mid_channels, spec.out_channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the block's output."""
        y = activate(self.expand(x_BCHW), self.activation)
        y = activate(self.depthwise(y), self.activation)
        if self.squeeze is not None:
            y = self.squeeze(y)
        y = self.project(y)
        out_BCHW: Tensor = x_BCHW + y if self.residual else y
        return out_BCHW


class Head(nn.Module):
    """From the last feature map to the logits."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.expand = _pointwise(spec.in_channels, spec.expand_channels)
        self.mix = PointwiseConv2d(spec.expand_channels, spec.feature_channels)
        self.classifier = nn.Linear(spec.feature_channels, spec.num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits of shape (B, K)."""
        y = activate(self.expand(x_BCHW), "h_swish").mean((2, 3), keepdim=True)
        logits: Tensor = self.classifier(activate(self.mix(y), "h_swish").flatten(1))
        return logits


def channels_last(net: _Module) -> _Module:
    """Store a network's weights channels-last, in place: on CPUs its steps take less time.

    Source: reports/supernet/benchmark.txt, 0.3 of the time at full size, 0.7 for small images.
    """
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def layer(spec: LayerSpec) -> nn.Module:
    """Build one layer of a static network from its description."""
    match spec:
        case StemSpec():
            stem = _normed(nn.Conv2d(spec.in_channels, spec.out_channels, 3, spec.stride, 1, bias=False))
            stem.add_module("activation", _Activation("h_swish"))
            return stem
        case SeparableSpec():
            return Separable(spec)
        case BlockSpec():
            return InvertedBottleneck(spec)
        case HeadSpec():
            return Head(spec)


class StaticMobileNetV3(nn.Module):
    """One architecture as a plain network: `net(x_BCHW) -> logits_BK`. Input must have the architecture's resolution.

    Its weights are PyTorch's until `initialise` draws them, or `load_state_dict` fills them. Blocks go by their place
    in the space, and so every tensor has the name that it has in the supernet.
    """

    def __init__(self, space: SearchSpace, arch: Architecture, num_classes: int) -> None:
        super().__init__()
        self.stem = layer(space.stem(arch.resolution))
        separable = space.separable(arch.resolution)
        self.separable = None if separable is None else layer(separable)
        self.blocks = nn.ModuleDict({str(spec.index): layer(spec) for spec in space.blocks(arch)})
        self.head = layer(space.head(arch, num_classes))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits of shape (B, K)."""
        y = self.stem(x_BCHW)
        if self.separable is not None:
            y = self.separable(y)
        for block in self.blocks.values():
            y = block(y)
        logits: Tensor = self.head(y)
        return logits


def initialise(net: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of a network from one generator, on the CPU, so that a seed means the same everywhere."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(initial(name, tuple(parameter.shape), generator))


def fold_batch_norm(net: nn.Module) -> nn.Module:
    """Return a copy in which every batch norm is merged into the convolution before it, for deployment.

    The outputs in evaluation are equal up to rounding; the copy cannot be trained further.
    """
    # New containers are born in training mode, so the switch is thrown twice.
    return _folded(copy.deepcopy(net).eval()).eval()


def _folded(module: nn.Module) -> nn.Module:
    children = dict(module.named_children())
    conv, bn = children.get("conv"), children.get("bn")
    if isinstance(module, nn.Sequential) and isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
        merged: nn.Module = torch.nn.utils.fuse_conv_bn_eval(conv, bn)
        rest = [child for name, child in children.items() if name not in {"conv", "bn"}]
        return nn.Sequential(merged, *rest) if rest else merged
    for name, child in children.items():
        module._modules[name] = _folded(child)
    return module
