import pytest
import torch

from carbon_nas.supernet import ElasticMobileNetV3
from carbon_nas.supernet.sorting import sort_channels
from tests.supernet.spaces import SMALL, images, scrambled


@pytest.fixture
def net():
    return scrambled(ElasticMobileNetV3(SMALL, 10))


def never_rises(importance):
    return bool((importance[1:] <= importance[:-1]).all())


@torch.no_grad()
def test_sorting_keeps_what_the_largest_network_computes(net):
    x = images(8)
    before = net(x, SMALL.max())
    sort_channels(net)
    after = net(x, SMALL.max())
    assert float((after - before).norm() / before.norm()) < 1e-5


@torch.no_grad()
def test_sorting_changes_what_narrower_networks_compute(net):
    x = images(8)
    before = net(x, SMALL.min())
    sort_channels(net)
    assert not torch.allclose(net(x, SMALL.min()), before)


def importances(net):
    """Return the importance of every block's channels, and of its squeeze units."""
    return [
        parameter.detach().abs().sum((0, 2, 3))
        for name, parameter in net.named_parameters()
        if name.endswith(("project.conv.weight", "squeeze.expand.weight"))
    ]


def test_after_sorting_the_most_important_channels_and_squeeze_units_come_first(net):
    assert not any(map(never_rises, importances(net)))
    sort_channels(net)
    assert all(map(never_rises, importances(net)))


def test_sorting_twice_is_sorting_once(net):
    sort_channels(net)
    once = {name: value.clone() for name, value in net.state_dict().items()}
    sort_channels(net)
    assert all(torch.equal(once[name], value) for name, value in net.state_dict().items())
