"""What the small spaces of other tests show, at the size of the real network."""

import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from carbon_nas.errors import UsageError
from carbon_nas.supernet import ElasticMobileNetV3, cost, extract, mobilenet_v3_space, recalibrate, sort_channels
from tests.supernet.spaces import drawn

SPACE = mobilenet_v3_space()
CLASSES = 1000
# Most at the smallest size, because that is where time goes; a few at the largest.
ARCHITECTURES = [arch.at(224 if place % 12 == 11 else 128) for place, arch in enumerate(drawn(SPACE, 50))]


def pictures(resolution, *, count=2, seed=0):
    return torch.randn((count, 3, resolution, resolution), generator=torch.Generator().manual_seed(seed))


def perturbed(net, seed=0):
    """Move every parameter off its initial value, little enough that twenty blocks still round alike."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return net


def relative(after, before):
    return float((after - before).norm() / before.norm())


@pytest.fixture(scope="module")
def net():
    return perturbed(ElasticMobileNetV3(SPACE, CLASSES))


@pytest.fixture(scope="module")
def statistics(net):
    """Those of the smallest network at its resolution, 128 pixels."""
    return recalibrate(net, SPACE.min(), 128, [pictures(128)])


def test_the_supernet_has_as_many_parameters_as_the_official_one(net):
    assert sum(parameter.numel() for parameter in net.parameters()) == 7_678_880


def test_the_supernet_of_width_1_2_has_as_many_parameters_as_the_official_one():
    wide = ElasticMobileNetV3(mobilenet_v3_space(1.2), CLASSES)
    assert sum(parameter.numel() for parameter in wide.parameters()) / 1e6 == pytest.approx(10.716, abs=0.0005)


def test_the_supernet_holds_the_largest_network_and_two_matrices_a_block(net):
    matrices = 20 * (25**2 + 9**2)
    assert sum(parameter.numel() for parameter in net.parameters()) == (
        cost(SPACE, SPACE.max(), CLASSES).parameters + matrices
    )


def test_batch_norms_of_extracted_networks_are_set_as_the_official_ones(net):
    norms = [module for module in extract(net, SPACE.max()).modules() if isinstance(module, nn.BatchNorm2d)]
    # Stem, two in the separable block, three in every other block, head.
    assert len(norms) == 1 + 2 + 3 * 20 + 1
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.1)}


@pytest.fixture(scope="module", params=[torch.contiguous_format, torch.channels_last], ids=["contiguous", "last"])
def laid_out(request):
    """A network in one of the memory formats, which have convolutions of their own, and how to get there."""

    def lay(thing):
        return thing.to(memory_format=request.param)

    return lay(perturbed(ElasticMobileNetV3(SPACE, CLASSES))), lay


@pytest.mark.parametrize("arch", ARCHITECTURES, ids=str)
@torch.no_grad()
def test_in_evaluation_the_extracted_network_agrees_bit_for_bit(laid_out, arch):
    net, lay = laid_out
    x = lay(pictures(arch.resolution))
    measured = recalibrate(net, arch, arch.resolution, [lay(pictures(arch.resolution, count=3, seed=1))])
    expected = net(x, arch, measured)
    assert bool(expected.isfinite().all())
    assert not torch.equal(expected[0], expected[1])
    assert torch.equal(lay(extract(net, arch, measured)).eval()(x), expected)


@pytest.mark.parametrize("arch", ARCHITECTURES[:5], ids=str)
@torch.no_grad()
def test_in_training_the_extracted_network_agrees_bit_for_bit(net, arch):
    x = pictures(arch.resolution)
    assert torch.equal(extract(net, arch).train()(x), net(x, arch))


@pytest.mark.parametrize("arch", ARCHITECTURES[:5], ids=str)
@torch.no_grad()
def test_with_batch_norm_folded_the_outputs_agree_up_to_rounding(net, arch):
    measured, x = (
        recalibrate(net, arch, arch.resolution, [pictures(arch.resolution, seed=1)]),
        pictures(arch.resolution),
    )
    folded = extract(net, arch, measured, fold_bn=True)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert relative(folded(x), net(x, arch, measured)) < 1e-4


def networks(ratio):
    """Return the largest network of an expand ratio, and a random one."""
    rng = random.Random(ratio)
    only = SPACE.restricted(expand_ratios=(ratio,))
    return [SPACE.architecture(ks=7, e=ratio, d=4), SPACE.sample(rng, only)]


@torch.no_grad()
def change(net, ratio, act, *, resolution=128, count=8):
    """Return the largest relative change of what the networks of an expand ratio compute, by doing something."""
    x = pictures(resolution, count=count).to(net.parameter("stem.conv.weight").dtype)
    before = [net(x, arch) for arch in networks(ratio)]
    act(net)
    return max(relative(net(x, arch), out) for arch, out in zip(networks(ratio), before, strict=True))


@pytest.fixture
def fresh():
    return perturbed(ElasticMobileNetV3(SPACE, CLASSES), seed=1)


# Before the first width phase, before the second, and after it.
@pytest.mark.parametrize(("stage", "ratio"), [(0, 6), (1, 6), (1, 4), (2, 6), (2, 4), (2, 3)])
def test_sorting_keeps_what_networks_of_the_widths_trained_so_far_compute(fresh, stage, ratio):
    assert change(fresh, ratio, lambda net: sort_channels(net, stage)) < 1e-5


@pytest.mark.parametrize(("stage", "ratio"), [(0, 6), (1, 6), (1, 4)])
def test_what_sorting_changes_is_rounding_and_nothing_else(fresh, stage, ratio):
    assert change(fresh.double(), ratio, lambda net: sort_channels(net, stage), resolution=64) < 1e-12


@pytest.mark.parametrize(("stage", "ratio"), [(0, 4), (0, 3), (1, 3)])
def test_sorting_changes_what_networks_of_widths_not_trained_yet_compute(fresh, stage, ratio):
    assert change(fresh, ratio, lambda net: sort_channels(net, stage), resolution=64) > 0.1


@torch.no_grad()
def test_networks_that_mix_trained_widths_stay_as_they_are_too(fresh):
    mixed = SPACE.sample(random.Random(2), SPACE.restricted(expand_ratios=(4, 6)))
    assert {mixed.expand_ratios[block.index] for block in SPACE.blocks(mixed)} == {4, 6}
    x = pictures(128, count=8)
    before = fresh(x, mixed)
    sort_channels(fresh, stage=1)
    assert relative(fresh(x, mixed), before) < 1e-5


@torch.no_grad()
def sort_squeeze_units_across_all_widths(net):
    """Do what must not be done: put the most important units first, whichever width they were trained in."""
    for index in [*range(4, 8), *range(12, 20)]:
        squeeze = f"blocks.{index}.squeeze"
        producer, bias, consumer = (
            net.parameter(f"{squeeze}.{name}") for name in ("reduce.weight", "reduce.bias", "expand.weight")
        )
        order = consumer.abs().sum((0, 2, 3)).argsort(descending=True)
        producer.copy_(producer[order])
        bias.copy_(bias[order])
        consumer.copy_(consumer[:, order])


def test_squeeze_units_sorted_across_all_widths_would_break_the_narrower_trained_networks(fresh):
    """That is why units keep to the bands of their widths, just as channels do: the largest network cannot tell."""
    sort_channels(fresh, stage=1)
    assert change(fresh, 6, sort_squeeze_units_across_all_widths) < 1e-5
    fresh = perturbed(fresh, seed=2)
    assert change(fresh, 4, sort_squeeze_units_across_all_widths, resolution=64) > 0.01


def test_statistics_serve_their_own_network_whatever_the_resolution_in_its_name(net, statistics):
    x = pictures(128)
    expected = net(x, SPACE.min(), statistics)
    assert torch.equal(net(x, SPACE.min().at(224), statistics), expected)
    assert torch.equal(net(x, SPACE.min(), recalibrate(net, SPACE.min().at(224), 128, [x])), expected)


def test_statistics_of_another_network_are_refused(net, statistics):
    other = SPACE.architecture(ks=[5] + [3] * 19, e=3, d=2, resolution=128)
    with pytest.raises(UsageError, match=r"say nothing about .* recalibrate for it"):
        net(pictures(128), other, statistics)
    with pytest.raises(UsageError, match=r"say nothing about .* recalibrate for it"):
        extract(net, other, statistics)


def test_statistics_of_another_resolution_are_refused(net, statistics):
    with pytest.raises(UsageError, match=r"at 128 px say nothing about images of 160 x 160 px; recalibrate"):
        net(pictures(160), SPACE.min(), statistics)
    with pytest.raises(UsageError, match=r"at 128 px say nothing about images of 160 x 160 px; recalibrate"):
        extract(net, SPACE.min().at(160), statistics)


def test_statistics_that_were_mixed_over_resolutions_serve_all_of_them(net, statistics):
    mixed = replace(statistics, resolution=None)
    assert net(pictures(160), SPACE.min(), mixed).shape == (2, CLASSES)
    assert extract(net, SPACE.min().at(160), mixed).eval()(pictures(160)).shape == (2, CLASSES)


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([], id="no batch"),
        pytest.param(iter(()), id="an iterator at its end"),
        pytest.param(
            [torch.zeros((0, 3, 128, 128))],
            id="a batch of no image",
        ),
    ],
)
def test_without_images_there_are_no_statistics(net, batches):
    with pytest.raises(UsageError, match="no image to measure batch norm statistics on"):
        recalibrate(net, SPACE.min(), 128, batches)


@pytest.mark.parametrize("shape", [(2, 3, 160, 160), (2, 3, 128, 160), (2, 3, 160, 128)], ids=str)
def test_images_of_another_size_are_refused_even_after_some_that_fit(net, shape):
    with pytest.raises(UsageError, match=r"statistics at 128 px .* has the shape .*160.*; resize it first"):
        recalibrate(net, SPACE.min(), 128, [pictures(128), torch.zeros(shape)])
