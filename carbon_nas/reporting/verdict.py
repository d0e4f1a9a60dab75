"""The sentences at the top: what was found, and what must be known before it is quoted."""

from collections.abc import Iterator, Mapping

from carbon_nas.accounting.site import LOCATION
from carbon_nas.comparison.break_even import BreakEven
from carbon_nas.comparison.components import Incomplete
from carbon_nas.comparison.delivery import Delivery, Gap
from carbon_nas.comparison.table import Comparison
from carbon_nas.reporting.numbers import energy, kwh, mass, percent, points, scenarios, significant
from carbon_nas.sources import Tier
from carbon_nas.units import in_kwh

__all__ = ["MARGIN_FRACTION", "caveats", "verdict"]

_MOST_GAPS = 5

MARGIN_FRACTION = 0.01
"""A loss of accuracy beyond one percentage point is named, whatever the energy."""


def verdict(comparison: Comparison) -> tuple[str, ...]:
    """Say what was found, in sentences. They are not to be shown without `caveats`."""
    return tuple(_sentences(comparison))


def caveats(comparison: Comparison, *, quick: bool, filled_share: Mapping[str, float] | None = None) -> tuple[str, ...]:
    """Say what must be known before anything is quoted."""
    return (*_warnings(comparison, quick=quick), *_places(comparison, filled_share or {}))


def _places(comparison: Comparison, filled_share: Mapping[str, float]) -> Iterator[str]:
    if comparison.sites.only is None:
        yield (
            f"Recorded at {len(comparison.sites.sites)} sites: ratios of CO2e compare the places as well, those of "
            "energy only the work."
        )
    for view, share in filled_share.items():
        if share > 0:
            yield (
                f"Of the energy, {percent(share)} fell into gaps of the {view} series, where the mean of its known "
                "values stands in."
            )


def _sentences(comparison: Comparison) -> Iterator[str]:
    sites = comparison.sites
    costs = []
    for cost in comparison.strategies:
        figures = [f"{energy(cost.energy_j)} of IT energy"]
        emitted_kg = cost.masses_kg.get(LOCATION)
        if emitted_kg is not None:
            figures.append(f"{mass(emitted_kg)} CO2e")
        facility = kwh(in_kwh(cost.facility_j))
        costs.append(f"{cost.strategy} {facility} ({', '.join(figures)})")
    yield f"For {scenarios(len(comparison.scenarios))}, really run: {'; '.join(costs)}. {_capital(sites.label)}."
    yield from map(_crossing, comparison.break_evens)
    yield from map(_quality, comparison.gaps)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _crossing(found: BreakEven) -> str:
    never = found.pairs - found.crossing_pairs
    missing = f"; in {never} of {found.pairs} pairs of a scenario and a seed they never cross" if never else ""
    if found.n_ratio is None:
        return (
            f"{found.upfront} costs more once and not less per scenario than {found.rival}: "
            f"extrapolated from what was run, it never breaks even{missing}."
        )
    spread = ""
    if found.low_ratio is not None and found.high_ratio is not None:
        spread = (
            f" (from {significant(found.low_ratio, 2)} to {significant(found.high_ratio, 2)} by scenario and seed, "
            f"a range and no confidence interval{missing})"
        )
    beyond = f" That is beyond the {scenarios(found.measured_n)} that were run: extrapolated."
    return (
        f"{found.upfront} breaks even with {found.rival} at N* = {significant(found.n_ratio, 2)} scenarios{spread}, "
        f"and costs less from N = {found.first_n} on.{beyond if found.extrapolated else ''}"
    )


def _quality(gap: Gap) -> str:
    if gap.mean_fraction is None or gap.worst_fraction is None:
        return f"The accuracy of {gap.strategy} and {gap.rival} cannot be compared: results are missing."
    noise = (
        f"; the standard error of one difference is {100 * gap.noise_fraction:.1f} points"
        if gap.noise_fraction is not None
        else ""
    )
    figures = f"{points(gap.mean_fraction)} on average, {points(gap.worst_fraction)} in the worst scenario{noise}"
    lead = f"In test accuracy {gap.strategy} differs from {gap.rival} by {figures}."
    if gap.worst_fraction < -MARGIN_FRACTION:
        return f"{lead} It is less accurate somewhere, so lower energy is not a saving at equal quality."
    if gap.mean_fraction > MARGIN_FRACTION:
        return lead
    return f"{lead} That is no proof of equal quality, but no loss beyond a point was seen."


def _formula(comparison: Comparison) -> str:
    kinds = {cost.component.partition(":")[0] for cost in comparison.components if cost.tier is Tier.ESTIMATED}
    parts = [
        words
        for kind, words in (("cpu", "CPU time times a constant power"), ("dram", "memory size times a constant power"))
        if kind in kinds
    ]
    return " and ".join(parts) or "a formula"


def _gap(found: Incomplete) -> str:
    low = "no bound is known" if found.low_j is None else f"at least {energy(found.low_j)}"
    high = "no upper bound is known" if found.high_j is None else f"at most {energy(found.high_j)}"
    return (
        f"{found.strategy}, seed {found.seed}: the energy of {found.phase} has a gap ({', '.join(found.components)}); "
        f"it is {low}, and {high}."
    )


def _missed(item: Delivery) -> bool:
    return item.over_limit_fraction is not None and item.over_limit_fraction > 0


def _warnings(comparison: Comparison, *, quick: bool) -> Iterator[str]:
    if comparison.tier is Tier.MODELLED:
        yield "Energy here comes from a simulated meter: no hardware was read."
    elif comparison.estimated_share > 0.999:
        yield f"Energy here is {_formula(comparison)}: an estimate, not a measurement."
    elif comparison.estimated_share > 0:
        yield (
            f"{percent(comparison.estimated_share)} of the energy here is {_formula(comparison)}: "
            "an estimate, not a measurement."
        )
    for item in filter(_missed, comparison.deliveries):
        yield (
            f"{item.strategy}, seed {item.seed}, misses the latency limit of {item.scenario} by "
            f"{percent(item.over_limit_fraction or 0.0)}: there the strategies did not deliver the same."
        )
    if comparison.unfinished:
        yield f"Not finished, and not compared beyond what all have finished: {'; '.join(comparison.unfinished)}."
    if comparison.attributed:
        yield (
            f"{len(comparison.attributed)} energies stand in two ledgers that metered one device at the same time, and "
            f"are attributed by the rule '{comparison.overlap}' as if power were even: {comparison.attributed[0]}."
        )
    yield from map(_gap, comparison.incomplete[:_MOST_GAPS])
    if len(comparison.incomplete) > _MOST_GAPS:
        yield f"{len(comparison.incomplete) - _MOST_GAPS} more phases have gaps in their energy."
    seeds = min(cost.seeds for cost in comparison.strategies)
    if seeds < 3:
        yield f"{'One seed' if seeds == 1 else f'{seeds} seeds'}: no statement about chance is possible."
    if quick:
        yield "This was a quick run: the phases are real, but too short to conclude anything from."
