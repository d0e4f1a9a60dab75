"""Weights under the names that others give them; synthetic, for no released file may be shipped."""

import torch

from carbon_nas.supernet import BatchNormStatistics, ElasticMobileNetV3, mobilenet_v3_space, official_state_dict
from tests.supernet.spaces import scrambled

# Names do not depend on widths: a quarter of them keeps tests fast.
NARROW = mobilenet_v3_space(0.25, resolutions=(32, 64))


def narrow_net(num_classes=10, seed=0):
    return scrambled(ElasticMobileNetV3(NARROW, num_classes, torch.Generator().manual_seed(seed)), seed)


def seen(net, seed=0):
    """Return statistics of the largest sub-network that are no one's default."""
    generator = torch.Generator().manual_seed(seed)
    return BatchNormStatistics(
        architecture=net.space.max(),
        resolution=None,
        mean={site: torch.randn(channels, generator=generator) for site, channels in net.sites().items()},
        var={site: 0.5 + torch.rand(channels, generator=generator) for site, channels in net.sites().items()},
    )


def current(net, statistics=None):
    """As the OFA code writes them today; copied, so that nobody's changes are anybody else's."""
    return {name: tensor.clone() for name, tensor in official_state_dict(net, statistics).items()}


def older(state_dict):
    """As in the released files: blocks by their old name."""
    return {
        name.replace(".conv.", ".mobile_inverted_conv.", 1) if name.startswith("blocks.") else name: tensor
        for name, tensor in state_dict.items()
    }


def static(state_dict):
    """As of the largest network before shrinking: no wrappers, no matrices."""
    return {
        name.replace(".bn.bn.", ".bn.").replace(".conv.conv.weight", ".conv.weight"): tensor
        for name, tensor in state_dict.items()
        if not name.endswith("_matrix")
    }
