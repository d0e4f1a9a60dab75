import random
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from carbon_nas.supernet import ElasticMobileNetV3, cost, extract, recalibrate
from carbon_nas.training import ElasticLearner, Tally, TrainerPlan, load_workload, supernet_accuracy
from carbon_nas.training.data import resize
from carbon_nas.training.shrinking import calibration_batches
from tests.supernet.spaces import SMALL, TINY, images, scrambled

PLAN = TrainerPlan(label_smoothing_fraction=0.1)
X, Y = images(6, count=8), torch.arange(8) % 3


@pytest.fixture
def net():
    return scrambled(ElasticMobileNetV3(TINY, 3))


@pytest.fixture
def teacher():
    return scrambled(ElasticMobileNetV3(TINY, 3), seed=1).requires_grad_(False)


def learner(net, *, subnets, teacher=None, tally=None, seed=0, choices=None):
    return ElasticLearner(
        net,
        choices=choices or TINY.restricted(),
        subnets=subnets,
        teacher=teacher,
        rng=random.Random(seed),
        tally=tally or Tally(),
    )


def gradients(net):
    found = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    return found


def lesson(seed, subnets):
    """Draw what the learner draws, in its order: one resolution, then the sub-networks at it."""
    rng = random.Random(seed)
    resolution = rng.choice(TINY.resolutions)
    return resolution, [replace(TINY.sample(rng), resolution=resolution) for _ in range(subnets)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("taught", [False, True])
def test_gradients_of_sub_networks_are_summed_not_averaged(net, teacher, seed, taught):
    learner(net, subnets=2, teacher=teacher if taught else None, seed=seed).accumulate(X, Y, PLAN)
    together = gradients(net)
    resolution, archs = lesson(seed, 2)
    x = resize(X, resolution)
    soft = teacher(x, replace(TINY.max(), resolution=resolution)).softmax(1)
    apart = []
    for arch in archs:
        logits = net(x, arch)
        loss = F.cross_entropy(logits, Y, label_smoothing=0.1)
        if taught:
            loss = loss + F.cross_entropy(logits, soft)
        loss.backward()
        apart.append(gradients(net))
    assert together.keys() == apart[0].keys() | apart[1].keys()
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, sum(one[name] for one in apart if name in one), rtol=1e-4, atol=1e-6)


def test_a_step_counts_every_sub_network_three_times_and_the_teacher_once(net, teacher):
    tally = Tally()
    learner(net, subnets=2, teacher=teacher, tally=tally).accumulate(X, Y, PLAN)
    resolution, archs = lesson(0, 2)
    trained = sum(cost(TINY, arch, 3).macs for arch in archs)
    taught = cost(TINY, replace(TINY.max(), resolution=resolution), 3).macs
    assert tally.macs == 8 * (3 * trained + taught)
    assert tally.image_passes == 8 * (3 * 2 + 1)


def test_restricted_to_the_largest_network_only_its_weights_learn(net):
    largest = TINY.restricted(kernel_sizes=(5,), expand_ratios=(3,), depths=(2,))
    learner(net, subnets=1, choices=largest).accumulate(X, Y, PLAN)
    assert {name for name, p in net.named_parameters() if p.grad is None} == {
        f"blocks.{index}.depthwise.matrices.5to3" for index in range(4)
    }


def test_the_teacher_is_not_taught(net, teacher):
    learner(net, subnets=1, teacher=teacher).accumulate(X, Y, PLAN)
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.fixture(scope="module")
def digits():
    return load_workload("digits")


def test_a_sub_network_scores_in_the_supernet_what_it_scores_extracted(digits):
    net, arch, tally = scrambled(ElasticMobileNetV3(SMALL, 10)), SMALL.min(), Tally()
    found = supernet_accuracy(net, arch, digits, split=digits.validation, images=100, tally=tally)
    batches = calibration_batches(digits, 8, 100)
    static = extract(net, arch, recalibrate(net, arch, 8, batches)).eval()
    right = (static(digits.validation.images).argmax(1) == digits.validation.labels).float().mean()
    assert found == pytest.approx(float(right), abs=0.011)
    # Recalibration ends at the last batch norm: without the mix of 64 to 96 features, and without the classifier.
    whole = cost(SMALL, arch, 10).macs
    assert tally.macs == 100 * (whole - 64 * 96 - 96 * 10) + 200 * whole
    assert tally.steps == 0


def test_calibration_takes_the_first_training_images_and_no_other_split(digits):
    batches = calibration_batches(digits, 8, 150)
    assert torch.equal(torch.cat(batches), digits.train.images[:150])


def test_calibration_works_with_any_number_of_images_even_at_the_smallest_resolution(digits):
    """65 images leave a batch of one, which has no variance where the feature map is a single pixel."""
    space = replace(SMALL, resolutions=(4,))
    net = ElasticMobileNetV3(space, 10)
    score = supernet_accuracy(net, space.min(), digits, split=digits.validation, images=65, tally=Tally())
    assert 0 <= score <= 1
