from dataclasses import replace

import pytest
import torch

from carbon_nas.supernet import ElasticMobileNetV3, cost, extract, recalibrate
from carbon_nas.training import Tally, load_workload, supernet_accuracy
from carbon_nas.training.calibration import calibrated, calibration_batches
from tests.supernet.spaces import SMALL, scrambled


@pytest.fixture(scope="module")
def digits():
    return load_workload("digits")


def test_a_sub_network_scores_in_the_supernet_what_it_scores_extracted(digits):
    net, arch, tally = scrambled(ElasticMobileNetV3(SMALL, 10)), SMALL.min(), Tally()
    found = supernet_accuracy(net, arch, digits, split=digits.validation, images=100, tally=tally)
    batches = calibration_batches(digits, 8, 100)
    static = extract(net, arch, recalibrate(net, arch, 8, batches)).eval()
    right = sum(int((static(x).argmax(1) == y).sum()) for x, y in digits.validation.batches(8))
    assert found == pytest.approx(right / len(digits.validation), abs=0.011)
    # Recalibration ends at the last batch norm: without the mix of 64 to 96 features, and without the classifier.
    whole = cost(SMALL, arch, 10).macs
    assert tally.macs == 100 * (whole - 64 * 96 - 96 * 10) + len(digits.validation) * whole
    assert tally.steps == 0


def test_scoring_changes_nothing_and_leaves_no_gradient(digits):
    net = scrambled(ElasticMobileNetV3(SMALL, 10))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    one, again = (
        supernet_accuracy(net, SMALL.min(), digits, split=digits.validation, images=65, tally=Tally()) for _ in "12"
    )
    assert one == again
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_calibration_takes_the_first_training_images_and_no_other_split(digits):
    batches = calibration_batches(digits, 8, 150)
    first, _ = digits.train.take(torch.arange(150))
    assert torch.equal(torch.cat(batches), first)


def test_calibration_takes_all_training_images_where_more_are_asked_for(digits):
    few = replace(digits, train=digits.train.first(70))
    assert sum(map(len, calibration_batches(few, 8, 1_000))) == 70
    tally, net = Tally(), ElasticMobileNetV3(SMALL, 10)
    calibrated(net, SMALL.min(), few, images=1_000, tally=tally)
    assert tally.image_passes == 70


def test_calibration_works_with_any_number_of_images_even_at_the_smallest_resolution(digits):
    """65 images leave a batch of one, which has no variance where the feature map is a single pixel."""
    space = replace(SMALL, resolutions=(4,))
    net = ElasticMobileNetV3(space, 10)
    score = supernet_accuracy(net, space.min(), digits, split=digits.validation, images=65, tally=Tally())
    assert 0 <= score <= 1
