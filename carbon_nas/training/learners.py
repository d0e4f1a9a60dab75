"""Training many sub-networks of one supernet at once: progressive shrinking, and the sandwich rule.

Sources: Cai et al., ICLR 2020, section 3.3 and appendix B: per step a few sampled sub-networks, each with the soft
labels of the teacher plus label-smoothed cross entropy, gradients summed, one resolution a batch. Yu and Huang, ICCV
2019, section 3, and Yu et al., ECCV 2020, section 3: per step the largest on the true labels, and the smallest and
some sampled ones on the soft labels that the largest has just given; no other teacher.
"""

import random
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.cost import cost
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.space import Choices
from carbon_nas.supernet.subnetwork import SubNetwork
from carbon_nas.supernet.weights import is_matrix
from carbon_nas.training.data import resize
from carbon_nas.training.loop import TrainerPlan
from carbon_nas.training.tally import Tally

__all__ = ["Dropout", "ElasticLearner", "SandwichLearner"]


class Dropout:
    """Sets features to zero at random and scales the others up, all chance from one generator on the CPU."""

    def __init__(self, fraction: float, generator: torch.Generator) -> None:
        self._fraction, self._generator = fraction, generator

    def __call__(self, x_BC: Tensor) -> Tensor:
        """Return the features that are left."""
        kept = torch.rand(x_BC.shape, generator=self._generator) >= self._fraction
        return x_BC * kept.to(x_BC.device, x_BC.dtype) / (1.0 - self._fraction)


class _SupernetLearner:
    """What both ways of training a supernet share: which parameters learn, and one sub-network's part of a step."""

    def __init__(
        self,
        net: ElasticMobileNetV3,
        *,
        choices: Choices,
        rng: random.Random,
        tally: Tally,
    ) -> None:
        self.net, self._choices, self._rng, self._tally = net, choices, rng, tally

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """Return the supernet's parameters; without the matrices as long as every kernel is the largest.

        Nothing would teach them then, and weight decay would draw them away from the identity.
        """
        elastic = self._choices.kernel_sizes != self.net.space.kernel_sizes[-1:]
        return [(name, one) for name, one in self.net.named_parameters() if elastic or not is_matrix(name)]

    def _macs(self, arch: Architecture) -> int:
        return cost(self.net.space, arch, self.net.num_classes).macs

    def _learn(
        self,
        arch: Architecture,
        x_BCHW: Tensor,
        loss_of: Callable[[Tensor], Tensor],
        plan: TrainerPlan,
        *,
        dropout: Dropout | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Add the gradients of one sub-network; return its logits and its loss, both detached."""
        subnetwork = SubNetwork(self.net, arch)
        with plan.autocast(x_BCHW.device):
            logits_BK = subnetwork(x_BCHW, dropout)
            loss = loss_of(logits_BK)
        loss.backward()  # type: ignore[no-untyped-call]
        subnetwork.add_gradients()
        self._tally.train(self._macs(arch), len(x_BCHW))
        return logits_BK.detach(), loss.detach()


class ElasticLearner(_SupernetLearner):
    """Accumulates the gradients of several sampled sub-networks on one batch, as progressive shrinking does.

    Args:
        net: the supernet.
        choices: what may be sampled.
        subnets: how many sub-networks a step trains.
        teacher: gives soft labels; without it only the true labels teach.
        rng: chooses sub-networks and resolutions.
        tally: counts passes, the teacher's included.
        distillation_ratio: the weight of the soft labels beside the true ones.
        dropout: of the features before the classifier; the teacher's stay whole.
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
        distillation_ratio: float = 1.0,
        dropout: Dropout | None = None,
    ) -> None:
        super().__init__(net, choices=choices, rng=rng, tally=tally)
        self._subnets, self._teacher, self._distillation_ratio = subnets, teacher, distillation_ratio
        self._dropout = dropout

    def accumulate(self, x_BCHW: Tensor, y_B: Tensor, plan: TrainerPlan) -> Tensor:
        """Add the gradients of the sampled sub-networks, summed and not averaged; return their mean loss."""
        space = self.net.space
        resolution = self._rng.choice(space.resolutions)
        x_BCHW = resize(x_BCHW, resolution)
        soft_BK = None
        if self._teacher is not None:
            largest = space.max().at(resolution)
            with torch.no_grad(), plan.autocast(x_BCHW.device):
                # Batch statistics: the OFA code keeps its teacher in training mode, too.
                soft_BK = self._teacher(x_BCHW, largest).softmax(1)
            self._tally.forward(self._macs(largest), len(y_B))

        def loss_of(logits_BK: Tensor) -> Tensor:
            loss = F.cross_entropy(logits_BK, y_B, label_smoothing=plan.label_smoothing_fraction)
            if soft_BK is not None:
                loss = loss + self._distillation_ratio * F.cross_entropy(logits_BK, soft_BK)
            return loss

        losses = []
        for _ in range(self._subnets):
            arch = space.sample(self._rng, self._choices).at(resolution)
            losses.append(self._learn(arch, x_BCHW, loss_of, plan, dropout=self._dropout)[1])
        return torch.stack(losses).mean()


class SandwichLearner(_SupernetLearner):
    """Accumulates the gradients of the largest, the smallest and some sampled sub-networks on one batch.

    Args:
        net: the supernet.
        choices: what may be sampled; its ends are the largest and the smallest.
        subnets: how many a step trains, these two included; at least two.
        rng: chooses sub-networks and resolutions.
        tally: counts passes.
        dropout: of the largest alone: the others are too small to overfit (Yu et al., ECCV 2020, section 3.1).
    """

    def __init__(
        self,
        net: ElasticMobileNetV3,
        *,
        choices: Choices,
        subnets: int,
        rng: random.Random,
        tally: Tally,
        dropout: Dropout | None = None,
    ) -> None:
        if subnets < 2:
            raise UsageError(f"a sandwich is of at least two sub-networks, not {subnets}", where="subnets")
        super().__init__(net, choices=choices, rng=rng, tally=tally)
        self._sampled, self._dropout = subnets - 2, dropout

    def accumulate(self, x_BCHW: Tensor, y_B: Tensor, plan: TrainerPlan) -> Tensor:
        """Add the gradients of all, summed and not averaged; return the mean loss."""
        space, choices = self.net.space, self._choices
        resolution = self._rng.choice(space.resolutions)
        x_BCHW = resize(x_BCHW, resolution)

        def by_label(logits_BK: Tensor) -> Tensor:
            return F.cross_entropy(logits_BK, y_B, label_smoothing=plan.label_smoothing_fraction)

        largest = space.max(choices).at(resolution)
        logits_BK, loss = self._learn(largest, x_BCHW, by_label, plan, dropout=self._dropout)
        by_largest = partial(F.cross_entropy, target=logits_BK.float().softmax(1))
        losses = [loss]
        for arch in (space.min(choices), *(space.sample(self._rng, choices) for _ in range(self._sampled))):
            losses.append(self._learn(arch.at(resolution), x_BCHW, by_largest, plan)[1])
        return torch.stack(losses).mean()
