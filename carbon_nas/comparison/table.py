"""The comparison: a group-by over the entries of all statements. No strategy has a formula of its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, combinations
from statistics import fmean
from typing import Any

import pandas as pd

from carbon_nas.accounting.site import View
from carbon_nas.accounting.sites import Sites
from carbon_nas.accounting.statement import Statement
from carbon_nas.comparison.break_even import BreakEven, break_even
from carbon_nas.comparison.components import ComponentCost, Incomplete, component_costs, incomplete
from carbon_nas.comparison.cost_curve import CostCurve, SeedCost
from carbon_nas.comparison.delivery import Delivery, Gap, accuracy_gap
from carbon_nas.comparison.finished import finished
from carbon_nas.comparison.frame import NUMBERS, charged_rows, mass_columns, mean_or_gap, sum_or_gap, whole_number
from carbon_nas.ledger.records import Scope
from carbon_nas.sources import Tier

__all__ = ["Comparison", "Lost", "PhaseCost", "StrategyCost", "Work", "compare"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseCost:
    """What a phase of a strategy cost, over all its scenarios: the mean over seeds.

    Attributes:
        scenarios: for how many scenarios it was run; 0 for a phase that is paid once.
        shared: done once for all strategies and charged in full to each.
        low_j, high_j: the least and the greatest of the seeds.
        estimated_j: the part that a formula gave, and no sensor.
        facility_j: what the building used for it, as far as the sites tell.
        masses_kg: its CO2e by every view; None where a site does not tell.
    """

    strategy: str
    name: str
    scope: str
    scenarios: int
    shared: bool
    energy_j: float
    low_j: float
    high_j: float
    estimated_j: float
    device_s: float | None
    duration_s: float
    steps: int | None
    macs: int | None
    tier: Tier
    facility_j: float
    masses_kg: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class StrategyCost:
    """What a strategy cost altogether: the mean over seeds. `facility_j` and `masses_kg` as for a phase."""

    strategy: str
    seeds: int
    scenarios: int
    energy_j: float
    low_j: float
    high_j: float
    device_s: float | None
    steps: int | None
    macs: int | None
    tier: Tier
    facility_j: float
    masses_kg: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What a strategy had done after 0, 1, 2, ... scenarios, as it was run: the mean over seeds.

    Attributes:
        device_s, steps, macs: running totals, the work that is paid once first; None where somebody did not count.
    """

    strategy: str
    device_s: tuple[float | None, ...]
    steps: tuple[int | None, ...]
    macs: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """An attempt that was interrupted or killed: real energy that no network came of.

    Attributes:
        seen_j: what is known to have been used; None if it is not.
        rest_max_j: the most that may come on top; 0 if nothing is missing, None if no bound is known.
    """

    strategy: str
    seed: int
    phase: str
    seen_j: float | None
    device_s: float | None
    rest_max_j: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Everything a report shows, as numbers.

    Attributes:
        sites: where it was recorded.
        views: the ways of looking at CO2e that the sites allow, side by side and never added.
        scenarios: those that every strategy has finished for every seed that is compared.
        unfinished: runs that are left out, or in part, because they are not finished.
        estimated_share: the part of all energy that a formula gave, and no sensor.
        components: the same energy by component.
        incomplete: phases that are compared although a counter was not seen all the time.
        overlap: the rule for joules that stand in two ledgers.
        attributed: the energies that this rule has changed, in words.
    """

    sites: Sites
    views: tuple[View, ...]
    strategies: tuple[StrategyCost, ...]
    phases: tuple[PhaseCost, ...]
    curves: tuple[CostCurve, ...]
    work: tuple[Work, ...]
    break_evens: tuple[BreakEven, ...]
    deliveries: tuple[Delivery, ...]
    gaps: tuple[Gap, ...]
    lost: tuple[Lost, ...]
    scenarios: tuple[str, ...]
    unfinished: tuple[str, ...]
    estimated_share: float
    tier: Tier
    components: tuple[ComponentCost, ...] = ()
    incomplete: tuple[Incomplete, ...] = ()
    overlap: str = "refuse"
    attributed: tuple[str, ...] = ()

    def repeated(self) -> Mapping[str, frozenset[str]]:
        """Return the names of the phases that every strategy does for each scenario, shared work included."""
        each = [phase for phase in self.phases if phase.scope == Scope.PER_SCENARIO]
        return {
            cost.strategy: frozenset(phase.name for phase in each if phase.strategy == cost.strategy)
            for cost in self.strategies
        }


def _masses(groups: Any, columns: Mapping[str, str]) -> Mapping[str, float | None]:
    """Return the mean over seeds of each seed's sum."""
    sums = groups[list(columns.values())].agg(sum_or_gap) if columns else None
    return {view: mean_or_gap(sums[name]) for view, name in columns.items()} if sums is not None else {}


def _phases(frame: pd.DataFrame) -> Iterable[PhaseCost]:
    columns = mass_columns(frame)
    keys = ["strategy", "name", "scope", "shared"]
    for (strategy, name, scope, shared), rows in frame.groupby(keys, sort=False):
        by_seed = rows.groupby("seed")
        sums = by_seed[list(NUMBERS)].agg(sum_or_gap)
        yield PhaseCost(
            strategy=str(strategy),
            name=str(name),
            scope=str(scope),
            scenarios=int(by_seed["scenario"].nunique().max()),
            shared=bool(shared),
            energy_j=float(sums["energy_j"].mean()),
            low_j=float(sums["energy_j"].min()),
            high_j=float(sums["energy_j"].max()),
            estimated_j=float(sums["estimated_j"].mean()),
            device_s=mean_or_gap(sums["device_s"]),
            duration_s=float(sums["duration_s"].mean()),
            steps=whole_number(mean_or_gap(sums["steps"])),
            macs=whole_number(mean_or_gap(sums["macs"])),
            tier=Tier.weakest(set(rows["tier"])) or Tier.MODELLED,
            facility_j=float(sums["facility_j"].mean()),
            masses_kg=_masses(by_seed, columns),
        )


