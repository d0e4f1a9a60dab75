from dataclasses import replace

import pytest
import torch
from torch import nn

from carbon_nas.supernet import StaticMobileNetV3, cost, mobilenet_v3_space
from carbon_nas.supernet.cost import feature_macs
from tests.supernet.spaces import SMALL, TINY, drawn, images

OFFICIAL = mobilenet_v3_space()
ODD = replace(TINY, name="odd", stem_stride=2, resolutions=(5, 7))
ARCHITECTURES = [
    pytest.param(space, arch, id=f"{space.name} {arch}")
    for space, sample in (
        (SMALL, drawn(SMALL, 8)),
        (TINY, drawn(TINY, 8)),
        (ODD, drawn(ODD, 4)),
        # At 132 pixels three of the five strides meet an odd side.
        (OFFICIAL, [arch.at(resolution) for arch in drawn(OFFICIAL, 3) for resolution in (128, 132)]),
    )
    for arch in [space.min(), space.max().at(space.resolutions[0]), space.max(), *sample]
]


def counted_macs(net, x):
    """Count by hooks what one image needs: every output value of a convolution is one dot product."""
    macs = []

    def count(module, inputs, output):
        macs.append(output.numel() // len(x) * module.weight[0].numel())

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        net(x)
    return sum(macs)


@pytest.mark.parametrize(("space", "arch"), ARCHITECTURES)
def test_the_closed_form_is_what_the_built_network_holds_and_computes(space, arch):
    net = StaticMobileNetV3(space, arch, 10)
    claimed = cost(space, arch, 10)
    assert claimed.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert claimed.macs == counted_macs(net, torch.zeros(2, space.in_channels, arch.resolution, arch.resolution))


def test_the_extremes_of_a_space_bound_its_costs():
    least, most = cost(SMALL, SMALL.min(), 10), cost(SMALL, SMALL.max(), 10)
    for arch in drawn(SMALL, 50):
        between = cost(SMALL, arch, 10)
        assert least.macs <= between.macs <= most.macs
        assert least.parameters <= between.parameters <= most.parameters


@pytest.mark.parametrize("num_classes", [1, 10])
def test_up_to_the_last_batch_norm_the_classes_make_no_difference(num_classes):
    arch = SMALL.max()
    net = StaticMobileNetV3(SMALL, arch, num_classes)
    net.head.mix, net.head.classifier = nn.Identity(), nn.Identity()
    assert feature_macs(SMALL, arch) == counted_macs(net, images(arch.resolution, count=2))
