"""The tables of the published costs: every method at a scenario, beside what was printed, and where methods cross."""

from collections.abc import Iterator

from carbon_nas.comparison.gpu_power import gpu_powers
from carbon_nas.comparison.published import Footprint, PrintedCells, PublishedRow, PublishedTable
from carbon_nas.comparison.published_hours import BreakEvenRow, FineTuning, PublishedBreakEven
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import kwh, mass, mass_lb, percent, significant
from carbon_nas.sources import Tier

__all__ = ["pair_table", "published_break_even_table", "published_table"]


def published_table(table: PublishedTable, preset: PublishedTable | None = None) -> Table:
    """Return what every method of the published table costs at a scenario, beside the cells that were printed.

    Args:
        table: at the scenario that was asked for.
        preset: at the factors of the printed table, for the same N; None if these were asked for.
    """
    scenario, printed = table.scenario, table.rows[0].as_printed
    power = scenario.power
    return Table(
        key="published_costs",
        title=f"The table for N = {scenario.n}",
        columns=(
            Column(key="method", title="method", numeric=False),
            Column(key="accuracy_fraction", title="top-1, ImageNet"),
            Column(key="gpu_h", title="GPU-hours"),
            Column(key="upfront_ratio", title="over once-for-all"),
            *(
                Column(key=key, title=f"CO2e at {significant(one.power_w)} W")
                for key, one in _by_power(table.rows[0]).items()
            ),
            *(() if preset is None else (Column(key="co2e_paper_kg", title="CO2e at the printed table's factors"),)),
            Column(key="cost_usd", title="cloud cost"),
            Column(key="facility_energy_kwh", title="facility energy"),
            Column(key="it_energy_kwh", title="IT energy"),
            Column(key="once_gpu_h", title="GPU-hours once"),
            Column(key="each_gpu_h", title="for each scenario"),
            Column(key="printed", title=f"printed, for N = {printed.scenarios}", numeric=False),
            Column(key="finding", title="printed cells", numeric=False),
            Column(key="note", title="note", numeric=False),
        ),
        rows=tuple(_row(row, None if preset is None else preset.rows[index]) for index, row in enumerate(table.rows)),
        note=f"Energy is at {significant(power.power_w)} W per GPU ({power.label}), PUE {scenario.pue:g}; CO2e at "
        f"{significant(scenario.intensity_g_per_kwh)} g/kWh, location-based. Powers stand side by side as a range of "
        "choices, not as an interval. ≥: the paper prints a dash for search or training, so the number is a lower "
        "bound. Hours are unrounded here and rounded in print; the printed cells are checked as intervals.",
    )


def _by_power(row: PublishedRow) -> dict[str, Footprint]:
    # The power of the scenario first; what else is published stands beside it under its own name.
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
        _hours(row.gpu_h, bound),
        Cell(
            text=f"{bound}{significant(row.upfront_ratio)}x",
            tier=Tier.MODELLED,
            value=row.upfront_ratio,
            unit="ratio",
        ),
        *(_emitted(one, bound) for one in _by_power(row).values()),
        *(() if preset is None else (_emitted(preset.footprints[0], bound),)),
        Cell(text=f"{bound}{row.cost_usd:,.0f} USD", tier=Tier.MODELLED, value=row.cost_usd, unit="USD"),
        _energy(asked.facility_energy_kwh, bound),
        _energy(asked.it_energy_kwh, bound),
        _hours(row.once_gpu_h),
        _hours(row.each_gpu_h, bound),
        word(f"{row.as_printed.total_text} GPU-hours, {row.as_printed.co2e_text} lb, {row.as_printed.cost_text} USD"),
        word(_finding(row.as_printed)),
        word("; ".join(_notes(row))),
    )


def _accuracy(row: PublishedRow) -> Cell:
    if row.accuracy_fraction is None:
        return word("not reported")
    text = percent(row.accuracy_fraction) + ("" if row.accuracy_verified else " (not verified)")
    return Cell(text=text, tier=Tier.PUBLISHED, value=row.accuracy_fraction)


def _hours(hours: float, bound: str = "") -> Cell:
    # Search and training are printed apart, so their sum is computed.
    return Cell(text=f"{bound}{hours:,.0f}", tier=Tier.MODELLED, value=hours, unit="GPU-hours")


