"""Latency of found networks beside those that were scaled by hand, and beside what the research reports."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from carbon_nas.comparison.delivery import Delivery
from carbon_nas.sources import Published, Source

__all__ = ["HAND_SCALED", "PUBLISHED_SPEEDUPS", "Speedup", "fastest_rival", "speedups"]

HAND_SCALED = frozenset({"manual"})
"""Strategies whose networks a person has scaled and nobody has searched for."""

PUBLISHED_SPEEDUPS = (
    Published(
        value=1.5,
        unit="times as fast as MobileNetV3",
        source=Source(key="cai2020", where="abstract"),
        note="same ImageNet accuracy, measured latency on edge devices",
    ),
    Published(
        value=2.6,
        unit="times as fast as EfficientNet",
        source=Source(key="cai2020", where="abstract"),
        note="same ImageNet accuracy, measured latency on edge devices",
    ),
)
"""How much faster the networks of once-for-all are by its own paper, for the side of what was measured here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Speedup:
    """How fast a found network is beside the fastest one that was scaled by hand.

    Attributes:
        rival: the strategy of that network; None if there is none that is as accurate.
    """

    strategy: str
    seed: int
    scenario: str
    latency_ms: float | None
    rival: str | None
    rival_ms: float | None

    @property
    def speedup_ratio(self) -> float | None:
        """The rival's latency over its own; None if one of them is not known."""
        return self.rival_ms / self.latency_ms if self.rival_ms is not None and self.latency_ms else None


def fastest_rival(
    item: Delivery,
    deliveries: Iterable[Delivery],
    *,
    margin_fraction: float,
    hand_scaled: Collection[str] = HAND_SCALED,
) -> Delivery | None:
    """Find the fastest hand-scaled network that is as accurate, for the same scenario and seed.

    Args:
        item: what it is a rival of.
        deliveries: all there are.
        margin_fraction: how much less accurate it may be.
        hand_scaled: the strategies that are not a search.

    Returns:
        None if there is none, or an accuracy is not known.
    """
    if item.accuracy_fraction is None:
        return None
    least_fraction = item.accuracy_fraction - margin_fraction
    fit = [
        (other.latency_ms, other)
        for other in deliveries
        if other.strategy in hand_scaled
        and (other.scenario, other.seed) == (item.scenario, item.seed)
        and other.accuracy_fraction is not None
        and other.accuracy_fraction >= least_fraction
        and other.latency_ms is not None
    ]
    return min(fit, key=lambda pair: pair[0])[1] if fit else None


def speedups(
    deliveries: Sequence[Delivery], *, margin_fraction: float, hand_scaled: Collection[str] = HAND_SCALED
) -> tuple[Speedup, ...]:
    """Set every network that was found beside its fastest hand-scaled rival."""
    found = []
    for item in deliveries:
        if item.strategy in hand_scaled:
            continue
        rival = fastest_rival(item, deliveries, margin_fraction=margin_fraction, hand_scaled=hand_scaled)
        found.append(
            Speedup(
                strategy=item.strategy,
                seed=item.seed,
                scenario=item.scenario,
                latency_ms=item.latency_ms,
                rival=None if rival is None else rival.strategy,
                rival_ms=None if rival is None else rival.latency_ms,
            )
        )
    return tuple(found)
