"""From a comparison to a document: which numbers are shown, in which words, with which tiers."""

from collections.abc import Iterator, Mapping, Sequence

from carbon_nas.accounting.grid import Grid
from carbon_nas.accounting.methods import metered_kg
from carbon_nas.comparison.delivery import Delivery
from carbon_nas.comparison.table import Comparison, PhaseCost, StrategyCost
from carbon_nas.ledger.records import Scope
from carbon_nas.ledger.run import Run
from carbon_nas.references.register import Reference
from carbon_nas.reporting.document import Card, Cell, Column, Document, FigureBlock, Section, Table, Text
from carbon_nas.reporting.numbers import count, energy, kwh, latency, mass, mass_lb, percent, points, significant
from carbon_nas.reporting.verdict import caveats, verdict
from carbon_nas.sources import Source, Tier
from carbon_nas.units import in_kwh, in_lb

__all__ = ["compose"]


def _word(text: str) -> Cell:
    return Cell(text=text)


def _counted(value: float | None, unit: str, tier: Tier = Tier.MEASURED) -> Cell:
    return Cell(text=count(value), tier=tier, value=value, unit=unit)


def _joules(energy_j: float, tier: Tier) -> Cell:
    return Cell(text=energy(energy_j), tier=tier, value=energy_j, unit="J")


def _seconds(value: float | None) -> Cell:
    text = "not known" if value is None else f"{significant(value)} s"
    return Cell(text=text, tier=Tier.MEASURED, value=value, unit="s")


class _Carbon:
    """Turns joules into cells of CO2e, one per grid of the site."""

    def __init__(self, comparison: Comparison) -> None:
        self.site = comparison.site

    def kg(self, energy_j: float, grid: Grid) -> float:
        return metered_kg(
            energy_j, factor_ratio=self.site.factor_ratio, intensity_g_per_kwh=grid.intensity_g_per_kwh
        )

    def columns(self) -> tuple[Column, ...]:
        return tuple(
            Column(key=f"co2e_{grid.zone.lower().replace('/', '_').replace(' ', '_')}_kg", title=f"CO2e, {grid.name}")
            for grid in self.site.grids
        )

    def cells(self, energy_j: float, tier: Tier) -> tuple[Cell, ...]:
        # A product with a factor is a model, however well its energy was measured.
        sure = Tier.weakest({tier, Tier.MODELLED}) or Tier.MODELLED
        return tuple(
            Cell(text=mass(self.kg(energy_j, grid)), tier=sure, value=self.kg(energy_j, grid), unit="kg")
            for grid in self.site.grids
        )

    def note(self) -> str:
        grids = "; ".join(
            f"{grid.name} {significant(grid.intensity_g_per_kwh)} g/kWh"
            + (f" ({grid.year}, {grid.basis})" if grid.year else f" ({grid.basis})")
            for grid in self.site.grids
        )
        lead = "CO2e at the named site" if self.site.named else "Site not given: CO2e stands for three named grids"
        return f"{lead}: {grids}. {self.site.boundary[0].upper()}{self.site.boundary[1:]}."


_WORK = (
    Column(key="device_s", title="device time"),
    Column(key="trainer_steps", title="trainer steps"),
    Column(key="macs", title="MACs"),
)


def _work(cost: PhaseCost | StrategyCost) -> tuple[Cell, ...]:
    return (
        _seconds(cost.device_s),
        _counted(cost.steps, "steps"),
        _counted(cost.macs, "MACs", Tier.MODELLED),
    )


def _cost_table(comparison: Comparison, carbon: _Carbon) -> Table:
    rows = []
    for cost in comparison.strategies:
        facility = in_kwh(cost.energy_j) * comparison.site.factor_ratio
        rows.append(
            (
                _word(cost.strategy),
                Cell(text=kwh(facility), tier=cost.tier, value=facility, unit="kWh"),
                _joules(cost.energy_j, cost.tier),
                *_work(cost),
                *carbon.cells(cost.energy_j, cost.tier),
            )
        )
    return Table(
        key="strategies",
        title=f"What it cost, for {comparison.strategies[0].scenarios} scenarios",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="energy_kwh", title=comparison.site.boundary),
            Column(key="it_energy_j", title="IT energy"),
            *_WORK,
            *carbon.columns(),
        ),
        rows=tuple(rows),
        note=f"{carbon.note()} Mean over {comparison.strategies[0].seeds} seed(s); profiling the devices is shared work, "
        "measured once and charged in full to each strategy.",
    )


