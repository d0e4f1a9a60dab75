"""Progressive shrinking: training many sub-networks of one supernet at once, taught by the largest.

Source: Cai et al., ICLR 2020, section 3.3 and appendix B: per step a few sampled sub-networks, each with the soft
labels of the teacher plus label-smoothed cross entropy, gradients summed, one resolution a batch.
"""

import random
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.batch_norm import BatchNormStatistics
from carbon_nas.supernet.cost import cost, feature_macs
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.recalibration import recalibrate
from carbon_nas.supernet.space import Choices
from carbon_nas.supernet.subnetwork import SubNetwork
from carbon_nas.supernet.weights import is_matrix
from carbon_nas.training.data import Split, Workload, resize
from carbon_nas.training.loop import TrainerPlan, accuracy
from carbon_nas.training.tally import Tally

__all__ = ["ElasticLearner", "calibrated", "calibration_batches", "supernet_accuracy"]


class ElasticLearner:
    """Accumulates the gradients of several sub-networks on one batch.

    Args:
        net: the supernet.
        choices: what may be sampled.
        subnets: how many sub-networks a step trains.
        teacher: gives soft labels; without it only the true labels teach.
        rng: chooses sub-networks and resolutions.
        tally: counts passes, the teacher's included.
    """

    def __init__(
        self,
        net: ElasticMobileNetV3,
        *,
        choices: Choices,
        subnets: int,
        teacher: ElasticMobileNetV3 | None,
        rng: random.Random,
        tally: Tally,
    ) -> None:
        self.net, self._choices, self._subnets = net, choices, subnets
        self._teacher, self._rng, self._tally = teacher, rng, tally

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """Return the supernet's parameters; without the matrices as long as every kernel is the largest.

        Nothing would teach them then, and weight decay would draw them away from the identity.
        """
        elastic = self._choices.kernel_sizes != self.net.space.kernel_sizes[-1:]
        return [(name, one) for name, one in self.net.named_parameters() if elastic or not is_matrix(name)]

    def accumulate(self, x_BCHW: Tensor, y_B: Tensor, plan: TrainerPlan) -> None:
        """Add the gradients of the sampled sub-networks; they are summed, not averaged."""
        space = self.net.space
        resolution = self._rng.choice(space.resolutions)
        x_BCHW = resize(x_BCHW, resolution)
        soft_BK = None
        if self._teacher is not None:
            largest = space.max().at(resolution)
            with torch.no_grad(), plan.autocast(x_BCHW.device):
                # Batch statistics: the OFA code keeps its teacher in training mode, too.
                soft_BK = self._teacher(x_BCHW, largest).softmax(1)
            self._tally.forward(cost(space, largest, self.net.num_classes).macs, len(y_B))
        for _ in range(self._subnets):
            arch = space.sample(self._rng, self._choices).at(resolution)
            subnetwork = SubNetwork(self.net, arch)
            with plan.autocast(x_BCHW.device):
                logits_BK = subnetwork(x_BCHW)
                loss = F.cross_entropy(logits_BK, y_B, label_smoothing=plan.label_smoothing_fraction)
                if soft_BK is not None:
                    loss = loss + F.cross_entropy(logits_BK, soft_BK)
            loss.backward()  # type: ignore[no-untyped-call]
            subnetwork.add_gradients()
            self._tally.train(cost(space, arch, self.net.num_classes).macs, len(y_B))


@torch.no_grad()
def supernet_accuracy(
    net: ElasticMobileNetV3, arch: Architecture, workload: Workload, *, split: Split, images: int, tally: Tally
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
    chosen = Split(images=workload.train.images[:images], labels=workload.train.labels[:images])
    return [x_BCHW for x_BCHW, _ in chosen.batches(resolution)]
