"""Energy by component: which part of the machine used it, how sure that is, and what it would have used anyway."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from carbon_nas.accounting.statement import Entry, Part, Statement
from carbon_nas.comparison.finished import Finished
from carbon_nas.ledger.records import Role, Scope
from carbon_nas.ledger.run import Run
from carbon_nas.sources import Tier

__all__ = ["ComponentCost", "Incomplete", "component_costs", "idle_powers_w", "incomplete"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentCost:
    """What one component used for one strategy, over all that was compared: the mean over seeds.

    Attributes:
        energy_j: gross: everything from edge to edge.
        idle_j: what it would have used in the same time with nothing to do; None if that was not measured.
        random_u_j: standard uncertainty that phases do not share; None: not quantified.
        systematic_u_j: standard uncertainty that all phases share; None: not quantified.
    """

    strategy: str
    component: str
    tier: Tier
    energy_j: float
    duration_s: float
    idle_j: float | None
    random_u_j: float | None
    systematic_u_j: float | None

    @property
    def net_j(self) -> float | None:
        """Gross minus idle; None if idle was not measured."""
        return None if self.idle_j is None else self.energy_j - self.idle_j


@dataclass(frozen=True, kw_only=True, slots=True)
class Incomplete:
    """A finished phase in which a counter was not seen all the time.

    Attributes:
        energy_j: as far as it was seen.
        low_j, high_j: what the truth lies between; None: no bound is known.
    """

    strategy: str
    seed: int
    phase: str
    components: tuple[str, ...]
    energy_j: float | None
    low_j: float | None
    high_j: float | None


def idle_powers_w(runs: Iterable[Run]) -> dict[str, float]:
    """Return the idle power of every component that a baseline was taken of: the mean over all baselines."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for baseline in run.baselines:
            for part in baseline.measured:
                if part.energy_j is not None and baseline.duration_s > 0:
                    found.setdefault(part.component, []).append(part.energy_j / baseline.duration_s)
    return {name: fmean(powers_w) for name, powers_w in found.items()}


def _charged(statements: Sequence[Statement], strategy: str, seed: int, done: Finished) -> list[Entry]:
    # Shared work is charged in full to each, as everywhere else.
    mine = [one for one in statements if one.role == Role.SHARED or (one.strategy, one.seed) == (strategy, seed)]
    return [
        entry
        for statement in mine
        for entry in statement.entries
        if not entry.wasted and (entry.scope != Scope.PER_SCENARIO or entry.scenario in done.scenarios)
    ]


def component_costs(
    statements: Sequence[Statement], done: Finished, strategies: Sequence[str], idle_w: Mapping[str, float]
) -> tuple[ComponentCost, ...]:
    """Split what every strategy cost by component."""
    costs = []
    for strategy in strategies:
        entries = [_charged(statements, strategy, seed, done) for seed in sorted(done.seeds)]
        names = dict.fromkeys(part.component for seed in entries for entry in seed for part in entry.parts)
        costs += [_cost(strategy, name, entries, idle_w.get(name)) for name in names]
    return tuple(costs)


def _cost(strategy: str, name: str, seeds: Sequence[Sequence[Entry]], idle_w: float | None) -> ComponentCost:
    found = [
        [(part, entry.duration_s) for entry in entries for part in entry.parts if part.component == name]
        for entries in seeds
    ]
    duration_s = fmean(sum(duration_s for _, duration_s in one) for one in found)
    parts = [[part for part, _ in one] for one in found]
    return ComponentCost(
        strategy=strategy,
        component=name,
        tier=Tier.weakest({part.tier for one in parts for part in one}) or Tier.MODELLED,
        energy_j=fmean(sum(part.energy_j or 0.0 for part in one) for one in parts),
        duration_s=duration_s,
        idle_j=None if idle_w is None else idle_w * duration_s,
        random_u_j=_mean([_random(one) for one in parts]),
        systematic_u_j=_mean([_systematic(one) for one in parts]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _random(parts: Sequence[Part]) -> float | None:
    # Independent from phase to phase.
    squares = [None if part.random_u_j is None else part.random_u_j**2 for part in parts]
    mean = _mean(squares)
    return None if mean is None else sqrt(mean * len(squares))


def _systematic(parts: Sequence[Part]) -> float | None:
    # One sensor, one gain: it adds up.
    mean = _mean([part.systematic_u_j for part in parts])
    return None if mean is None else mean * len(parts)


def incomplete(statements: Sequence[Statement]) -> tuple[Incomplete, ...]:
    """Return the finished phases whose energy is only known between bounds."""
    return tuple(
        Incomplete(
            strategy=statement.strategy,
            seed=statement.seed,
            phase=entry.phase,
            components=tuple(part.component for part in entry.parts if not part.complete),
            energy_j=entry.energy_j,
            low_j=entry.low_j,
            high_j=entry.high_j,
        )
        for statement in statements
        for entry in statement.entries
        if not entry.wasted and not entry.complete
    )
