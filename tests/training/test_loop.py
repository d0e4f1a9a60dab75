import math
from itertools import chain, pairwise

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from carbon_nas.supernet import StaticMobileNetV3, cost
from carbon_nas.supernet.static import initialise
from carbon_nas.training import Split, StaticLearner, Tally, TrainerPlan, accuracy, fit, load_workload
from carbon_nas.training.augmentation import SHIFT_AND_CONTRAST
from carbon_nas.training.loop import optimiser_of, steps_per_epoch
from tests.supernet.spaces import SMALL, TINY, images


class Slope:
    """A learner whose gradient is the same at every step, so that the weights tell what the optimiser did."""

    def __init__(self, gradient=0.0):
        self.parameters = {
            name: nn.Parameter(torch.ones(())) for name in ("conv.weight", "bn.weight", "bn.bias", "classifier.bias")
        }
        self.net = nn.Module()
        self._gradient = gradient
        self.batches, self.path = [], [1.0]

    def named_parameters(self):
        return self.parameters.items()

    def accumulate(self, x, y, plan):
        self.path.append(self.parameters["conv.weight"].item())
        self.batches.append(y.tolist())
        sum(self._gradient * parameter for parameter in self.parameters.values()).backward()
        return torch.tensor(float(len(self.batches)))


def trained(learner, *, count=50, epochs=2, seed=0, learning_rate=0.1, after_epoch=None, warmup_epochs=None, **plan):
    """Train on pictures that are labelled by their number; return what was counted."""
    tally, split = Tally(), Split(images=images(4, count=count), labels=torch.arange(count))
    fit(
        learner,
        split,
        TrainerPlan(**{"batch_size": 10, **plan}),
        augmentation=SHIFT_AND_CONTRAST,
        epochs=epochs,
        learning_rate=learning_rate,
        generator=torch.Generator().manual_seed(seed),
        tally=tally,
        warmup_epochs=warmup_epochs,
        after_epoch=after_epoch,
    )
    return tally


@pytest.mark.parametrize(("count", "per_epoch"), [(50, 5), (59, 5), (10, 1), (4, 1)])
def test_an_epoch_has_as_many_steps_as_whole_batches_and_at_least_one(count, per_epoch):
    learner, ends = Slope(), []
    tally = trained(learner, count=count, epochs=3, after_epoch=lambda epoch, loss_nats: ends.append(epoch))
    assert steps_per_epoch(range(count), TrainerPlan(batch_size=10)) == per_epoch
    assert tally.steps == len(learner.batches) == 3 * per_epoch
    assert ends == [1, 2, 3]


def test_after_every_epoch_the_mean_loss_of_its_own_steps_is_told():
    """The loss of a step is its number here."""
    told = {}
    trained(Slope(), epochs=3, after_epoch=told.__setitem__)
    assert told == {1: 3.0, 2: 8.0, 3: 13.0}


def test_no_picture_is_drawn_twice_in_an_epoch_and_epochs_differ_in_order():
    learner = Slope()
    trained(learner)
    first, second = (list(chain(*learner.batches[start : start + 5])) for start in (0, 5))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_the_generator_decides_the_order():
    one, other, third = Slope(), Slope(), Slope()
    trained(one, seed=1)
    trained(other, seed=1)
    trained(third, seed=2)
    assert one.batches == other.batches != third.batches


def test_weight_decay_spares_batch_norm_and_biases():
    learner = Slope(gradient=0.0)
    trained(learner, weight_decay=0.1)
    left = {name: parameter.item() for name, parameter in learner.named_parameters()}
    assert left.pop("conv.weight") < 1.0
    assert set(left.values()) == {1.0}


def learning_rates(**changes):
    """The learning rate of every of 40 steps, which the path of a weight shows."""
    learner = Slope(gradient=1.0)
    trained(learner, epochs=8, learning_rate=0.5, momentum=0.0, weight_decay=0.0, **changes)
    path = [*learner.path[1:], learner.parameters["conv.weight"].item()]
    rates = [before - after for before, after in pairwise(path)]
    assert len(rates) == 40
    return rates


def test_the_learning_rate_rises_in_a_line_then_falls_along_a_cosine_to_nearly_zero():
    rates = learning_rates(warmup_fraction=0.1)
    assert rates[:4] == pytest.approx([0.125, 0.25, 0.375, 0.5], rel=1e-4)
    assert rates[4:] == pytest.approx([0.25 * (1 + math.cos(math.pi * step / 36)) for step in range(36)], abs=1e-5)
    assert 0 < rates[-1] < 0.01 * 0.5


