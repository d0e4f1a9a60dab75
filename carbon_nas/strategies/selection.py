"""Choosing one network from a ranking: the best are timed end to end, and what is too slow makes way for others.

A latency table is a model. What it ranks is believed once it has been timed; how far it was off so far corrects what it
says about the rest.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from carbon_nas.devices.additive import AdditiveLatency
from carbon_nas.ledger.records import Selection
from carbon_nas.strategies.constraint import Constraint, infeasible
from carbon_nas.strategies.search import Ranked, Ranking
from carbon_nas.supernet.architecture import Architecture

__all__ = ["SelectionPlan", "select"]


class SelectionPlan(BaseModel):
    """How many of a ranking are looked at more closely."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finalists: int = Field(default=4, ge=1)
    """How many that meet the limit end to end are compared."""
    tries: int = Field(default=32, ge=1)
    """The most that are timed to find them, before the fastest are taken."""
    searches: int = Field(default=2, ge=0)
    """How often a search is repeated under a limit that makes up for a wrong table."""


@dataclass(kw_only=True, slots=True)
class _Walk:
    """What has been timed so far."""

    limit_ms: float
    time_ms: Callable[[Architecture], float]
    measured_ms: dict[Architecture, float] = field(default_factory=dict)
    seen_ratio: list[float] = field(default_factory=list)
    finalists: list[Ranked] = field(default_factory=list)

    @property
    def correction_ratio(self) -> float:
        """Measured over predicted so far; 1 before anything was timed."""
        return statistics.median(self.seen_ratio) if self.seen_ratio else 1.0

    def time(self, candidate: Ranked) -> None:
        """Time a candidate; if it is fast enough, it is a finalist."""
        taken_ms = self.time_ms(candidate.architecture)
        self.measured_ms[candidate.architecture] = taken_ms
        if candidate.predicted_ms > 0:  # A fitted offset may be below zero.
            self.seen_ratio.append(taken_ms / candidate.predicted_ms)
        if taken_ms <= self.limit_ms:
            self.finalists.append(candidate)

    def next(self, ranking: Ranking) -> Ranked | None:
        """Return the best candidate not timed yet that should be fast enough, as far as is known by now.

        Before anything was timed that is the best of all: what the table says of it may be wrong either way.
        """
        if not self.measured_ms:
            return ranking.best
        fits = np.flatnonzero(ranking.predicted_ms * self.correction_ratio <= self.limit_ms * (1 + 1e-12))
        candidates = (ranking[int(number)] for number in fits)
        return next((one for one in candidates if one.architecture not in self.measured_ms), None)


def select(
    ranking: Ranking,
    constraint: Constraint,
    *,
    scenario: str,
    time_ms: Callable[[Architecture], float],
    score: Callable[[Architecture], float] | None,
    plan: SelectionPlan,
    again: Callable[[Constraint], Ranking] | None = None,
    ranked_by: Literal["predictor", "supernet"] = "predictor",
) -> tuple[Architecture, Selection]:
    """Choose the network of a scenario.

    Args:
        ranking: what a search found, best first.
        constraint: what it was searched under, and what the choice must meet.
        scenario: its name.
        time_ms: times an architecture end to end.
        score: measures the accuracy of a finalist on the supernet; None: the finalist that is ranked best is taken.
        plan: how many are looked at.
        again: searches under another limit, for when the table was too hopeful for all of the ranking.
        ranked_by: whether the scores of the ranking are predictions, or were measured on the supernet.

    Raises:
        InfeasibleScenario: if nothing that was timed meets the limit; the fastest is named.
    """
    walk, searches, scored = _Walk(limit_ms=constraint.limit_ms, time_ms=time_ms), 0, ranking.scored
    while len(walk.finalists) < plan.finalists and len(walk.measured_ms) < plan.tries:
        candidate = walk.next(ranking)
        if candidate is not None:
            walk.time(candidate)
            continue
        if again is None or walk.finalists or searches == plan.searches or walk.correction_ratio <= 1:
            break
        narrower = replace(constraint, limit_ms=constraint.limit_ms / walk.correction_ratio)
        space = ranking.population.space
        if not narrower.met_by(space, AdditiveLatency.of(constraint.table, space).fastest()):
            break
        ranking, searches = again(narrower), searches + 1
        scored += ranking.scored
    if not walk.finalists:
        _time_the_fastest(walk, ranking, constraint, plan)
    if not walk.finalists:
        fastest = min(walk.measured_ms, key=walk.measured_ms.__getitem__)
        raise infeasible(
            constraint.limit_ms, fastest, walk.measured_ms[fastest], where=f"scenario {scenario}", how="was timed at"
        )
    return _chosen(walk, score, scenario=scenario, scored=scored, ranked_by=ranked_by)


def _time_the_fastest(walk: _Walk, ranking: Ranking, constraint: Constraint, plan: SelectionPlan) -> None:
    """Time what should be the fastest, when nothing else was fast enough: of the ranking, and of the whole space."""
    space = ranking.population.space
    arch = AdditiveLatency.of(constraint.table, space).fastest()
    order = np.argsort(ranking.predicted_ms, kind="stable")
    candidates = [one for one in (ranking[int(number)] for number in order) if one.architecture not in walk.measured_ms]
    for candidate in candidates[: plan.finalists]:
        walk.time(candidate)
    if not walk.finalists and arch not in walk.measured_ms:
        predicted_ms = constraint.table.predict_ms(space, arch)
        walk.time(Ranked(place=len(ranking), architecture=arch, accuracy_fraction=None, predicted_ms=predicted_ms))


def _chosen(
    walk: _Walk,
    score: Callable[[Architecture], float] | None,
    *,
    scenario: str,
    scored: int,
    ranked_by: Literal["predictor", "supernet"],
) -> tuple[Architecture, Selection]:
    # They were timed in another order: what a correction held back may have been timed later. In the order of the
    # ranking the first of equals is the best.
    finalists = sorted(walk.finalists, key=lambda finalist: finalist.place)
    if score is None:
        one = finalists[0]
        validation = one.accuracy_fraction if ranked_by == "supernet" else None
    else:
        measured = [score(finalist.architecture) for finalist in finalists]
        validation = max(measured)
        one = finalists[measured.index(validation)]
    return one.architecture, Selection(
        scenario=scenario,
        scored=scored,
        timed=len(walk.measured_ms),
        predicted_ms=one.predicted_ms,
        measured_ms=walk.measured_ms[one.architecture],
        predicted_accuracy_fraction=one.accuracy_fraction if ranked_by == "predictor" else None,
        validation_accuracy_fraction=validation,
    )
