"""The sentences at the top: what was found, and what must be known before it is quoted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from carbon_nas.accounting.site import EMBODIED_VIEW, LOCATION, MARKET
from carbon_nas.accounting.uncertainty import Spread
from carbon_nas.comparison.break_even import BreakEven
from carbon_nas.comparison.components import Incomplete
from carbon_nas.comparison.delivery import Delivery, Gap
from carbon_nas.comparison.family import FAMILY, ONCE_FOR_ALL, SANDWICH, Trainings, are_kin
from carbon_nas.comparison.findings import MARGIN_FRACTION
from carbon_nas.comparison.priors import PriorWork
from carbon_nas.comparison.spread import CO2E, break_even_name, ratio_name, same
from carbon_nas.comparison.table import Comparison
from carbon_nas.reporting.numbers import energy, kwh, mass, percent, points, scenarios, significant
from carbon_nas.reporting.priors import IN_FULL, started
from carbon_nas.sources import Tier
from carbon_nas.uncertain import Interval
from carbon_nas.units import in_kwh

__all__ = ["caveats", "emissions", "verdict"]

_MOST_GAPS = 5


def verdict(
    comparison: Comparison,
    spreads: Mapping[str, Spread] | None = None,
    *,
    trained: Trainings | None = None,
    works: Sequence[PriorWork] = (),
) -> tuple[str, ...]:
    """Say what was found, in sentences. They are not to be shown without `caveats`.

    Args:
        comparison: the numbers.
        spreads: how sure each cost, ratio and break-even is, by name.
        trained: two ways to train one network for all scenarios.
        works: what strategies started from that was paid for before.
    """
    return tuple(_sentences(comparison, spreads or {}, trained, started(works)))


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
            part = percent(share) if share >= 0.001 else "less than 0.1 %"
            yield f"Of the energy, {part} fell into gaps of the {view} series, where the mean of the rest stands in."


def _sentences(
    comparison: Comparison, spreads: Mapping[str, Spread], trained: Trainings | None, before: Mapping[str, str]
) -> Iterator[str]:
    sites = comparison.sites
    costs = []
    for cost in comparison.strategies:
        figures = [f"{energy(cost.energy_j)} of IT energy"]
        figures += emissions(cost.masses_kg)
        facility = kwh(in_kwh(cost.facility_j))
        costs.append(f"{cost.strategy} {facility} ({', '.join(figures)})")
    missing = "".join(
        f" Not in it is what {strategy} starts from, {told}: it stands in the table '{IN_FULL}'."
        for strategy, told in before.items()
    )
    run = f"For {scenarios(len(comparison.scenarios))}, really run: {'; '.join(costs)}"
    yield f"{run}. {_capital(sites.label)}.{missing}"
    if trained is not None:
        yield _trained(trained)
    # Pair by pair, so that with three strategies nobody has to look for what belongs together.
    for one, other in combinations([cost.strategy for cost in comparison.strategies], 2):
        yield from _pair(comparison, spreads, one, other, _without(one, other, before))
        yield from (_quality(gap) for gap in comparison.gaps if {gap.strategy, gap.rival} == {one, other})


def _without(one: str, other: str, before: Mapping[str, str]) -> str:
    """Name those of a pair that are not charged with everything; empty if both are."""
    half = [strategy for strategy in (one, other) if strategy in before]
    return f"without what {' and '.join(half)} started from" if half else ""


def _pair(comparison: Comparison, spreads: Mapping[str, Spread], one: str, other: str, without: str) -> Iterator[str]:
    several = comparison.sites.only is None
    spent = f"{_capital(without)}, " if without else ""
    of, spread = "CO2e" if several else "energy", spreads.get(ratio_name(one, other))
    if are_kin(one, other, comparison.repeated()):
        # Where the lines cross is chance. In the direction in which their trainings are compared.
        turned = _inverse(spread) if (one, other) == (ONCE_FOR_ALL, SANDWICH) else spread
        whole = f"in all, for {scenarios(len(comparison.scenarios))}, "
        for told in _ratio(turned, SANDWICH, ONCE_FOR_ALL, of):
            yield _capital(f"{without}, {whole}{told}" if without else f"{whole}{told}")
        return
    for told in _ratio(spread, one, other, of):
        yield f"{spent}{told}"
    for found in comparison.break_evens:
        if {found.upfront, found.rival} == {one, other}:
            spread = spreads.get(break_even_name(found.upfront, found.rival))
            # With several sites there is one N* of energy and another of CO2e.
            yield f"{spent}{_crossing(found, spread if same(spread, found.n_ratio) else None, apart=several)}"
    if several:
        names = {break_even_name(*pair, CO2E) for pair in ((one, other), (other, one))}
        for told in _by_co2e([spread for name, spread in spreads.items() if name in names]):
            yield f"{spent}{told}"


def _inverse(spread: Spread | None) -> Spread | None:
    """Return how sure a ratio is the other way round; without an end where one of the old ones is 0."""
    if spread is None or not spread.value:
        return None
    over = [
        Interval(low=1.0 / one.high, high=1.0 / one.low) if one is not None and one.low > 0.0 else None
        for one in (spread.interval, spread.quantified_only)
    ]
    return replace(spread, value=1.0 / spread.value, interval=over[0], quantified_only=over[1])


def _trained(found: Trainings) -> str:
    own, rival = (f"{FAMILY[name]} ({name})" for name in (found.strategy, found.rival))
    paid = f"{energy(found.once_j)} against {energy(found.rival_once_j)}"
    if found.once_ratio is None or found.low_ratio is None or found.high_ratio is None:
        told = f"{own} takes {paid} for {rival}"
    else:
        seeds = f", {significant(found.low_ratio, 2)} to {significant(found.high_ratio, 2)} by seed"
        told = (
            f"{own} takes {significant(found.once_ratio, 2)} times the energy of {rival}: "
            f"{paid}{seeds if found.seeds > 1 else ''}"
        )
    each = f"After that a scenario takes {energy(found.each_j)} against {energy(found.rival_each_j)}"
    if found.accuracy_fraction is None or found.rival_accuracy_fraction is None:
        quality = "how accurate the networks of both are is not known"
    else:
        mine, theirs = percent(found.accuracy_fraction), percent(found.rival_accuracy_fraction)
        quality = f"test accuracy is {mine} against {theirs} on average"
    return f"Paid once for all scenarios: {told}. {each}, and {quality}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def emissions(masses_kg: Mapping[str, float | None]) -> list[str]:
    """Say the CO2e of a named site: by the grid and by contract side by side, and that of making the hardware."""
    location_kg, market_kg, embodied_kg = (masses_kg.get(view) for view in (LOCATION, MARKET, EMBODIED_VIEW))
    said = []
    if location_kg is not None:
        beside = "" if market_kg is None else f" location-based, {mass(market_kg)} market-based"
        said.append(f"{mass(location_kg)} CO2e{beside}")
    if embodied_kg is not None:
        said.append(f"{mass(embodied_kg)} embodied in the hardware")
    return said


def _sure(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.interval is None:
        if spread.quantified_only is None:
            return "95 % interval: not quantified" if spread.not_quantified else ""
        low, high = spread.quantified_only.low, spread.quantified_only.high
        return f"95 %, from what is quantified alone: {significant(low, 2)} to {significant(high, 2)}"
    return f"95 %: {significant(spread.interval.low, 2)} to {significant(spread.interval.high, 2)}"


def _ratio(spread: Spread | None, one: str, other: str, of: str) -> Iterator[str]:
    if spread is not None and spread.value is not None:
        sure = _sure(spread)
        yield f"{one} takes {significant(spread.value)} times the {of} of {other}{f' ({sure})' if sure else ''}."


def _by_co2e(spreads: Sequence[Spread]) -> Iterator[str]:
    for spread in spreads:
        sure = _sure(spread)
        number = "never" if spread.value is None else significant(spread.value, 2)
        yield f"{spread.name}: {number}{f' ({sure})' if sure else ''}."


def _crossing(found: BreakEven, sure: Spread | None, *, apart: bool) -> str:
    never = found.pairs - found.crossing_pairs
    missing = f"in {never} of {found.pairs} pairs of a scenario and a seed they never cross" if never else ""
    if found.n_ratio is None:
        return (
            f"{found.upfront} costs more once and not less per scenario than {found.rival}: "
            f"extrapolated from what was run, it never breaks even{f'; {missing}' if missing else ''}."
        )
    ends = ""
    if found.crossing_pairs > 1 and found.low_ratio is not None and found.high_ratio is not None:
        span = f"from {significant(found.low_ratio, 2)} to {significant(found.high_ratio, 2)}"
        ends = f"{span} by scenario and seed"
    told = "; ".join(filter(None, [_sure(sure), ends, missing]))
    known = f" ({told})" if told else ""
    were = "was" if found.measured_n == 1 else "were"
    beyond = f" That is beyond the {scenarios(found.measured_n)} that {were} run: extrapolated."
    lead = f"{'In energy ' if apart else ''}{found.upfront} breaks even with {found.rival}"
    return (
        f"{lead} at N* = {significant(found.n_ratio, 2)} scenarios{known}, and costs less from N = {found.first_n} on."
        f"{beyond if found.extrapolated else ''}"
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
        for kind, words in (
            ("cpu", "CPU time times a constant power"),
            ("dram", "memory size times a constant power per GB"),
        )
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
