"""The table that sets a study beside the published record, as scale and never as a saving."""

from collections.abc import Mapping

from carbon_nas.comparison.table import Comparison
from carbon_nas.references.register import Reference
from carbon_nas.reporting.cells import Carbon, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import mass_lb, significant
from carbon_nas.sources import Tier
from carbon_nas.units import in_lb

__all__ = ["scale_table"]


def scale_table(comparison: Comparison, carbon: Carbon, references: Mapping[str, Reference]) -> Table:
    """Return this study beside 626,155 lb, which never stands without its correction."""
    rows = []
    for cost in comparison.strategies:
        cells = carbon.cells(cost.energy_j, cost.tier)
        low, high = min(cell.value or 0.0 for cell in cells), max(cell.value or 0.0 for cell in cells)
        text = mass_lb(in_lb(low)) if low == high else f"{significant(in_lb(low))} to {mass_lb(in_lb(high))}"
        rows.append(
            (
                word(f"this study: {cost.strategy}"),
                Cell(text=text, tier=cells[0].tier, value=in_lb(high), unit="lb"),
                word(f"{comparison.strategies[0].scenarios} scenarios; {comparison.site.label}"),
            )
        )
    for reference in references["strubell2019-nas"].chain:
        printed = reference.printed
        rows.append(
            (
                word(reference.label),
                Cell(text=mass_lb(printed.value), tier=Tier.PUBLISHED, value=printed.value, unit="lb"),
                word(f"{printed.note} [{printed.source.key}, {printed.source.where}]"),
            )
        )
    return Table(
        key="scale",
        title="On the scale of the published record",
        columns=(
            Column(key="what", title="what", numeric=False),
            Column(key="co2e_lb", title="CO2e"),
            Column(key="note", title="note", numeric=False),
        ),
        rows=tuple(rows),
        note="The published figures are about another task, machine translation, at another size, on other hardware. "
        "They give a sense of scale. Their ratio to this study is no saving.",
    )
