import pytest
import torch

from carbon_nas.supernet import ElasticMobileNetV3
from carbon_nas.supernet.subnetwork import SubNetwork
from tests.supernet.spaces import SMALL, drawn, images, scrambled

FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(params=FORMATS, ids=str)
def net(request):
    return scrambled(ElasticMobileNetV3(SMALL, 10)).to(memory_format=request.param)


def gradients(net):
    found = {name: parameter.grad.clone() for name, parameter in net.named_parameters() if parameter.grad is not None}
    net.zero_grad()
    return found


def loss(predict):
    return predict(images(8, count=6).contiguous(memory_format=torch.channels_last)).square().mean()


@pytest.mark.parametrize("arch", [SMALL.max(), SMALL.min(), *drawn(SMALL, 6)], ids=str)
def test_it_finds_the_gradients_of_the_sub_network_in_the_supernet(net, arch):
    loss(lambda x: net(x, arch)).backward()
    expected = gradients(net)
    subnetwork = SubNetwork(net, arch)
    loss(subnetwork).backward()
    subnetwork.add_gradients()
    found = gradients(net)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


def test_it_computes_what_the_supernet_computes(net):
    for arch in drawn(SMALL, 4):
        assert torch.equal(SubNetwork(net, arch)(images(8)), net(images(8), arch))


def test_gradients_are_added_to_what_is_there_and_never_twice(net):
    one, other = drawn(SMALL, 2)
    for arch in (one, other):
        loss(lambda x, arch=arch: net(x, arch)).backward()
    expected = gradients(net)
    for arch in (one, other):
        subnetwork = SubNetwork(net, arch)
        loss(subnetwork).backward()
        subnetwork.add_gradients()
        subnetwork.add_gradients()
    for name, gradient in gradients(net).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


def test_it_sees_weights_that_change_after_it_was_made(net):
    """Its leaves are views: an optimiser's step needs no copy."""
    arch = SMALL.min()
    subnetwork = SubNetwork(net, arch)
    scrambled(net, seed=7)
    assert torch.equal(subnetwork(images(8)), net(images(8), arch))


def test_what_is_not_to_be_taught_gets_no_gradient(net):
    net.requires_grad_(False)
    net.parameter("head.classifier.weight").requires_grad_(True)
    subnetwork = SubNetwork(net, SMALL.min())
    loss(subnetwork).backward()
    subnetwork.add_gradients()
    assert gradients(net).keys() == {"head.classifier.weight"}


def test_what_is_dropped_are_the_features_before_the_classifier(net):
    """With none left, logits are the classifier's biases; with all left, they are what they always are."""
    arch, x, seen = SMALL.min(), images(8), []

    def none_left(x_BC):
        seen.append(tuple(x_BC.shape))
        return torch.zeros_like(x_BC)

    subnetwork = SubNetwork(net, arch)
    assert torch.equal(subnetwork(x, none_left), net.parameter("head.classifier.bias").expand(4, -1))
    assert seen == [(4, SMALL.head_channels[1])]
    assert torch.equal(subnetwork(x, lambda x_BC: x_BC), subnetwork(x))


def test_dropped_features_teach_the_classifier_nothing(net):
    kept = torch.arange(SMALL.head_channels[1]) % 2
    subnetwork = SubNetwork(net, SMALL.min())
    loss(lambda x: subnetwork(x, lambda x_BC: x_BC * kept)).backward()
    subnetwork.add_gradients()
    columns = gradients(net)["head.classifier.weight"].abs().sum(0) > 0
    assert not columns[kept == 0].any()
    assert columns[kept == 1].any()
