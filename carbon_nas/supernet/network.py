"""The once-for-all network: one set of weights, and any of its sub-networks by value: `net(x, arch)`.

Nothing is remembered between calls. A sub-network uses the first channels of every layer (prefix slicing), the first
blocks of every stage, and kernels cut out of the largest one by learnt matrices.
Source: Cai et al., ICLR 2020, section 3.2-3.3. Shape letters: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.space import BlockSpec, SearchSpace
from carbon_nas.supernet.static import BN_EPS, activate
from carbon_nas.supernet.statistics import BatchNormStatistics, Normalise, Observer, by_batch

__all__ = ["ElasticBlock", "ElasticMobileNetV3", "recalibrate"]


def _weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape))


class _BatchNorm(nn.Module):
    def __init__(self, site: str, channels: int) -> None:
        super().__init__()
        self.site = site
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BCHW: Tensor, normalise: Normalise) -> Tensor:
        active = x_BCHW.shape[1]
        return normalise(self.site, x_BCHW, self.weight[:active], self.bias[:active], BN_EPS)


class _ConvNorm(nn.Module):
    """A 1x1 or dense convolution whose input and output channels are sliced from the front."""

    def __init__(self, site: str, in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.padding = stride, kernel_size // 2
        self.weight = _weight(out_channels, in_channels, kernel_size, kernel_size)
        self.bn = _BatchNorm(site, out_channels)

    def forward(self, x_BCHW: Tensor, out_channels: int, normalise: Normalise) -> Tensor:
        weight = self.weight[:out_channels, : x_BCHW.shape[1]]
        y: Tensor = self.bn(F.conv2d(x_BCHW, weight, None, self.stride, self.padding), normalise)
        return y


class _ElasticDepthwise(nn.Module):
    """A depthwise convolution whose smaller kernels are learnt linear maps of the centre of the next larger one."""

    def __init__(self, site: str, channels: int, kernel_sizes: tuple[int, ...], stride: int) -> None:
        super().__init__()
        self.kernel_sizes, self.stride = kernel_sizes, stride
        self.weight = _weight(channels, 1, kernel_sizes[-1], kernel_sizes[-1])
        self.transforms = nn.ParameterDict(
            {f"{large}to{small}": nn.Parameter(torch.eye(small * small)) for small, large in pairwise(kernel_sizes)}
        )
        self.bn = _BatchNorm(site, channels)

    def kernel(self, channels: int, kernel_size: int) -> Tensor:
        """Return the active kernel, of shape (channels, 1, kernel_size, kernel_size)."""
        weight = self.weight[:channels]
        for small, large in reversed(list(pairwise(self.kernel_sizes))):
            if large <= kernel_size:
                break
            cut = (large - small) // 2
            centre = weight[:, :, cut : cut + small, cut : cut + small].reshape(channels, small * small)
            weight = F.linear(centre, self.transforms[f"{large}to{small}"]).view(channels, 1, small, small)
        return weight

    def forward(self, x_BCHW: Tensor, kernel_size: int, normalise: Normalise) -> Tensor:
        channels = x_BCHW.shape[1]
        weight = self.kernel(channels, kernel_size)
        y = F.conv2d(x_BCHW, weight, None, self.stride, kernel_size // 2, groups=channels)
        normalised: Tensor = self.bn(y, normalise)
        return normalised


class _ElasticSqueeze(nn.Module):
    def __init__(self, channels: int, squeeze_channels: int) -> None:
        super().__init__()
        self.reduce_weight, self.reduce_bias = _weight(squeeze_channels, channels, 1, 1), _weight(squeeze_channels)
        self.expand_weight, self.expand_bias = _weight(channels, squeeze_channels, 1, 1), _weight(channels)

    def forward(self, x_BCHW: Tensor, squeeze: int) -> Tensor:
        channels = x_BCHW.shape[1]
        pooled = x_BCHW.mean((2, 3), keepdim=True)
        hidden = F.relu(F.conv2d(pooled, self.reduce_weight[:squeeze, :channels], self.reduce_bias[:squeeze]))
        gate = F.conv2d(hidden, self.expand_weight[:channels, :squeeze], self.expand_bias[:channels])
        return x_BCHW * F.hardsigmoid(gate)


class ElasticBlock(nn.Module):
    """An inverted bottleneck block with elastic kernel size and width; `largest` describes it at full size."""

    def __init__(self, largest: BlockSpec, kernel_sizes: tuple[int, ...]) -> None:
        super().__init__()
        site, mid = f"block{largest.index}", largest.mid_channels
        self.expand = _ConvNorm(f"{site}.expand", largest.in_channels, mid)
        self.depthwise = _ElasticDepthwise(f"{site}.depthwise", mid, kernel_sizes, largest.stride)
        self.squeeze = None if largest.squeeze_channels is None else _ElasticSqueeze(mid, largest.squeeze_channels)
        self.project = _ConvNorm(f"{site}.project", mid, largest.out_channels)

    def forward(self, x_BCHW: Tensor, spec: BlockSpec, normalise: Normalise) -> Tensor:
        """Return the block's output with the sizes of `spec`."""
        y = activate(self.expand(x_BCHW, spec.mid_channels, normalise), spec.activation)
        y = activate(self.depthwise(y, spec.kernel_size, normalise), spec.activation)
        if self.squeeze is not None and spec.squeeze_channels is not None:
            y = self.squeeze(y, spec.squeeze_channels)
        y = self.project(y, spec.out_channels, normalise)
        out_BCHW: Tensor = x_BCHW + y if spec.residual else y
        return out_BCHW


