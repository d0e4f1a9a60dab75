import random
from dataclasses import replace

import pytest
import torch

from carbon_nas.errors import InfeasibleScenario
from carbon_nas.ledger.records import Scope
from carbon_nas.strategies import PhaseContext
from carbon_nas.strategies.base import evaluate, proving_phases, use
from carbon_nas.strategies.constraint import Constraint, feasible_sample
from carbon_nas.supernet import StaticMobileNetV3, cost
from tests.strategies import bench as small
from tests.supernet.spaces import TINY


def context(seed=0, job="job", log=print):
    return PhaseContext(seed=seed, job=job, log=log)


def chance(one):
    return one.rng.random(), torch.rand(1, generator=one.generator).item()


def test_chance_follows_from_seed_and_job_alone():
    assert chance(context(1, "a")) == chance(context(1, "a"))
    assert len({chance(context(seed, job)) for seed in (1, 2) for job in ("a", "b")}) == 4


def test_a_context_logs_an_epoch_with_the_steps_so_far():
    told = []
    one = context(log=lambda **words: told.append(words))
    one.tally.steps = 7
    one.log("winner", 2, 0.5)
    one.log("winner", 3, 0.5, loss_nats=0.25)
    first = {"subject": "winner", "epoch": 2, "steps": 7, "accuracy": 0.5, "loss_nats": None}
    assert told == [first, first | {"epoch": 3, "loss_nats": 0.25}]


def test_a_limit_below_the_fastest_architecture_is_refused_and_the_fastest_is_named(tmp_path):
    bench = small.bench(tmp_path, scenarios=("eager-b1",), limits_ms={"eager-b1": 1e-6})
    fastest = bench.constraints["eager-b1"].table.fastest(TINY)
    with pytest.raises(InfeasibleScenario) as refusal:
        bench.constraint(bench.scenarios[0])
    assert str(fastest) in str(refusal.value)
    assert "scenario eager-b1" in str(refusal.value)
    assert "raise its limit" in str(refusal.value)


def test_a_limit_that_only_the_fastest_meets_is_fine(tmp_path):
    table = small.constraint(TINY).table
    exact_ms = table.predict_ms(TINY, table.fastest(TINY))
    bench = small.bench(tmp_path, scenarios=("eager-b1",), limits_ms={"eager-b1": exact_ms})
    assert bench.constraint(bench.scenarios[0]).limit_ms == exact_ms


def test_a_random_architecture_meets_the_limit():
    constraint, rng = small.constraint(TINY), random.Random(0)
    assert all(constraint.met_by(TINY, feasible_sample(TINY, constraint, rng)) for _ in range(50))


def test_where_chance_finds_nothing_the_fastest_is_taken():
    table = small.constraint(TINY).table
    nothing = Constraint(table=table, limit_ms=0.0)
    assert feasible_sample(TINY, nothing, random.Random(0)) == table.fastest(TINY)


def test_an_evaluation_reports_what_was_measured_end_to_end(bench):
    arch, scenario = TINY.max(), bench.scenarios[1]
    one = context()
    artefact = evaluate(bench, scenario, arch, StaticMobileNetV3(TINY, arch, 3), one)
    (result,) = artefact.events
    macs = cost(TINY, arch, 3).macs
    assert result.latency_ms == 0.5 * 32 * macs / 1e6
    assert result.parameters == cost(TINY, arch, 3).parameters
    assert one.tally.macs == 9 * macs + 15 * 32 * macs
    assert one.tally.steps == 0


def test_a_network_at_work_says_how_many_images_passed_and_leaves_nothing(bench):
    arch, scenario = TINY.max(), bench.scenarios[1]
    one = context()
    artefact = use(bench, scenario, arch, StaticMobileNetV3(TINY, arch, 3), one)
    macs = cost(TINY, arch, 3).macs
    calls = int(small.USE_S / ((0.5 * 32 * macs / 1e6) / 1_000))
    assert one.images == 32 * calls
    assert (one.tally.image_passes, one.tally.macs, one.tally.steps) == (32 * calls, 32 * calls * macs, 0)
    assert (artefact.tensors, artefact.facts, artefact.events) == ({}, {}, ())


def test_a_longer_use_is_more_work_in_the_plan_and_none_is_no_phase(bench):
    def passes(use_s):
        phases = proving_phases(replace(bench, use_s=use_s), bench.scenarios[0], "train")
        return [phase.image_passes for phase in phases if phase.scope is Scope.USE]

    assert passes(0.0) == []
    (short,), (long,) = passes(1.0), passes(3.0)
    assert long == 3 * short > 0
    assert passes(1e-9) == [1]
