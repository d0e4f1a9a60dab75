"""What another choice would make of a cost or a ratio: ranges without a probability, apart from intervals."""

from collections.abc import Iterator, Mapping, Sequence

from carbon_nas.accounting.choices import ChoiceRange, choice_range
from carbon_nas.accounting.methods import STRUBELL_PUE
from carbon_nas.accounting.model import named, value_at
from carbon_nas.accounting.site import HOURLY, LOCATION
from carbon_nas.comparison.spread import (
    EMBODIED,
    MARGINAL,
    MARKET_BASED,
    WHOLE,
    SpreadModel,
    cost_name,
    power_name,
)
from carbon_nas.comparison.table import Comparison, StrategyCost
from carbon_nas.ledger.run import Run

__all__ = ["ranges"]

AS_ASSUMED, IT_ONLY, YEARLY = "as assumed", "IT energy only", "yearly average"
_SOURCE = STRUBELL_PUE.source
# Strubell et al. 2019 take it from Ascierto 2018, a survey of the Uptime Institute.
PUE_LABEL = f"PUE {STRUBELL_PUE.value:g}, data centres of 2018 [{_SOURCE.key}, eq. 1]"


def ranges(comparison: Comparison, doubt: SpreadModel, runs: Sequence[Run]) -> Mapping[str, tuple[ChoiceRange, ...]]:
    """Turn one switch at a time for every cost, ratio and break-even, by name.

    Switches are the power that a formula assumes, where its range is published; a PUE that nobody has given; and the
    yearly average or the hours of a grid that is known by both.
    """
    estimates = _estimates(runs)
    found = {}
    for name in doubt.shown:
        base = value_at(doubt.model, doubt.derived, name)
        if base is not None:
            found[name] = (
                *_powers(doubt, name, base, estimates),
                *_overheads(comparison, doubt, name, base),
                *_hours(comparison, doubt, name),
            )
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


def _powers(
    doubt: SpreadModel, name: str, base: float, estimates: Mapping[str, tuple[float, float]]
) -> Iterator[ChoiceRange]:
    used = named(doubt.model, doubt.derived, name)
    for component, ends_ratio in estimates.items():
        # One assumption, wherever it was made.
        power = power_name(component)
        factors = [factor for factor in used if factor == power or factor.startswith(f"{power}, ")]
        if factors:
            labels = _times(*ends_ratio)
            values = {
                label: value_at(doubt.model, doubt.derived, name, dict.fromkeys(factors, at_ratio))
                for label, at_ratio in zip(labels, ends_ratio, strict=True)
            }
            yield choice_range(
                f"power assumed for {component}",
                {AS_ASSUMED: base, **values},
                unit=doubt.unit_of(name),
                base=AS_ASSUMED,
            )


def _times(low_ratio: float, high_ratio: float) -> tuple[str, str]:
    """Write two factors with as few digits, from two on, as tell them apart, and from one."""
    texts = [(f"{low_ratio:.{digits}g}", f"{high_ratio:.{digits}g}") for digits in range(2, 17)]
    low, high = next((pair for pair in texts if len({*pair, "1"}) == 3), texts[-1])
    return f"{low} x assumed power", f"{high} x assumed power"


def _overheads(comparison: Comparison, doubt: SpreadModel, name: str, base: float) -> Iterator[ChoiceRange]:
    """Yield what an average data centre would make of a cost; ratios and break-evens stay as they are."""
    if any(site.pue is not None or site.facility_metered for site in comparison.sites.sites):
        return
    # No building moves what it took to make the hardware.
    fixed = {cost_name(cost.strategy, WHOLE): cost_name(cost.strategy, EMBODIED) for cost in comparison.strategies}
    moving = {cost_name(cost.strategy, view) for cost in comparison.strategies for view in ("", MARKET_BASED, MARGINAL)}
    if name not in fixed and name not in moving:
        return
    still = value_at(doubt.model, doubt.derived, fixed[name]) if name in fixed else 0.0
    if still is None:
        return
    values = {IT_ONLY: base, PUE_LABEL: still + (base - still) * STRUBELL_PUE.value}
    yield choice_range("PUE, not given", values, unit=doubt.unit_of(name), base=IT_ONLY)


def _hours(comparison: Comparison, doubt: SpreadModel, name: str) -> Iterator[ChoiceRange]:
    costs: Mapping[str, StrategyCost] = {cost.strategy: cost for cost in comparison.strategies}
    if name in costs and HOURLY in costs[name].masses_kg and doubt.unit == "kg":
        masses_kg = costs[name].masses_kg
        values = {YEARLY: masses_kg[LOCATION], "by the hour": masses_kg[HOURLY]}
        yield choice_range("intensity over time", values, unit=doubt.unit, base=YEARLY)
