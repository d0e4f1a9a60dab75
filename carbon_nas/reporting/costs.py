"""The tables of what it cost: strategies, phases, the curve over N, break-even, lost attempts."""

from collections.abc import Collection

from carbon_nas.comparison.break_even import BreakEven
from carbon_nas.comparison.family import are_kin
from carbon_nas.comparison.table import Comparison, PhaseCost, StrategyCost
from carbon_nas.ledger.records import Scope
from carbon_nas.reporting.cells import Carbon, counted, joules, seconds, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import energy, kwh, scenarios, significant
from carbon_nas.sources import Tier
from carbon_nas.units import in_kwh

__all__ = ["break_even_table", "cost_table", "curve_table", "lost_table", "phase_table"]

WORK = (
    Column(key="device_s", title="device time"),
    Column(key="trainer_steps", title="trainer steps"),
    Column(key="macs", title="MACs"),
)


# With work beside it, a page is wide enough for two strategies.
_MOST_SIDE_BY_SIDE = 2


def work(cost: PhaseCost | StrategyCost) -> tuple[Cell, ...]:
    return (
        seconds(cost.device_s),
        counted(cost.steps, "steps"),
        counted(cost.macs, "MACs", Tier.MODELLED),
    )


_SHARED = "Profiling the devices is shared work, done once and charged in full to each strategy. "


def cost_table(comparison: Comparison, carbon: Carbon, before: Collection[str] = ()) -> Table:
    """Return what each strategy cost altogether.

    Args:
        comparison: the numbers.
        carbon: turns them into CO2e.
        before: the strategies that started from work that was paid for before.
    """
    sites = comparison.sites
    shared = _SHARED if any(phase.shared for phase in comparison.phases) else ""
    rows = []
    for cost in comparison.strategies:
        facility = in_kwh(cost.facility_j)
        # Energy times a PUE is a model, as any product with a factor is.
        sure = cost.tier if sites.bare else Tier.weakest({cost.tier, Tier.MODELLED}) or Tier.MODELLED
        rows.append(
            (
                word(cost.strategy),
                Cell(text=kwh(facility), tier=sure, value=facility, unit="kWh"),
                joules(cost.energy_j, cost.tier),
                *work(cost),
                *carbon.cells(cost.masses_kg, cost.tier),
            )
        )
    return Table(
        key="strategies",
        title=f"What it cost, for {scenarios(len(comparison.scenarios))}",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="it_energy_kwh", title="energy")
            if sites.bare
            else Column(key="facility_energy_kwh", title=sites.boundary),
            Column(key="it_energy_j", title="IT energy"),
            *WORK,
            *carbon.columns(),
        ),
        rows=tuple(rows),
        note=f"{carbon.note()} {_seeds(comparison)} {shared}{_before(before)}"
        "Device time is CPU seconds, plus the seconds that GPUs were held.",
    )


def _before(strategies: Collection[str]) -> str:
    return f"Already spent: without what {' and '.join(strategies)} started from, see below. " if strategies else ""


def _seeds(comparison: Comparison) -> str:
    seeds = comparison.strategies[0].seeds
    return "One seed." if seeds == 1 else f"Mean over {seeds} seeds."


