from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError

from carbon_nas.errors import InfeasibleScenario
from carbon_nas.ledger.records import Scope
from carbon_nas.strategies import OnceForAll, OnceForAllPlan
from carbon_nas.strategies.specialisation import FineTuningPlan
from carbon_nas.strategies.start import LOAD
from carbon_nas.supernet import ElasticMobileNetV3
from carbon_nas.training.recipe import StagePlan, progressive_shrinking
from tests.contracts.strategy import StrategyContract
from tests.strategies import bench as small
from tests.strategies.bench import CLASSES, ONCE_FOR_ALL, SANDWICH, STEPS_PER_EPOCH, play
from tests.supernet.spaces import TINY

TRAINING = tuple(progressive_shrinking())
LAST = TRAINING[-1]


class TestOnceForAll(StrategyContract):
    @staticmethod
    def build(bench):
        return OnceForAll(bench, ONCE_FOR_ALL)


class TestSandwich(StrategyContract):
    @staticmethod
    def build(bench):
        return OnceForAll(bench, SANDWICH, "sandwich")


class TestOnceForAllWithoutAPredictor(StrategyContract):
    @staticmethod
    def build(bench):
        return OnceForAll(bench, ONCE_FOR_ALL.model_copy(update={"predictor": None}))


class TestOnceForAllWithFineTuning(StrategyContract):
    @staticmethod
    def build(bench):
        tuning = FineTuningPlan(epochs=2, learning_rate=0.01)
        return OnceForAll(bench, ONCE_FOR_ALL.model_copy(update={"fine_tuning": tuning}))


def training(played):
    return {key: steps for key, steps in played.steps.items() if key in TRAINING}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The bench that `played` ran on; look, do not touch."""
    return small.bench(tmp_path_factory.mktemp("played"))


@pytest.fixture(scope="module")
def played(shared):
    return play(shared, OnceForAll(shared, ONCE_FOR_ALL))


def test_the_supernet_is_trained_once_stage_by_stage_and_the_predictor_after_it(bench):
    phases = list(OnceForAll(bench, ONCE_FOR_ALL).phases())
    once = tuple(phase.name for phase in phases if phase.scope is Scope.ONCE)
    assert once == (*TRAINING, "measure accuracies", "train predictor")


def test_its_training_costs_as_many_steps_as_planned_and_nothing_else_costs_any(played):
    epochs = {name: stage.epochs for name, stage in ONCE_FOR_ALL.stages.items()}
    assert training(played) == {name: count * STEPS_PER_EPOCH for name, count in epochs.items()}
    assert sum(played.steps.values()) == sum(training(played).values())


def test_more_scenarios_train_the_same_supernet(tmp_path, played):
    alone = small.bench(tmp_path / "alone", scenarios=("eager-b32",))
    again = play(alone, OnceForAll(alone, ONCE_FOR_ALL))
    assert training(again) == training(played)
    assert [epoch for epoch in again.epochs if epoch[0] in TRAINING] == [
        epoch for epoch in played.epochs if epoch[0] in TRAINING
    ]
    assert again.results["eager-b32"] == played.results["eager-b32"]


def test_each_phase_goes_on_from_the_one_before(shared, played):
    weights = [shared.artefacts.load(name).tensors["head.classifier.weight"] for name in TRAINING]
    fresh = ElasticMobileNetV3(TINY, CLASSES).state_dict()
    assert all(not torch.equal(one, other) for one, other in pairwise(weights))
    assert all((after - before).norm() < before.norm() for before, after in pairwise(weights))
    assert shared.artefacts.load(LAST).tensors.keys() == fresh.keys()


def test_only_the_phase_of_the_kernels_and_those_after_it_learn_the_matrices(shared, played):
    name = "blocks.0.depthwise.matrices.5to3"
    unlearnt = torch.eye(9)
    assert torch.equal(shared.artefacts.load("train teacher").tensors[name], unlearnt)
    assert not torch.equal(shared.artefacts.load(LAST).tensors[name], unlearnt)


def test_whenever_new_widths_come_in_the_channels_are_sorted_by_importance(tmp_path):
    bench = small.bench(tmp_path, scenarios=("eager-b1",))
    stages = {
        name: stage.model_copy(update={"learning_rate": 1e-12}) if "width" in name else stage
        for name, stage in ONCE_FOR_ALL.stages.items()
    }
    play(bench, OnceForAll(bench, ONCE_FOR_ALL.model_copy(update={"stages": stages})))

    def sorted_blocks(phase):
        tensors = bench.artefacts.load(phase).tensors
        importances = [tensors[f"blocks.{index}.project.conv.weight"].abs().sum((0, 2, 3)) for index in range(4)]
        return [bool((one.diff() <= 1e-6).all()) for one in importances]

    assert sorted_blocks("shrink depth 2") == [False] * 4
    assert sorted_blocks("shrink width 1") == [True] * 4


def test_what_the_search_found_is_what_is_extracted_and_delivered(played):
    for scenario, result in played.results.items():
        found = played.facts[f"search / {scenario}"]["architecture"]
        assert found == played.facts[f"extract / {scenario}"]["architecture"] == result.architecture


def test_the_smallest_network_so_far_is_scored_after_every_epoch(played):
    told = [(key, subject, epoch) for key, subject, epoch, *_ in played.epochs]
    assert told == [
        (name, "largest" if name == "train teacher" else "smallest", epoch)
        for name, stage in ONCE_FOR_ALL.stages.items()
        for epoch in range(1, stage.epochs + 1)
    ]


def test_an_impossible_limit_names_the_fastest_architecture(tmp_path):
    bench = small.bench(tmp_path, scenarios=("eager-b1",), limits_ms={"eager-b1": 1e-6})
    fastest = bench.constraints["eager-b1"].table.fastest(TINY)
    with pytest.raises(InfeasibleScenario) as refusal:
        play(bench, OnceForAll(bench, ONCE_FOR_ALL))
    assert str(fastest) in str(refusal.value)


def test_no_stage_takes_the_name_of_any_phase_that_is_not_one(shared):
    """Each would be taken for done, or its weights would be written over."""
    tuned = ONCE_FOR_ALL.model_copy(update={"fine_tuning": FineTuningPlan(epochs=1, learning_rate=0.01)})
    phases = {phase.name for phase in OnceForAll(replace(shared, use_s=1.0), tuned).phases()} - {*TRAINING}
    assert {"search", "extract", "fine-tune", "evaluate", "use", "measure accuracies", "train predictor"} == phases
    for name in (*phases, LOAD, "Load-Supernet"):
        with pytest.raises(ValidationError, match=f"a stage cannot be called '{name}'"):
            OnceForAllPlan(stages={name: StagePlan(epochs=1, learning_rate=0.1)})