def _energy(energy_kwh: float, bound: str) -> Cell:
    return Cell(text=f"{bound}{kwh(energy_kwh)}", tier=Tier.MODELLED, value=energy_kwh, unit="kWh")


def _emitted(one: Footprint, bound: str) -> Cell:
    text = f"{bound}{mass(one.mass_kg)} ({mass_lb(one.mass_lb)})"
    return Cell(text=text, tier=Tier.MODELLED, value=one.mass_kg, unit="kg")


def _finding(cells: PrintedCells) -> str:
    checked = {"hours": cells.hours_agree, "CO2e": cells.mass_agrees, "dollars": cells.cost_agrees}
    wrong = [name for name, agrees in checked.items() if not agrees]
    if not wrong:
        return "hours, CO2e and dollars follow"
    return f"erratum in {' and '.join(wrong)}: {cells.erratum or 'it does not follow from the hours'}"


def _notes(row: PublishedRow) -> Iterator[str]:
    if row.unreported:
        yield f"{' and '.join(row.unreported)} not reported"
    yield from filter(None, (row.assumption, row.note))


def published_break_even_table(table: PublishedTable) -> Table:
    """Return from how many scenarios on once-for-all takes fewer hours than each rival, for every fine-tuning."""
    return Table(
        key="published_break_even",
        title="Break-even of once-for-all with every other method",
        columns=(
            Column(key="rival", title="against", numeric=False),
            Column(key="once_gpu_h", title="its GPU-hours once"),
            Column(key="each_gpu_h", title="for each scenario"),
            *(Column(key=f"{_plain(kind)}_n_ratio", title=_titled(kind)) for kind in FineTuning),
            Column(key="first_n", title=f"fewer hours from N = (fine-tuning: {table.scenario.fine_tuning})"),
            Column(key="partial", title="not reported in full", numeric=False),
        ),
        rows=tuple(_crossing_row(row, table.scenario.fine_tuning) for row in table.against_upfront),
        note="N* is where the hours of both are the same. Power, PUE, intensity and price are the same for all, so "
        "N* holds for energy, CO2e and dollars at any site. Where a method is not reported in full, N* may lie "
        "elsewhere.",
    )


def _plain(kind: FineTuning) -> str:
    return {"none": "bare"}.get(kind.value, f"tuned_{kind.value.removeprefix('#')}")


def _titled(kind: FineTuning) -> str:
    return "N*, no fine-tuning" if kind is FineTuning.NONE else f"N*, {kind.value.removeprefix('#')} epochs each"


def _crossing_row(row: BreakEvenRow, fine_tuning: FineTuning) -> tuple[Cell, ...]:
    asked = row.crossings[fine_tuning]
    return (
        word(row.rival),
        _hours(row.once_gpu_h),
        _hours(row.each_gpu_h),
        *(_crossing(row.crossings[kind].n_ratio) for kind in FineTuning),
        _first(asked.first_n),
        word(", ".join(asked.partial)),
    )


def _crossing(n_ratio: float | None) -> Cell:
    if n_ratio is None:
        return word("never")
    return Cell(text=significant(n_ratio), tier=Tier.MODELLED, value=n_ratio, unit="scenarios")


def _first(first_n: int | None) -> Cell:
    if first_n is None:
        return word("never")
    return Cell(text=f"{first_n:,}", tier=Tier.MODELLED, value=first_n, unit="scenarios")


def pair_table(table: PublishedTable) -> Table:
    """Return where every pair of methods breaks even."""
    return Table(
        key="published_break_even_pairs",
        title="Break-even of every pair",
        columns=(
            Column(key="upfront", title="pays more once", numeric=False),
            Column(key="rival", title="against", numeric=False),
            Column(key="n_ratio", title="N*"),
            Column(key="first_n", title="fewer hours from N ="),
            Column(key="partial", title="not reported in full", numeric=False),
        ),
        rows=tuple(map(_pair_row, table.break_evens)),
        note="Of two methods that pay the same once, the one that pays less for each scenario stands first. Never: "
        "both cost the same for each scenario, or the one that pays more once pays more each time as well.",
    )


def _pair_row(found: PublishedBreakEven) -> tuple[Cell, ...]:
    return (
        word(found.upfront),
        word(found.rival),
        _crossing(found.n_ratio),
        _first(found.first_n),
        word(", ".join(found.partial)),
    )
