"""The tables of what published methods say of the same activity data."""

from collections.abc import Sequence

from carbon_nas.comparison.by_method import MethodCost
from carbon_nas.reporting.cells import kilograms, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import kwh, significant
from carbon_nas.sources import Source, Tier

__all__ = ["input_table", "method_sources", "method_table"]


_WHICH = (
    Column(key="method", title="method", numeric=False),
    Column(key="strategy", title="strategy", numeric=False),
    Column(key="grid", title="grid of the site", numeric=False),
)


def _which(cost: MethodCost) -> tuple[Cell, ...]:
    return word(cost.result.method), word(cost.strategy), word(cost.grid)


def method_table(costs: Sequence[MethodCost]) -> Table | None:
    """Return each method's result for each strategy; None if no method was asked for."""
    if not costs:
        return None
    rows = [
        (
            *_which(cost),
            _energy(cost.result.energy_kwh),
            word(cost.result.energy_boundary),
            kilograms(cost.result.mass_kg, Tier.MODELLED),
            kilograms(cost.result.per_output_kg, Tier.MODELLED),
            word("; ".join(cost.result.missing)),
            word(cost.result.differs),
        )
        for cost in costs
    ]
    return Table(
        key="methods",
        title="The same work by other methods",
        columns=(
            *_WHICH,
            Column(key="energy_kwh", title="energy"),
            Column(key="boundary", title="of", numeric=False),
            Column(key="co2e_kg", title="CO2e"),
            Column(key="co2e_per_network_kg", title="per network"),
            Column(key="missing", title="missing", numeric=False),
            Column(key="differs", title="what it leaves out or fixes", numeric=False),
        ),
        rows=tuple(rows),
        note="One set of activity data, the mean over seeds. The methods answer different questions: their results are "
        "alternatives, and no spread of a measurement.",
    )


def _energy(energy_kwh: float | None) -> Cell:
    if energy_kwh is None:
        return word("not known")
    return Cell(text=kwh(energy_kwh), tier=Tier.MODELLED, value=energy_kwh, unit="kWh")


def input_table(costs: Sequence[MethodCost]) -> Table | None:
    """Return what went into each method; None if no method was asked for."""
    if not costs:
        return None
    rows = [
        (
            *_which(cost),
            word(one.name),
            word("not known")
            if one.value is None
            else Cell(text=significant(one.value, 4), tier=Tier.MODELLED, value=one.value, unit=one.unit),
            word(one.unit),
            word(one.source),
        )
        for cost in costs
        for one in cost.result.inputs
    ]
    equations = {cost.result.method: cost.result.equation for cost in costs}
    return Table(
        key="method_inputs",
        title="Inputs of the methods",
        columns=(
            *_WHICH,
            Column(key="input", title="input", numeric=False),
            Column(key="value", title="value"),
            Column(key="unit", title="unit", numeric=False),
            Column(key="source", title="from", numeric=False),
        ),
        rows=tuple(rows),
        note=" ".join(f"{method}: {equation}." for method, equation in equations.items()),
    )


def method_sources(costs: Sequence[MethodCost]) -> tuple[Source, ...]:
    """Return where the methods stand."""
    return tuple(dict.fromkeys(cost.result.source for cost in costs))
