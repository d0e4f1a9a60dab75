"""Evolutionary search for the most accurate architectures that a constraint allows, a generation at a time.

Source: Cai et al., ICLR 2020, section 3.4; the OFA code, `evolution.py`: truncation selection whose parents are kept,
half mutants and half crossovers, a hard constraint. Unlike there, nothing is scored twice, every loop ends, and the
last generation counts like any other.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from carbon_nas.devices.additive import AdditiveLatency
from carbon_nas.strategies.constraint import Constraint
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.population import Population
from carbon_nas.supernet.space import SearchSpace

__all__ = ["Ranked", "Ranking", "Score", "SearchPlan", "evolve", "one_by_one"]

Scores = NDArray[np.float64]
Score = Callable[[Population], Scores]
"""What judges a population, (N,); higher is better."""

# Rounds of proposals for the first generation, from which all others come, and for each other one, and by how much a
# round may exceed what is needed: so many times as many proposals as places. Then a generation stays smaller than
# planned: under a limit that few meet, more rounds propose several times as many and found nothing better.
_FIRST_ROUNDS, _ROUNDS, _EXCESS = 16, 4, 16
# Crossovers end as soon as a round is of less use than that: in a population that has converged nearly all of them are
# old, and mutants are at hand.
_LEAST_RATE = 1 / _EXCESS
# Arrays of a few rows cost as much as arrays of some more.
_LEAST = 32
# Prediction by arrays and by the table differ in the last digits: what is exactly at the limit meets it.
_ROUNDING_RATIO = 1 + 1e-12


class SearchPlan(BaseModel):
    """The size of the search. Defaults: those of the OFA code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    population: int = Field(default=100, ge=4)
    generations: int = Field(default=500, ge=0)
    """At most; a search ends before if nothing new can be proposed."""
    parent_fraction: float = Field(default=0.25, gt=0, lt=1)
    mutation_fraction: float = Field(default=0.5, ge=0, le=1)
    mutation_probability_fraction: float = Field(default=0.1, gt=0, le=1)
    resolution_probability_fraction: float = Field(default=0.5, ge=0, le=1)
    """Of a mutant's resolution, which has a probability of its own."""
    kept: int = Field(default=256, ge=1)
    """How many of the best are handed on, for those that turn out to be too slow."""

    @property
    def parents(self) -> int:
        """How many survive a generation: two to cross at the least, and not all of it, or nothing new is tried."""
        return min(max(2, round(self.population * self.parent_fraction)), self.population - 1)

    @property
    def evaluations(self) -> int:
        """The most architectures that are scored."""
        return self.population + self.generations * (self.population - self.parents)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """An architecture with its score, None if it was not scored, its predicted latency, and its place from 0."""

    place: int
    architecture: Architecture
    accuracy_fraction: float | None
    predicted_ms: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranking:
    """Distinct architectures that are predicted to meet a limit, best first.

    Attributes:
        population: the best that a search found.
        accuracy_fraction: what each was scored.
        predicted_ms: what each takes by the table.
        proposed: how many the search proposed, those that were too slow or not new included.
        scored: how many distinct architectures the search scored, those that are not kept included.
    """

    population: Population
    accuracy_fraction: Scores
    predicted_ms: NDArray[np.float64]
    proposed: int
    scored: int

    def __len__(self) -> int:
        return len(self.population)

    def __getitem__(self, number: int) -> Ranked:
        return Ranked(
            place=number,
            architecture=self.population[number],
            accuracy_fraction=float(self.accuracy_fraction[number]),
            predicted_ms=float(self.predicted_ms[number]),
        )

    def __iter__(self) -> Iterator[Ranked]:
        return map(self.__getitem__, range(len(self)))

    @property
    def best(self) -> Ranked:
        """The most accurate."""
        return self[0]


def one_by_one(score: Callable[[Architecture], float]) -> Score:
    """Turn what judges one architecture, such as the network itself, into what judges a population."""
    return lambda population: np.array([score(arch) for arch in population], dtype=np.float64)


