"""From a comparison to a document: what a report says, and in which order."""

from collections.abc import Iterator, Mapping, Sequence

from carbon_nas.accounting.tornado import drawn
from carbon_nas.comparison.family import are_kin
from carbon_nas.comparison.findings import Findings
from carbon_nas.ledger.run import Run
from carbon_nas.references.register import Reference
from carbon_nas.reporting.cells import Carbon
from carbon_nas.reporting.citations import citations
from carbon_nas.reporting.claims import claim_table
from carbon_nas.reporting.costs import break_even_table, cost_table, curve_table, lost_table, phase_table
from carbon_nas.reporting.document import Block, Card, Document, FigureBlock, Section, Text
from carbon_nas.reporting.equivalents import equivalent_table
from carbon_nas.reporting.factors import embodied_table, factor_table, mixed_bases
from carbon_nas.reporting.measurement import (
    component_table,
    disturbances,
    gap_table,
    incident_table,
    window_table,
)
from carbon_nas.reporting.methods import input_table, method_table
from carbon_nas.reporting.models import shipped_models
from carbon_nas.reporting.networks import delivery_table
from carbon_nas.reporting.numbers import energy, kwh, points, scenarios, significant
from carbon_nas.reporting.opinions import cross_check_table, disagreements
from carbon_nas.reporting.priors import in_full_table, left_out, prior_table, started
from carbon_nas.reporting.provenance import ledger_table, meter_table, plan_table, recording
from carbon_nas.reporting.quality import choice_table, latency_table, predictor_table
from carbon_nas.reporting.record import waterfall_table
from carbon_nas.reporting.scale import scale_table
from carbon_nas.reporting.uncertainty import headline, range_table, spread_table, swing_table
from carbon_nas.reporting.use import fleet_table, payback_table, speedup_table, use_table
from carbon_nas.reporting.verdict import caveats, emissions, verdict
from carbon_nas.sources import Tier
from carbon_nas.units import in_kwh

__all__ = ["compose"]


