"""Measuring batch norm statistics of a sub-network at a resolution.

Shape letters: B batch, C channels, H height, W width.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.batch_norm import BN_EPS, BatchNormStatistics
from carbon_nas.supernet.functional import features
from carbon_nas.supernet.network import ElasticMobileNetV3

__all__ = ["Observer", "recalibrate"]

_LARGE_VALUES = 2**20
"""Four megabytes: more than stays in a core's caches until it is read again."""
_LEAST_SPREAD_RATIO = 0.05
"""Variance over squared mean; above it sums of squares in float32 are as exact as the two passes of batch norm."""


class Observer:
    """Normalises by batch and remembers what it saw: the exact mean over batches, weighted by their sizes.

    As in the OFA code the variance is the mean of the biased within-batch variances. Only for passes without gradients:
    the input may be overwritten.
    """

    def __init__(self) -> None:
        self._mean: dict[str, Tensor] = {}
        self._var: dict[str, Tensor] = {}
        self._images: dict[str, int] = {}

    def __call__(self, site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor) -> Tensor:
        """Normalise by the statistics of this batch and add them up."""
        images, values = len(x_BCHW), x_BCHW.numel() // x_BCHW.shape[1]
        if values == 1:  # One pixel of one image: its own mean, and no spread.
            mean_C, var_C = x_BCHW.flatten().to(weight_C.dtype), torch.zeros_like(weight_C)
            self._add(site, mean_C, var_C, images)
            return F.batch_norm(x_BCHW, mean_C, var_C, weight_C, bias_C, eps=BN_EPS)
        moments = _moments(x_BCHW)
        if moments is not None:
            mean_C, var_C = moments
            self._add(site, mean_C, var_C, images)
            scale_C = weight_C * (var_C + BN_EPS).rsqrt()
            shift_C = bias_C - mean_C * scale_C
            return torch.addcmul(shift_C[:, None, None], x_BCHW, scale_C[:, None, None], out=x_BCHW)
        # Momentum 1 makes the kernel hand out this batch's own statistics, at the price of a plain forward pass.
        mean_C, var_C = torch.zeros_like(weight_C), torch.zeros_like(weight_C)
        y_BCHW = F.batch_norm(x_BCHW, mean_C, var_C, weight_C, bias_C, training=True, momentum=1.0, eps=BN_EPS)
        self._add(site, mean_C, var_C * ((values - 1) / values), images)
        return y_BCHW

    def _add(self, site: str, mean_C: Tensor, biased_C: Tensor, images: int) -> None:
        if site not in self._mean:
            # Never added up in half precision.
            dtype = torch.promote_types(mean_C.dtype, torch.float32)
            self._mean[site], self._var[site] = (torch.zeros_like(mean_C, dtype=dtype) for _ in range(2))
        self._mean[site].add_(mean_C, alpha=images)
        self._var[site].add_(biased_C, alpha=images)
        self._images[site] = self._images.get(site, 0) + images

    def statistics(self, arch: Architecture, resolution: int) -> BatchNormStatistics:
        """Return the averages of everything seen so far."""
        return BatchNormStatistics(
            architecture=arch.at(resolution),
            resolution=resolution,
            mean={site: total / self._images[site] for site, total in self._mean.items()},
            var={site: total / self._images[site] for site, total in self._var.items()},
        )


def _moments(x_BCHW: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return mean and biased variance per channel in one read of the memory; None where batch norm does better.

    Sum and sum of squares are the gradients of bias and weight of a depthwise 1x1 convolution whose output gradient is
    its input. On CPUs that takes less time than PyTorch's batch norm, which reads everything twice, if the tensor is
    too large for the caches.
    """
    if x_BCHW.device.type != "cpu" or x_BCHW.dtype != torch.float32 or x_BCHW.numel() < _LARGE_VALUES:
        return None
    if not x_BCHW.is_contiguous(memory_format=torch.channels_last):
        return None
    channels = x_BCHW.shape[1]
    # Row by row, which cores share better than whole pictures; the bytes stay where they are.
    rows = x_BCHW.permute(0, 2, 3, 1).flatten(0, 1).unsqueeze(1).permute(0, 3, 1, 2)
    one, wanted = x_BCHW.new_empty(channels, 1, 1, 1), [False, True, True]
    _, squares, sums = torch.ops.aten.convolution_backward(
        rows, rows, one, [channels], [1, 1], [0, 0], [1, 1], False, [0, 0], channels, wanted
    )
    values = x_BCHW.numel() // channels
    mean_C = sums / values
    square_C = mean_C.square()
    var_C = squares.view(channels) / values - square_C
    # The difference of two large numbers: where hardly anything is left of them, two passes are needed.
    return None if bool((var_C < _LEAST_SPREAD_RATIO * square_C).any()) else (mean_C, var_C)


@torch.no_grad()
def recalibrate(
    net: ElasticMobileNetV3, arch: Architecture, resolution: int, batches: Iterable[Tensor]
) -> BatchNormStatistics:
    """Measure the batch norm statistics of a sub-network at a resolution; the supernet stays as it is.

    The authors take 2,000 training images. It costs about one forward pass of each.

    Args:
        net: the supernet.
        arch: the sub-network; its own resolution does not count.
        resolution: the side of the images in pixels.
        batches: images of shape (B, C, resolution, resolution).

    Raises:
        UsageError: if there are no images, or some of another size.
    """
    observer, seen = Observer(), 0
    # Once for all batches; up to the last batch norm, for the mix and the classifier have none.
    layers, weights = net.space.layers(arch, net.num_classes), net.weights(arch)
    for x_BCHW in batches:
        if x_BCHW.shape[2:] != (resolution, resolution):
            raise UsageError(
                f"statistics at {resolution} px were asked for, and a batch has the shape {tuple(x_BCHW.shape)}",
                cure="resize it first",
            )
        if not len(x_BCHW):
            continue
        features(layers, weights, x_BCHW, observer)
        seen += len(x_BCHW)
    if not seen:
        raise UsageError("there is no image to measure batch norm statistics on", cure="give at least one batch")
    return observer.statistics(arch, resolution)
