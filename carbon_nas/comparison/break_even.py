"""Break-even: the number of scenarios from which paying once is cheaper than paying every time."""

from dataclasses import dataclass
from math import floor

from carbon_nas.comparison.cost_curve import CostCurve

__all__ = ["BreakEven", "break_even"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakEven:
    """Where two cost curves cross.

    Attributes:
        upfront: the strategy that pays more once.
        rival: the other one.
        n_ratio: N*, where both cost the same; None if `upfront` does not pay less per scenario and they never cross.
        low_ratio, high_ratio: the least and greatest N* over all pairs of a seed and a scenario that have one; None if
            none has. A range of what was seen, not a confidence interval.
        pairs, crossing_pairs: how many such pairs there are, and how many of them ever break even.
        measured_n: how many scenarios were really run.
    """

    upfront: str
    rival: str
    n_ratio: float | None
    low_ratio: float | None
    high_ratio: float | None
    pairs: int
    crossing_pairs: int
    measured_n: int

    @property
    def first_n(self) -> int | None:
        """The first whole number of scenarios for which `upfront` costs less."""
        return None if self.n_ratio is None else max(1, floor(self.n_ratio) + 1)

    @property
    def extrapolated(self) -> bool:
        """Whether the statement goes beyond what was run; that straight lines never cross always does."""
        return self.n_ratio is None or self.n_ratio > self.measured_n


def _crossing(once_more_j: float, saved_per_scenario_j: float) -> float | None:
    return max(0.0, once_more_j) / saved_per_scenario_j if saved_per_scenario_j > 0 else None


def break_even(one: CostCurve, other: CostCurve) -> BreakEven:
    """Find the crossing `N* = (a - a') / (b' - b)` of two curves `a + b N` and `a' + b' N`.

    The order of the arguments does not matter.
    """
    upfront, rival = (one, other) if one.once_j >= other.once_j else (other, one)
    crossings = [
        _crossing(mine.once_j - theirs.once_j, theirs.per_scenario_j[name] - mine.per_scenario_j[name])
        for mine in upfront.seeds
        for theirs in rival.seeds
        if mine.seed == theirs.seed
        for name in mine.per_scenario_j.keys() & theirs.per_scenario_j.keys()
    ]
    found = [crossing for crossing in crossings if crossing is not None]
    return BreakEven(
        upfront=upfront.strategy,
        rival=rival.strategy,
        n_ratio=_crossing(upfront.once_j - rival.once_j, rival.slope_j - upfront.slope_j),
        low_ratio=min(found, default=None),
        high_ratio=max(found, default=None),
        pairs=len(crossings),
        crossing_pairs=len(found),
        measured_n=min(upfront.measured_n, rival.measured_n),
    )