class ElasticMobileNetV3(nn.Module):
    """The network that nests every architecture of a space.

    Args:
        space: the search space.
        num_classes: the number of logits.
        generator: draws the initial weights (He et al., fan-out); the seed 0 if not given.
    """

    def __init__(self, space: SearchSpace, num_classes: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.space, self.num_classes = space, num_classes
        largest = space.max()
        stem, head = space.stem(largest.resolution), space.head(largest, num_classes)
        self.stem = _ConvNorm("stem", stem.in_channels, stem.out_channels, 3, stem.stride)
        self.blocks = nn.ModuleList(ElasticBlock(spec, space.kernel_sizes) for spec in space.blocks(largest))
        self.head = _ConvNorm("head", head.in_channels, head.expand_channels)
        self.mix_weight = _weight(head.feature_channels, head.expand_channels, 1, 1)
        self.classifier = nn.Linear(head.feature_channels, num_classes)
        self._initialise(generator or torch.Generator().manual_seed(0))

    def _initialise(self, generator: torch.Generator) -> None:
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.dim() == 4:
                    fan_out = parameter.shape[0] * parameter.shape[2] * parameter.shape[3]
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * (2.0 / fan_out) ** 0.5)
                elif name == "classifier.weight":
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.01)
                elif name == "classifier.bias":
                    parameter.zero_()

    def forward(self, x_BCHW: Tensor, arch: Architecture, statistics: Normalise | None = None) -> Tensor:
        """Run one sub-network.

        Args:
            x_BCHW: images; their size is taken as it is, whatever the architecture's resolution says.
            arch: the sub-network.
            statistics: its batch norm statistics from `recalibrate`; those of the batch, as in training, if not given.

        Returns:
            Logits of shape (B, K).
        """
        normalise: Normalise = by_batch if statistics is None else statistics
        y = F.hardswish(self.stem(x_BCHW, self.space.stem_channels, normalise))
        for spec in self.space.blocks(arch):
            y = self.blocks[spec.index](y, spec, normalise)
        y = F.hardswish(self.head(y, self.space.head_channels[0], normalise)).mean((2, 3), keepdim=True)
        y = F.hardswish(F.conv2d(y, self.mix_weight)).flatten(1)
        logits: Tensor = self.classifier(y)
        return logits


@torch.no_grad()
def recalibrate(net: ElasticMobileNetV3, arch: Architecture, batches: Iterable[Tensor]) -> BatchNormStatistics:
    """Measure the batch norm statistics of a sub-network on some batches of shape (B, C, H, W)."""
    observer = Observer()
    for x_BCHW in batches:
        net(x_BCHW, arch, observer)
    return observer.statistics()
