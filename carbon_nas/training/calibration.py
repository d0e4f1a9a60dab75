"""Sub-networks of a supernet that is being trained: their batch norm recalibrated, and how accurate they are."""

from collections.abc import Callable

import torch
from torch import Tensor

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.batch_norm import BatchNormStatistics
from carbon_nas.supernet.cost import cost, feature_macs
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.recalibration import recalibrate
from carbon_nas.training.data import Images, Workload
from carbon_nas.training.loop import accuracy
from carbon_nas.training.tally import Tally

__all__ = ["calibrated", "calibration_batches", "supernet_accuracy"]


@torch.no_grad()
def supernet_accuracy(
    net: ElasticMobileNetV3, arch: Architecture, workload: Workload, *, split: Images, images: int, tally: Tally
) -> float:
    """Return a sub-network's accuracy on a split, with batch norm recalibrated on some training images first."""
    macs = cost(net.space, arch, net.num_classes).macs
    statistics = calibrated(net, arch, workload, images=images, tally=tally)
    predict: Callable[[Tensor], Tensor] = lambda x_BCHW: net(x_BCHW, arch, statistics)  # noqa: E731
    return accuracy(predict, split, resolution=arch.resolution, macs_per_image=macs, tally=tally)


def calibrated(
    net: ElasticMobileNetV3, arch: Architecture, workload: Workload, *, images: int, tally: Tally
) -> BatchNormStatistics:
    """Recalibrate a sub-network on the first training images at its resolution, and count the work."""
    batches = calibration_batches(workload, arch.resolution, images)
    tally.forward(feature_macs(net.space, arch), sum(map(len, batches)))
    return recalibrate(net, arch, arch.resolution, batches)


def calibration_batches(workload: Workload, resolution: int, images: int) -> list[Tensor]:
    """Return the first `images` training images, in batches, at a resolution."""
    return [x_BCHW for x_BCHW, _ in workload.train.first(images).batches(resolution)]
