"""The table of what published GPU-hours are multiplied by: what was asked, beside what the printed table takes."""

from carbon_nas.comparison.published import recompute
from carbon_nas.references import REFERENCES
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import significant
from carbon_nas.reporting.published_request import PublishedRequest
from carbon_nas.reporting.record import cited
from carbon_nas.sources import Source, Tier

__all__ = ["factor_sources", "factor_table"]

_ASKED = Source(key="", where="asked for")
_TABLE = Source(key="cai2020", where="Table 1")


def factor_table(request: PublishedRequest) -> Table:
    """Return every factor with its source, beside that of the printed table."""
    scenario, preset, sources = request.scenario(), request.preset(), _by_factor(request)
    numbers = {
        "W per GPU, its share of the host included": (scenario.power.power_w, preset.power.power_w, "W"),
        "PUE": (scenario.pue, preset.pue, "ratio"),
        "intensity": (scenario.intensity_g_per_kwh, preset.intensity_g_per_kwh, "g/kWh"),
        "price of a GPU-hour": (scenario.usd_per_gpu_h, preset.usd_per_gpu_h, "USD"),
    }
    tiers = {"W per GPU, its share of the host included": scenario.power.tier}
    notes = {"W per GPU, its share of the host included": f"{scenario.power.label}; {scenario.power.note}".strip("; ")}
    grid, printed = request.grid(), recompute(preset).rows
    if grid is not None:
        notes["intensity"] = f"{grid.name}, {grid.year or 'year not given'}: {grid.basis}"
    rows = [
        (
            word(name),
            Cell(text=significant(value), tier=tiers.get(name, Tier.PUBLISHED), value=value, unit=unit),
            Cell(text=significant(theirs), tier=Tier.PUBLISHED, value=theirs, unit=unit),
            word(unit),
            word(notes.get(name, "")),
            cited(sources[name]),
        )
        for name, (value, theirs, unit) in numbers.items()
    ]
    words = {
        "fine-tuning of once-for-all": str(scenario.fine_tuning),
        "hours of one MnasNet search": str(scenario.mnasnet),
    }
    mnasnet = REFERENCES[scenario.mnasnet.reference_key]
    rows += [
        (word(name), word(text), word(""), word(""), word(note), cited(source))
        for (name, text), note, source in zip(
            words.items(), ("", mnasnet.printed.note), (_TABLE, mnasnet.printed.source), strict=True
        )
    ]
    return Table(
        key="published_factors",
        title="What GPU-hours are multiplied by",
        columns=(
            Column(key="factor", title="factor", numeric=False),
            Column(key="value", title="here"),
            Column(key="printed_value", title="in the printed table"),
            Column(key="unit", title="unit", numeric=False),
            Column(key="note", title="note", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(rows),
        note="The printed table names no factor. Its caption names Strubell et al. 2019, and the factors found there "
        f"give {sum(row.as_printed.mass_agrees for row in printed)} of its {len(printed)} rows of CO2e.",
    )


def _by_factor(request: PublishedRequest) -> dict[str, Source]:
    printed = {one.name: one.source for key in ("cai2020-ofa", "cai2020-ofa-cost") for one in REFERENCES[key].inputs}
    grid, power = request.grid(), request.gpu_power()
    own = Source(key="", where="own ledgers" if request.power is None else _ASKED.where)
    return {
        "W per GPU, its share of the host included": power.source or own,
        "PUE": printed["pue"]
        if request.site.pue is None
        else Source(key="", where=request.site.pue_source or "asked for"),
        "intensity": printed["intensity"] if grid is None else grid.source,
        "price of a GPU-hour": printed["price"] if request.usd_per_gpu_h is None else _ASKED,
    }


def factor_sources(request: PublishedRequest) -> tuple[Source, ...]:
    """Return where the factors stand, those that the reader gave left out."""
    found = [_TABLE, *_by_factor(request).values(), REFERENCES[request.mnasnet.reference_key].printed.source]
    return tuple(dict.fromkeys(one for one in found if one.key))
