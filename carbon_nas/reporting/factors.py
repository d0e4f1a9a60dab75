"""The tables of what energy was multiplied by: intensities, PUE, shares, and hardware that was worn."""

from collections.abc import Iterator

from carbon_nas.accounting.embodied import S_PER_YEAR
from carbon_nas.accounting.grid import Grid
from carbon_nas.accounting.series import IntensitySeries
from carbon_nas.accounting.site import Site
from carbon_nas.accounting.sites import Sites
from carbon_nas.reporting.cells import kilograms, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import percent, significant
from carbon_nas.sources import Source, Tier

__all__ = ["embodied_table", "factor_sources", "factor_table"]


def factor_table(sites: Sites) -> Table:
    """Return every factor with its year, basis, source and spread."""
    rows = [row for site in sites.sites for row in _rows(site)]
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


def _rows(site: Site) -> Iterator[tuple[Cell, ...]]:
    place = word(site.name or (site.grids[0].name if site.named else "not given"))
    for one in (*site.grids, site.market, site.hourly, site.marginal):
        match one:
            case Grid():
                year = "" if one.year is None else str(one.year)
                name = f"{one.name}, {one.kind}" + (f", stands in for {one.stands_in_for}" if one.stands_in_for else "")
                yield (
                    place,
                    word(name),
                    _number(one.intensity_g_per_kwh),
                    word("g/kWh"),
                    word(year),
                    word(one.basis),
                    _spread(one.gsd_ratio),
                    word(_where(one.source) + (f" ({one.licence})" if one.licence else "")),
                )
            case IntensitySeries():
                filled = site.hourly_gaps if one is site.hourly else site.marginal_gaps
                yield (
                    place,
                    word(f"{one.name}, {one.kind}, by the time of each phase"),
                    word(f"{len(one.values_g_per_kwh):,} values"),
                    word("g/kWh"),
                    word(str(one.year)),
                    word(f"{one.basis}; every {one.step_s:g} s; gaps: {filled}; sha256 {one.sha256[:12]}"),
                    _spread(None),
                    word(_where(one.source)),
                )
    if site.pue is not None:
        yield _plain(place, "PUE", site.pue, site.pue_gsd_ratio, site.pue_source or "given by the user")
    for name, ratio in (("host share", site.host_ratio), ("idle share", site.idle_ratio)):
        if ratio is not None:
            yield _plain(place, f"{name} of what was metered", ratio, None, "given by the user")


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
    """Return the hardware that is worn, and how much CO2e an hour of it is; None if no site tells of any."""
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
        title="Hardware that is worn",
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