def _curve(strategy: str, rows: pd.DataFrame) -> CostCurve:
    seeds = []
    for seed, mine in rows.groupby("seed", sort=True):
        once = mine[mine["scope"] == Scope.ONCE]["energy_j"].sum()
        each = mine[mine["scope"] == Scope.PER_SCENARIO].groupby("scenario", sort=False)["energy_j"].sum()
        seeds.append(
            SeedCost(
                seed=int(str(seed)),
                once_j=float(once),
                per_scenario_j={str(name): float(joules) for name, joules in each.items()},
            )
        )
    return CostCurve(strategy=strategy, seeds=tuple(seeds))


def _work(strategy: str, rows: pd.DataFrame) -> Work:
    def running(column: str) -> list[float | None]:
        totals = []
        for _, mine in rows.groupby("seed", sort=True):
            once = sum_or_gap(mine[mine["scope"] == Scope.ONCE][column])
            each = mine[mine["scope"] == Scope.PER_SCENARIO].groupby("scenario", sort=False)[column].agg(sum_or_gap)
            totals.append(list(accumulate(each, initial=once)))
        return [mean_or_gap(pd.Series(values, dtype=float)) for values in zip(*totals, strict=True)]

    return Work(
        strategy=strategy,
        device_s=tuple(running("device_s")),
        steps=tuple(map(whole_number, running("steps"))),
        macs=tuple(map(whole_number, running("macs"))),
    )


def _whole(curve: CostCurve, phases: Sequence[PhaseCost], views: Sequence[str]) -> StrategyCost:
    mine = [phase for phase in phases if phase.strategy == curve.strategy]

    def add(values: list[float | None]) -> float | None:
        return None if None in values else sum(value for value in values if value is not None)

    totals = [seed.total_j for seed in curve.seeds]
    return StrategyCost(
        strategy=curve.strategy,
        seeds=len(curve.seeds),
        scenarios=curve.measured_n,
        energy_j=fmean(totals),
        low_j=min(totals),
        high_j=max(totals),
        device_s=add([phase.device_s for phase in mine]),
        steps=whole_number(add([phase.steps for phase in mine])),
        macs=whole_number(add([phase.macs for phase in mine])),
        facility_j=sum(phase.facility_j for phase in mine),
        masses_kg={view: add([phase.masses_kg[view] for phase in mine]) for view in views},
        tier=Tier.weakest({phase.tier for phase in mine}) or Tier.MODELLED,
    )


def _lost(statements: Sequence[Statement]) -> Iterable[Lost]:
    for statement in statements:
        for entry in statement.entries:
            if entry.wasted and entry.scope != Scope.USE:
                rest_max_j = (entry.rest_max_j or 0.0) if entry.bounded else None
                yield Lost(
                    strategy=statement.strategy,
                    seed=statement.seed,
                    phase=entry.phase,
                    seen_j=entry.energy_j,
                    device_s=entry.device_s,
                    rest_max_j=rest_max_j,
                )


def compare(
    statements: Sequence[Statement], deliveries: Sequence[Delivery], idle_w: Mapping[str, float] | None = None
) -> Comparison:
    """Compare the strategies of a study, on the seeds and scenarios that all of them have finished.

    Args:
        statements: of all its runs, those of shared work included, each at its own site.
        deliveries: what the strategies found; a scenario without a delivery is not finished.
        idle_w: the power of components that have nothing to do, where it was measured.

    Raises:
        LedgerError: if there is nothing finished to compare.
        UnknownQuantity: if the energy of a phase is not known.
    """
    done = finished(statements, deliveries)
    sites = Sites(sites=tuple(dict.fromkeys(one.site for one in statements)))
    views = [view.key for view in sites.views]
    frame = charged_rows(statements, done, views)
    phases = tuple(_phases(frame))
    curves = tuple(_curve(str(name), rows) for name, rows in frame.groupby("strategy", sort=False))
    work = {str(name): _work(str(name), rows) for name, rows in frame.groupby("strategy", sort=False)}
    # The order of the reader: whoever pays most once comes first.
    curves = tuple(sorted(curves, key=lambda curve: -curve.once_j))
    strategies = tuple(_whole(curve, phases, views) for curve in curves)
    order = [curve.strategy for curve in curves]
    kept = [item for item in deliveries if item.seed in done.seeds and item.scenario in done.scenarios]
    spent_j = sum(phase.energy_j for phase in phases)
    return Comparison(
        sites=sites,
        views=sites.views,
        strategies=strategies,
        phases=tuple(sorted(phases, key=lambda phase: order.index(phase.strategy))),
        curves=curves,
        work=tuple(work[name] for name in order),
        break_evens=tuple(break_even(one, other) for one, other in combinations(curves, 2)),
        deliveries=tuple(kept),
        gaps=tuple(accuracy_gap(kept, one, other) for one, other in combinations(order, 2)),
        lost=tuple(_lost(statements)),
        scenarios=done.scenarios,
        unfinished=done.unfinished,
        estimated_share=sum(phase.estimated_j for phase in phases) / spent_j if spent_j else 0.0,
        tier=Tier.weakest({strategy.tier for strategy in strategies}) or Tier.MODELLED,
        components=component_costs(statements, done, order, idle_w or {}),
        incomplete=incomplete(statements),
    )
