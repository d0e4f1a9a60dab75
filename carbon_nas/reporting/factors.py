"""The tables of what energy was multiplied by: intensities, PUE, shares, and the hardware that was used up."""

from collections.abc import Iterator, Sequence

from carbon_nas.accounting.embodied import S_PER_YEAR
from carbon_nas.accounting.grid import Grid, Kind, counted
from carbon_nas.accounting.series import Gaps, IntensitySeries, Weighted
from carbon_nas.accounting.site import HOURLY, MARGINAL, Site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison.hourly import HourlyMean
from carbon_nas.reporting.cells import kilograms, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import percent, significant
from carbon_nas.sources import Source, Tier

__all__ = ["embodied_table", "factor_sources", "factor_table", "mixed_bases"]


def factor_table(sites: Sites, means: Sequence[HourlyMean] = ()) -> Table:
    """Return every factor with its year, basis, source and spread.

    Args:
        sites: where a study was recorded.
        means: what series come to over its work, shown beside the yearly factor.
    """
    rows: list[tuple[Cell, ...]] = []
    for number, site in enumerate(sites.sites):
        rows += _rows(site, [one for one in means if one.site == number])
    return Table(
        key="factors",
        title="What energy is multiplied by",
        columns=(
            Column(key="site", title="site", numeric=False),
            Column(key="factor", title="factor", numeric=False),
            Column(key="value", title="value"),
            Column(key="unit", title="unit", numeric=False),
            Column(key="year", title="year", numeric=False),
            Column(key="basis", title="basis", numeric=False),
            Column(key="gsd_ratio", title="spread (GSD)"),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(rows),
        note="GSD: geometric standard deviation; 95 % lie within a factor of GSD to the power of 1.96. Location-based "
        "and market-based CO2e stand side by side and are never added; marginal CO2e is no part of an inventory.",
    )


def _rows(site: Site, means: Sequence[HourlyMean]) -> Iterator[tuple[Cell, ...]]:
    place = word(_place(site))
    for one in (*site.grids, site.market, site.hourly, site.marginal):
        match one:
            case Grid():
                yield _yearly(place, one)
            case IntensitySeries():
                view, gaps = (HOURLY, site.hourly_gaps) if one is site.hourly else (MARGINAL, site.marginal_gaps)
                yield _series(place, one, gaps)
                yield from (_mean(place, one, found.mean) for found in means if found.view == view)
    if site.pue is not None:
        # The spread is one of the overhead: a building never uses less than its computers.
        name = "PUE" if site.pue_gsd_ratio is None else "PUE (spread: of PUE - 1)"
        yield _plain(place, name, site.pue, site.pue_gsd_ratio, site.pue_source or "given by the user")
    for name, ratio in (("host share", site.host_ratio), ("idle share", site.idle_ratio)):
        if ratio is not None:
            yield _plain(place, f"{name} of what was metered", ratio, None, "given by the user")


def _yearly(place: Cell, one: Grid) -> tuple[Cell, ...]:
    return (
        place,
        word(f"{one.name}, {one.kind}" + (f", stands in for {one.stands_in_for}" if one.stands_in_for else "")),
        _number(one.intensity_g_per_kwh),
        word("g/kWh"),
        word(_year(one.year)),
        word(one.basis),
        _spread(one.gsd_ratio),
        word(_where(one.source) + (f" ({one.licence})" if one.licence else "")),
    )


def _series(place: Cell, one: IntensitySeries, gaps: Gaps) -> tuple[Cell, ...]:
    return (
        place,
        word(f"{one.name}, {one.kind}, by the time of each phase"),
        word(f"{len(one.values_g_per_kwh):,} values"),
        word("g/kWh"),
        word(_year(one.year)),
        word(f"{one.basis}; every {one.step_s:g} s; gaps: {gaps}; sha256 {one.sha256[:12]}"),
        _spread(None),
        word(_where(one.source)),
    )


def _mean(place: Cell, one: IntensitySeries, mean: Weighted) -> tuple[Cell, ...]:
    filled = mean.filled_share
    share = "no gaps" if not filled else f"{percent(filled) if filled >= 0.001 else 'less than 0.1 %'} of it in gaps"
    years = {mean.began_utc.year, mean.ended_utc.year}
    return (
        place,
        word(f"{one.name}, {one.kind}, mean over this study's phases"),
        Cell(text=significant(mean.intensity_g_per_kwh), tier=Tier.MODELLED, value=mean.intensity_g_per_kwh),
        word("g/kWh"),
        word(_year(years.pop() if len(years) == 1 else None)),
        word(f"weighed by energy, {share}"),
        _spread(None),
        word("computed from the series and the ledgers"),
    )


def _year(year: int | None) -> str:
    return "" if year is None else str(year)


def _place(site: Site) -> str:
    return site.name or (site.grids[0].name if site.named else "not given")


def _plain(place: Cell, name: str, ratio: float, gsd_ratio: float | None, source: str) -> tuple[Cell, ...]:
    return (
        place,
        word(name),
        _number(ratio),
        word("ratio"),
        word(""),
        word(""),
        _spread(gsd_ratio),
        word(source),
    )


def _number(value: float) -> Cell:
    return Cell(text=significant(value), tier=Tier.PUBLISHED, value=value)


def _spread(gsd_ratio: float | None) -> Cell:
    if gsd_ratio is None:
        return word("not quantified")
    return Cell(text=significant(gsd_ratio), tier=Tier.PUBLISHED, value=gsd_ratio)


def _where(source: Source) -> str:
    return f"{source.key}, {source.where}" if source.key else source.where


def embodied_table(sites: Sites) -> Table | None:
    """Return the hardware that is used up, and how much CO2e an hour of it is; None if no site tells of any."""
    rows = [
        (
            word(site.name or site.place),
            word(item.label),
            word(item.component),
            kilograms(item.mass_kg, Tier.PUBLISHED),
            word(str(item.count)),
            Cell(text=significant(item.lifetime_s / S_PER_YEAR), tier=Tier.PUBLISHED, value=item.lifetime_s),
            Cell(text=percent(item.utilisation_ratio), tier=Tier.PUBLISHED, value=item.utilisation_ratio),
            Cell(text=percent(item.share_ratio), tier=Tier.PUBLISHED, value=item.share_ratio),
            _spread(item.gsd_ratio),
            word(", ".join(item.includes) or "itself only"),
            word(_where(item.source) + ("" if item.verified else " (not verified)")),
        )
        for site in sites.sites
        for item in site.embodied
    ]
    if not rows:
        return None
    return Table(
        key="embodied",
        title="Embodied carbon of the hardware",
        columns=(
            Column(key="site", title="site", numeric=False),
            Column(key="item", title="item", numeric=False),
            Column(key="component", title="charged while metering", numeric=False),
            Column(key="mass_kg", title="making one"),
            Column(key="count", title="pieces", numeric=False),
            Column(key="lifetime_s", title="lifetime, years"),
            Column(key="utilisation_ratio", title="in use"),
            Column(key="share_ratio", title="share"),
            Column(key="gsd_ratio", title="spread (GSD)"),
            Column(key="includes", title="contains", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(rows),
        note="CO2e of making x pieces x seconds held / (lifetime x use) x share. Cradle to gate: transport, use and "
        "end of life are not in it. What is marked as a proxy is the figure of something else.",
    )


def factor_sources(sites: Sites) -> tuple[Source, ...]:
    """Return where the factors stand."""
    found: list[Source] = []
    for site in sites.sites:
        found += [one.source for one in (*site.grids, site.market, site.hourly, site.marginal) if one is not None]
        found += [item.source for item in site.embodied]
    return tuple(dict.fromkeys(found))


def mixed_bases(sites: Sites) -> Iterator[str]:
    """Say where the factors of one report do not count the same: direct emissions here, the life cycle there."""
    for kind in Kind:
        scopes: dict[str, list[str]] = {}
        for site in sites.sites:
            for one in (*site.grids, site.market, site.hourly, site.marginal):
                if one is not None and one.kind is kind:
                    scopes.setdefault(counted(one.basis), []).append(one.name)
        if len(scopes) > 1:
            told = "; ".join(f"{scope} ({', '.join(dict.fromkeys(names))})" for scope, names in scopes.items())
            yield (
                f"The {kind} factors here are not known to count the same: {told}. A difference between them is "
                "not one of places alone."
            )
