"""The sentences and cards of the published record: what is claimed, what becomes of it, and what must be known."""

from collections.abc import Iterator

from carbon_nas.accounting.grid import Grid
from carbon_nas.comparison.claims import claims
from carbon_nas.comparison.gpu_power import gpu_powers
from carbon_nas.comparison.published import PublishedRow, PublishedScenario, PublishedTable
from carbon_nas.comparison.published_hours import MNASNET, FineTuning
from carbon_nas.references import nas_costs, waterfall
from carbon_nas.reporting.document import Card
from carbon_nas.reporting.numbers import kwh, mass, mass_lb, significant
from carbon_nas.reporting.published_request import PublishedRequest
from carbon_nas.sources import Tier

__all__ = ["published_cards", "published_caveats", "published_method", "published_verdict", "setting"]

_PROXYLESSNAS = "cai2020-proxylessnas"


def setting(scenario: PublishedScenario, grid: Grid | None) -> str:
    """Say by what GPU-hours are multiplied."""
    if grid is None:
        where = "the US average that the printed table takes"
    else:
        where = f"{grid.name}, {grid.year}" if grid.year else grid.name
    return (
        f"{significant(scenario.power.power_w)} W per GPU, PUE {scenario.pue:g}, {where}: "
        f"{significant(scenario.intensity_g_per_kwh)} g CO2e per kWh"
    )


def _found(table: PublishedTable, key: str) -> PublishedRow:
    return next(row for row in table.rows if row.key == key)


def _upfront(table: PublishedTable) -> PublishedRow:
    return _found(table, table.scenario.fine_tuning.row_key)


def published_verdict(table: PublishedTable, request: PublishedRequest) -> Iterator[str]:
    """Say what is claimed and what becomes of it. Not to be shown without `published_caveats`."""
    scenario, found, upfront = table.scenario, claims(), _upfront(table)
    printed = ", ".join(f"{claim.text}x against {claim.rival}" for claim in found)
    unrounded = ", ".join(f"{significant(claim.unrounded_ratio)}x" for claim in found)
    yield (
        f"Claimed for once-for-all (OFA) at N = {found[0].scenarios}, in CO2e: {printed}. "
        f"The unrounded hours of the same table give {unrounded}."
    )
    ratios = ", ".join(
        f"{_bound(row, f'{significant(row.upfront_ratio)}x')} against {row.label}"
        for row in (_found(table, claim.rival_key) for claim in found)
    )
    yield f"At N = {scenario.n} with {upfront.label} the ratios are {ratios}; site and power cancel in them."
    costs = "; ".join(_cost(row) for row in (upfront, _found(table, _PROXYLESSNAS)))
    yield f"At {setting(scenario, request.grid())}: {costs}."
    crossings = [(row.rival, row.crossings[scenario.fine_tuning]) for row in table.against_upfront]
    told = [
        f"{rival} at N* = {significant(crossing.n_ratio)}"
        for rival, crossing in crossings
        if crossing.n_ratio is not None and crossing.n_ratio >= 1.0
    ]
    yield f"{upfront.label} breaks even with {', '.join(told)}; for fewer scenarios it takes more hours than they do."
    steps = request.steps()
    start, end = steps[0].after_ratio, steps[-1]
    own = request.measured and request.measured.ratio
    if own:
        yield (
            f"Step by step the {significant(start)}x become the {significant(end.after_ratio)}x that {own.label} found "
            f"against {own.rival} for {own.n} scenarios, in energy ({own.tier})."
        )
    elif end.low_ratio is not None and end.high_ratio is not None:
        yield (
            f"Against a rival that reports search and training, the {significant(start)}x become "
            f"{significant(end.low_ratio)}x to {significant(end.high_ratio)}x, depending on N."
        )
    first, *_, last = waterfall()
    yield (
        f"The larger record: {mass_lb(first.mass_lb)} for one search as estimated in 2019, corrected in 2021 to "
        f"{mass_lb(last.mass_lb)}, {significant(first.mass_lb / last.mass_lb)} times less."
    )


def _bound(row: PublishedRow, ratio: str) -> str:
    if row.assumption:
        return f"{ratio} (with an assumption, see below)"
    return f"at least {ratio}" if row.unreported else ratio


