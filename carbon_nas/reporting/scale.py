"""The table that sets a study beside the published record, as scale and never as a saving."""

from collections.abc import Mapping, Sequence

from carbon_nas.comparison.table import Comparison
from carbon_nas.references.register import Reference
from carbon_nas.reporting.cells import Carbon, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import mass_lb, scenarios
from carbon_nas.sources import Tier
from carbon_nas.units import in_lb

__all__ = ["scale_table"]


def scale_table(comparison: Comparison, carbon: Carbon, references: Mapping[str, Reference]) -> Table:
    """Return this study beside 626,155 lb, which never stands without its correction."""
    rows = []
    for cost in comparison.strategies:
        cells = carbon.cells(cost.masses_kg, cost.tier)
        masses_lb = [in_lb(cell.value) for cell in cells if cell.value is not None]
        rows.append(
            (
                word(f"this study: {cost.strategy}"),
                *(Cell(text=mass_lb(end), tier=cells[0].tier, value=end, unit="lb") for end in _ends(masses_lb)),
                word(f"{scenarios(len(comparison.scenarios))}; {comparison.sites.label}"),
            )
        )
    for reference in references["strubell2019-nas"].chain:
        printed = reference.printed
        published = Cell(text=mass_lb(printed.value), tier=Tier.PUBLISHED, value=printed.value, unit="lb")
        source = f"{printed.source.key}, {printed.source.where}"
        rows.append((word(reference.label), published, published, word(f"{printed.note} [{source}]")))
    return Table(
        key="scale",
        title="On the scale of the published record",
        columns=(
            Column(key="what", title="what", numeric=False),
            Column(key="co2e_low_lb", title="CO2e, lowest"),
            Column(key="co2e_high_lb", title="highest"),
            Column(key="note", title="note", numeric=False),
        ),
        rows=tuple(rows),
        note="The published figures are about another task, machine translation, at another size, on other hardware. "
        "They give a sense of scale. Their ratio to this study is no saving.",
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)