def _phase_table(comparison: Comparison, carbon: _Carbon) -> Table:
    rows = [
        (
            _word(phase.strategy),
            _word(f"{phase.name} (shared)" if phase.shared else phase.name),
            _word("once" if phase.scope == Scope.ONCE else f"per scenario, {phase.times} times"),
            _joules(phase.energy_j, phase.tier),
            *_work(phase),
            *carbon.cells(phase.energy_j, phase.tier),
        )
        for phase in comparison.phases
    ]
    return Table(
        key="phases",
        title="Energy per phase",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="phase", title="phase", numeric=False),
            Column(key="paid", title="paid", numeric=False),
            Column(key="it_energy_j", title="IT energy"),
            *_WORK,
            *carbon.columns(),
        ),
        rows=tuple(rows),
    )


def _curve_table(comparison: Comparison) -> Table:
    reach = max(curve.measured_n for curve in comparison.curves)
    wanted = max([reach + 2, *(found.first_n or 0 for found in comparison.break_evens)])
    rows = []
    for n in range(1, min(wanted, 100) + 1):
        cells = []
        for curve, cost in zip(comparison.curves, comparison.strategies, strict=True):
            run = n <= curve.measured_n
            joules = curve.points_j()[n] if run else curve.energy_j(n)
            cells.append(_joules(joules, cost.tier if run else Tier.MODELLED))
        rows.append((_word(str(n)), _word("run" if n <= reach else "extrapolated"), *cells))
    return Table(
        key="cost_curve",
        title="Energy over the number of scenarios",
        columns=(
            Column(key="scenarios_n", title="N", numeric=False),
            Column(key="basis", title="basis", numeric=False),
            *(Column(key=f"{curve.strategy}_j", title=curve.strategy) for curve in comparison.curves),
        ),
        rows=tuple(rows),
        note="; ".join(
            f"{curve.strategy}: E(N) = {energy(curve.once_j)} + N x {energy(curve.slope_j)}" for curve in comparison.curves
        )
        + ". Scenarios in the order in which they were run.",
    )


def _break_even_table(comparison: Comparison) -> Table:
    def n(value: float | None) -> Cell:
        return Cell(
            text="none" if value is None else significant(value), tier=Tier.MODELLED, value=value, unit="scenarios"
        )

    rows = [
        (
            _word(found.upfront),
            _word(found.rival),
            n(found.n_ratio),
            n(found.low_ratio),
            n(found.high_ratio),
            _word("extrapolated" if found.extrapolated else "within what was run"),
        )
        for found in comparison.break_evens
    ]
    return Table(
        key="break_even",
        title="Break-even",
        columns=(
            Column(key="upfront", title="pays once", numeric=False),
            Column(key="rival", title="against", numeric=False),
            Column(key="break_even_n", title="N*"),
            Column(key="lowest_n", title="lowest"),
            Column(key="highest_n", title="highest"),
            Column(key="basis", title="basis", numeric=False),
        ),
        rows=tuple(rows),
        note="Lowest and highest are taken over all pairs of a scenario and a seed: a range, not a confidence interval.",
    )


def _delivery_cells(item: Delivery) -> tuple[Cell, ...]:
    over = item.over_limit_fraction
    if over is None:
        met = "not known"
    else:
        met = "met" if over <= 0 else f"missed by {percent(over)}"
    correct, ms, limit = item.accuracy_fraction, item.latency_ms, item.latency_limit_ms
    return (
        _word(item.scenario),
        _word(item.strategy),
        _word(str(item.seed)),
        Cell(text="not known" if correct is None else percent(correct), tier=Tier.MEASURED, value=correct, unit="fraction"),
        Cell(text="not known" if ms is None else latency(ms), tier=Tier.MEASURED, value=ms, unit="ms"),
        Cell(text="none" if limit is None else latency(limit), tier=Tier.MEASURED, value=limit, unit="ms"),
        _word(met),
        _counted(item.parameters, "parameters", Tier.MODELLED),
        _counted(item.macs, "MACs", Tier.MODELLED),
        _word(item.architecture),
    )