def _cards(findings: Findings) -> Iterator[Card]:
    comparison, before = findings.comparison, started(findings.priors)
    sites = comparison.sites
    for cost in comparison.strategies:
        details = [sites.boundary, energy(cost.energy_j)]
        if cost.seeds > 1:
            details[1] = f"{energy(cost.low_j)} to {energy(cost.high_j)} over {cost.seeds} seeds"
        said = emissions(cost.masses_kg)
        if said:
            details.append(f"{', '.join(said)}; {sites.place}")
        if cost.strategy in before:
            details.append("already spent: without what it started from")
        yield Card(
            label=f"{cost.strategy}, {scenarios(len(comparison.scenarios))}",
            value=kwh(in_kwh(cost.facility_j)),
            detail="; ".join(details),
            tier=cost.tier,
        )
    for found in comparison.break_evens:
        if are_kin(found.upfront, found.rival, comparison.repeated()):
            continue  # They differ in their training alone: their trainings are compared, in a sentence of the verdict.
        were = "was" if found.measured_n == 1 else "were"
        ran = f"{'extrapolated from' if found.extrapolated else 'within'} the {found.measured_n} that {were} run"
        spent = ", without what was paid before" if {found.upfront, found.rival} & before.keys() else ""
        yield Card(
            label=f"break-even, {found.upfront} against {found.rival}",
            value="never" if found.n_ratio is None else f"N* = {significant(found.n_ratio, 2)}",
            detail=f"{ran}{spent}",
            tier=Tier.MODELLED,
        )
    trained = findings.trainings
    if trained is not None and trained.once_ratio is not None:
        yield Card(
            label=f"paid once, {trained.strategy} over {trained.rival}",
            value=f"{significant(trained.once_ratio, 2)} x",
            detail=f"{energy(trained.once_j)} against {energy(trained.rival_once_j)}",
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


def _kept(*blocks: Block | None) -> tuple[Block, ...]:
    return tuple(block for block in blocks if block is not None)


def compose(
    findings: Findings, runs: Sequence[Run], references: Mapping[str, Reference], *, equivalents: bool = False
) -> Document:
    """Write the report of a comparison as a document.

    Args:
        findings: the numbers.
        runs: the ledgers behind them, for how they were recorded.
        references: the register of published numbers.
        equivalents: whether masses are also given as cars and flights.
    """
    comparison = findings.comparison
    carbon = Carbon(comparison.sites)
    name = str(runs[0].header.study.get("name", "own runs"))
    return Document(
        title=f"What neural architecture search costs: {name}",
        subtitle=f"Workload {runs[0].header.workload or 'not named'}; {comparison.sites.label}",
        verdict=verdict(comparison, findings.spreads, trained=findings.trainings, works=findings.priors),
        caveats=(
            *caveats(comparison, quick=name.endswith("-quick"), filled_share=findings.filled_share),
            *(mixed_bases(comparison.sites) if comparison.sites.named else ()),
            *left_out(findings.priors),
            *_unused(findings),
            *disturbances(runs),
            *disagreements(runs),
        ),
        cards=tuple(_cards(findings)),
        sections=(
            Section(
                title="Cost",
                blocks=_kept(
                    cost_table(comparison, carbon, started(findings.priors)),
                    FigureBlock(
                        key="cost_curve",
                        title="Energy over the number of deployment scenarios",
                        caption="Points were run, in this order of scenarios; lines are E(N) = once + N x per "
                        "scenario, dashed where nothing was run. Grey: the range of crossings by scenario and seed."
                        + (" Without what was paid for before." if findings.priors else ""),
                    ),
                    break_even_table(comparison),
                    prior_table(findings.priors),
                    in_full_table(findings.in_full),
                    curve_table(comparison),
                    equivalent_table(comparison) if equivalents else None,
                ),
            ),
            Section(
                title="Phases",
                blocks=_kept(
                    FigureBlock(
                        key="phase_energy",
                        title="Energy per phase",
                        caption="Everything each strategy was charged, phases in the order in which they ran; hatched: "
                        "shared work, charged in full to each.",
                    ),
                    phase_table(comparison, carbon),
                    lost_table(comparison) if comparison.lost else None,
                ),
            ),
            Section(
                title="Networks",
                blocks=_kept(
                    delivery_table(comparison, shipped_models(runs)),
                    choice_table(findings.quality.choices),
                    predictor_table(findings.quality.predictions),
                    latency_table(findings.quality.tables),
                    use_table(findings.uses),
                    speedup_table(findings.speedups),
                    payback_table(findings.paybacks),
                    fleet_table(findings.fleets),
                ),
            ),
            Section(title="How sure", blocks=_kept(*_doubt(findings))),
            Section(title="Scale", blocks=_kept(*_scale(findings, carbon, references))),
            Section(
                title="Measurement",
                blocks=_kept(
                    component_table(comparison, runs) if comparison.components else None,
                    window_table(runs),
                    gap_table(comparison),
                    incident_table(runs),
                    cross_check_table(runs),
                ),
            ),
            Section(
                title="Method",
                blocks=_kept(
                    factor_table(comparison.sites, findings.hourly),
                    embodied_table(comparison.sites),
                    method_table(findings.methods),
                    input_table(findings.methods),
                    meter_table(runs),
                    plan_table(runs),
                    ledger_table(runs),
                    Text(text=recording(runs)),
                ),
            ),
        ),
        sources=citations(findings, runs, references, equivalents=equivalents),
    )


def _unused(findings: Findings) -> Iterator[str]:
    if findings.fleet is not None and not findings.fleets:
        yield "No network was metered at work, so nothing can be said about a fleet."


def _doubt(findings: Findings) -> Iterator[Block | None]:
    yield spread_table(findings)
    yield range_table(findings)
    name = headline(findings)
    if name is not None and drawn(findings.swings.get(name, ())):
        yield FigureBlock(
            key="tornado",
            title=f"What moves {name} most",
            caption="Solid: a factor from its 2.5th to its 97.5th percentile. Hatched: a choice, from one end to the "
            "other. Without a bar: not quantified, or it cancels.",
        )
    yield swing_table(findings)


def _scale(findings: Findings, carbon: Carbon, references: Mapping[str, Reference]) -> Iterator[Block]:
    yield scale_table(findings.comparison, carbon, references)
    if findings.claim:
        yield FigureBlock(
            key="claim_steps",
            title="Why not 1,300x?",
            caption="From the published ratio of CO2e to the ratio of energies of this study "
            f"({findings.comparison.tier}), step by step.",
        )
        yield claim_table(findings.claim)
    yield FigureBlock(
        key="waterfall",
        title="From 626,155 lb to 7,096 lb",
        caption="From the estimate of 2019 to its correction of 2021: what each correction divides by.",
    )
    yield waterfall_table()
