"""Energy by component: which part of the machine used it, how sure that is, and what it would have used anyway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from carbon_nas.accounting.statement import Entry, Part, Statement
from carbon_nas.comparison.charged import charged
from carbon_nas.comparison.finished import Finished
from carbon_nas.ledger.records import Scope
from carbon_nas.sources import Tier
from carbon_nas.units import total

__all__ = ["ComponentCost", "Incomplete", "component_costs", "incomplete"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentCost:
    """What one component used for one strategy, over all that was compared: the mean over seeds.

    Attributes:
        energy_j: gross: everything from edge to edge.
        duration_s: how long it was metered: a time in which several phases ran counts once.
        idle_j: what it would have used in the same time with nothing to do; None if that was not measured.
        random_u_j: standard uncertainty that phases do not share; None: not quantified.
        systematic_u_j: standard uncertainty that all phases share; None: not quantified.
        complete: whether its counter was seen without a gap in every phase.
        attributed_j: the part of a shared device that is estimated to be the program's own; None: not known.
    """

    strategy: str
    component: str
    tier: Tier
    energy_j: float
    duration_s: float
    idle_j: float | None
    random_u_j: float | None
    systematic_u_j: float | None
    complete: bool = True
    attributed_j: float | None = None

    @property
    def net_j(self) -> float | None:
        """Gross minus idle; None if idle was not measured, or if a gap hides a part of the gross."""
        return None if self.idle_j is None or not self.complete else self.energy_j - self.idle_j


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


def component_costs(
    statements: Sequence[Statement], done: Finished, strategies: Sequence[str], idle_w: Mapping[str, float]
) -> tuple[ComponentCost, ...]:
    """Split what every strategy cost by component."""
    costs = []
    for strategy in strategies:
        ledgers = list(charged(statements, strategy, done))
        seeds = [[one.entries for one in ledgers if one.seed == seed] for seed in sorted(done.seeds)]
        names = dict.fromkeys(
            part.component for ledgers in seeds for entries in ledgers for entry in entries for part in entry.parts
        )
        costs += [_cost(strategy, name, seeds, idle_w.get(name)) for name in names]
    return tuple(costs)


def _cost(strategy: str, name: str, seeds: Sequence[Sequence[Sequence[Entry]]], idle_w: float | None) -> ComponentCost:
    metered = [[[entry for entry in entries if _has(entry, name)] for entries in ledgers] for ledgers in seeds]
    duration_s = fmean(sum(map(_covered_s, ledgers)) for ledgers in metered)
    parts = [
        [part for entries in ledgers for entry in entries for part in entry.parts if part.component == name]
        for ledgers in metered
    ]
    return ComponentCost(
        strategy=strategy,
        component=name,
        tier=Tier.weakest({part.tier for one in parts for part in one}) or Tier.MODELLED,
        energy_j=fmean(total(part.energy_j for part in one) for one in parts),
        duration_s=duration_s,
        idle_j=None if idle_w is None else idle_w * duration_s,
        random_u_j=_mean([_random(one) for one in parts]),
        systematic_u_j=_mean([_systematic(one) for one in parts]),
        complete=all(part.complete for one in parts for part in one),
        attributed_j=_mean([_attributed(one) for one in parts]),
    )


def _has(entry: Entry, component: str) -> bool:
    return any(part.component == component for part in entry.parts)


def _covered_s(entries: Sequence[Entry]) -> float:
    """Return for how long any of some entries of one ledger ran.

    Phases nest, and may run side by side in threads: their joules are told apart, but the clock ran once for all.
    """
    covered_s = sum(entry.duration_s for entry in entries if entry.began_s is None or entry.ended_s is None)
    spans = sorted(
        (entry.session, entry.began_s, entry.ended_s)
        for entry in entries
        if entry.began_s is not None and entry.ended_s is not None
    )
    reached: tuple[int, float] | None = None
    for session, began_s, ended_s in spans:
        start_s = began_s if reached is None or reached[0] != session else max(began_s, reached[1])
        covered_s += max(0.0, ended_s - start_s)
        reached = (session, max(start_s, ended_s))
    return covered_s


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _random(parts: Sequence[Part]) -> float | None:
    # Independent from phase to phase.
    squares = [None if part.random_u_j is None else part.random_u_j**2 for part in parts]
    mean = _mean(squares)
    return None if mean is None else sqrt(mean * len(squares))


def _attributed(parts: Sequence[Part]) -> float | None:
    mean = _mean([part.attributed_j for part in parts])
    return None if mean is None else mean * len(parts)


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
        if not entry.wasted and not entry.complete and entry.scope != Scope.USE
    )
