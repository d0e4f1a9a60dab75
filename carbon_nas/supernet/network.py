"""The once-for-all network: one set of weights, and any of its sub-networks by value: `net(x, arch)`.

Source: Cai et al., ICLR 2020, section 3.2-3.3. Shape letters: B batch, C channels, H height, W width, K classes.
"""

from typing import cast

import torch
from torch import Tensor, nn

from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.batch_norm import BatchNormStatistics, by_batch
from carbon_nas.supernet.functional import forward
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.weights import corner, initial, matrix_shapes, shapes, static_weights

__all__ = ["ElasticMobileNetV3"]


class _Group(nn.Module):
    """A branch of the tree of names, such as `blocks.3.expand`; only its parameters matter."""

    def extra_repr(self) -> str:
        return ", ".join(f"{name}{tuple(value.shape)}" for name, value in self._parameters.items() if value is not None)


class ElasticMobileNetV3(nn.Module):
    """The network that nests every architecture of a space.

    Its parameters are those of the largest architecture, and for every block the matrices that make smaller kernels
    of larger ones. It has no buffers: batch norm statistics are a value, see `recalibrate`.

    Args:
        space: the search space.
        num_classes: the number of logits.
        generator: draws the initial weights (He et al., fan-out); the seed 0 if not given.
    """

    def __init__(self, space: SearchSpace, num_classes: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if num_classes < 1:
            raise UsageError(f"needs at least one class, not {num_classes}", where="ElasticMobileNetV3")
        self.space, self.num_classes = space, num_classes
        self._owners: dict[str, tuple[nn.Module, str]] = {}
        generator = generator or torch.Generator().manual_seed(0)
        largest, deepest = space.max(), space.depths[-1]
        every_matrix = space.architecture(ks=space.kernel_sizes[0], e=space.expand_ratios[0], d=deepest)
        matrices = matrix_shapes(space.blocks(every_matrix), space.kernel_sizes)
        for name, shape in {**shapes(space.layers(largest, num_classes)), **matrices}.items():
            self._register(name, nn.Parameter(initial(name, shape, generator)))

    def _register(self, name: str, parameter: nn.Parameter) -> None:
        *path, attribute = name.split(".")
        owner: nn.Module = self
        for part in path:
            if part not in owner._modules:
                owner.add_module(part, _Group())
            owner = cast("nn.Module", owner._modules[part])
        owner.register_parameter(attribute, parameter)
        # Found once, for every pass asks for all of them; by owner, for a parameter may be replaced.
        self._owners[name] = owner, attribute

    def parameter(self, name: str) -> nn.Parameter:
        """Return a parameter by its name."""
        owner, attribute = self._owners[name]
        return cast("nn.Parameter", owner._parameters[attribute])

    def corners(self, arch: Architecture) -> dict[str, Tensor]:
        """Return the parts of the parameters that a sub-network uses, by name, as views."""
        layers, kernel_sizes = self.space.layers(arch, self.num_classes), self.space.kernel_sizes
        needed = {**shapes(layers, kernel_size=kernel_sizes[-1]), **matrix_shapes(layers, kernel_sizes)}
        return {name: corner(self.parameter(name), shape) for name, shape in needed.items()}

    def sites(self) -> dict[str, int]:
        """Return every batch norm by its name, with its channels in the largest sub-network."""
        parameters = self.named_parameters()
        return {name.removesuffix(".weight"): len(one) for name, one in parameters if name.endswith(".bn.weight")}

    def weights(self, arch: Architecture) -> dict[str, Tensor]:
        """Return the tensors of a sub-network as a plain network has them, connected to the parameters."""
        return static_weights(self.space.layers(arch, self.num_classes), self.corners(arch), self.space.kernel_sizes)

    def forward(self, x_BCHW: Tensor, arch: Architecture, statistics: BatchNormStatistics | None = None) -> Tensor:
        """Run one sub-network.

        Args:
            x_BCHW: images; their size is taken as it is, whatever the architecture's resolution says.
            arch: the sub-network.
            statistics: its batch norm statistics from `recalibrate`; those of the batch, as in training, if not given.

        Returns:
            Logits of shape (B, K).

        Raises:
            UsageError: if the statistics are those of another sub-network or resolution.
        """
        if statistics is not None:
            statistics.check(arch, *x_BCHW.shape[2:])
        layers = self.space.layers(arch, self.num_classes)
        return forward(layers, self.weights(arch), x_BCHW, by_batch if statistics is None else statistics)
