"""What another choice would make of a cost or a ratio: ranges without a probability, apart from intervals."""

from collections.abc import Iterator, Mapping, Sequence

from carbon_nas.accounting.methods import STRUBELL_PUE
from carbon_nas.accounting.model import value_at
from carbon_nas.accounting.scenarios import ScenarioRange, scenario_range
from carbon_nas.accounting.site import HOURLY, LOCATION
from carbon_nas.comparison.spread import SpreadModel, power_name
from carbon_nas.comparison.table import Comparison
from carbon_nas.ledger.run import Run

__all__ = ["ranges"]


def ranges(comparison: Comparison, doubt: SpreadModel, runs: Sequence[Run]) -> Mapping[str, tuple[ScenarioRange, ...]]:
    """Turn one switch at a time for every cost, ratio and break-even, by name.

    Switches are the power that a formula assumes, where its range is published; a PUE that nobody has given; and the
    yearly average or the hours of a grid that is known by both.
    """
    estimates = _estimates(runs)
    found = {}
    for name in doubt.derived:
        base = value_at(doubt.model, doubt.derived, name)
        if base is not None:
            found[name] = tuple(_switches(comparison, doubt, name, base, estimates))
    return found


def _estimates(runs: Sequence[Run]) -> Mapping[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for run in runs:
        for name, part in run.components.items():
            if part.low_ratio is not None and part.high_ratio is not None:
                # On several machines the widest of their ranges holds for all.
                low_ratio, high_ratio = found.get(name, (part.low_ratio, part.high_ratio))
                found[name] = min(low_ratio, part.low_ratio), max(high_ratio, part.high_ratio)
    return found


def _switches(
    comparison: Comparison, doubt: SpreadModel, name: str, base: float, estimates: Mapping[str, tuple[float, float]]
) -> Iterator[ScenarioRange]:
    unit = doubt.unit_of(name)
    for component, (low_ratio, high_ratio) in estimates.items():
        # One assumption, wherever it was made.
        named = power_name(component)
        factors = [factor for factor in doubt.model.factors if factor == named or factor.startswith(f"{named}, ")]
        if not factors:
            continue
        values = {
            f"x {at_ratio:.4g}": value_at(doubt.model, doubt.derived, name, dict.fromkeys(factors, at_ratio))
            for at_ratio in (low_ratio, high_ratio)
        }
        yield scenario_range(f"assumed {named}", {"as assumed": base, **values}, unit=unit, base="as assumed")
    costs = {cost.strategy: cost for cost in comparison.strategies}
    if name not in costs:
        return  # What every joule is multiplied by leaves ratios and break-evens as they are.
    only = comparison.sites.only
    if only is not None and only.pue is None and not only.facility_metered:
        values = {"IT energy only": base, f"PUE {STRUBELL_PUE.value:g}": base * STRUBELL_PUE.value}
        yield scenario_range("PUE, not given", values, unit=unit, base="IT energy only")
    masses_kg = costs[name].masses_kg
    if HOURLY in masses_kg and unit == "kg":
        values = {"yearly average": masses_kg[LOCATION], "by the hour": masses_kg[HOURLY]}
        yield scenario_range("intensity over time", values, unit=unit, base="yearly average")
