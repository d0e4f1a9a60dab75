"""The tables of what it cost: strategies, phases, the curve over N, break-even, lost attempts."""

from carbon_nas.comparison.table import Comparison, PhaseCost, StrategyCost
from carbon_nas.ledger.records import Scope
from carbon_nas.reporting.cells import Carbon, counted, joules, seconds, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import energy, kwh, significant
from carbon_nas.sources import Tier
from carbon_nas.units import in_kwh

__all__ = ["break_even_table", "cost_table", "curve_table", "lost_table", "phase_table"]

WORK = (
    Column(key="device_s", title="device time"),
    Column(key="trainer_steps", title="trainer steps"),
    Column(key="macs", title="MACs"),
)


def work(cost: PhaseCost | StrategyCost) -> tuple[Cell, ...]:
    return (
        seconds(cost.device_s),
        counted(cost.steps, "steps"),
        counted(cost.macs, "MACs", Tier.MODELLED),
    )


def cost_table(comparison: Comparison, carbon: Carbon) -> Table:
    """Return what each strategy cost altogether."""
    rows = []
    for cost in comparison.strategies:
        facility = in_kwh(cost.energy_j) * comparison.site.factor_ratio
        rows.append(
            (
                word(cost.strategy),
                Cell(text=kwh(facility), tier=cost.tier, value=facility, unit="kWh"),
                joules(cost.energy_j, cost.tier),
                *work(cost),
                *carbon.cells(cost.energy_j, cost.tier),
            )
        )
    return Table(
        key="strategies",
        title=f"What it cost, for {comparison.strategies[0].scenarios} scenarios",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="energy_kwh", title="energy"),
            Column(key="it_energy_j", title="IT energy"),
            *WORK,
            *carbon.columns(),
        ),
        rows=tuple(rows),
        note=f"{carbon.note()} {_seeds(comparison)} Profiling the devices is shared work, done once and charged "
        "in full to each strategy.",
    )


def _seeds(comparison: Comparison) -> str:
    seeds = comparison.strategies[0].seeds
    return "One seed." if seeds == 1 else f"Mean over {seeds} seeds."


def phase_table(comparison: Comparison, carbon: Carbon) -> Table:
    """Return what each phase of each strategy cost."""
    rows = [
        (
            word(phase.strategy),
            word(f"{phase.name} (shared)" if phase.shared else phase.name),
            word("once" if phase.scope == Scope.ONCE else f"{phase.times} scenarios"),
            joules(phase.energy_j, phase.tier),
            *work(phase),
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
            *WORK,
            *carbon.columns(),
        ),
        rows=tuple(rows),
    )


def curve_table(comparison: Comparison) -> Table:
    """Return energy over N: as it was run, then extrapolated to just beyond break-even."""
    reach = max(curve.measured_n for curve in comparison.curves)
    wanted = max([reach + 2, *(found.first_n or 0 for found in comparison.break_evens)])
    rows = []
    for n in range(1, min(wanted, 100) + 1):
        cells = []
        for curve, cost in zip(comparison.curves, comparison.strategies, strict=True):
            run = n <= curve.measured_n
            energy_j = curve.points_j()[n] if run else curve.energy_j(n)
            cells.append(joules(energy_j, cost.tier if run else Tier.MODELLED))
        rows.append((word(str(n)), word("run" if n <= reach else "extrapolated"), *cells))
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
            f"{curve.strategy}: E(N) = {energy(curve.once_j)} + N x {energy(curve.slope_j)}"
            for curve in comparison.curves
        )
        + ". Scenarios in the order in which they were run.",
    )


def break_even_table(comparison: Comparison) -> Table:
    """Return where the strategies cost the same."""

    def n(value: float | None) -> Cell:
        return Cell(
            text="none" if value is None else significant(value), tier=Tier.MODELLED, value=value, unit="scenarios"
        )

    rows = [
        (
            word(found.upfront),
            word(found.rival),
            n(found.n_ratio),
            n(found.low_ratio),
            n(found.high_ratio),
            word("extrapolated" if found.extrapolated else "within what was run"),
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
        note="Lowest and highest are taken over all pairs of a scenario and a seed: a range, no confidence interval.",
    )


def lost_table(comparison: Comparison) -> Table:
    """Return the attempts that were interrupted or killed."""
    rows = []
    for lost in comparison.lost:
        rest = "not bounded" if lost.rest_max_j is None else f"up to {energy(lost.rest_max_j)} more"
        rows.append(
            (
                word(lost.strategy),
                word(str(lost.seed)),
                word(lost.phase),
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
