"""Batch norm statistics as a value: measured for one sub-network at one resolution, and passed in.

A supernet keeps no running averages: mixed over sub-networks they describe none of them (Cai et al., ICLR 2020,
reset them for every sub-network; Yu and Huang, ICCV 2019, call it post-statistics of batch norm).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["BatchNormStatistics", "Normalise", "Observer", "by_batch"]


class Normalise(Protocol):
    """How a batch norm at a named site treats its input."""

    def __call__(self, site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float) -> Tensor:
        """Return the normalised input."""
        ...


def by_batch(site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float) -> Tensor:
    """Normalise by the statistics of this batch, as in training."""
    del site
    return F.batch_norm(x_BCHW, None, None, weight_C, bias_C, training=True, eps=eps)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BatchNormStatistics:
    """Mean and variance of every batch norm site of one sub-network, each of shape (C,)."""

    mean: Mapping[str, Tensor]
    var: Mapping[str, Tensor]

    def __call__(self, site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float) -> Tensor:
        """Normalise by these statistics, as in evaluation."""
        return F.batch_norm(x_BCHW, self.mean[site], self.var[site], weight_C, bias_C, training=False, eps=eps)


class Observer:
    """Normalises by batch and remembers what it saw: the exact mean over batches, weighted by their sizes.

    As in the OFA code the variance is the mean of the biased within-batch variances.
    """

    def __init__(self) -> None:
        self._mean: dict[str, Tensor] = {}
        self._var: dict[str, Tensor] = {}
        self._images: dict[str, int] = {}

    def __call__(self, site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float) -> Tensor:
        """Normalise by the statistics of this batch and add them up."""
        images, values = len(x_BCHW), x_BCHW.numel() // x_BCHW.shape[1]
        if values == 1:  # One pixel of one image: its own mean, and no spread.
            self._add(site, x_BCHW.flatten(), torch.zeros_like(weight_C), images)
            return F.batch_norm(x_BCHW, x_BCHW.flatten(), torch.zeros_like(weight_C), weight_C, bias_C, eps=eps)
        # Momentum 1 makes the kernel hand out this batch's own statistics, at the price of a plain forward pass.
        mean_C, var_C = torch.zeros_like(weight_C), torch.zeros_like(weight_C)
        y_BCHW = F.batch_norm(x_BCHW, mean_C, var_C, weight_C, bias_C, training=True, momentum=1.0, eps=eps)
        self._add(site, mean_C, var_C * ((values - 1) / values), images)
        return y_BCHW

    def _add(self, site: str, mean_C: Tensor, biased_C: Tensor, images: int) -> None:
        if site not in self._mean:
            self._mean[site], self._var[site] = torch.zeros_like(mean_C), torch.zeros_like(mean_C)
        self._mean[site] += mean_C * images
        self._var[site] += biased_C * images
        self._images[site] = self._images.get(site, 0) + images

    def statistics(self) -> BatchNormStatistics:
        """Return the averages of everything seen so far."""
        return BatchNormStatistics(
            mean={site: total / self._images[site] for site, total in self._mean.items()},
            var={site: total / self._images[site] for site, total in self._var.items()},
        )