def evolve(space: SearchSpace, constraint: Constraint, score: Score, plan: SearchPlan, rng: random.Random) -> Ranking:
    """Rank the best architectures that are predicted to meet a constraint.

    Args:
        space: what is searched.
        constraint: a proposal that does not meet it is dropped before it is scored.
        score: is asked about every distinct architecture once, `plan.evaluations` of them at the most.
        plan: the size of the search.
        rng: the only source of chance.

    Raises:
        InfeasibleScenario: if not even the fastest architecture of the space meets the constraint.
    """
    proposals = _Proposals(space, constraint, plan, np.random.default_rng(rng.getrandbits(128)))
    found, found_ms = proposals.first()
    scores, scored = score(found), len(found)
    kept = max(plan.kept, plan.parents)
    for _ in range(plan.generations):
        # Sorting is stable: among equals the one found first stays, so a seed decides everything.
        order = np.argsort(-scores, kind="stable")[:kept]
        found, found_ms, scores = found.take(order), found_ms[order], scores[order]
        children, children_ms = proposals.children(found.take(slice(plan.parents)))
        if not len(children):
            break
        found, found_ms = found + children, np.concatenate((found_ms, children_ms))
        scores, scored = np.concatenate((scores, score(children))), scored + len(children)
    order = np.argsort(-scores, kind="stable")[: plan.kept]
    return Ranking(
        population=found.take(order),
        accuracy_fraction=scores[order],
        predicted_ms=found_ms[order],
        proposed=proposals.made,
        scored=scored,
    )


_Found = tuple[Population, NDArray[np.float64]]


class _Proposals:
    """Proposes architectures within the limit, each only once, and counts all that were made to find them."""

    def __init__(self, space: SearchSpace, constraint: Constraint, plan: SearchPlan, rng: np.random.Generator) -> None:
        self._space, self._plan, self._rng = space, plan, rng
        self._latency: AdditiveLatency = constraint.check(space)
        self._limit_ms = constraint.limit_ms * _ROUNDING_RATIO
        self._seen: set[bytes] = set()
        self.made = 0

    def first(self) -> _Found:
        """Draw the first generation at random; where chance rarely meets the limit, go out from what does."""
        wanted = self._plan.population
        found = self._gather(
            wanted, lambda count: Population.sampled(self._space, count, self._rng), rounds=_FIRST_ROUNDS
        )
        if len(found[0]) < wanted:
            fastest = Population.of(self._space, [self._latency.fastest()])
            found = _joined(found, self._gather(1, lambda _: fastest))
        for _ in range(_FIRST_ROUNDS):
            more = self._gather(wanted - len(found[0]), self._mutants_of(found[0]))
            if not len(more[0]):
                break
            found = _joined(found, more)
        return found

    def children(self, parents: Population) -> _Found:
        """Propose mutants and crossovers of parents; mutants take the places of crossovers that are not new."""
        places = self._plan.population - self._plan.parents
        crossovers = 0 if len(parents) < 2 else places - round(self._plan.mutation_fraction * places)
        crossed = self._gather(crossovers, self._crossovers_of(parents), least_rate=_LEAST_RATE)
        return _joined(crossed, self._gather(places - len(crossed[0]), self._mutants_of(parents)))

    def _mutants_of(self, parents: Population) -> Callable[[int], Population]:
        plan = self._plan

        def mutants(count: int) -> Population:
            return parents.take(self._rng.integers(0, len(parents), count)).mutated(
                plan.mutation_probability_fraction,
                self._rng,
                resolution_probability_fraction=plan.resolution_probability_fraction,
            )

        return mutants

    def _crossovers_of(self, parents: Population) -> Callable[[int], Population]:
        def crossovers(count: int) -> Population:
            one = self._rng.integers(0, len(parents), count)
            other = (one + self._rng.integers(1, len(parents), count)) % len(parents)
            return parents.take(one).crossed(parents.take(other), self._rng)

        return crossovers

    def _gather(
        self,
        wanted: int,
        propose: Callable[[int], Population],
        *,
        rounds: int = _ROUNDS,
        least_rate: float = 0.0,
    ) -> _Found:
        """Propose until enough are new and within the limit, for some rounds, or until less than a share of one is."""
        rate, found = 1.0, _nothing(self._space)
        for _ in range(rounds):
            missing = wanted - len(found[0])
            if missing <= 0 or rate < least_rate:
                break
            proposed = propose(max(_LEAST, math.ceil(missing / max(rate, 1 / _EXCESS))))
            self.made += len(proposed)
            predicted_ms = self._latency.predict_ms(proposed)
            rows = self._new(proposed, np.flatnonzero(predicted_ms <= self._limit_ms), missing)
            found = _joined(found, (proposed.take(rows), predicted_ms[rows]))
            rate = len(rows) / len(proposed)
        return found

    def _new(self, proposed: Population, fitting: NDArray[np.intp], wanted: int) -> list[int]:
        rows: list[int] = []
        for row, key in zip(fitting.tolist(), proposed.take(fitting).keys(), strict=True):
            if len(rows) == wanted:
                break
            if key not in self._seen:
                self._seen.add(key)
                rows.append(row)
        return rows


def _nothing(space: SearchSpace) -> _Found:
    return Population.of(space, ()), np.empty(0)


def _joined(one: _Found, other: _Found) -> _Found:
    return one[0] + other[0], np.concatenate((one[1], other[1]))
