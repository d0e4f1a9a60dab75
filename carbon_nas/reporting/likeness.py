"""The table of what a mass of CO2e is like. Only for who asks for it."""

from collections.abc import Iterator

from carbon_nas.accounting.site import LOCATION
from carbon_nas.comparison.table import Comparison
from carbon_nas.references.equivalents import equivalents
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import mass, significant
from carbon_nas.sources import Source, Tier

__all__ = ["likeness_sources", "likeness_table"]


def likeness_table(comparison: Comparison) -> Table:
    """Return how many cars and flights each strategy's CO2e is."""
    return Table(
        key="equivalents",
        title="What it is like",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="grid", title="CO2e", numeric=False),
            Column(key="number", title="number"),
            Column(key="of", title="of", numeric=False),
            Column(key="one_kg", title="one is"),
            Column(key="scope", title="year and scope", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(_rows(comparison)),
        note="A year of a vehicle and the life of a car are two things. Pictures, for a sense of scale, and no result.",
    )


def _rows(comparison: Comparison) -> Iterator[tuple[Cell, ...]]:
    views = [view for view in comparison.views if view.key == LOCATION] or comparison.views
    for cost in comparison.strategies:
        for view in views:
            mass_kg = cost.masses_kg.get(view.key)
            for like in equivalents(mass_kg) if mass_kg is not None else ():
                one = like.equivalent
                yield (
                    word(cost.strategy),
                    word(view.title),
                    Cell(text=significant(like.value), tier=Tier.MODELLED, value=like.value),
                    word(like.unit),
                    Cell(text=mass(one.mass_kg), tier=Tier.PUBLISHED, value=one.mass_kg, unit="kg"),
                    word(one.scope),
                    word(f"{one.source.key}, {one.source.where}"),
                )


def likeness_sources() -> tuple[Source, ...]:
    """Return where the pictures stand."""
    return tuple(dict.fromkeys(like.equivalent.source for like in equivalents(1.0)))
