"""A latency table as arrays, so that it predicts a whole population at once.

Shape letters: N architectures, R resolutions, B elastic blocks of the space, K kernel sizes, E expand ratios.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.layers import BlockSpec, LayerSpec
from carbon_nas.supernet.population import Population
from carbon_nas.supernet.space import SearchSpace

__all__ = ["AdditiveLatency"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AdditiveLatency:
    """What every choice of a space adds to the latency, by a table.

    Attributes:
        space: what it speaks about.
        fixed_ms: the layers that only the resolution changes, and the table's offset, (R,).
        blocks_ms: every block in every form, (R, B, K, E).
    """

    space: SearchSpace
    fixed_ms: NDArray[np.float64]
    blocks_ms: NDArray[np.float64]

    @classmethod
    def of(cls, table: LatencyTable, space: SearchSpace) -> "AdditiveLatency":
        """Spread a table out over a space.

        Raises:
            UsageError: if the space has a layer that the table does not know.
        """

        def entry_ms(spec: LayerSpec) -> float:
            if spec.key not in table.entries_ms:
                raise UsageError(
                    f"the latency table does not know {spec.key}, a layer of space {space.name}",
                    where=f"target {table.target}",
                    cure="profile the device for this space, its resolutions and its number of classes",
                )
            return table.entries_ms[spec.key]

        shape = (len(space.resolutions), space.num_blocks, len(space.kernel_sizes), len(space.expand_ratios))
        fixed_ms, blocks_ms = np.zeros(shape[0]), np.zeros(shape)
        for at, resolution in enumerate(space.resolutions):
            for number, kernel_size in enumerate(space.kernel_sizes):
                for place, ratio in enumerate(space.expand_ratios):
                    # A block's cost depends on its own choices and on the resolution, so uniform ones show them all.
                    arch = space.architecture(ks=kernel_size, e=ratio, d=space.depths[-1], resolution=resolution)
                    layers = space.layers(arch, table.num_classes)
                    for spec in layers:
                        if isinstance(spec, BlockSpec):
                            blocks_ms[at, spec.index, number, place] = entry_ms(spec)
            fixed_ms[at] = sum(entry_ms(spec) for spec in layers if not isinstance(spec, BlockSpec))
        return cls(
            space=space,
            fixed_ms=table.offset_ms + table.scale_ratio * fixed_ms,
            blocks_ms=table.scale_ratio * blocks_ms,
        )

    def predict_ms(self, population: Population) -> NDArray[np.float64]:
        """Predict the latency of each of a population, (N,)."""
        _, blocks, kernels, ratios = self.blocks_ms.shape
        # One index into the flat array: fancy indexing over four axes takes several times as long.
        entry = population.resolution.astype(np.intp)[:, None] * blocks + np.arange(blocks)
        entry *= kernels
        entry += population.kernels
        entry *= ratios
        entry += population.ratios
        alone_ms = self.blocks_ms.ravel()[entry]
        alone_ms *= population.active
        predicted_ms: NDArray[np.float64] = self.fixed_ms[population.resolution] + alone_ms.sum(axis=1)
        return predicted_ms

    def fastest(self) -> Architecture:
        """Return the architecture with the least predicted latency, exactly."""
        space = self.space
        flat_ms = self.blocks_ms.reshape(*self.blocks_ms.shape[:2], -1)
        stages_ms = flat_ms.min(axis=2).reshape(len(space.resolutions), len(space.stages), space.depths[-1])
        # What a stage takes at each depth it may have, (R, S, depths).
        depths_ms = np.cumsum(stages_ms, axis=2)[:, :, np.array(space.depths) - 1]
        at = int(np.argmin(self.fixed_ms + depths_ms.min(axis=2).sum(axis=1)))
        kernels, ratios = np.unravel_index(flat_ms[at].argmin(axis=1), self.blocks_ms.shape[2:])
        return space.architecture(
            ks=[space.kernel_sizes[number] for number in kernels],
            e=[space.expand_ratios[number] for number in ratios],
            d=[space.depths[number] for number in depths_ms[at].argmin(axis=1)],
            resolution=space.resolutions[at],
        )
