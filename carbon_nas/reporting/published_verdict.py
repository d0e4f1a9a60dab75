"""The sentences and cards of the published record: what is claimed, what becomes of it, and what must be known."""

from collections.abc import Iterator

from carbon_nas.accounting.grid import Grid
from carbon_nas.comparison.claims import claims
from carbon_nas.comparison.gpu_power import gpu_powers
from carbon_nas.comparison.published import PublishedRow, PublishedSetting, PublishedTable
from carbon_nas.comparison.published_hours import MNASNET, FineTuning, MnasNetHours
from carbon_nas.references import nas_costs, waterfall
from carbon_nas.reporting.document import Card
from carbon_nas.reporting.numbers import kwh, mass, mass_lb, significant
from carbon_nas.reporting.published_crossings import crossing_words
from carbon_nas.reporting.published_request import PublishedRequest
from carbon_nas.sources import Tier

__all__ = ["published_cards", "published_caveats", "published_method", "published_verdict", "setting_words"]

_PROXYLESSNAS = "cai2020-proxylessnas"


def setting_words(setting: PublishedSetting, grid: Grid | None) -> str:
    """Say by what GPU-hours are multiplied."""
    if grid is None:
        place = "the printed table's US average"
    else:
        place = f"{grid.name}, {grid.year}" if grid.year else grid.name
    return (
        f"{significant(setting.power.power_w)} W per GPU, PUE {setting.pue:g} and "
        f"{significant(setting.intensity_g_per_kwh)} g CO2e per kWh ({place})"
    )


def _found(table: PublishedTable, key: str) -> PublishedRow:
    return next(row for row in table.rows if row.key == key)


def _upfront(table: PublishedTable) -> PublishedRow:
    return _found(table, table.setting.fine_tuning.row_key)


def published_verdict(table: PublishedTable, request: PublishedRequest) -> Iterator[str]:
    """Say what is claimed and what becomes of it. Not to be shown without `published_caveats`."""
    setting = table.setting
    yield from _claimed(table)
    costs = "; ".join(_cost(row) for row in (_upfront(table), _found(table, _PROXYLESSNAS)))
    yield f"At {setting_words(setting, request.grid())}, {costs}."
    yield from _crossings(table)
    yield from _end(request)
    first, *_, last = waterfall()
    yield (
        f"The larger record: {mass_lb(first.mass_lb)} for one search as estimated in 2019, corrected in 2021 to "
        f"{mass_lb(last.mass_lb)}, {significant(first.mass_lb / last.mass_lb)} times less."
    )


def _claimed(table: PublishedTable) -> Iterator[str]:
    setting, found = table.setting, claims()
    printed = ", ".join(f"{claim.text}x against {claim.rival}" for claim in found)
    unrounded = ", ".join(f"{significant(claim.unrounded_ratio)}x" for claim in found)
    yield (
        f"Claimed for once-for-all (OFA) at N = {found[0].scenarios}, in CO2e: {printed}. "
        f"The unrounded hours of the same table give {unrounded}; site and power cancel in them."
    )
    if (setting.n, setting.fine_tuning, setting.mnasnet) == (
        found[0].scenarios,
        FineTuning.NONE,
        MnasNetHours.TABLE,
    ):
        return  # Those are the unrounded ratios just named.
    ratios = ", ".join(
        f"{_bound(row, f'{significant(row.upfront_ratio)}x')} against {row.label}"
        for row in (_found(table, claim.rival_key) for claim in found)
    )
    yield f"At N = {setting.n} with {_upfront(table).label} the ratios are {ratios}."


def _crossings(table: PublishedTable) -> Iterator[str]:
    crossings = [(row.rival, row.crossings[table.setting.fine_tuning]) for row in table.against_upfront]
    told = [
        f"{rival} at N* {crossing_words(crossing)}"
        for rival, crossing in crossings
        if crossing.n_ratio is not None and crossing.n_ratio >= 1.0
    ]
    below = [rival for rival, crossing in crossings if crossing.n_ratio is not None and crossing.n_ratio < 1.0]
    never = [rival for rival, crossing in crossings if crossing.n_ratio is None]
    own = _upfront(table).label
    if told:
        yield (
            f"{own} breaks even with {', '.join(told)}; for fewer scenarios it takes more of the reported hours than "
            "they do."
        )
    if below:
        yield f"Against {' and '.join(below)} it takes fewer hours from the first scenario on."
    if never:
        yield f"It never breaks even with {' and '.join(never)}."


def _end(request: PublishedRequest) -> Iterator[str]:
    start, *_, end = request.steps()
    own = request.measured and request.measured.ratio
    if own:
        yield (
            f"Step by step the {significant(start.after_ratio)}x become the {significant(end.after_ratio)}x that "
            f"{own.label} found against {own.rival} for {own.n} scenarios, in energy ({own.tier})."
        )
    elif end.low_ratio is not None and end.high_ratio is not None:
        yield (
            f"Against {_rival()}, which reports search and training, the {significant(start.after_ratio)}x become "
            f"{significant(end.after_ratio)}x at N = {request.n} ({significant(end.low_ratio)}x to "
            f"{significant(end.high_ratio)}x {end.over})."
        )


def _rival() -> str:
    return nas_costs()[_PROXYLESSNAS].label


def _bound(row: PublishedRow, ratio: str) -> str:
    if row.assumption:
        return f"{ratio} (with an assumption, see below)"
    return f"{ratio} by the hours that are reported" if row.unreported else ratio


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
    bounds = [row.label for row in table.rows if row.unreported and not row.assumption]
    yield (
        f"Not reported, and so not counted: {', '.join(partly)}. By the hours of the table itself, what stands for "
        f"{' and '.join(bounds)} is a lower bound."
    )
    if table.setting.mnasnet is MnasNetHours.TABLE:
        yield (
            "That a search of MnasNet takes 40,000 GPU-hours is an estimate of others; on the way from 1,300x the "
            "TPUv2-hours of its own paper are taken for GPU-hours, one for one, which nobody has shown."
        )
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
    setting = table.setting
    for row in (_upfront(table), _found(table, _PROXYLESSNAS)):
        yield Card(
            label=f"{row.label}, N = {setting.n}",
            value=f"{mass(row.footprints[0].mass_kg)} CO2e",
            detail=f"{row.gpu_h:,.0f} GPU-hours; {kwh(row.footprints[0].facility_energy_kwh)}",
            tier=Tier.MODELLED,
        )
    crossing = next(row for row in table.against_upfront if row.rival == _rival()).crossings[setting.fine_tuning]
    yield Card(
        label=f"break-even with {_rival()}",
        value="never" if crossing.n_ratio is None else f"N* {crossing_words(crossing)}",
        detail="the same in energy, CO2e and dollars, at any site",
        tier=Tier.MODELLED,
    )
    end = request.steps()[-1]
    own = request.measured and request.measured.ratio
    where = f"against {own.rival} in {own.label}" if own else f"at N = {setting.n}, against {_rival()}"
    yield Card(
        label=f"claimed against {claims()[-1].rival}",
        value=f"{claims()[-1].text}x",
        detail=f"step by step: {significant(end.after_ratio)}x {where}",
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
