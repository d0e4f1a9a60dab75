"""The first step of a process, which nobody is charged for."""

import random

import torch

from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.static import StaticMobileNetV3, channels_last
from carbon_nas.training.augmentation import SHIFT_AND_CONTRAST
from carbon_nas.training.data import Split
from carbon_nas.training.learners import ElasticLearner
from carbon_nas.training.loop import Learner, StaticLearner, TrainerPlan, fit
from carbon_nas.training.tally import Tally

__all__ = ["warm_up"]


def warm_up(space: SearchSpace, trainer: TrainerPlan, device: torch.device) -> None:
    """Let networks that nobody keeps take a step, one of either kind: an elastic one, and a plain one.

    The first step of a process loads code and builds kernels, which takes seconds. Whoever trains first must not pay
    that for all; and the strategy that alone trains plain networks must not pay for theirs.
    """
    side = space.resolutions[0]
    elastic = channels_last(ElasticMobileNetV3(space, num_classes=2).to(device))
    plain = channels_last(StaticMobileNetV3(space, space.max().at(side), 2).to(device))
    learners: tuple[Learner, ...] = (
        ElasticLearner(
            elastic, choices=space.restricted(), subnets=1, teacher=None, rng=random.Random(0), tally=Tally()
        ),
        StaticLearner(plain, resolution=side, macs_per_image=0, tally=Tally()),
    )
    few = Split(images=torch.zeros(2, space.in_channels, side, side), labels=torch.tensor([0, 1])).to(device)
    for learner in learners:
        fit(
            learner,
            few,
            trainer.model_copy(update={"batch_size": 2}),
            augmentation=SHIFT_AND_CONTRAST,
            epochs=1,
            learning_rate=0.0,
            generator=torch.Generator(),
            tally=Tally(),
        )
