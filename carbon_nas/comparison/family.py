"""The strategies that train one network for all scenarios, and what tells their trainings apart."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

from carbon_nas.comparison.cost_curve import CostCurve
from carbon_nas.comparison.delivery import Delivery
from carbon_nas.comparison.table import Comparison, StrategyCost

__all__ = ["FAMILY", "FINE_TUNE", "ONCE_FOR_ALL", "SANDWICH", "Trainings", "are_kin", "protagonists", "trainings"]

ONCE_FOR_ALL, SANDWICH = "once_for_all", "sandwich"

FINE_TUNE = "fine-tune"
"""What ledgers call the phase in which a network is trained on after it was taken out of the supernet."""

FAMILY: Mapping[str, str] = MappingProxyType(
    {ONCE_FOR_ALL: "progressive shrinking", SANDWICH: "a single stage with the sandwich rule"}
)
"""Strategies that train one supernet for all scenarios, and how they train it."""


def are_kin(one: str, other: str, repeated: Mapping[str, Collection[str]]) -> bool:
    """Tell whether two strategies differ in how one network is trained, and in nothing that is done per scenario.

    Args:
        one: a strategy.
        other: another one.
        repeated: by strategy, the names of the phases that were recorded for each scenario, such as those of
            `Comparison.repeated()`.
    """
    return {one, other} <= FAMILY.keys() and set(repeated.get(one, ())) == set(repeated.get(other, ()))


def protagonists(comparison: Comparison) -> tuple[StrategyCost, StrategyCost] | None:
    """Return whom a comparison is about: whoever pays most once, and the costliest that is no kin of it.

    Returns:
        None if there is only one strategy.
    """
    if len(comparison.strategies) < 2:
        return None
    # In the order of a comparison, whoever pays most once comes first.
    upfront, *others = comparison.strategies
    rivals = [cost for cost in others if not are_kin(upfront.strategy, cost.strategy, comparison.repeated())]
    return upfront, max(rivals, key=lambda cost: cost.energy_j) if rivals else others[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trainings:
    """Two trainings of one network for all scenarios, side by side.

    Attributes:
        once_j, rival_once_j: all that is paid once, what its search is told by included: the mean over seeds.
        each_j, rival_each_j: what a scenario costs after that.
        low_ratio, high_ratio: of the seeds that both have; None if the rival used nothing.
        accuracy_fraction, rival_accuracy_fraction: on the test split, the mean over scenarios and seeds; None if one
            is not known.
    """

    strategy: str
    rival: str
    once_j: float
    rival_once_j: float
    each_j: float
    rival_each_j: float
    low_ratio: float | None
    high_ratio: float | None
    seeds: int
    accuracy_fraction: float | None
    rival_accuracy_fraction: float | None

    @property
    def once_ratio(self) -> float | None:
        """What is paid once over what the rival pays once; None if the rival pays nothing."""
        return self.once_j / self.rival_once_j if self.rival_once_j else None


def trainings(comparison: Comparison, started: Collection[str] = ()) -> Trainings | None:
    """Set the sandwich rule beside progressive shrinking.

    Args:
        comparison: the numbers.
        started: the strategies that began with a network that was trained before.

    Returns:
        None if one of them was not run, or did not train its network here.
    """
    curves = {curve.strategy: curve for curve in comparison.curves if curve.strategy not in started}
    if SANDWICH not in curves or ONCE_FOR_ALL not in curves:
        return None
    own, rival = curves[SANDWICH], curves[ONCE_FOR_ALL]
    ratios = _ratios(own, rival)
    return Trainings(
        strategy=own.strategy,
        rival=rival.strategy,
        once_j=own.once_j,
        rival_once_j=rival.once_j,
        each_j=own.slope_j,
        rival_each_j=rival.slope_j,
        low_ratio=min(ratios, default=None),
        high_ratio=max(ratios, default=None),
        seeds=min(len(own.seeds), len(rival.seeds)),
        accuracy_fraction=_accuracy_fraction(own.strategy, comparison.deliveries),
        rival_accuracy_fraction=_accuracy_fraction(rival.strategy, comparison.deliveries),
    )


def _ratios(own: CostCurve, rival: CostCurve) -> list[float]:
    theirs_j = {seed.seed: seed.once_j for seed in rival.seeds}
    return [seed.once_j / theirs_j[seed.seed] for seed in own.seeds if theirs_j.get(seed.seed)]


def _accuracy_fraction(strategy: str, found: Sequence[Delivery]) -> float | None:
    values = [item.accuracy_fraction for item in found if item.strategy == strategy]
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None
