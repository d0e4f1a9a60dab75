"""A small study on gauges of the test's own: strategy by strategy, each with its components and its seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbon_nas.accounting import Sites, Statement, account
from carbon_nas.accounting.uncertainty import Spread, simulate
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.comparison.finished import Finished, finished
from carbon_nas.comparison.spread import SpreadModel, spread_model
from carbon_nas.ledger import Run, Scope, read
from carbon_nas.meters import ManualClock
from carbon_nas.recorder import Recorder
from tests.gauge import Gauge

__all__ = ["Looked", "Seconds", "gauged", "look"]

Seconds = tuple[float, float]
"""Once, and for the scenario."""


def gauged(
    folder: Path,
    strategies: Mapping[str, Seconds | list[Seconds]],
    components: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    seeds: int = 1,
) -> Path:
    """Record seconds once and seconds for a scenario, at 1 W unless a component says otherwise; return the folder.

    Every seed takes as long as any other, unless there is a list with what each of them takes. A component that begins
    with the name of a strategy and a blank is that strategy's alone.
    """
    for strategy, told in strategies.items():
        for seed, (once_s, each_s) in enumerate(told if isinstance(told, list) else [told] * seeds):
            clock = ManualClock()
            gauges = [
                Gauge(clock, name.rpartition(" ")[2], **({"own": True} | dict(facts)))
                for name, facts in (components or {"gpu:a": {}}).items()
                if name.rpartition(" ")[0] in ("", strategy)
            ]
            path = folder / "ledger" / f"{strategy}-seed{seed}.jsonl"
            with Recorder(
                path, strategy=strategy, seed=seed, meters=gauges, clock=clock, heartbeat_interval_s=None
            ) as own:
                if once_s:
                    with own.phase("train"):
                        clock.advance(once_s)
                with own.phase("search", scope=Scope.PER_SCENARIO, scenario="s"):
                    clock.advance(each_s)
                own.result(scenario="s", accuracy=0.9)
    return folder


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A study, looked at from several sides."""

    runs: Sequence[Run]
    statements: Sequence[Statement]
    comparison: Comparison
    done: Finished
    doubt: SpreadModel
    order: Sequence[str]

    @property
    def spreads(self) -> Mapping[str, Spread]:
        return simulate(self.doubt.model, self.doubt.derived, draws=2_000)


def look(folder: Path, sites: Sites) -> Looked:
    runs = read(folder / "ledger")
    statements = [account(run, sites.of(run.path.name)) for run in runs]
    found = deliveries(runs)
    comparison = compare(statements, found)
    done, order = finished(statements, found), [cost.strategy for cost in comparison.strategies]
    return Looked(
        runs=runs,
        statements=statements,
        comparison=comparison,
        done=done,
        doubt=spread_model(statements, order, done),
        order=order,
    )
