"""The tables of the published costs: every method at a setting, and the printed cells beside what follows from them."""

from collections.abc import Iterator
from itertools import groupby

from carbon_nas.comparison.gpu_power import gpu_powers
from carbon_nas.comparison.published import Footprint, PrintedCells, PublishedRow, PublishedTable
from carbon_nas.references.library import number
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import kwh, mass, percent, significant
from carbon_nas.reporting.record_cells import between
from carbon_nas.sources import Tier
from carbon_nas.uncertain import Interval

__all__ = ["printed_table", "published_table"]


def published_table(table: PublishedTable, preset: PublishedTable | None = None) -> Table:
    """Return what every method of the published table costs at a setting.

    Args:
        table: at the setting that was asked for.
        preset: at the factors of the printed table, for the same N; None if these were asked for.
    """
    setting = table.setting
    return Table(
        key="published_costs",
        title=f"The table for N = {setting.n}",
        columns=(
            Column(key="method", title="method", numeric=False),
            Column(key="accuracy_fraction", title="top-1, ImageNet"),
            Column(key="hours", title="GPU-hours for N", numeric=False),
            Column(key="once_gpu_h", title="GPU-hours once", shown=False),
            Column(key="each_gpu_h", title="GPU-hours for each scenario", shown=False),
            Column(key="gpu_h", title=f"for N = {setting.n}"),
            Column(key="upfront_ratio", title="over once-for-all"),
            *(
                Column(key=key, title=f"CO2e at {significant(one.power_w)} W")
                for key, one in _by_power(table.rows[0]).items()
            ),
            *(() if preset is None else (Column(key="co2e_paper_kg", title="CO2e at the table's own factors"),)),
            Column(key="cost_usd", title="cloud cost, USD"),
            Column(key="facility_energy_kwh", title="facility energy", shown=False),
            Column(key="it_energy_kwh", title="IT energy", shown=False),
            Column(key="unreported", title="not reported", numeric=False, shown=False),
        ),
        rows=tuple(_row(row, None if preset is None else preset.rows[index]) for index, row in enumerate(table.rows)),
        note=f"{significant(setting.power.power_w)} W per GPU ({setting.power.label}), PUE "
        f"{setting.pue:g}, {significant(setting.usd_per_gpu_h)} USD per GPU-hour. CO2e: "
        f"{significant(setting.intensity_g_per_kwh)} g/kWh, location-based; powers stand side by side as a range of "
        "choices, not as an interval. ≥: the paper prints a dash for search or training, so the number is a lower "
        f"bound. Hours are unrounded.{_assumed(table)}",
    )


def _assumed(table: PublishedTable) -> str:
    return "".join(f" {row.label}: {row.assumption}." for row in table.rows if row.assumption)


def _by_power(row: PublishedRow) -> dict[str, Footprint]:
    # The power of the setting first; what else is published stands beside it under its own name.
    names = {power.label: name for name, power in gpu_powers().items()}
    asked, *others = row.footprints
    return {"co2e_kg": asked, **{f"co2e_{names[one.power]}_kg": one for one in others}}


def _row(row: PublishedRow, preset: PublishedRow | None) -> tuple[Cell, ...]:
    # With an assumption beyond the table, it is no bound either.
    bound = "≥ " if row.unreported and not row.assumption else ""
    asked = row.footprints[0]
    return (
        word(row.label),
        _accuracy(row),
        Cell(text=f"{bound}{_line(row)}", tier=Tier.MODELLED),
        _hours(row.once_gpu_h),
        _hours(row.each_gpu_h, bound),
        _hours(row.gpu_h, bound),
        Cell(
            text=f"{bound}{significant(row.upfront_ratio)}x",
            tier=Tier.MODELLED,
            value=row.upfront_ratio,
            unit="ratio",
        ),
        *(_emitted(one, bound) for one in _by_power(row).values()),
        *(() if preset is None else (_emitted(preset.footprints[0], bound),)),
        Cell(text=f"{bound}{row.cost_usd:,.0f}", tier=Tier.MODELLED, value=row.cost_usd, unit="USD"),
        _energy(asked.facility_energy_kwh, bound),
        _energy(asked.it_energy_kwh, bound),
        word(", ".join(row.unreported)),
    )


def _accuracy(row: PublishedRow) -> Cell:
    if row.accuracy_fraction is None:
        return word("not reported")
    text = percent(row.accuracy_fraction) + ("" if row.accuracy_verified else " (not verified)")
    return Cell(text=text, tier=Tier.PUBLISHED, value=row.accuracy_fraction)


