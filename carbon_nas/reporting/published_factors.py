"""The table of what published GPU-hours are multiplied by: what was asked, beside what the printed table takes."""

from collections.abc import Iterator
from dataclasses import dataclass

from carbon_nas.comparison.published import PublishedSetting, recompute
from carbon_nas.references import REFERENCES, lb_per_gpu_h
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import significant
from carbon_nas.reporting.published_request import PublishedRequest
from carbon_nas.reporting.record_cells import cited
from carbon_nas.sources import Source, Tier

__all__ = ["setting_sources", "setting_table"]

_ASKED = Source(key="", where="asked for")
_TABLE = Source(key="cai2020", where="Table 1")
_ACCELERATOR = "V100"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Factor:
    """A factor as it was asked for, with its source, beside that of the printed table."""

    name: str
    here: Cell
    printed: Cell
    source: Source
    note: str = ""

    def cells(self) -> tuple[Cell, ...]:
        return word(self.name), self.here, self.printed, word(self.here.unit), word(self.note), cited(self.source)


def _cell(value: float, unit: str, tier: Tier = Tier.PUBLISHED) -> Cell:
    # Four digits: the factors that others derived from this table are quoted with as many.
    return Cell(text=significant(value, 4), tier=tier, value=value, unit=unit)


def setting_table(request: PublishedRequest) -> Table:
    """Return every factor with its source, beside that of the printed table."""
    setting, printed = request.setting(), recompute(request.preset()).rows
    mnasnet = REFERENCES[setting.mnasnet.reference_key]
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
        rows=(
            *(one.cells() for one in _factors(request)),
            _choice("fine-tuning of once-for-all", str(setting.fine_tuning), "", _TABLE),
            _choice("hours of one MnasNet search", str(setting.mnasnet), mnasnet.printed.note, mnasnet.printed.source),
        ),
        note="The printed table names no factor. Its caption names Strubell et al. 2019, and the factors found there "
        f"give {sum(row.as_printed.mass_agrees for row in printed)} of its {len(printed)} rows of CO2e.",
    )


def _choice(name: str, chosen: str, note: str, source: Source) -> tuple[Cell, ...]:
    return (word(name), word(chosen), word(""), word(""), word(note), cited(source))


def _factors(request: PublishedRequest) -> Iterator[_Factor]:
    setting, preset, grid = request.setting(), request.preset(), request.grid()
    printed = {one.name: one.source for key in ("cai2020-ofa", "cai2020-ofa-cost") for one in REFERENCES[key].inputs}
    own = Source(key="", where="own ledgers") if request.power is None else _ASKED
    yield _Factor(
        name="power of a GPU, its share of the host included",
        here=_cell(setting.power.power_w, "W", setting.power.tier),
        printed=_cell(preset.power.power_w, "W", preset.power.tier),
        source=setting.power.source or own,
        note=f"{setting.power.label}; {setting.power.note}".strip("; "),
    )
    given = Source(key="", where=request.site.pue_source or _ASKED.where)
    yield _Factor(
        name="PUE",
        here=_cell(setting.pue, "ratio"),
        printed=_cell(preset.pue, "ratio"),
        source=printed["pue"] if request.site.pue is None else given,
    )
    yield _Factor(
        name="intensity",
        here=_cell(setting.intensity_g_per_kwh, "g/kWh"),
        printed=_cell(preset.intensity_g_per_kwh, "g/kWh"),
        source=printed["intensity"] if grid is None else grid.source,
        note="" if grid is None else f"{grid.name}, {grid.year or 'year not given'}: {grid.basis}",
    )
    yield _Factor(
        name="CO2e of a GPU-hour",
        here=_cell(_lb_of_an_hour(setting), "lb", Tier.MODELLED),
        printed=_cell(lb_per_gpu_h(_ACCELERATOR), "lb", Tier.MODELLED),
        source=Source(key="strubell2019", where="equations 1 and 2"),
        note="W x PUE x intensity / 1000, in the unit of the printed table",
    )
    asked = request.usd_per_gpu_h is not None
    yield _Factor(
        name="price of a GPU-hour",
        here=_cell(setting.usd_per_gpu_h, "USD", Tier.PUBLISHED if asked else Tier.MODELLED),
        printed=_cell(preset.usd_per_gpu_h, "USD", Tier.MODELLED),
        source=_ASKED if asked else printed["price"],
        note="" if asked else "the price of an instance over its GPUs",
    )


def _lb_of_an_hour(setting: PublishedSetting) -> float:
    return setting.footprint(1.0, setting.power).mass_lb


def setting_sources(request: PublishedRequest) -> tuple[Source, ...]:
    """Return where the factors stand, those that the reader gave left out."""
    found = [
        _TABLE,
        *(one.source for one in _factors(request)),
        REFERENCES[request.mnasnet.reference_key].printed.source,
    ]
    return tuple(dict.fromkeys(one for one in found if one.key))
