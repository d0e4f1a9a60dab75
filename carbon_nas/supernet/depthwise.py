"""Depthwise convolution whose weight gradient is not the slowest thing in the step.

On CPUs oneDNN has a fast kernel for the weight gradient of a depthwise convolution only while the kernel is at most
three columns wide, no higher than the map, and no higher than five if there is a stride. All else falls back to a
grouped one that works on blocks of 16 by 16 channels, of which only the diagonal is wanted (`ONEDNN_VERBOSE=1` names
its weights `aBCde16c16b`). Here the gradient is put together from pieces that the fast kernel takes. The forward pass
and the gradient of the input are PyTorch's own, and so is everything on other devices and types.

Shape letters: B batch, C channels, H height, W width.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__ = ["DepthwiseConv2d", "depthwise_conv2d"]

_WIDEST, _HIGHEST_STRIDED, _MANY_CHANNELS = 3, 5, 256


def depthwise_conv2d(x_BCHW: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolve every channel with its own odd, square kernel, padded so that stride 1 keeps the size.

    Args:
        x_BCHW: the input.
        weight: the kernels, of shape (C, 1, k, k).
        stride: in both directions.
    """
    if _pays(x_BCHW, weight):
        y: Tensor = _InPieces.apply(x_BCHW, weight, stride)  # type: ignore[no-untyped-call]
        return y
    return F.conv2d(x_BCHW, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))


def _pays(x: Tensor, weight: Tensor) -> bool:
    """Tell whether there will be a weight gradient, and pieces are faster."""
    if not (torch.is_grad_enabled() and weight.requires_grad) or torch.is_autocast_enabled("cpu"):
        return False
    if x.device.type != "cpu" or not x.dtype == weight.dtype == torch.float32:
        return False
    size, least = weight.shape[-1], min(x.shape[2:])
    if size > 2 * _WIDEST + 1:  # More than three pieces side by side cover.
        return False
    if least < _WIDEST:
        return size > least
    # A kernel higher than the map takes nine pieces, and they only pay where there is much to do in each.
    return size > _WIDEST and (size <= least or len(weight) >= _MANY_CHANNELS)


class DepthwiseConv2d(nn.Conv2d):
    """`nn.Conv2d` with one kernel a channel, born without a bias, and with the fast weight gradient."""

    def __init__(self, channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(channels, channels, kernel_size, stride, kernel_size // 2, groups=channels, bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the name is nn.Conv2d's
        """Return the convolved input, of shape (B, C, H, W)."""
        if self.bias is not None:  # Batch norm was folded into it.
            return super().forward(input)
        return depthwise_conv2d(input, self.weight, self.stride[0])


class _InPieces(torch.autograd.Function):
    @staticmethod
    def forward(x_BCHW: Tensor, weight: Tensor, stride: int) -> Tensor:
        return F.conv2d(x_BCHW, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        del output
        x_BCHW, weight, ctx.stride = inputs
        ctx.save_for_backward(x_BCHW, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BCHW: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x_BCHW, weight = ctx.saved_tensors
        grad_x = None
        if ctx.needs_input_grad[0]:
            padding = [weight.shape[-1] // 2] * 2
            grad_x, _ = _gradients(grad_BCHW, x_BCHW, weight, ctx.stride, padding, input_too=True)
        return grad_x, _weight_gradient(grad_BCHW, x_BCHW, weight, ctx.stride), None


def _gradients(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: list[int], *, input_too: bool
) -> tuple[Tensor, Tensor]:
    mask = [input_too, not input_too, False]
    found = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride, stride], padding, [1, 1], False, [0, 0], len(weight), mask
    )
    return found[0], found[1]


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    height, width = x.shape[2:]
    middle = weight.shape[-1] // 2
    # Taps further from the middle than the map is wide meet nothing but padding.
    reach = min(middle, max(height, width) - 1)
    if stride > 1 and reach > _HIGHEST_STRIDED // 2:
        # The same as without a stride, if the outputs in between had no gradient.
        spread = torch.zeros_like(x)
        spread[:, :, ::stride, ::stride] = grad
        grad, stride = spread, 1
    found = torch.zeros_like(weight)
    if min(height, width) < _WIDEST:
        for down in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                seen = _moved(x, down, right)[:, :, ::stride, ::stride]
                found[:, 0, middle + down, middle + right] = (seen * grad).sum((0, 2, 3))
        return found
    whole = 2 * reach + 1
    pieces = _pieces(reach)
    for down, rows in [(0, whole)] if whole <= height else pieces:
        for right, columns in pieces:
            # Only its shape is looked at.
            piece = weight.new_empty(len(weight), 1, rows, columns)
            padding = [rows // 2, columns // 2]
            _, part = _gradients(grad, _moved(x, down, right), piece, stride, padding, input_too=False)
            top, left = middle + down - padding[0], middle + right - padding[1]
            found[:, :, top : top + rows, left : left + columns] = part
    return found


def _pieces(reach: int) -> list[tuple[int, int]]:
    """Cover the taps from -reach to reach with pieces of three, each as (offset of its middle, taps).

    What is moved loses a border that the innermost tap of its piece would need. So the piece in the middle, which is
    not moved, comes last and is written over those taps.
    """
    aside = reach - 1
    return [(offset, _WIDEST) for offset in ((-aside, aside, 0) if aside else (0,))]


def _moved(x: Tensor, down: int, right: int) -> Tensor:
    """Return x[.., h + down, w + right] at (h, w), zero where that is outside."""
    if not down and not right:
        return x
    y = torch.empty_like(x)
    rows, columns = _overlap(down, x.shape[2]), _overlap(right, x.shape[3])
    y[:, :, rows[0], columns[0]] = x[:, :, rows[1], columns[1]]
    y[:, :, rows[2]] = 0.0
    y[:, :, :, columns[2]] = 0.0
    return y


def _overlap(offset: int, length: int) -> tuple[slice, slice, slice]:
    if offset >= 0:
        kept = max(0, length - offset)
        return slice(0, kept), slice(offset, length), slice(kept, length)
    kept = min(length, -offset)
    return slice(kept, length), slice(0, length - kept), slice(0, kept)
