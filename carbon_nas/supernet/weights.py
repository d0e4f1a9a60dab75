"""The tensors of a network by name, and how a sub-network's follow from the supernet's.

A sub-network's tensor is the front corner of the supernet's (prefix slicing, Cai et al., ICLR 2020, section 3.2),
under the same name; only a depthwise kernel smaller than the largest is a learnt map of one. A supernet has every
tensor of its largest sub-network, and the matrices of these maps besides.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from carbon_nas.supernet.layers import BlockSpec, HeadSpec, LayerSpec, SeparableSpec, StemSpec

__all__ = ["block_name", "corner", "initial", "is_matrix", "matrix_shapes", "shapes", "static_weights"]

Shape = tuple[int, ...]


def block_name(spec: BlockSpec) -> str:
    """Name an elastic block in the supernet, by its place among all blocks of the space."""
    return f"blocks.{spec.index}"


def shapes(layers: Iterable[LayerSpec], *, kernel_size: int | None = None) -> dict[str, Shape]:
    """Return the shape of every tensor of a network by name.

    Args:
        layers: its description.
        kernel_size: of the stored depthwise kernels; that of the description if not given.
    """
    found: dict[str, Shape] = {}

    def conv_norm(name: str, out_channels: int, in_channels: int, size: int = 1) -> None:
        found[f"{name}.conv.weight"] = (out_channels, in_channels, size, size)
        found[f"{name}.bn.weight"] = found[f"{name}.bn.bias"] = (out_channels,)

    for spec in layers:
        match spec:
            case StemSpec():
                conv_norm("stem", spec.out_channels, spec.in_channels, 3)
            case SeparableSpec():
                conv_norm("separable.depthwise", spec.in_channels, 1, 3)
                conv_norm("separable.project", spec.out_channels, spec.in_channels)
            case BlockSpec():
                name, mid = block_name(spec), spec.mid_channels
                conv_norm(f"{name}.expand", mid, spec.in_channels)
                conv_norm(f"{name}.depthwise", mid, 1, kernel_size or spec.kernel_size)
                if spec.squeeze_channels is not None:
                    found[f"{name}.squeeze.reduce.weight"] = (spec.squeeze_channels, mid, 1, 1)
                    found[f"{name}.squeeze.reduce.bias"] = (spec.squeeze_channels,)
                    found[f"{name}.squeeze.expand.weight"] = (mid, spec.squeeze_channels, 1, 1)
                    found[f"{name}.squeeze.expand.bias"] = (mid,)
                conv_norm(f"{name}.project", spec.out_channels, mid)
            case HeadSpec():
                conv_norm("head.expand", spec.expand_channels, spec.in_channels)
                found["head.mix.weight"] = (spec.feature_channels, spec.expand_channels, 1, 1)
                found["head.classifier.weight"] = (spec.num_classes, spec.feature_channels)
                found["head.classifier.bias"] = (spec.num_classes,)
    return found


def matrix_shapes(layers: Iterable[LayerSpec], kernel_sizes: tuple[int, ...]) -> dict[str, Shape]:
    """Return the shapes of the matrices that the blocks need to reach their kernel sizes from the largest one."""
    return {
        _matrix_name(spec, small, large): (small * small, small * small)
        for spec in layers
        if isinstance(spec, BlockSpec)
        for small, large in _steps(kernel_sizes, spec.kernel_size)
    }


def _matrix_name(spec: BlockSpec, small: int, large: int) -> str:
    """Name the matrix that makes a smaller kernel of a larger one."""
    return f"{block_name(spec)}.depthwise.matrices.{large}to{small}"


def is_matrix(name: str) -> bool:
    """Tell whether a tensor is a matrix that makes one kernel of another."""
    return ".matrices." in name


def corner(tensor: Tensor, shape: Shape) -> Tensor:
    """Return the first entries of every dimension, as a view; the tensor itself where that is all of them."""
    if tensor.shape == shape:
        return tensor
    return tensor[tuple(slice(length) for length in shape)]


def _steps(kernel_sizes: tuple[int, ...], wanted: int) -> list[tuple[int, int]]:
    """Return the ways from the largest kernel size down to one, as (smaller, larger)."""
    return [(small, large) for small, large in reversed(list(pairwise(kernel_sizes))) if large > wanted]


def _kernel_of(
    spec: BlockSpec, largest: Tensor, weights: Mapping[str, Tensor], kernel_sizes: tuple[int, ...]
) -> Tensor:
    """Return a block's depthwise kernel, of shape (channels, 1, k, k): step by step, a map of the centre of the larger.

    Source: Cai et al., ICLR 2020, section 3.3, elastic kernel size.
    """
    kernel: Tensor = largest
    channels = len(largest)
    # Weights are made in their own precision, whatever the passes compute in: `extract` has to find the same ones.
    with torch.autocast(largest.device.type, enabled=False):
        for small, large in _steps(kernel_sizes, spec.kernel_size):
            cut = (large - small) // 2
            centre = kernel[:, :, cut : cut + small, cut : cut + small].reshape(channels, small * small)
            flat = F.linear(centre, weights[_matrix_name(spec, small, large)])
            # One channel means that both memory formats hold the same bytes; PyTorch goes by the strides, and maps of
            # one pixel get a slower convolution if they say the other one.
            kernel = flat.view(channels, small, small, 1).permute(0, 3, 1, 2)
            if largest.stride(1) != 1:
                kernel = flat.view(channels, 1, small, small)
    return kernel


def initial(name: str, shape: Shape, generator: torch.Generator) -> Tensor:
    """Return what a tensor starts as, on the CPU.

    He et al. (ICCV 2015) by fan-out, batch norm and matrices at the identity, biases at zero, as in the OFA code; the
    classifier a normal of 0.01, where that code leaves PyTorch's default.
    """
    if is_matrix(name):
        return torch.eye(shape[0])
    if name == "head.classifier.weight":
        return torch.randn(shape, generator=generator) * 0.01
    if len(shape) == 4:
        # The OFA code ignores groups here, and so a depthwise kernel starts small on purpose.
        return torch.randn(shape, generator=generator) * math.sqrt(2.0 / (shape[0] * shape[2] * shape[3]))
    return torch.ones(shape) if name.endswith("bn.weight") else torch.zeros(shape)


def static_weights(
    layers: Iterable[LayerSpec], corners: Mapping[str, Tensor], kernel_sizes: tuple[int, ...]
) -> dict[str, Tensor]:
    """Return the tensors of a plain network from the corners of the supernet's: kernels made, matrices left out."""
    weights = {name: tensor for name, tensor in corners.items() if not is_matrix(name)}
    for spec in layers:
        if isinstance(spec, BlockSpec):
            name = f"{block_name(spec)}.depthwise.conv.weight"
            weights[name] = _kernel_of(spec, corners[name], corners, kernel_sizes)
    return weights