@pytest.mark.parametrize(("warmup_epochs", "steps"), [(0, 0), (0.4, 2), (1, 5), (8, 40)])
def test_a_warm_up_that_is_given_in_epochs_goes_before_the_plans_fraction(warmup_epochs, steps):
    rates = learning_rates(warmup_epochs=warmup_epochs, warmup_fraction=0.5)
    assert rates[:steps] == pytest.approx([0.5 * (step + 1) / steps for step in range(steps)], rel=1e-4)
    left = 40 - steps
    falling = [0.25 * (1 + math.cos(math.pi * step / left)) for step in range(left)]
    assert rates[steps:] == pytest.approx(falling, abs=1e-5)


def test_momentum_keeps_acting_where_a_step_has_no_gradient():
    class OnlyOnce(Slope):
        def accumulate(self, x, y, plan):
            return torch.zeros(()) if self.batches else super().accumulate(x, y, plan)

    learner = OnlyOnce(gradient=1.0)
    trained(learner, weight_decay=0.0, warmup_fraction=0.0)
    after_the_first_step = 1.0 - 0.1 * (1 + 0.9)  # Nesterov: the gradient, and momentum looks one step ahead.
    assert learner.parameters["conv.weight"].item() < after_the_first_step - 0.1


@pytest.mark.parametrize("wrong", [{"batch_size": 1}, {"momentum": 1.0}, {"weight_decay": -1e-3}, {"learning_rate": 1}])
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        TrainerPlan(**wrong)


def test_accuracy_is_the_share_of_images_whose_largest_logit_is_the_labels():
    split, tally = Split(images=images(4, count=100), labels=torch.arange(100) % 4), Tally()
    always_two = accuracy(
        lambda x: torch.eye(4)[2].expand(len(x), 4), split, resolution=4, macs_per_image=7, tally=tally
    )
    assert always_two == 0.25
    assert (tally.macs, tally.image_passes, tally.steps) == (700, 100, 0)


def test_one_step_of_a_static_network_costs_three_forward_passes():
    arch, tally = TINY.max(), Tally()
    macs = cost(TINY, arch, 3).macs
    learner = StaticLearner(StaticMobileNetV3(TINY, arch, 3), resolution=6, macs_per_image=macs, tally=tally)
    learner.accumulate(images(4, count=5), torch.tensor([0, 1, 2, 0, 1]), TrainerPlan())
    assert (tally.macs, tally.image_passes) == (3 * macs * 5, 3 * 5)
    assert all(parameter.grad is not None for _, parameter in learner.named_parameters())


def test_a_tally_adds_up():
    tally = Tally()
    tally.forward(10, 4)
    tally.train(10, 2)
    assert (tally.macs, tally.image_passes) == (40 + 60, 4 + 6)


def test_a_small_network_really_learns_to_read_digits():
    digits, arch, tally = load_workload("digits"), SMALL.min(), Tally()
    net = StaticMobileNetV3(SMALL, arch, 10)
    initialise(net, torch.Generator().manual_seed(0))
    macs = cost(SMALL, arch, 10).macs

    def validated():
        return accuracy(net.eval(), digits.validation, resolution=8, macs_per_image=macs, tally=tally)

    before = validated()
    fit(
        StaticLearner(net, resolution=8, macs_per_image=macs, tally=tally),
        digits.train,
        TrainerPlan(batch_size=32),
        augmentation=digits.augmentation,
        epochs=3,
        learning_rate=0.08,
        generator=torch.Generator().manual_seed(0),
        tally=tally,
    )
    assert before < 0.3
    assert validated() > 0.5
    assert tally.steps == 3 * 28


def test_by_itself_a_cpu_computes_in_float32():
    x = torch.ones(2, 2)
    for precision, dtype in (("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with TrainerPlan(precision=precision).autocast(torch.device("cpu")):
            assert (x @ x).dtype == dtype


def test_in_lower_precision_a_network_learns_too_and_its_weights_stay_whole():
    arch, tally = TINY.max(), Tally()
    net = StaticMobileNetV3(TINY, arch, 3)
    learner = StaticLearner(net, resolution=6, macs_per_image=cost(TINY, arch, 3).macs, tally=tally)
    learner.accumulate(images(6, count=5), torch.tensor([0, 1, 2, 0, 1]), TrainerPlan(precision="bfloat16"))
    assert all(parameter.grad is not None and parameter.grad.dtype == torch.float32 for parameter in net.parameters())


def test_the_optimiser_finds_gradients_of_zero_before_the_first_step():
    learner = Slope()
    optimiser = optimiser_of(learner.named_parameters(), TrainerPlan(weight_decay=0.1), learning_rate=1.0)
    assert all(parameter.grad.item() == 0.0 for parameter in learner.parameters.values())
    optimiser.step()
    assert learner.parameters["conv.weight"].item() < 1.0
    assert learner.parameters["bn.weight"].item() == 1.0


def test_what_is_frozen_neither_moves_nor_decays():
    learner = Slope()
    learner.parameters["conv.weight"].requires_grad_(False)
    optimiser_of(learner.named_parameters(), TrainerPlan(weight_decay=0.1), learning_rate=1.0).step()
    assert learner.parameters["conv.weight"].item() == 1.0
