import pytest

from carbon_nas.devices import target_named
from carbon_nas.errors import InfeasibleScenario
from carbon_nas.ledger.journal import Journal
from carbon_nas.ledger.records import LatencyLimit, Role, Scope
from carbon_nas.study.events import PhaseBegins, PhaseEnds, PhaseKept, StudyBegins
from carbon_nas.study.plan import UsePlan
from tests.study.bench import (
    CANDIDATES,
    FINAL_EPOCHS,
    POWER_W,
    PROXY_EPOCHS,
    STEPS_PER_EPOCH,
    SUPERNET_EPOCHS,
    TickingMeter,
    copied,
    found,
    ledgers,
    lines,
    run,
    runs,
    steps,
    tiny_study,
    wasted,
)
from tests.study.conftest import SCENARIOS

PER_SCENARIO, ONCE = Scope.PER_SCENARIO, Scope.ONCE
CONVENTIONAL_STEPS = (CANDIDATES * PROXY_EPOCHS + FINAL_EPOCHS) * STEPS_PER_EPOCH


def test_evolution_costs_one_full_search_and_training_for_every_scenario(one_scenario, three_scenarios):
    alone, thrice = runs(one_scenario)["evolution-seed0"], runs(three_scenarios)["evolution-seed0"]
    assert [steps(thrice, PER_SCENARIO, scenario) for scenario in SCENARIOS] == [CONVENTIONAL_STEPS] * 3
    assert steps(thrice, ONCE) == 0
    assert steps(thrice, PER_SCENARIO) == 3 * steps(alone, PER_SCENARIO)


def test_once_for_all_trains_its_supernet_once_however_many_scenarios_there_are(one_scenario, three_scenarios):
    for folder in (one_scenario, three_scenarios):
        recorded = runs(folder)["once_for_all-seed0"]
        assert steps(recorded, ONCE) == SUPERNET_EPOCHS * STEPS_PER_EPOCH
        assert steps(recorded, PER_SCENARIO) == 0


def test_a_scenario_is_answered_the_same_alone_and_among_others(one_scenario, three_scenarios):
    alone, among = runs(one_scenario), runs(three_scenarios)
    for name, recorded in alone.items():
        assert recorded.results == {key: value for key, value in among[name].results.items() if key == "eager-b1"}
        assert recorded.limits.get("eager-b1") == among[name].limits.get("eager-b1")


def test_every_run_ends_with_a_result_per_scenario_and_nothing_wasted(three_scenarios):
    recorded = runs(three_scenarios)
    assert {name: run.header.role for name, run in recorded.items()} == {
        "evolution-seed0": Role.STRATEGY,
        "once_for_all-seed0": Role.STRATEGY,
        "profiling": Role.SHARED,
    }
    assert set(recorded["profiling"].tables) == set(recorded["profiling"].limits) == set(SCENARIOS)
    for name in ("evolution-seed0", "once_for_all-seed0"):
        assert set(recorded[name].results) == set(SCENARIOS)
    assert wasted(three_scenarios) == []


def test_every_delivered_network_works_on_its_device_for_as_long_as_the_study_says(three_scenarios):
    recorded = runs(three_scenarios)
    for name in ("evolution-seed0", "once_for_all-seed0"):
        use = {phase.scenario: phase for phase in recorded[name].done.values() if phase.scope is Scope.USE}
        assert set(use) == set(SCENARIOS)
        for scenario, phase in use.items():
            result, batch_size = recorded[name].results[scenario], target_named(scenario).batch_size
            assert phase.images == int(2.0 / (result.latency_ms / 1_000)) * batch_size
            assert phase.macs == phase.images * result.macs
    assert all(phase.images is None for phase in recorded["profiling"].done.values())


def test_a_study_without_time_for_use_has_no_such_phase(tmp_path):
    begins = planned_phases(tmp_path, tiny_study("eager-b1", use=UsePlan(duration_s=0)))
    assert begins
    assert [phase for phase in begins if phase.phase.startswith("use")] == []


def test_joules_are_metered_from_the_edges_of_each_phase(one_scenario):
    for recorded in runs(one_scenario).values():
        for phase in recorded.done.values():
            assert phase.energy_j == {"simulated": POWER_W * phase.duration_s}
            assert phase.duration_s >= 1


