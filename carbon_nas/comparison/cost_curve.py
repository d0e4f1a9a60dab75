"""The cost of a strategy over the number of deployment scenarios: `E(N) = once + N x per scenario`."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean

__all__ = ["CostCurve", "SeedCost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedCost:
    """What one seed of a strategy cost.

    Attributes:
        once_j: joules of all phases that are paid once.
        per_scenario_j: joules of all phases of a scenario, in the order in which the scenarios were run.
    """

    seed: int
    once_j: float
    per_scenario_j: Mapping[str, float]

    @property
    def slope_j(self) -> float:
        """The mean over scenarios."""
        return fmean(self.per_scenario_j.values())

    @property
    def total_j(self) -> float:
        """Everything that was run."""
        return self.once_j + sum(self.per_scenario_j.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class CostCurve:
    """The curve of a strategy, from every seed that was run."""

    strategy: str
    seeds: tuple[SeedCost, ...]

    @property
    def once_j(self) -> float:
        """The intercept: the mean over seeds."""
        return fmean(seed.once_j for seed in self.seeds)

    @property
    def slope_j(self) -> float:
        """Joules per further scenario: the mean over scenarios and seeds."""
        return fmean(seed.slope_j for seed in self.seeds)

    @property
    def measured_n(self) -> int:
        """How many scenarios were really run; beyond it the curve is extrapolated."""
        return min(len(seed.per_scenario_j) for seed in self.seeds)

    @property
    def total_j(self) -> float:
        """Everything that was run: the mean over seeds."""
        return fmean(seed.total_j for seed in self.seeds)

    def energy_j(self, n: float) -> float:
        """Return the modelled cost of N scenarios."""
        return self.once_j + n * self.slope_j

    def points_j(self) -> tuple[float, ...]:
        """Return what was spent after 0, 1, 2, ... scenarios, as it was run: the mean over seeds."""
        runs = [
            list(accumulate(seed.per_scenario_j.values(), initial=seed.once_j))[: self.measured_n + 1]
            for seed in self.seeds
        ]
        return tuple(fmean(values) for values in zip(*runs, strict=True))
