import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from carbon_nas.errors import UsageError
from carbon_nas.supernet import ElasticMobileNetV3, cost
from carbon_nas.training import ElasticLearner, SandwichLearner, Tally, TrainerPlan
from carbon_nas.training.data import resize
from carbon_nas.training.learners import Dropout
from tests.supernet.spaces import TINY, few, images, scrambled, seeds

PLAN = TrainerPlan(label_smoothing_fraction=0.1)
X, Y = images(6, count=8), torch.arange(8) % 3
LARGEST = TINY.restricted(kernel_sizes=(5,), expand_ratios=(3,), depths=(2,))


@pytest.fixture
def net():
    return scrambled(ElasticMobileNetV3(TINY, 3))


@pytest.fixture
def teacher():
    return scrambled(ElasticMobileNetV3(TINY, 3), seed=1).requires_grad_(False)


def learner(net, *, subnets, teacher=None, tally=None, seed=0, choices=None, **changes):
    return ElasticLearner(
        net,
        choices=choices or TINY.restricted(),
        subnets=subnets,
        teacher=teacher,
        rng=random.Random(seed),
        tally=tally or Tally(),
        **changes,
    )


def sandwich(net, *, subnets=4, tally=None, seed=0, choices=None, dropout=None):
    return SandwichLearner(
        net,
        choices=choices or TINY.restricted(),
        subnets=subnets,
        rng=random.Random(seed),
        tally=tally or Tally(),
        dropout=dropout,
    )


def gradients(net):
    found = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    return found


def assert_summed(together, apart):
    assert together.keys() == set().union(*apart)
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, sum(one[name] for one in apart if name in one), rtol=1e-4, atol=1e-6)


def lesson(seed, subnets, choices=None):
    """Draw what the learners draw, in their order: one resolution, then the sub-networks at it."""
    rng = random.Random(seed)
    resolution = rng.choice(TINY.resolutions)
    return resolution, [replace(TINY.sample(rng, choices), resolution=resolution) for _ in range(subnets)]


def by_hand(net, x, arch, loss_of):
    """Return the gradients of one sub-network, its logits and its loss."""
    logits = net(x, arch)
    loss = loss_of(logits)
    loss.backward()
    return gradients(net), logits.detach(), loss.item()


