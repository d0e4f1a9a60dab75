from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from carbon_nas.supernet import ElasticMobileNetV3, extract, recalibrate
from tests.supernet.spaces import SMALL, TINY, drawn, images, scrambled


@pytest.fixture
def net():
    return scrambled(ElasticMobileNetV3(SMALL, 10))


def test_nothing_is_remembered_between_calls(net):
    (a, b), x = drawn(SMALL, 2), images(8)
    first = net(x, a)
    assert not torch.equal(net(x, b), first)
    assert torch.equal(net(x, a), first)


def test_the_supernet_holds_no_state_but_its_parameters(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    net(images(8), SMALL.max())
    recalibrate(net, SMALL.min(), 8, [images(8)])
    assert list(net.buffers()) == []
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_the_same_generator_draws_the_same_weights():
    one, other, third = (ElasticMobileNetV3(TINY, 3, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert torch.equal(one.parameter("head.mix.weight"), other.parameter("head.mix.weight"))
    assert not torch.equal(one.parameter("head.mix.weight"), third.parameter("head.mix.weight"))


def test_every_parameter_of_the_largest_network_takes_part(net):
    """All but the matrices, which only smaller kernels use."""
    net(images(8), SMALL.max()).square().sum().backward()
    unused = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert unused
    assert all(".matrices." in name for name in unused)


def kernel(net, block, kernel_size):
    """Return the depthwise kernel of a block in the sub-network that has this kernel size everywhere."""
    space = net.space
    arch = space.architecture(ks=kernel_size, e=space.expand_ratios[-1], d=space.depths[-1])
    return net.weights(arch)[f"blocks.{block}.depthwise.conv.weight"]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_smaller_kernel_is_the_learnt_map_of_the_centre_of_the_next_larger_one(memory_format):
    space = replace(TINY, kernel_sizes=(3, 5, 7))
    net = scrambled(ElasticMobileNetV3(space, 3)).to(memory_format=memory_format)
    seven_to_five, five_to_three = (net.parameter(f"blocks.1.depthwise.matrices.{way}") for way in ("7to5", "5to3"))
    seven, five, three = (kernel(net, 1, size) for size in (7, 5, 3))
    assert torch.equal(seven, net.parameter("blocks.1.depthwise.conv.weight"))
    assert five.shape[1:] == (1, 5, 5)
    assert three.shape[1:] == (1, 3, 3)
    for channel in range(6):
        expected = seven_to_five @ seven[channel, 0, 1:6, 1:6].flatten()
        torch.testing.assert_close(five[channel].flatten(), expected)
        torch.testing.assert_close(three[channel].flatten(), five_to_three @ expected.view(5, 5)[1:4, 1:4].flatten())


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_every_kernel_is_laid_out_in_memory_as_a_static_network_s(memory_format):
    """Strides decide which convolution runs, even where the bytes are the same."""
    net = ElasticMobileNetV3(TINY, 3).to(memory_format=memory_format)
    static = extract(net, TINY.min()).to(memory_format=memory_format)
    for size in TINY.kernel_sizes:
        assert (kernel(net, 0, size).stride(1) == 1) is (static.blocks["0"].depthwise.conv.weight.stride(1) == 1)


def test_before_any_training_a_smaller_kernel_is_the_centre_itself():
    net = ElasticMobileNetV3(TINY, 3)
    torch.testing.assert_close(kernel(net, 0, 3), kernel(net, 0, 5)[:, :, 1:4, 1:4])


def test_recalibration_averages_batch_means_and_biased_batch_variances_by_images(net):
    batches = [images(8, count=count, seed=count) for count in (6, 6, 3)]
    found = recalibrate(net, SMALL.max(), 8, batches)
    mean, var = torch.zeros(8), torch.zeros(8)
    for x in batches:
        with torch.no_grad():
            y = F.conv2d(x, net.parameter("stem.conv.weight"), padding=1).transpose(0, 1).flatten(1)
        mean += len(x) / 15 * y.mean(1)
        var += len(x) / 15 * y.var(1, unbiased=False)
    torch.testing.assert_close(found.mean["stem.bn"], mean)
    torch.testing.assert_close(found.var["stem.bn"], var)


def test_recalibration_measures_the_active_sites_and_channels_only(net):
    found = recalibrate(net, SMALL.min(), 8, [images(8)])
    blocks = SMALL.blocks(SMALL.min())
    sites = {f"blocks.{block.index}.{part}.bn" for block in blocks for part in ("expand", "depthwise", "project")}
    assert found.mean.keys() == found.var.keys() == {"stem.bn", "head.expand.bn", *sites}
    for block in blocks:
        assert found.mean[f"blocks.{block.index}.depthwise.bn"].shape == (block.mid_channels,)


def test_statistics_decide_and_so_one_image_is_judged_the_same_alone_or_in_company(net):
    arch, x = SMALL.max(), images(8)
    statistics = recalibrate(net, arch, 8, [images(8, count=16, seed=1)])
    with torch.no_grad():
        torch.testing.assert_close(net(x, arch, statistics)[:1], net(x[:1], arch, statistics), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(net(x, arch)[:1], net(x, arch, statistics)[:1])