def _delivery_table(comparison: Comparison) -> Table:
    titles = {
        "scenario": "scenario",
        "strategy": "strategy",
        "seed": "seed",
        "accuracy_fraction": "test accuracy",
        "latency_ms": "latency",
        "latency_limit_ms": "limit",
        "limit_met": "limit met",
        "parameters": "parameters",
        "macs": "MACs",
        "architecture": "architecture",
    }
    words = {"scenario", "strategy", "seed", "limit_met", "architecture"}
    ordered = sorted(comparison.deliveries, key=lambda item: item.seed)
    places = list(dict.fromkeys(item.scenario for item in ordered))
    ordered.sort(key=lambda item: places.index(item.scenario))
    sizes = {item.test_size for item in ordered if item.test_size}
    noise = (
        f" On {max(sizes)} test images the standard error of an accuracy near 95 % is "
        f"{100 * (0.95 * 0.05 / max(sizes)) ** 0.5:.1f} points."
        if sizes
        else ""
    )
    return Table(
        key="deliveries",
        title="What was delivered",
        columns=tuple(Column(key=key, title=title, numeric=key not in words) for key, title in titles.items()),
        rows=tuple(_delivery_cells(item) for item in ordered),
        note="Accuracy on the test split, which no search has seen. Latency end to end, normalised by an anchor kernel."
        + noise,
    )


def _scale_table(comparison: Comparison, carbon: _Carbon, references: Mapping[str, Reference]) -> Table:
    rows = []
    for cost in comparison.strategies:
        cells = carbon.cells(cost.energy_j, cost.tier)
        low, high = min(cell.value or 0.0 for cell in cells), max(cell.value or 0.0 for cell in cells)
        text = mass_lb(in_lb(low)) if low == high else f"{significant(in_lb(low))} to {mass_lb(in_lb(high))}"
        rows.append(
            (
                _word(f"this study: {cost.strategy}"),
                Cell(text=text, tier=cells[0].tier, value=in_lb(high), unit="lb"),
                _word(f"{comparison.strategies[0].scenarios} scenarios; {comparison.site.label}"),
            )
        )
    for reference in references["strubell2019-nas"].chain:
        printed = reference.printed
        rows.append(
            (
                _word(reference.label),
                Cell(text=mass_lb(printed.value), tier=Tier.PUBLISHED, value=printed.value, unit="lb"),
                _word(f"{printed.note} [{printed.source.key}, {printed.source.where}]"),
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
        note="The published figures are about another task, machine translation, at another size, on other hardware. They "
        "give a sense of scale. Their ratio to this study is no saving.",
    )


def _meter_table(runs: Sequence[Run]) -> Table:
    seen = {component.name: component for run in runs for component in run.components.values()}
    rows = [
        (
            _word(component.name),
            _word(str(component.tier)),
            _word(component.method),
            _word(", ".join(f"{key} {value}" for key, value in component.inputs.items() if value is not None)),
            _word(component.note),
        )
        for component in seen.values()
    ]
    titles = ("component", "tier", "method", "inputs", "note")
    return Table(
        key="meters",
        title="How energy was found",
        columns=tuple(Column(key=title, title=title, numeric=False) for title in titles),
        rows=tuple(rows),
        note="Not covered: memory, disks, power supplies, cooling, and every component that is not listed.",
    )


def _latency_table(runs: Sequence[Run]) -> Table:
    rows = []
    for run in runs:
        for scenario, record in run.tables.items():
            limit, table = run.limits.get(scenario), record.table
            wrong, rank = table["error_fraction"], table["rank_correlation_ratio"]
            rows.append(
                (
                    _word(scenario),
                    Cell(
                        text=latency(limit.limit_ms) if limit else "none",
                        tier=Tier.MEASURED,
                        value=limit.limit_ms if limit else None,
                        unit="ms",
                    ),
                    Cell(text="not checked" if wrong is None else percent(wrong), tier=Tier.MEASURED, value=wrong),
                    Cell(text="not checked" if rank is None else f"{rank:.2f}", tier=Tier.MEASURED, value=rank),
                    Cell(
                        text=f"x {table['anchor_spread_ratio']:.2f}",
                        tier=Tier.MEASURED,
                        value=table["anchor_spread_ratio"],
                    ),
                    _word(limit.rule if limit else ""),
                )
            )
    return Table(
        key="latency_tables",
        title="Latency tables",
        columns=(
            Column(key="scenario", title="scenario", numeric=False),
            Column(key="limit_ms", title="limit"),
            Column(key="error_fraction", title="error on unseen networks"),
            Column(key="rank_correlation_ratio", title="rank correlation"),
            Column(key="anchor_spread_ratio", title="anchor spread"),
            Column(key="rule", title="rule", numeric=False),
        ),
        rows=tuple(rows),
        note="Both strategies search with these tables. The anchor spread is how much the machine's own speed moved while "
        "they were made (90th over 10th percentile of a fixed kernel).",
    )


def _lost_table(comparison: Comparison) -> Table:
    rows = []
    for lost in comparison.lost:
        rest = "not bounded" if lost.rest_max_j is None else f"up to {energy(lost.rest_max_j)} more"
        rows.append(
            (
                _word(lost.strategy),
                _word(str(lost.seed)),
                _word(lost.phase),
                Cell(
                    text="not known" if lost.seen_j is None else energy(lost.seen_j),
                    tier=comparison.tier,
                    value=lost.seen_j,
                    unit="J",
                ),
                Cell(
                    text="nothing missing" if lost.rest_max_j == 0 else rest,
                    tier=Tier.MODELLED,
                    value=lost.rest_max_j,
                    unit="J",
                ),
            )
        )
    return Table(
        key="lost",
        title="Lost attempts",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="seed", title="seed", numeric=False),
            Column(key="phase", title="phase", numeric=False),
            Column(key="seen_j", title="seen"),
            Column(key="rest_max_j", title="after the last heartbeat"),
        ),
        rows=tuple(rows),
        note="Phases that were interrupted or killed and done again. This energy was used and is in no other table.",
    )