def by_label(logits):
    return F.cross_entropy(logits, Y, label_smoothing=0.1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ratio", [None, 1.0, 0.0, 2.5])
def test_gradients_of_sub_networks_are_summed_not_averaged_and_the_mean_loss_is_told(net, teacher, seed, ratio):
    """With a teacher, soft labels are added to the true ones, with a weight; without one there are none."""
    changes = {} if ratio is None else {"teacher": teacher, "distillation_ratio": ratio}
    told = learner(net, subnets=2, seed=seed, **changes).accumulate(X, Y, PLAN)
    together = gradients(net)
    resolution, archs = lesson(seed, 2)
    x = resize(X, resolution)
    soft = teacher(x, replace(TINY.max(), resolution=resolution)).softmax(1)
    apart, losses = [], []
    for arch in archs:
        found, _, loss = by_hand(
            net, x, arch, lambda logits: by_label(logits) + (ratio or 0.0) * F.cross_entropy(logits, soft)
        )
        apart.append(found)
        losses.append(loss)
    assert_summed(together, apart)
    assert told.item() == pytest.approx(sum(losses) / 2, rel=1e-5)
    assert not told.requires_grad


def test_soft_labels_teach_in_proportion_to_their_weight(net, teacher):
    """The loss is linear in the weight: three weights lie on a line, and it is not flat."""
    none, one, two = (
        learner(net, subnets=1, teacher=teacher, distillation_ratio=ratio).accumulate(X, Y, PLAN).item()
        for ratio in (0.0, 1.0, 2.0)
    )
    assert two - one == pytest.approx(one - none, rel=1e-4)
    assert one > none


def test_a_step_counts_every_sub_network_three_times_and_the_teacher_once(net, teacher):
    tally = Tally()
    learner(net, subnets=2, teacher=teacher, tally=tally).accumulate(X, Y, PLAN)
    resolution, archs = lesson(0, 2)
    trained = sum(cost(TINY, arch, 3).macs for arch in archs)
    taught = cost(TINY, replace(TINY.max(), resolution=resolution), 3).macs
    assert tally.macs == 8 * (3 * trained + taught)
    assert tally.image_passes == 8 * (3 * 2 + 1)


@few
@given(seeds, st.sampled_from([LARGEST, TINY.restricted(kernel_sizes=(5,)), TINY.restricted(depths=(2,))]))
def test_only_what_a_stage_may_sample_is_trained(seed, choices):
    """What no sampled network holds gets no gradient: neither kernels, nor widths, nor depths."""
    net = scrambled(ElasticMobileNetV3(TINY, 3))
    learner(net, subnets=2, choices=choices, seed=seed).accumulate(X, Y, PLAN)
    together = gradients(net)
    resolution, archs = lesson(seed, 2, choices)
    assert_summed(together, [by_hand(net, resize(X, resolution), arch, by_label)[0] for arch in archs])


def test_restricted_to_the_largest_network_only_its_weights_learn(net):
    learner(net, subnets=1, choices=LARGEST).accumulate(X, Y, PLAN)
    matrices = {f"blocks.{index}.depthwise.matrices.5to3" for index in range(4)}
    assert {name for name, p in net.named_parameters() if p.grad is None} == matrices


def test_matrices_learn_as_soon_as_a_smaller_kernel_may_be_sampled(net):
    matrices = {f"blocks.{index}.depthwise.matrices.5to3" for index in range(4)}
    for one, missing in (
        (learner(net, subnets=1, choices=LARGEST), matrices),
        (learner(net, subnets=1, choices=TINY.restricted(depths=(2,), expand_ratios=(3,))), set()),
        (sandwich(net), set()),
        (sandwich(net, choices=TINY.restricted(kernel_sizes=(5,))), matrices),
    ):
        assert dict(net.named_parameters()).keys() - dict(one.named_parameters()).keys() == missing


def test_the_teacher_is_not_taught(net, teacher):
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    learner(net, subnets=1, teacher=teacher).accumulate(X, Y, PLAN)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


@pytest.mark.parametrize(
    "choices", [None, TINY.restricted(expand_ratios=(3,), depths=(2,)), TINY.restricted(expand_ratios=(2,))]
)
@pytest.mark.parametrize("subnets", [2, 3, 5])
@pytest.mark.parametrize("seed", range(2))
def test_in_a_sandwich_the_largest_learns_from_labels_and_all_others_from_the_largest(net, seed, subnets, choices):
    told = sandwich(net, subnets=subnets, seed=seed, choices=choices).accumulate(X, Y, PLAN)
    together = gradients(net)
    resolution, sampled = lesson(seed, subnets - 2, choices)
    x = resize(X, resolution)
    largest, smallest = TINY.max(choices).at(resolution), TINY.min(choices).at(resolution)
    first, logits, loss = by_hand(net, x, largest, by_label)
    apart, losses, soft = [first], [loss], logits.softmax(1)
    for arch in (smallest, *sampled):
        found, _, loss = by_hand(net, x, arch, lambda logits: F.cross_entropy(logits, soft))
        apart.append(found)
        losses.append(loss)
    assert_summed(together, apart)
    assert told.item() == pytest.approx(sum(losses) / subnets, rel=1e-5)
    assert not told.requires_grad


def test_a_sandwich_counts_every_sub_network_three_times_and_no_teacher(net):
    tally = Tally()
    sandwich(net, subnets=3, tally=tally).accumulate(X, Y, PLAN)
    resolution, sampled = lesson(0, 1)
    archs = [TINY.max().at(resolution), TINY.min().at(resolution), *sampled]
    assert tally.macs == 8 * 3 * sum(cost(TINY, arch, 3).macs for arch in archs)
    assert tally.image_passes == 8 * 3 * 3


@pytest.mark.parametrize("subnets", [1, 0, -1])
def test_a_sandwich_of_fewer_than_two_is_refused(net, subnets):
    with pytest.raises(UsageError, match=f"at least two sub-networks, not {subnets}"):
        sandwich(net, subnets=subnets)


@few
@given(seeds, st.floats(0.05, 0.9))
def test_dropout_keeps_what_is_expected_and_scales_it_up(seed, fraction):
    x = torch.ones(200, 50)
    left = Dropout(fraction, torch.Generator().manual_seed(seed))(x)
    assert set(left.unique().tolist()) <= {0.0, torch.tensor(1.0).div(1 - fraction).item()}
    # Six standard deviations of the mean of 10,000 draws.
    assert left.mean().item() == pytest.approx(1.0, abs=6 * (fraction / (1 - fraction) / left.numel()) ** 0.5)


def test_dropout_takes_its_chance_from_the_generator_alone():
    x = torch.rand(4, 30, generator=torch.Generator().manual_seed(9))
    before = torch.get_rng_state()
    one, other, third = (Dropout(0.5, torch.Generator().manual_seed(seed))(x) for seed in (1, 1, 2))
    assert torch.equal(one, other)
    assert not torch.equal(one, third)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_call_of_dropout_draws_anew():
    drop = Dropout(0.5, torch.Generator().manual_seed(0))
    x = torch.ones(4, 30)
    assert not torch.equal(drop(x), drop(x))


def test_dropout_keeps_the_type_of_features_in_lower_precision():
    left = Dropout(0.5, torch.Generator().manual_seed(0))(torch.ones(4, 30, dtype=torch.bfloat16))
    assert left.dtype == torch.bfloat16
    assert set(left.unique().tolist()) == {0.0, 2.0}


class Marked(Dropout):
    """Dropout that counts its calls, and lets everything through."""

    def __init__(self):
        super().__init__(0.5, torch.Generator())
        self.calls = 0

    def __call__(self, x_BC):
        self.calls += 1
        assert x_BC.shape == (8, TINY.head_channels[1])
        return x_BC


@pytest.mark.parametrize("subnets", [2, 5])
def test_in_a_sandwich_only_the_largest_loses_features(net, subnets):
    marked = Marked()
    sandwich(net, subnets=subnets, dropout=marked).accumulate(X, Y, PLAN)
    assert marked.calls == 1


def test_progressive_shrinking_drops_features_of_every_sub_network_and_none_of_the_teacher(net, teacher):
    marked = Marked()
    learner(net, subnets=3, teacher=teacher, dropout=marked).accumulate(X, Y, PLAN)
    assert marked.calls == 3


def elastic(net, dropout):
    return learner(net, subnets=2, dropout=dropout)


def sandwiched(net, dropout):
    return sandwich(net, dropout=dropout)


@pytest.mark.parametrize("build", [elastic, sandwiched], ids=lambda build: build.__name__)
def test_features_that_are_dropped_change_what_is_learnt_by_the_generator(net, build):
    def learnt(dropout):
        build(net, dropout).accumulate(X, Y, PLAN)
        return gradients(net)["head.classifier.weight"]

    whole, none = learnt(None), learnt(Dropout(0.0, torch.Generator()))
    one, again, other = (learnt(Dropout(0.5, torch.Generator().manual_seed(seed))) for seed in (1, 1, 2))
    assert torch.equal(whole, none)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one, whole)


def test_in_lower_precision_both_ways_of_learning_leave_whole_gradients(net, teacher):
    lower = TrainerPlan(precision="bfloat16")
    for one in (learner(net, subnets=2, teacher=teacher), sandwich(net)):
        loss = one.accumulate(X, Y, lower)
        assert loss.dtype == torch.float32
        assert all(gradient.dtype == torch.float32 for gradient in gradients(net).values())
