"""Evolutionary search for the most accurate architecture that a constraint allows.

Source: Cai et al., ICLR 2020, section 3.4 (truncation selection, mutants and crossovers, hard constraint). Every loop
ends: proposals are counted, duplicates are not scored twice.
"""

import random
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from carbon_nas.strategies.base import Constraint, feasible_sample
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.space import SearchSpace

__all__ = ["SearchPlan", "evolve"]

_TRIES = 200


class SearchPlan(BaseModel):
    """The size of the search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    population: int = Field(default=16, ge=4)
    generations: int = Field(default=6, ge=0)
    parent_fraction: float = Field(default=0.25, gt=0, le=1)
    mutation_fraction: float = Field(default=0.5, ge=0, le=1)
    mutation_probability_fraction: float = Field(default=0.1, gt=0, le=1)

    @property
    def parents(self) -> int:
        """How many survive a generation."""
        return max(2, round(self.population * self.parent_fraction))

    @property
    def evaluations(self) -> int:
        """The most architectures that are scored."""
        return self.population + self.generations * (self.population - self.parents)


def evolve(
    space: SearchSpace,
    constraint: Constraint,
    score: Callable[[Architecture], float],
    plan: SearchPlan,
    rng: random.Random,
) -> tuple[Architecture, float]:
    """Return the best architecture found and its score.

    Args:
        space: what is searched.
        constraint: every proposal that does not meet it is dropped before it is scored.
        score: higher is better; called once per distinct architecture.
        plan: the size of the search.
        rng: the only source of chance.
    """
    scored: dict[Architecture, float] = {}

    def admit(arch: Architecture) -> None:
        if arch not in scored:
            scored[arch] = score(arch)

    for _ in range(plan.population):
        admit(feasible_sample(space, constraint, rng))
    for _ in range(plan.generations):
        # Sorting is stable: among equals the one found first stays, so a seed decides everything.
        parents = sorted(scored, key=scored.__getitem__, reverse=True)[: plan.parents]
        for child in range(plan.population - plan.parents):
            mutate = child < plan.mutation_fraction * (plan.population - plan.parents)
            for _ in range(_TRIES):
                arch = (
                    space.mutate(rng.choice(parents), rng, plan.mutation_probability_fraction)
                    if mutate or len(parents) < 2
                    else _crossover(space, parents, rng)
                )
                if arch not in scored and constraint.met_by(space, arch):
                    admit(arch)
                    break
    best = max(scored, key=scored.__getitem__)
    return best, scored[best]


def _crossover(space: SearchSpace, parents: list[Architecture], rng: random.Random) -> Architecture:
    one, other = rng.sample(parents, 2)
    return space.crossover(one, other, rng)