def phase_table(comparison: Comparison, carbon: Carbon) -> Table:
    """Return what each phase of each strategy cost."""
    rows = [
        (
            word(phase.strategy),
            word(f"{phase.name} (shared)" if phase.shared else phase.name),
            word("once" if phase.scope == Scope.ONCE else scenarios(phase.scenarios)),
            joules(phase.energy_j, phase.tier),
            *work(phase),
            *carbon.cells(phase.masses_kg, phase.tier),
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
    """Return energy and work over N: as it was run, then energy extrapolated to just beyond break-even."""
    reach = max(curve.measured_n for curve in comparison.curves)
    each = comparison.repeated()
    crossings = [found for found in comparison.break_evens if not are_kin(found.upfront, found.rival, each)]
    wanted = max([reach + 2, *(found.first_n or 0 for found in crossings)])
    rows = []
    for n in range(1, min(wanted, 100) + 1):
        cells: list[Cell] = []
        for curve, cost, work in zip(comparison.curves, comparison.strategies, comparison.work, strict=True):
            if n <= curve.measured_n:
                cells += [
                    joules(curve.points_j()[n], cost.tier),
                    seconds(work.device_s[n]),
                    counted(work.steps[n], "steps"),
                    counted(work.macs[n], "MACs", Tier.MODELLED),
                ]
            else:
                cells += [joules(curve.energy_j(n), Tier.MODELLED), *[word("not run")] * len(WORK)]
        rows.append((word(str(n)), word("run" if n <= reach else "extrapolated"), *cells))
    narrow = len(comparison.curves) <= _MOST_SIDE_BY_SIDE
    columns = [Column(key="scenarios_n", title="N", numeric=False), Column(key="basis", title="basis", numeric=False)]
    for curve in comparison.curves:
        columns.append(Column(key=f"{curve.strategy}_j", title=curve.strategy))
        columns += [Column(key=f"{curve.strategy}_{column.key}", title=column.title, shown=narrow) for column in WORK]
    return Table(
        key="cost_curve",
        title="Energy over the number of scenarios",
        columns=tuple(columns),
        rows=tuple(rows),
        note="; ".join(
            f"{curve.strategy}: E(N) = {energy(curve.once_j)} + N x {energy(curve.slope_j)}"
            for curve in comparison.curves
        )
        + ". Scenarios in the order in which they were run."
        + ("" if narrow else " Device time, steps and MACs are in the CSV."),
    )


def break_even_table(comparison: Comparison) -> Table:
    """Return where the strategies cost the same."""

    def n(value: float | None) -> Cell:
        if value is None:
            return word("never")
        return Cell(text=significant(value), tier=Tier.MODELLED, value=value, unit="scenarios")

    each = comparison.repeated()

    def kin(found: BreakEven) -> bool:
        return are_kin(found.upfront, found.rival, each)

    rows = [
        (
            word(found.upfront),
            word(found.rival),
            *([word("side by side")] * 3 if kin(found) else map(n, (found.n_ratio, found.low_ratio, found.high_ratio))),
            word(f"{found.crossing_pairs} of {found.pairs}"),
            word("both pay once" if kin(found) else _basis(found)),
        )
        for found in comparison.break_evens
    ]
    return Table(
        key="break_even",
        title="Break-even",
        columns=(
            Column(key="upfront", title="pays more once", numeric=False),
            Column(key="rival", title="against", numeric=False),
            Column(key="break_even_n", title="N*"),
            Column(key="lowest_n", title="lowest"),
            Column(key="highest_n", title="highest"),
            Column(key="crossing_pairs", title="pairs that cross", numeric=False),
            Column(key="basis", title="basis", numeric=False),
        ),
        rows=tuple(rows),
        note="Lowest and highest are taken over all pairs of a scenario and a seed: a range, no confidence interval."
        + (_KIN if any(map(kin, comparison.break_evens)) else ""),
    )


_KIN = (
    " Where both train one network for all scenarios and did the same phases for each of them, as recorded, the lines "
    "run side by side, and where they cross is chance."
)


def _basis(found: BreakEven) -> str:
    return "extrapolated" if found.extrapolated else "within what was run"


def lost_table(comparison: Comparison) -> Table:
    """Return the attempts that were interrupted or killed."""
    rows = []
    for lost in comparison.lost:
        if lost.rest_max_j is None:
            rest = "not bounded"
        else:
            rest = f"up to {energy(lost.rest_max_j)} more" if lost.rest_max_j else "nothing missing"
        rows.append(
            (
                word(lost.strategy),
                word(str(lost.seed)),
                word(lost.phase),
                word("not known") if lost.seen_j is None else joules(lost.seen_j, comparison.tier),
                seconds(lost.device_s),
                word(rest)
                if lost.rest_max_j is None
                else Cell(text=rest, tier=Tier.MODELLED, value=lost.rest_max_j, unit="J"),
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
            Column(key="device_s", title="device time"),
            Column(key="rest_max_j", title="after the last heartbeat"),
        ),
        rows=tuple(rows),
        note="Phases that were interrupted or killed and done again. This energy was used and is in no other "
        "table. What may be missing is bounded by full power for the longest time between two heartbeats.",
    )
