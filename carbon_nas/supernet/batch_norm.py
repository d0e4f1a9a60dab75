"""Batch norm without a memory: what it normalises by is a value that is passed in.

A supernet keeps no running averages: mixed over sub-networks they describe none of them (Cai et al., ICLR 2020, reset
them for every sub-network; Yu and Huang, ICCV 2019, call it post-statistics of batch norm).

Shape letters: B batch, C channels, H height, W width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture

__all__ = ["BN_EPS", "BatchNormStatistics", "Normalise", "by_batch"]

BN_EPS = 1e-5


class Normalise(Protocol):
    """How a batch norm at a named site treats its input."""

    def __call__(self, site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor) -> Tensor:
        """Return the normalised input."""
        ...


def by_batch(site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor) -> Tensor:
    """Normalise by the statistics of this batch, as in training."""
    del site
    return F.batch_norm(x_BCHW, None, None, weight_C, bias_C, training=True, eps=BN_EPS)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BatchNormStatistics:
    """Mean and variance of every batch norm site of one sub-network, each of shape (C,).

    Attributes:
        architecture: the sub-network.
        resolution: the side of the images they were measured on, in pixels; None if they were mixed over several.
        mean, var: by site, the name of the batch norm in the supernet, such as `blocks.3.expand.bn`.
    """

    architecture: Architecture
    resolution: int | None
    mean: Mapping[str, Tensor]
    var: Mapping[str, Tensor]

    def check(self, arch: Architecture, height: int, width: int) -> None:
        """Make sure that they were measured for this sub-network and images of this size in pixels.

        Raises:
            UsageError: if not: then they describe nothing that the sub-network computes.
        """
        at = self.architecture.resolution
        if arch.at(at) != self.architecture:
            raise UsageError(
                f"batch norm statistics of {self.architecture} say nothing about {arch}", cure="recalibrate for it"
            )
        if self.resolution is not None and {height, width} != {self.resolution}:
            raise UsageError(
                f"batch norm statistics at {self.resolution} px say nothing about images of {height} x {width} px",
                cure="recalibrate at that resolution",
            )

    def to(self, device: torch.device | str) -> "BatchNormStatistics":
        """Return the statistics on another device."""
        mean, var = ({site: one.to(device) for site, one in found.items()} for found in (self.mean, self.var))
        return replace(self, mean=mean, var=var)

    def __call__(self, site: str, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor) -> Tensor:
        """Normalise by these statistics, as in evaluation."""
        mean_C, var_C = self.mean[site].to(weight_C.dtype), self.var[site].to(weight_C.dtype)
        return F.batch_norm(x_BCHW, mean_C, var_C, weight_C, bias_C, training=False, eps=BN_EPS)
