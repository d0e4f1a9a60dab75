"""Static networks whose every weight and statistic is off its initial value, so that a forgotten one shows."""

import torch
from torch import nn

from carbon_nas.supernet import Architecture, SearchSpace, StaticMobileNetV3
from carbon_nas.supernet.static import initialise


def lived_in(net: nn.Module, seed: int = 0) -> nn.Module:
    """Give a network or a layer weights as they are drawn for training, and batch norm that is no identity."""
    generator = torch.Generator().manual_seed(seed)
    initialise(net, generator)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(std=0.2, generator=generator)
                module.running_mean.normal_(std=0.3, generator=generator)
                module.running_var.uniform_(0.3, 2.0, generator=generator)
            elif getattr(module, "bias", None) is not None:
                module.bias.normal_(std=0.1, generator=generator)
    return net.eval()


def static_net(space: SearchSpace, arch: Architecture, num_classes: int = 10, seed: int = 0) -> StaticMobileNetV3:
    return lived_in(StaticMobileNetV3(space, arch, num_classes), seed)
