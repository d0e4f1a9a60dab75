"""The table of equivalents: how many cars and flights a mass of CO2e is. Only for who asks for it."""

from collections.abc import Iterator

from carbon_nas.accounting.site import LOCATION
from carbon_nas.comparison.table import Comparison
from carbon_nas.references.equivalents import Likeness, equivalents
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import mass, significant
from carbon_nas.sources import Source, Tier

__all__ = ["equivalent_sources", "equivalent_table"]

_LEAST = 0.01
"""A hundredth of a car is a picture; what is less is none."""


def equivalent_table(comparison: Comparison) -> Table:
    """Return how many cars and flights each strategy's CO2e is."""
    return Table(
        key="equivalents",
        title="Equivalents",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="grid", title="CO2e", numeric=False),
            Column(key="number", title="number"),
            Column(key="of", title="of", numeric=False),
            Column(key="one_kg", title="one is"),
            Column(key="scope", title="year and scope", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(_rows(comparison)) or (_nothing(),),
        note="A year of a vehicle and the life of a car are two things. Pictures, for a sense of scale, and no result. "
        "What is below a hundredth of one is left out.",
    )


def _nothing() -> tuple[Cell, ...]:
    return (word("every strategy"), word(""), word("less than a hundredth"), word("any"), *[word("")] * 3)


def _rows(comparison: Comparison) -> Iterator[tuple[Cell, ...]]:
    views = [view for view in comparison.views if view.key == LOCATION] or comparison.views
    for cost in comparison.strategies:
        for view in views:
            mass_kg = cost.masses_kg.get(view.key)
            for like in _dated(mass_kg) if mass_kg is not None else ():
                one = like.equivalent
                if like.value >= _LEAST:
                    yield (
                        word(cost.strategy),
                        word(view.title),
                        Cell(text=significant(like.value), tier=Tier.MODELLED, value=like.value),
                        word(like.unit),
                        Cell(text=mass(one.mass_kg), tier=Tier.PUBLISHED, value=one.mass_kg, unit="kg"),
                        word(one.scope),
                        word(f"{one.source.key}, {one.source.where}"),
                    )


def _dated(mass_kg: float) -> tuple[Likeness, ...]:
    """Return the equivalents whose year is known; all of them if that of none is."""
    found = equivalents(mass_kg)
    return tuple(like for like in found if like.equivalent.year is not None) or found


def equivalent_sources() -> tuple[Source, ...]:
    """Return where the equivalents stand."""
    return tuple(dict.fromkeys(like.equivalent.source for like in _dated(1.0)))
