import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carbon_nas.devices.additive import AdditiveLatency
from carbon_nas.errors import InfeasibleScenario
from carbon_nas.strategies.constraint import Constraint
from carbon_nas.strategies.search import SearchPlan, evolve, one_by_one
from carbon_nas.supernet import cost, mobilenet_v3_space, small_image_space
from carbon_nas.supernet.population import Population
from experiments.benchmarks.search import SMALL, everything, made_up_accuracy, made_up_table
from tests.strategies.bench import constraint
from tests.supernet.spaces import ONE, TINY, few, seeds

PLAN = SearchPlan(population=8, generations=4)
LIMIT = constraint(TINY)


class Scores:
    """Likes large networks, and writes down which it was asked about."""

    def __init__(self, space=TINY):
        self.space, self.asked = space, []

    def __call__(self, population):
        self.asked += population
        return np.array([float(cost(self.space, arch, 3).macs) for arch in population])


def searched(seed=0, *, limit=LIMIT, plan=PLAN, space=TINY):
    scores = Scores(space)
    return evolve(space, limit, scores, plan, random.Random(seed)), scores.asked


def exact(space, table, arch):
    """A limit that an architecture meets with nothing to spare."""
    return replace(LIMIT, table=table, limit_ms=table.predict_ms(space, arch))


@few
@given(seeds)
def test_no_architecture_is_scored_twice_and_none_over_the_limit(seed):
    ranking, asked = searched(seed)
    assert len(set(asked)) == len(asked) == ranking.scored <= PLAN.evaluations
    assert all(LIMIT.table.predict_ms(TINY, arch) <= LIMIT.limit_ms * (1 + 1e-9) for arch in asked)


@few
@given(seeds)
def test_all_that_were_scored_are_ranked_best_first_those_of_the_last_generation_included(seed):
    ranking, asked = searched(seed)
    assert {one.architecture for one in ranking} == set(asked)
    found = [one.accuracy_fraction for one in ranking]
    assert found == sorted(found, reverse=True)
    for one in ranking:
        assert one.accuracy_fraction == cost(TINY, one.architecture, 3).macs
        assert one.predicted_ms == pytest.approx(LIMIT.table.predict_ms(TINY, one.architecture), rel=1e-12)


def test_no_more_are_kept_than_asked_for_and_they_are_the_best():
    all_of_them, few_of_them = (searched(plan=PLAN.model_copy(update={"kept": kept}))[0] for kept in (256, 3))
    assert len(few_of_them) == 3
    assert few_of_them.scored == all_of_them.scored
    assert list(few_of_them) == list(all_of_them)[:3]
    assert few_of_them.best == all_of_them.best == all_of_them[0]


def test_the_same_seed_asks_the_same_questions():
    assert searched(5)[1] == searched(5)[1]
    assert searched(5)[1] != searched(6)[1]


def test_more_generations_find_more():
    space = small_image_space()
    generous = replace(constraint(space), limit_ms=1e9)
    plans = [SearchPlan(population=8, generations=generations) for generations in (0, 12)]
    found = [searched(limit=generous, plan=plan, space=space)[0].best.accuracy_fraction for plan in plans]
    assert found[0] < found[1]


def test_a_search_ends_on_a_limit_that_a_single_architecture_meets():
    fastest = LIMIT.table.fastest(TINY)
    ranking, asked = searched(limit=exact(TINY, LIMIT.table, fastest), plan=SearchPlan())
    assert asked == [fastest] == [one.architecture for one in ranking]


def test_a_limit_that_chance_does_not_meet_is_approached_from_the_fastest():
    """No random architecture of ten thousand is that fast, and the search fills its generations all the same."""
    space = mobilenet_v3_space()
    table = made_up_table(space)
    latency = AdditiveLatency.of(table, space)
    fastest_ms = table.predict_ms(space, latency.fastest())
    tight = Constraint(table=table, limit_ms=1.1 * fastest_ms)
    assert latency.predict_ms(Population.sampled(space, 10_000, np.random.default_rng(0))).min() > tight.limit_ms
    plan = SearchPlan(population=40, generations=10)
    ranking = evolve(space, tight, latency.predict_ms, plan, random.Random(0))
    assert ranking.scored > plan.evaluations / 2
    assert fastest_ms < 0.95 * ranking.best.predicted_ms <= 0.95 * tight.limit_ms


