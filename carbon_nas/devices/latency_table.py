"""A latency table: what each layer takes on a target, and so, added up, what any architecture takes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.space import SearchSpace

__all__ = ["LatencyTable", "layers"]


def layers(space: SearchSpace, arch: Architecture, num_classes: int) -> tuple[str, ...]:
    """Return the keys of an architecture's layers, in the order of the data."""
    return tuple(spec.key for spec in space.layers(arch, num_classes))


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyTable:
    """An additive model: `offset_ms + scale_ratio x sum of the layers`, fitted on whole networks.

    Attributes:
        entries_ms: per layer key, timed alone.
        scale_ratio, offset_ms: the fit of sums to networks that were timed end to end.
        anchor_ms: what the anchor kernel took when the table was made; later timings are normalised to it.
        anchor_spread_ratio: how much the machine's speed moved meanwhile.
        error_fraction: mean absolute percentage error on networks the fit has not seen; None if none were timed.
        rank_correlation_ratio: Spearman's on the same networks; None if fewer than three were timed.
        num_classes: of the networks it speaks about.
    """

    target: str
    entries_ms: Mapping[str, float]
    scale_ratio: float
    offset_ms: float
    anchor_ms: float
    anchor_spread_ratio: float
    error_fraction: float | None
    rank_correlation_ratio: float | None
    num_classes: int

    def predict_ms(self, space: SearchSpace, arch: Architecture) -> float:
        """Predict the latency of an architecture."""
        alone_ms = sum(self.entries_ms[key] for key in layers(space, arch, self.num_classes))
        return self.offset_ms + self.scale_ratio * alone_ms

    def fastest(self, space: SearchSpace) -> Architecture:
        """Return the architecture with the least predicted latency, exactly: the model is additive."""
        candidates = []
        for resolution in space.resolutions:
            uniform = [
                space.architecture(
                    ks=[k] * space.num_blocks,
                    e=[e] * space.num_blocks,
                    d=[space.depths[0]] * len(space.stages),
                    resolution=resolution,
                )
                for k in space.kernel_sizes
                for e in space.expand_ratios
            ]
            ks, es = [space.kernel_sizes[0]] * space.num_blocks, [space.expand_ratios[0]] * space.num_blocks
            # One block at a time: the layers before and after do not change with its kernel and width.
            for position, block in enumerate(space.blocks(uniform[0])):
                best = min(uniform, key=lambda arch, at=position: self.entries_ms[space.blocks(arch)[at].key])  # type: ignore[misc]
                ks[block.index], es[block.index] = best.kernel_sizes[block.index], best.expand_ratios[block.index]
            candidates.append(
                space.architecture(ks=ks, e=es, d=[space.depths[0]] * len(space.stages), resolution=resolution)
            )
        return min(candidates, key=lambda arch: self.predict_ms(space, arch))

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "LatencyTable":
        """Read what `to_json` wrote."""
        return cls(**data)
