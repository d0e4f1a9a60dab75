from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carbon_nas.errors import InfeasibleScenario
from carbon_nas.strategies import Evolution, EvolutionPlan, evolution
from carbon_nas.strategies.evolution import reward
from tests.contracts.strategy import StrategyContract
from tests.strategies import bench as small
from tests.strategies.bench import EVOLUTION, STEPS_PER_EPOCH, play
from tests.supernet.spaces import ONE, TINY, few

fractions = st.floats(0, 1)


class TestEvolution(StrategyContract):
    @staticmethod
    def build(bench):
        return Evolution(bench, EVOLUTION)


@few
@given(fractions, st.floats(0, 10), st.floats(-2, 0))
def test_within_the_limit_the_reward_is_the_accuracy(accuracy, latency_ms, exponent):
    assert reward(accuracy, latency_ms, 10.0, exponent) == accuracy


@pytest.mark.parametrize(
    ("accuracy", "latency_ms", "exponent", "expected"),
    [(0.8, 20.0, -1.0, 0.4), (0.75, 12.0, -0.07, 0.75 * 1.2**-0.07), (0.8, 20.0, 0.0, 0.8)],
)
def test_over_the_limit_it_is_scaled_by_a_power_of_latency_over_limit(accuracy, latency_ms, exponent, expected):
    assert reward(accuracy, latency_ms, 10.0, exponent) == pytest.approx(expected)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    bench = small.bench(tmp_path_factory.mktemp("played"))
    return play(bench, Evolution(bench, EVOLUTION))


def test_every_scenario_is_searched_and_trained_from_scratch(played):
    for scenario in ("eager-b1", "eager-b32"):
        assert played.steps[f"search / {scenario}"] == 5 * 2 * STEPS_PER_EPOCH
        assert played.steps[f"train / {scenario}"] == 3 * STEPS_PER_EPOCH
        assert played.steps[f"evaluate / {scenario}"] == 0


def test_the_budget_is_spent_on_as_many_distinct_candidates(played):
    for scenario in ("eager-b1", "eager-b32"):
        subjects = [subject for key, subject, *_ in played.epochs if key == f"search / {scenario}"]
        assert subjects == [f"candidate {number}" for number in range(1, 6) for _ in range(2)]
        assert played.facts[f"search / {scenario}"]["trained_candidates"] == 5


def test_the_winner_is_what_is_trained_and_delivered(played):
    for scenario, result in played.results.items():
        found = played.facts[f"search / {scenario}"]["architecture"]
        assert found == played.facts[f"train / {scenario}"]["architecture"] == result.architecture


def test_the_winner_meets_the_limit_even_where_better_candidates_do_not(tmp_path):
    """Without a penalty, and with mutants that forget their parents, nearly all candidates are over a tight limit."""
    table = small.constraint(TINY).table
    tight_ms = 1.1 * table.predict_ms(TINY, table.fastest(TINY))
    bench = small.bench(tmp_path, scenarios=("eager-b1",), limits_ms={"eager-b1": tight_ms})
    plan = EvolutionPlan(
        candidates=6,
        population=1,
        proxy_epochs=12,
        final_epochs=1,
        learning_rate=0.2,
        mutation_probability_fraction=1.0,
        latency_exponent_ratio=0.0,
    )
    found = play(bench, Evolution(bench, plan)).architecture(TINY, "eager-b1")
    assert bench.constraints["eager-b1"].met_by(TINY, found)


@pytest.mark.parametrize("candidates", [1, 3, 12])
def test_a_budget_of_any_size_is_spent_exactly(tmp_path, candidates):
    bench = small.bench(tmp_path, scenarios=("eager-b1",))
    plan = EvolutionPlan(candidates=candidates, population=4, tournament=2, proxy_epochs=1, final_epochs=1)
    played = play(bench, Evolution(bench, plan))
    assert played.facts["search / eager-b1"]["trained_candidates"] == candidates
    assert played.steps["search / eager-b1"] == candidates * STEPS_PER_EPOCH


def test_a_search_ends_where_fewer_architectures_can_be_reached_than_the_budget(tmp_path):
    bench = small.bench(tmp_path, scenarios=("eager-b1",), limits_ms={"eager-b1": 1e9})
    bench = replace(bench, space=ONE)
    played = play(bench, Evolution(bench, EVOLUTION))
    assert played.facts["search / eager-b1"]["trained_candidates"] == 1
    assert played.architecture(ONE, "eager-b1") == ONE.max()


def test_a_search_ends_on_a_limit_that_a_single_architecture_meets(tmp_path, monkeypatch):
    monkeypatch.setattr(evolution, "_TRIES", 3)
    table = small.constraint(TINY).table
    fastest = table.fastest(TINY)
    exact = {"eager-b1": table.predict_ms(TINY, fastest)}
    bench = small.bench(tmp_path, scenarios=("eager-b1",), limits_ms=exact)
    played = play(bench, Evolution(bench, EvolutionPlan(population=1, proxy_epochs=1, final_epochs=1)))
    assert played.architecture(TINY, "eager-b1") == fastest


def test_an_impossible_limit_stops_the_search_before_anything_is_trained(tmp_path):
    bench = small.bench(tmp_path, scenarios=("eager-b1",), limits_ms={"eager-b1": 1e-6})
    fastest = bench.constraints["eager-b1"].table.fastest(TINY)
    with pytest.raises(InfeasibleScenario) as refusal:
        play(bench, Evolution(bench, EVOLUTION))
    assert str(fastest) in str(refusal.value)


@pytest.mark.parametrize("wrong", [{"candidates": 0}, {"proxy_epochs": 0}, {"latency_exponent_ratio": 1}, {"seeds": 3}])
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        EvolutionPlan(**wrong)
