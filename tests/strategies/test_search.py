import random
from dataclasses import replace

import pytest
from hypothesis import given
from pydantic import ValidationError

from carbon_nas.strategies.search import SearchPlan, evolve
from carbon_nas.supernet import cost
from tests.strategies.bench import constraint
from tests.supernet.spaces import ONE, TINY, few, seeds

PLAN = SearchPlan(population=8, generations=4)
LIMIT = constraint(TINY)


class Scores:
    """Likes large networks, and writes down which it was asked about."""

    def __init__(self, space=TINY):
        self.space, self.asked = space, []

    def __call__(self, arch):
        self.asked.append(arch)
        return cost(self.space, arch, 3).macs


def searched(seed=0, *, limit=LIMIT, plan=PLAN, space=TINY):
    scores = Scores(space)
    found, best = evolve(space, limit, scores, plan, random.Random(seed))
    return found, best, scores.asked


@few
@given(seeds)
def test_no_architecture_is_scored_twice_and_none_over_the_limit(seed):
    _, _, asked = searched(seed)
    assert len(set(asked)) == len(asked) <= PLAN.evaluations
    assert all(LIMIT.met_by(TINY, arch) for arch in asked)


@few
@given(seeds)
def test_the_best_of_all_that_were_scored_is_returned_those_of_the_last_generation_included(seed):
    found, best, asked = searched(seed)
    assert best == cost(TINY, found, 3).macs == max(cost(TINY, arch, 3).macs for arch in asked)


def test_the_same_seed_asks_the_same_questions():
    assert searched(5) == searched(5)
    assert searched(5) != searched(6)


def test_more_generations_find_more():
    generous = replace(LIMIT, limit_ms=1e9)
    plans = [SearchPlan(population=4, generations=generations) for generations in (0, 12)]
    found = [searched(limit=generous, plan=plan)[1] for plan in plans]
    assert found[0] < found[1]


def test_a_search_ends_on_a_limit_that_a_single_architecture_meets():
    fastest = LIMIT.table.fastest(TINY)
    exact = replace(LIMIT, limit_ms=LIMIT.table.predict_ms(TINY, fastest))
    assert searched(limit=exact) == (fastest, cost(TINY, fastest, 3).macs, [fastest])


def test_a_search_ends_in_a_space_of_a_single_architecture():
    assert searched(space=ONE)[2] == [ONE.max()]


def test_a_search_without_generations_is_random():
    _, _, asked = searched(plan=SearchPlan(population=8, generations=0))
    assert 1 < len(asked) <= 8


def test_evaluations_bound_what_a_search_costs():
    assert PLAN.parents == 2
    assert PLAN.evaluations == 8 + 4 * 6


@pytest.mark.parametrize(
    "wrong", [{"population": 3}, {"generations": -1}, {"parent_fraction": 0}, {"mutation_fraction": 1.1}, {"size": 3}]
)
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        SearchPlan(**wrong)