def test_the_same_seed_gives_the_same_architectures_steps_and_epoch_accuracies(one_scenario, tmp_path):
    assert found(run(tmp_path, tiny_study("eager-b1"))) == found(one_scenario)


def test_another_seed_gives_others_and_can_be_added_to_a_finished_folder(finished):
    before = ledgers(finished)
    run(finished, tiny_study("eager-b1", seeds=2))
    after, results = ledgers(finished), found(finished)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"evolution-seed1.jsonl", "once_for_all-seed1.jsonl"}
    for strategy in ("evolution", "once_for_all"):
        one, other = results[f"{strategy}-seed0"], results[f"{strategy}-seed1"]
        assert one["epochs"].keys() == other["epochs"].keys()
        assert one["epochs"] != other["epochs"]


def test_the_second_call_does_nothing_and_leaves_the_ledgers_as_they_are(finished):
    before, events, meter = ledgers(finished), [], TickingMeter()
    run(finished, tiny_study("eager-b1"), observer=events.append, meter=meter)
    assert ledgers(finished) == before
    assert {type(event) for event in events} == {StudyBegins, PhaseKept}
    assert meter.reads == 0


def test_the_observer_is_told_the_plan_and_then_each_phase_as_it_comes(one_scenario, tmp_path):
    events = []
    run(tmp_path, tiny_study("eager-b1"), observer=events.append)
    begins, *rest = events
    assert [type(event) for event in rest] == [PhaseBegins, PhaseEnds] * len(begins.phases)
    assert tuple(event.planned for event in rest[::2]) == begins.phases
    assert tuple(event.planned for event in rest[1::2]) == begins.phases
    assert all(event.energy_j == POWER_W * event.duration_s for event in rest[1::2])


class _PlanKnown(Exception):
    """Ends a run as soon as its plan is known."""


def planned_phases(folder, study):
    events = []

    def stop(event):
        events.append(event)
        raise _PlanKnown

    with pytest.raises(_PlanKnown):
        run(folder, study, observer=stop)
    return events[0].phases


def planned(folder, study):
    return list(dict.fromkeys(phase.run for phase in planned_phases(folder, study)))


def test_over_the_seeds_the_strategies_take_turns_in_going_first(tmp_path):
    assert planned(tmp_path, tiny_study("eager-b1", seeds=3)) == [
        "profiling",
        "once_for_all-seed0",
        "evolution-seed0",
        "evolution-seed1",
        "once_for_all-seed1",
        "once_for_all-seed2",
        "evolution-seed2",
    ]


def test_a_study_may_run_a_single_strategy(tmp_path):
    assert planned(tmp_path, tiny_study("eager-b1", strategies=("evolution",))) == ["profiling", "evolution-seed0"]


def test_every_line_of_the_trainers_log_has_steps_joules_and_accuracy(one_scenario):
    epochs = [line for line in lines(one_scenario) if line["kind"] == "epoch"]
    assert len(epochs) == CANDIDATES * PROXY_EPOCHS + FINAL_EPOCHS + SUPERNET_EPOCHS
    assert all(line["steps"] > 0 and line["energy_j"] > 0 and 0 <= line["accuracy_fraction"] <= 1 for line in epochs)


def test_a_copied_folder_is_the_same_study(one_scenario, tmp_path):
    again = copied(one_scenario, tmp_path / "elsewhere")
    run(again, tiny_study("eager-b1"))
    assert ledgers(again) == ledgers(one_scenario)


def test_a_scenario_that_cannot_be_met_stops_the_study_and_its_cost_is_kept_as_waste(one_scenario, tmp_path):
    """A table in the ledger whose limit nothing meets: as if a user had set it."""
    folder = tmp_path / "strict"
    (folder / "ledger").mkdir(parents=True)
    (folder / "ledger" / "profiling.jsonl").write_bytes(ledgers(one_scenario)["profiling.jsonl"])
    journal = Journal(folder / "ledger" / "profiling.jsonl")
    journal.append(LatencyLimit(scenario="eager-b1", limit_ms=1e-6, rule="by hand", sample_ms=()))
    journal.close()
    with pytest.raises(InfeasibleScenario, match="the fastest, d111 "):
        run(folder, tiny_study("eager-b1", strategies=("once_for_all", "evolution")))
    assert [activity.phase for activity in wasted(folder)] == ["search / eager-b1"]
