"""1x1 convolution as what it is, a matrix product.

On CPUs the matrix product takes less time than oneDNN's convolution, above all where maps are small (the column `plain`
in experiments/benchmarks/supernet.py), and its weights may be a corner of larger ones without being copied first.

Shape letters: B batch, C channels, H height, W width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PointwiseConv2d", "pointwise_conv2d"]


def pointwise_conv2d(x_BCHW: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Mix the channels of every pixel.

    Args:
        x_BCHW: the input.
        weight: of shape (out channels, C, 1, 1).
        bias: of shape (out channels,).
    """
    if x_BCHW.device.type != "cpu" or not x_BCHW.is_contiguous(memory_format=torch.channels_last):
        return F.conv2d(x_BCHW, weight, bias)
    return F.linear(x_BCHW.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


class PointwiseConv2d(nn.Conv2d):
    """`nn.Conv2d` with 1x1 kernels, as a matrix product."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = False) -> None:
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name is nn.Conv2d's
        """Return the mixed input, of shape (B, C, H, W)."""
        return pointwise_conv2d(input, self.weight, self.bias)