def _cards(comparison: Comparison) -> Iterator[Card]:
    for cost in comparison.strategies:
        facility = in_kwh(cost.energy_j) * comparison.site.factor_ratio
        spread = f"{energy(cost.low_j)} to {energy(cost.high_j)} over {cost.seeds} seeds"
        yield Card(
            label=f"{cost.strategy}, {cost.scenarios} scenarios",
            value=kwh(facility),
            detail=f"{comparison.site.boundary}; {spread if cost.seeds > 1 else energy(cost.energy_j) + ' of IT energy'}",
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


def _recording(runs: Sequence[Run]) -> str:
    first = runs[0]
    sessions = [session for run in runs for session in run.sessions]
    host, versions = sessions[0].host, sessions[0].versions
    began = min(session.utc for session in sessions)
    return (
        f"Recorded from {began} on {host.get('cpu_model') or 'an unnamed CPU'} ({host.get('logical_cores')} logical "
        f"cores, {host.get('system')}), Python {versions.get('python')}, torch {versions.get('torch', 'not installed')}, "
        f"carbon_nas {first.header.code_version} with sources {first.header.code_hash[:12]}, "
        f"study hash {first.header.study_hash[:12]}, {len(sessions)} sessions in {len(runs)} ledgers."
    )


def compose(comparison: Comparison, runs: Sequence[Run], references: Mapping[str, Reference]) -> Document:
    """Write the report of a comparison as a document.

    Args:
        comparison: the numbers.
        runs: the ledgers behind them, for how they were recorded.
        references: the register of published numbers.
    """
    study, carbon = runs[0].header.study, _Carbon(comparison)
    name, quick = str(study.get("name", "study")), str(study.get("name", "")).endswith("-quick")
    shown = [reference.printed.source for reference in references["strubell2019-nas"].chain]
    grids = [grid.source for grid in comparison.site.grids]
    methods = [Source(key="cai2020", where="the strategy once_for_all")] * (
        "once_for_all" in {cost.strategy for cost in comparison.strategies}
    ) + [
        Source(key="real2019", where="the strategy evolution: aging evolution"),
        Source(key="tan2019", where="the strategy evolution: reward and proxy epochs"),
    ] * ("evolution" in {cost.strategy for cost in comparison.strategies})
    lost = (_lost_table(comparison),) if comparison.lost else ()
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
                    _cost_table(comparison, carbon),
                    FigureBlock(
                        key="cost_curve",
                        title="Energy over the number of deployment scenarios",
                        caption="Points were run, in this order of scenarios; lines are E(N) = once + N x per scenario, "
                        "dashed where nothing was run.",
                    ),
                    _break_even_table(comparison),
                    _curve_table(comparison),
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
                    _phase_table(comparison, carbon),
                    *lost,
                ),
            ),
            Section(title="Networks", blocks=(_delivery_table(comparison),)),
            Section(title="Scale", blocks=(_scale_table(comparison, carbon, references),)),
            Section(
                title="Method",
                blocks=(_meter_table(runs), _latency_table(runs), Text(text=_recording(runs))),
            ),
        ),
        sources=tuple(dict.fromkeys([*shown, *grids, *methods])),
    )
