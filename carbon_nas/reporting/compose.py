"""From a comparison to a document: what a report says, and in which order."""

from collections.abc import Iterator, Mapping, Sequence

from carbon_nas.comparison.table import Comparison
from carbon_nas.ledger.run import Run
from carbon_nas.references.register import Reference
from carbon_nas.reporting.cells import Carbon
from carbon_nas.reporting.costs import break_even_table, cost_table, curve_table, lost_table, phase_table
from carbon_nas.reporting.document import Card, Document, FigureBlock, Section, Text
from carbon_nas.reporting.networks import delivery_table
from carbon_nas.reporting.numbers import energy, kwh, points, significant
from carbon_nas.reporting.provenance import latency_table, meter_table, recording
from carbon_nas.reporting.scale import scale_table
from carbon_nas.reporting.verdict import caveats, verdict
from carbon_nas.sources import Source, Tier
from carbon_nas.units import in_kwh

__all__ = ["compose"]


def _cards(comparison: Comparison) -> Iterator[Card]:
    for cost in comparison.strategies:
        facility = in_kwh(cost.energy_j) * comparison.site.factor_ratio
        spread = f"{energy(cost.low_j)} to {energy(cost.high_j)} over {cost.seeds} seeds"
        yield Card(
            label=f"{cost.strategy}, {cost.scenarios} scenarios",
            value=kwh(facility),
            detail=f"{comparison.site.boundary}; {spread if cost.seeds > 1 else energy(cost.energy_j)}",
            tier=cost.tier,
        )
    for found in comparison.break_evens:
        yield Card(
            label=f"break-even, {found.upfront} against {found.rival}",
            value="never" if found.n_ratio is None else f"N* = {significant(found.n_ratio, 2)}",
            detail="extrapolated" if found.extrapolated else f"within the {found.measured_n} scenarios that were run",
            tier=Tier.MODELLED,
        )
    for gap in comparison.gaps:
        if gap.mean_fraction is not None and gap.worst_fraction is not None:
            yield Card(
                label=f"test accuracy, {gap.strategy} minus {gap.rival}",
                value=points(gap.mean_fraction),
                detail=f"worst scenario {points(gap.worst_fraction)}",
                tier=Tier.MEASURED,
            )


def compose(comparison: Comparison, runs: Sequence[Run], references: Mapping[str, Reference]) -> Document:
    """Write the report of a comparison as a document.

    Args:
        comparison: the numbers.
        runs: the ledgers behind them, for how they were recorded.
        references: the register of published numbers.
    """
    study, carbon = runs[0].header.study, Carbon(comparison.site)
    name, quick = str(study.get("name", "study")), str(study.get("name", "")).endswith("-quick")
    shown = [reference.printed.source for reference in references["strubell2019-nas"].chain]
    grids = [grid.source for grid in comparison.site.grids]
    methods = [Source(key="cai2020", where="the strategy once_for_all")] * (
        "once_for_all" in {cost.strategy for cost in comparison.strategies}
    ) + [
        Source(key="real2019", where="the strategy evolution: aging evolution"),
        Source(key="tan2019", where="the strategy evolution: reward and proxy epochs"),
    ] * ("evolution" in {cost.strategy for cost in comparison.strategies})
    lost = (lost_table(comparison),) if comparison.lost else ()
    return Document(
        title=f"What neural architecture search costs: {name}",
        subtitle=f"Workload {runs[0].header.workload}; {comparison.site.label}",
        verdict=verdict(comparison),
        cards=tuple(_cards(comparison)),
        sections=(
            Section(
                title="Before you quote this",
                blocks=tuple(Text(text=text, warning=True) for text in caveats(comparison, quick=quick)),
            ),
            Section(
                title="Cost",
                blocks=(
                    cost_table(comparison, carbon),
                    FigureBlock(
                        key="cost_curve",
                        title="Energy over the number of deployment scenarios",
                        caption="Points were run, in this order of scenarios; lines are E(N) = once + N x per "
                        "scenario, dashed where nothing was run.",
                    ),
                    break_even_table(comparison),
                    curve_table(comparison),
                ),
            ),
            Section(
                title="Phases",
                blocks=(
                    FigureBlock(
                        key="phase_energy",
                        title="Energy per phase",
                        caption="Everything each strategy was charged, phases in the order in which they ran; hatched: "
                        "shared work, charged in full to each.",
                    ),
                    phase_table(comparison, carbon),
                    *lost,
                ),
            ),
            Section(title="Networks", blocks=(delivery_table(comparison),)),
            Section(title="Scale", blocks=(scale_table(comparison, carbon, references),)),
            Section(
                title="Method",
                blocks=(meter_table(runs), latency_table(runs), Text(text=recording(runs))),
            ),
        ),
        sources=tuple(dict.fromkeys([*shown, *grids, *methods])),
    )
