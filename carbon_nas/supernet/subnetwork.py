"""A sub-network for one training step, whose gradients are no larger than itself."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.batch_norm import by_batch
from carbon_nas.supernet.functional import forward
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.weights import corner, static_weights

__all__ = ["SubNetwork"]


class SubNetwork:
    """Computes what `net(x, arch)` does, on leaves that are views of the supernet's corners.

        subnetwork = SubNetwork(net, arch)
        loss(subnetwork(x)).backward()
        subnetwork.add_gradients()

    Through `net(x, arch)` autograd makes zeros as large as each parameter, copies the corner's gradient into them and
    adds all of it. Here only the corners are added up, all in one call, which must not be forgotten: until then the
    supernet has learnt hardly anything. `DistributedDataParallel` does not see gradients that are added this way.
    """

    def __init__(self, net: ElasticMobileNetV3, arch: Architecture) -> None:
        self._net, self._layers = net, net.space.layers(arch, net.num_classes)
        self._leaves = {
            # A parameter that is used as a whole is a leaf already.
            name: part if isinstance(part, nn.Parameter) else part.detach().requires_grad_(part.requires_grad)
            for name, part in net.corners(arch).items()
        }

    def __call__(self, x_BCHW: Tensor, drop: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return logits of shape (B, K), with batch norm by the batch, as in training.

        Args:
            x_BCHW: images.
            drop: what is done to the features of shape (B, C) before the classifier, such as dropout.
        """
        weights = static_weights(self._layers, self._leaves, self._net.space.kernel_sizes)
        return forward(self._layers, weights, x_BCHW, by_batch, drop)

    @torch.no_grad()
    def add_gradients(self) -> None:
        """Add what the backward passes so far have found to the gradients of the supernet's parameters."""
        sums, found = [], []
        for name, leaf in self._leaves.items():
            if isinstance(leaf, nn.Parameter) or leaf.grad is None:
                continue
            parameter = self._net.parameter(name)
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            sums.append(corner(parameter.grad, tuple(leaf.shape)))
            found.append(leaf.grad)
            leaf.grad = None
        if found:
            torch._foreach_add_(sums, found)