def _line(row: PublishedRow) -> str:
    each = f"{row.each_gpu_h:,.0f} N" if row.each_gpu_h else ""
    once = f"{row.once_gpu_h:,.0f}" if row.once_gpu_h or not each else ""
    return " + ".join(filter(None, (once, each)))


def _hours(hours: float, bound: str = "") -> Cell:
    # Search and training are printed apart, so their sum is computed.
    return Cell(text=f"{bound}{hours:,.0f}", tier=Tier.MODELLED, value=hours, unit="GPU-hours")


def _energy(energy_kwh: float, bound: str) -> Cell:
    return Cell(text=f"{bound}{kwh(energy_kwh)}", tier=Tier.MODELLED, value=energy_kwh, unit="kWh")


def _emitted(one: Footprint, bound: str) -> Cell:
    return Cell(text=f"{bound}{mass(one.mass_kg)}", tier=Tier.MODELLED, value=one.mass_kg, unit="kg")


def printed_table(table: PublishedTable) -> Table:
    """Return the cells that the paper printed, beside what follows from the hours in them."""
    scenarios = table.rows[0].as_printed.scenarios
    return Table(
        key="printed_cells",
        title="Printed cells, checked",
        columns=(
            Column(key="method", title="method", numeric=False),
            Column(key="printed_gpu_h", title="printed hours"),
            Column(key="unrounded_gpu_h", title=f"hours for N = {scenarios}"),
            Column(key="printed_co2e_lb", title="printed lb CO2e"),
            Column(key="recomputed_co2e", title="from the printed hours", numeric=False),
            Column(key="recomputed_low_lb", title="CO2e from the printed hours: from", shown=False),
            Column(key="recomputed_high_lb", title="to", shown=False),
            Column(key="printed_cost_usd", title="printed USD"),
            Column(key="recomputed_cost", title="from the printed hours", numeric=False),
            Column(key="recomputed_low_usd", title="USD from the printed hours: from", shown=False),
            Column(key="recomputed_high_usd", title="to", shown=False),
            Column(key="finding", title="finding", numeric=False),
            Column(key="note", title="note", numeric=False, shown=False),
        ),
        rows=tuple(map(_printed_row, table.rows)),
        note=f"As printed for N = {scenarios}, whatever was asked here. Printed hours stand for every number that "
        "rounds to them, so CO2e and dollars follow as intervals; a printed cell agrees if it can lie within."
        + "".join(f" {words}" for words in _grouped(table)),
    )


def _printed_row(row: PublishedRow) -> tuple[Cell, ...]:
    cells = row.as_printed
    pounds, dollars = _ends(cells.recomputed_lb, "lb"), _ends(cells.recomputed_usd, "USD")
    return (
        word(row.label),
        _as_printed(cells.total_text, "GPU-hours"),
        _hours(cells.unrounded_gpu_h),
        _as_printed(cells.co2e_text, "lb"),
        between(*pounds),
        *pounds,
        _as_printed(cells.cost_text, "USD"),
        between(*dollars),
        *dollars,
        word(_finding(cells)),
        word("; ".join(_notes(row))),
    )


def _as_printed(text: str, unit: str) -> Cell:
    return Cell(text=text, tier=Tier.PUBLISHED, value=number(text), unit=unit)


def _ends(interval: Interval, unit: str) -> tuple[Cell, Cell]:
    low, high = (
        Cell(text=f"{end:,.0f}", tier=Tier.MODELLED, value=end, unit=unit) for end in (interval.low, interval.high)
    )
    return low, high


def _finding(cells: PrintedCells) -> str:
    checked = {"hours": cells.hours_agree, "CO2e": cells.mass_agrees, "dollars": cells.cost_agrees}
    wrong = [name for name, agrees in checked.items() if not agrees]
    if not wrong:
        return "all agree"
    return f"erratum in {' and '.join(wrong)}"


def _notes(row: PublishedRow) -> Iterator[str]:
    yield from filter(None, (*row.note.split("; "), row.as_printed.erratum))


def _grouped(table: PublishedTable) -> Iterator[str]:
    """Say each note once, with all the rows that it is about."""
    labels: dict[str, tuple[str, ...]] = {}
    for row in table.rows:
        for note in _notes(row):
            labels[note] = (*labels.get(note, ()), row.label)
    for about, notes in groupby(labels, lambda note: labels[note]):
        yield f"{' and '.join(about)}: {'; '.join(notes).rstrip('.')}."