def _cost(row: PublishedRow) -> str:
    asked, *others = row.footprints
    beside = ", ".join(f"{mass(one.mass_kg)} at {significant(one.power_w)} W" for one in others)
    return (
        f"{row.label} takes {row.gpu_h:,.0f} GPU-hours, {kwh(asked.facility_energy_kwh)} and {mass(asked.mass_kg)} "
        f"CO2e ({beside})"
    )


def published_caveats(table: PublishedTable, request: PublishedRequest) -> Iterator[str]:
    """Say what must be known before anything is quoted."""
    powers = gpu_powers()
    own = "" if request.measured is None else " What is said to come from own ledgers was metered on other work."
    yield f"This is arithmetic on one published table: nothing in it was run or measured again.{own}"
    yield (
        "Its GPU-hours come from several papers and from several accelerators, which the table adds up as if they were "
        "one; that cannot be undone from what is printed."
    )
    partly = [f"{' and '.join(row.unreported)} of {row.label}" for row in table.rows if row.unreported]
    yield f"Not reported, and so not counted: {', '.join(partly)}. Their rows and ratios are lower bounds."
    search_gpu_h = nas_costs()[FineTuning.NONE.row_key].search_once_gpu_h or 0.0
    yield (
        f"The printed totals of once-for-all drop {search_gpu_h:,.0f} GPU-hours of search by rounding; here they are "
        "counted, once for all scenarios, as the table has them."
    )
    yield (
        f"The power behind the printed CO2e is {significant(powers['strubell2019'].power_w)} W per GPU, scaled from "
        f"another GPU; {significant(powers['patterson2021'].power_w)} W were measured for a V100 since, on other "
        "networks. Every mass moves with it, no ratio does."
    )
    yield "The networks are not equally accurate (see the table), and no cost is put on the difference."
    mnasnet = _found(table, MNASNET)
    if mnasnet.assumption:
        yield f"MnasNet: {mnasnet.assumption}."
    if request.measured is not None and request.measured.power_w is None:
        yield (
            "The ledgers that were named metered no GPU, so the power per GPU is not theirs: "
            f"{request.gpu_power().label}."
        )
    if request.measured is not None and request.measured.ratio is None:
        yield "The ledgers that were named hold no finished comparison of once-for-all with a rival."
    if request.unused():
        yield f"The site file also gives {', '.join(request.unused())}, which a table of GPU-hours has no use for."


def published_cards(table: PublishedTable, request: PublishedRequest) -> Iterator[Card]:
    """Return the numbers that the reader sees first."""
    scenario = table.scenario
    for row in (_upfront(table), _found(table, _PROXYLESSNAS)):
        yield Card(
            label=f"{row.label}, N = {scenario.n}",
            value=f"{mass(row.footprints[0].mass_kg)} CO2e",
            detail=f"{row.gpu_h:,.0f} GPU-hours; {kwh(row.footprints[0].facility_energy_kwh)}",
            tier=Tier.MODELLED,
        )
    against = next(row for row in table.against_upfront if row.rival == _found(table, _PROXYLESSNAS).label)
    n_ratio = against.crossings[scenario.fine_tuning].n_ratio
    yield Card(
        label=f"break-even with {against.rival}",
        value="never" if n_ratio is None else f"N* = {significant(n_ratio)}",
        detail="the same in energy, CO2e and dollars, at any site",
        tier=Tier.MODELLED,
    )
    end = request.steps()[-1]
    reach = f"{significant(end.after_ratio)}x"
    if end.low_ratio is not None:
        reach = f"{significant(end.low_ratio)}x to {reach} by N, against {against.rival}"
    yield Card(
        label=f"claimed against {claims()[-1].rival}",
        value=f"{claims()[-1].text}x",
        detail=f"step by step: {reach}",
        tier=Tier.PUBLISHED,
    )
    first, *_, last = waterfall()
    yield Card(
        label="one search, as estimated in 2019",
        value=mass_lb(first.mass_lb),
        detail=f"as corrected in 2021: {mass_lb(last.mass_lb)}",
        tier=Tier.PUBLISHED,
    )


def published_method(request: PublishedRequest) -> Iterator[str]:
    """Say how everything is computed."""
    yield (
        "GPU-hours(N) = once + N x for each scenario. Energy = GPU-hours x W per GPU; facility energy = energy x PUE; "
        "CO2e = facility energy x intensity, location-based; cost = GPU-hours x price. Break-even N* = difference of "
        "what is paid once over the difference of what is paid for each scenario."
    )
    if request.measured is not None:
        yield f"Head hashes of the ledgers that were read: {', '.join(request.measured.heads)}."
