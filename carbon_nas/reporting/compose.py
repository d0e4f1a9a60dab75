"""From a comparison to a document: what a report says, and in which order."""

from collections.abc import Iterator, Mapping, Sequence

from carbon_nas.comparison.table import Comparison
from carbon_nas.ledger.run import Run
from carbon_nas.meters.base import Component
from carbon_nas.references.register import Reference
from carbon_nas.reporting.cells import Carbon
from carbon_nas.reporting.costs import break_even_table, cost_table, curve_table, lost_table, phase_table
from carbon_nas.reporting.document import Block, Card, Document, FigureBlock, Section, Text
from carbon_nas.reporting.measurement import (
    component_table,
    disturbances,
    gap_table,
    incident_table,
    window_table,
)
from carbon_nas.reporting.networks import delivery_table
from carbon_nas.reporting.numbers import energy, kwh, mass, points, scenarios, significant
from carbon_nas.reporting.opinions import cross_check_table, disagreements
from carbon_nas.reporting.provenance import latency_table, ledger_table, meter_table, plan_table, recording
from carbon_nas.reporting.scale import scale_table
from carbon_nas.reporting.verdict import caveats, verdict
from carbon_nas.sources import Source, Tier
from carbon_nas.units import in_kwh

__all__ = ["compose"]


def _cards(comparison: Comparison) -> Iterator[Card]:
    site = comparison.site
    for cost in comparison.strategies:
        details = [site.boundary, energy(cost.energy_j)]
        if cost.seeds > 1:
            details[1] = f"{energy(cost.low_j)} to {energy(cost.high_j)} over {cost.seeds} seeds"
        if site.named:
            details.append(f"{mass(site.mass_kg(cost.energy_j, site.grids[0]))} CO2e in {site.grids[0].name}")
        yield Card(
            label=f"{cost.strategy}, {scenarios(len(comparison.scenarios))}",
            value=kwh(in_kwh(cost.energy_j) * site.factor_ratio),
            detail="; ".join(details),
            tier=cost.tier,
        )
    for found in comparison.break_evens:
        yield Card(
            label=f"break-even, {found.upfront} against {found.rival}",
            value="never" if found.n_ratio is None else f"N* = {significant(found.n_ratio, 2)}",
            detail=f"{'extrapolated from' if found.extrapolated else 'within'} the {found.measured_n} that were run",
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


_STRATEGY_SOURCES = {
    "once_for_all": (Source(key="cai2020", where="the strategy once_for_all"),),
    "evolution": (
        Source(key="real2019", where="the strategy evolution: aging evolution, algorithm 1"),
        Source(key="tan2019", where="the strategy evolution: reward (equation 2) and proxy epochs"),
    ),
}
_WORKLOAD_SOURCES = {
    "digits": Source(key="alpaydin1998", where="the workload digits, in the copy that scikit-learn bundles")
}


def _metered(part: Component) -> Iterator[Source]:
    kind, inputs = part.name.partition(":")[0], part.inputs
    if kind == "cpu" and "codecarbon" in str(inputs.get("watts_per_core_from")):
        yield Source(key="codecarbon", where="power per core: cpu_power.csv, and 4 W per thread (core/cpu.py)")
    ranged = str(inputs.get("range_from"))
    if "Teads" in ranged:
        yield Source(key="davy2021", where="range of the CPU estimate: package power over load")
    if "Cloud Carbon Footprint" in ranged:
        yield Source(key="cloudcarbonfootprint", where="range of the CPU estimate: coefficients-gcp-use.csv")
    if kind == "dram" and "Green Algorithms" in str(inputs.get("watts_per_gib_from")):
        yield Source(key="lannelongue2021", where="power of memory: 0.3725 W/GB")
    if "RAPL" in part.method:
        yield Source(key="khan2018", where="RAPL: what its counters cover, and how accurate they are")
    if kind == "gpu" and part.tier is Tier.MEASURED:
        yield Source(key="yang2024", where="NVML: how accurate the GPU's power sensor is")


def _sources(comparison: Comparison, runs: Sequence[Run], references: Mapping[str, Reference]) -> tuple[Source, ...]:
    found = [reference.printed.source for reference in references["strubell2019-nas"].chain]
    found.append(Source(key="ghg2015", where="location-based method: energy x intensity"))
    found += [grid.source for grid in comparison.site.grids]
    found += dict.fromkeys(source for run in runs for part in run.components.values() for source in _metered(part))
    if any(check.tool.startswith("codecarbon") for run in runs for check in run.cross_checks):
        found.append(Source(key="codecarbon", where="the second opinion: OfflineEmissionsTracker"))
    for cost in comparison.strategies:
        found += _STRATEGY_SOURCES.get(cost.strategy, ())
    found += [_WORKLOAD_SOURCES[run.header.workload] for run in runs if run.header.workload in _WORKLOAD_SOURCES]
    return tuple(dict.fromkeys(found))


def compose(comparison: Comparison, runs: Sequence[Run], references: Mapping[str, Reference]) -> Document:
    """Write the report of a comparison as a document.

    Args:
        comparison: the numbers.
        runs: the ledgers behind them, for how they were recorded.
        references: the register of published numbers.
    """
    carbon = Carbon(comparison.site)
    name = str(runs[0].header.study.get("name", "own runs"))
    optional: list[Block | None] = [plan_table(runs), latency_table(runs)]
    trust: list[Block | None] = [
        component_table(comparison, runs) if comparison.components else None,
        window_table(runs),
        gap_table(comparison),
        incident_table(runs),
        cross_check_table(runs),
    ]
    return Document(
        title=f"What neural architecture search costs: {name}",
        subtitle=f"Workload {runs[0].header.workload or 'not named'}; {comparison.site.label}",
        verdict=verdict(comparison),
        caveats=(*caveats(comparison, quick=name.endswith("-quick")), *disturbances(runs), *disagreements(runs)),
        cards=tuple(_cards(comparison)),
        sections=(
            Section(
                title="Cost",
                blocks=(
                    cost_table(comparison, carbon),
                    FigureBlock(
                        key="cost_curve",
                        title="Energy over the number of deployment scenarios",
                        caption="Points were run, in this order of scenarios; lines are E(N) = once + N x per "
                        "scenario, dashed where nothing was run. Grey: the range of crossings by scenario and seed.",
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
                    *((lost_table(comparison),) if comparison.lost else ()),
                ),
            ),
            Section(title="Networks", blocks=(delivery_table(comparison),)),
            Section(title="Scale", blocks=(scale_table(comparison, carbon, references),)),
            Section(title="Measurement", blocks=tuple(block for block in trust if block is not None)),
            Section(
                title="Method",
                blocks=(
                    meter_table(runs),
                    *(block for block in optional if block is not None),
                    ledger_table(runs),
                    Text(text=recording(runs)),
                ),
            ),
        ),
        sources=_sources(comparison, runs, references),
    )