@pytest.mark.parametrize("seed", range(3))
def test_most_of_a_long_search_is_not_spent_on_proposals_that_are_old(seed):
    """Crossovers of a population that has converged have nearly all been seen: mutants take their places at once."""
    space = mobilenet_v3_space()
    table = made_up_table(space)
    sample_ms = AdditiveLatency.of(table, space).predict_ms(Population.sampled(space, 1_000, np.random.default_rng(0)))
    limit = Constraint(table=table, limit_ms=float(np.median(sample_ms)))
    plan = SearchPlan(generations=100)
    ranking = evolve(space, limit, made_up_accuracy(space, 0), plan, random.Random(seed))
    assert ranking.scored == plan.evaluations < ranking.proposed < 10 * ranking.scored


def test_an_impossible_limit_is_refused_and_the_fastest_is_named():
    scores = Scores()
    fastest = LIMIT.table.fastest(TINY)
    with pytest.raises(InfeasibleScenario) as refusal:
        evolve(TINY, replace(LIMIT, limit_ms=1e-6), scores, PLAN, random.Random(0))
    assert str(fastest) in str(refusal.value)
    assert f"{LIMIT.table.predict_ms(TINY, fastest):.3g} ms" in str(refusal.value)
    assert scores.asked == []


def test_a_search_ends_when_nothing_new_is_in_reach():
    generous, scores = replace(LIMIT, limit_ms=1e9), Scores()
    ranking, asked = searched(limit=generous, plan=SearchPlan(population=100, generations=1_000_000))
    whole = everything(TINY)
    assert len(whole) / 2 < ranking.scored == len(set(asked)) <= len(whole)
    assert ranking.best.accuracy_fraction == scores(whole).max()


def test_a_search_ends_in_a_space_of_a_single_architecture():
    assert searched(space=ONE)[1] == [ONE.max()]


def test_a_search_without_generations_is_random():
    _, asked = searched(plan=SearchPlan(population=8, generations=0))
    assert 1 < len(asked) <= 8


def test_what_judges_one_architecture_can_judge_a_population():
    population = Population.of(TINY, [TINY.min(), TINY.max()])
    assert list(one_by_one(lambda arch: arch.resolution / 100)(population)) == [0.04, 0.06]


@pytest.fixture(scope="module")
def scanned():
    """A space that can be scored in full, with the table's prediction for each of its architectures."""
    limit, whole = constraint(SMALL), everything(SMALL)
    return limit, whole, AdditiveLatency.of(limit.table, SMALL).predict_ms(whole)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_a_search_comes_within_a_tenth_of_a_point_of_scoring_everything(scanned, seed, fraction):
    limit, whole, predicted_ms = scanned
    score = made_up_accuracy(SMALL, seed)
    limit_ms = float(np.quantile(predicted_ms, fraction, method="inverted_cdf"))
    best_fraction = score(whole)[predicted_ms <= limit_ms].max()
    plan = SearchPlan(population=100, generations=20)
    found = evolve(SMALL, replace(limit, limit_ms=limit_ms), score, plan, random.Random(seed))
    assert len(whole) > 20_000
    assert found.scored <= plan.evaluations < (predicted_ms <= limit_ms).sum()
    assert found.best.accuracy_fraction > best_fraction - 0.001


def test_evaluations_bound_what_a_search_costs():
    assert PLAN.parents == 2
    assert PLAN.evaluations == 8 + 4 * 6


@few
@given(st.integers(4, 50), st.floats(0.01, 0.999))
def test_every_generation_has_parents_to_cross_and_a_place_for_something_new(population, fraction):
    plan = SearchPlan(population=population, parent_fraction=fraction)
    assert 2 <= plan.parents < population


def test_a_ranking_knows_the_place_of_each():
    assert [one.place for one in searched()[0]] == list(range(len(searched()[0])))


def test_the_defaults_are_those_of_the_paper():
    plan = SearchPlan()
    assert (plan.population, plan.generations, plan.parents) == (100, 500, 25)
    assert (plan.mutation_fraction, plan.mutation_probability_fraction) == (0.5, 0.1)
    assert plan.resolution_probability_fraction == 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"population": 3},
        {"generations": -1},
        {"parent_fraction": 0},
        {"parent_fraction": 1},
        {"mutation_fraction": 1.1},
        {"size": 3},
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        SearchPlan(**wrong)
