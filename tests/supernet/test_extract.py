import pytest
import torch
from torch import nn

from carbon_nas.errors import UsageError
from carbon_nas.supernet import ElasticMobileNetV3, StaticMobileNetV3, extract, recalibrate
from carbon_nas.supernet.static import fold_batch_norm
from tests.supernet.spaces import SMALL, drawn, images, scrambled

ARCHITECTURES = drawn(SMALL, 20)


@pytest.fixture(scope="module")
def net():
    return scrambled(ElasticMobileNetV3(SMALL, 10))


def calibrated(net, arch):
    return recalibrate(net, arch, arch.resolution, [images(arch.resolution, count=16, seed=seed) for seed in range(2)])


def state(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("arch", ARCHITECTURES, ids=str)
def test_in_evaluation_the_extracted_network_agrees_bit_for_bit(net, arch):
    statistics, x = calibrated(net, arch), images(arch.resolution)
    with torch.no_grad():
        assert torch.equal(extract(net, arch, statistics).eval()(x), net(x, arch, statistics))


@pytest.mark.parametrize("arch", ARCHITECTURES, ids=str)
def test_in_training_the_extracted_network_agrees_bit_for_bit(net, arch):
    x = images(arch.resolution)
    with torch.no_grad():
        assert torch.equal(extract(net, arch).train()(x), net(x, arch))


def test_with_statistics_it_comes_in_evaluation_and_without_in_training(net):
    arch = SMALL.min()
    assert not extract(net, arch, calibrated(net, arch)).training
    assert not extract(net, arch, calibrated(net, arch), fold_bn=True).training
    assert extract(net, arch).training


def test_under_autocast_the_extracted_network_agrees_bit_for_bit(net):
    for arch in ARCHITECTURES[:6]:
        statistics, x = calibrated(net, arch), images(arch.resolution)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(extract(net, arch, statistics)(x), net(x, arch, statistics))


def test_the_precision_of_the_supernet_is_kept():
    net, arch = scrambled(ElasticMobileNetV3(SMALL, 10)).double(), SMALL.min()
    x = images(8).double()
    statistics = recalibrate(net, arch, 8, [x])
    with torch.no_grad():
        torch.testing.assert_close(extract(net, arch, statistics)(x), net(x, arch, statistics), rtol=1e-6, atol=1e-6)


def test_the_extracted_network_shares_nothing_with_the_supernet(net):
    before, arch = state(net), SMALL.max()
    static = extract(net, arch, calibrated(net, arch))
    scrambled(static)
    static.train()(images(arch.resolution))
    assert same(state(net), before)


@pytest.mark.parametrize("arch", ARCHITECTURES[:8], ids=str)
def test_with_batch_norm_folded_the_outputs_agree_up_to_rounding(net, arch):
    statistics, x = calibrated(net, arch), images(arch.resolution)
    folded = extract(net, arch, statistics, fold_bn=True)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(x), net(x, arch, statistics), rtol=1e-4, atol=1e-4)


def test_batch_norm_is_not_folded_without_its_statistics(net):
    with pytest.raises(UsageError, match="recalibrate"):
        extract(net, SMALL.min(), fold_bn=True)


@pytest.fixture
def source(net):
    return extract(net, SMALL.max(), calibrated(net, SMALL.max())).train()


def test_folding_leaves_values_and_mode_of_its_source_alone(source):
    before = state(source)
    fold_batch_norm(source)
    assert same(state(source), before)
    assert all(module.training for module in source.modules())


def test_a_folded_network_shares_nothing_with_its_source(source):
    before = state(source)
    scrambled(fold_batch_norm(source))
    assert same(state(source), before)


def test_a_folded_network_has_fewer_parameters_and_is_in_evaluation(source):
    folded = fold_batch_norm(source)
    assert not any(module.training for module in folded.modules())
    assert sum(p.numel() for p in folded.parameters()) < sum(p.numel() for p in source.parameters())


def test_an_extracted_network_loads_into_a_static_network_by_name(net):
    arch = ARCHITECTURES[0]
    static = extract(net, arch, calibrated(net, arch)).eval()
    copy = StaticMobileNetV3(SMALL, arch, 10)
    copy.load_state_dict(static.state_dict())
    with torch.no_grad():
        assert torch.equal(copy.eval()(images(arch.resolution)), static(images(arch.resolution)))
