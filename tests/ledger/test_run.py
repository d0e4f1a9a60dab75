"""The state of a run is a fold over its ledger."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.errors import LedgerCorrupt, LedgerError
from carbon_nas.ledger import Journal, Outcome, Result, fold, read, read_run
from carbon_nas.ledger.observations import WindowEnd
from carbon_nas.ledger.records import SCHEMA, Scope, phase_key
from carbon_nas.ledger.run import WindowSum
from carbon_nas.ledger.waste import write_off
from carbon_nas.meters.measurement import Measurement
from tests.ledger.events import UTC, begin, end, header, pulse, session

PATH = Path("ledger.jsonl")


def folded(*events, schema=SCHEMA):
    return fold((header(schema=schema), *events), PATH)


def test_a_phase_that_is_done_is_an_activity_with_what_it_used():
    run = folded(session(), begin("train"), end("train", 3.0, energy_j=5.0))
    (activity,) = run.activities
    assert (activity.phase, activity.duration_s, activity.energy_j) == ("train", 3.0, {"dram": 5.0})
    assert not activity.wasted
    assert run.done == {"train": activity}
    assert run.open_phase is None


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INTERRUPTED])
def test_a_phase_that_ended_any_other_way_is_waste_and_not_done(outcome):
    run = folded(begin("train"), end("train", outcome=outcome), begin("train", attempt=2))
    assert [activity.wasted for activity in run.activities] == [True]
    assert run.done == {}
    assert run.attempts("train") == 1
    assert run.open_phase is not None


def test_a_phase_that_was_neither_ended_nor_written_off_is_waste_without_a_bound():
    events = (session(), begin("train", 10.0, 1.0), pulse(12.0, 4.0, phase="train"))
    # The first schema knew no phases within phases; since the second, whoever wrote before a session is gone.
    for run in (
        folded(*events, begin("search"), end("search"), schema=1),
        folded(*events, session(), begin("search"), end("search")),
    ):
        was_abandoned(run)


def was_abandoned(run):
    lost, done = run.activities
    assert (lost.phase, lost.wasted, lost.energy_j, lost.rest_max_j) == ("train", True, {"dram": 3.0}, {"dram": None})
    assert (done.phase, done.wasted) == ("search", False)


def test_a_phase_and_its_scenario_make_one_key():
    assert phase_key("train", None) == "train"
    assert phase_key("search", "pixel1") == "search / pixel1"
    run = folded(begin("search", scenario="pixel1"), end("search / pixel1"))
    assert run.done["search / pixel1"].scenario == "pixel1"


def test_of_a_network_at_work_the_images_are_kept_and_of_a_lost_attempt_none():
    at_work = replace(begin("use", scenario="pixel1"), scope=Scope.USE)
    run = folded(session(), at_work, replace(end("use / pixel1"), images=640), at_work, session())
    done, lost = run.activities
    assert (done.scope, done.scenario, done.images, done.wasted) == (Scope.USE, "pixel1", 640, False)
    assert (lost.scope, lost.images, lost.wasted) == (Scope.USE, None, True)


def test_an_open_phase_is_known_up_to_its_last_heartbeat():
    run = folded(session(), begin("train", 10.0, 1.0), pulse(12.0, 4.0, phase="train"), pulse(15.0, 8.0, phase="train"))
    assert run.open_phase.last_time_s == 15.0
    assert [reading.energy_j for reading in run.open_phase.last_readings] == [8.0]


def test_a_late_heartbeat_of_another_phase_is_not_taken_for_this_one():
    run = folded(begin("one"), end("one"), begin("two", 5.0, 2.0), pulse(4.0, 1.5, phase="one"))
    assert run.open_phase.last_time_s == 5.0


def test_a_late_heartbeat_of_an_earlier_attempt_does_not_turn_the_clock_back():
    failed = end("train", 4.0, outcome=Outcome.FAILED)
    run = folded(begin("train"), failed, begin("train", 5.0, 2.0, attempt=2), pulse(3.9, 0.9, phase="train"))
    assert run.open_phase.last_time_s == 5.0


def test_the_longest_gap_is_the_longest_silence_inside_a_phase():
    quiet_between = (begin("one"), pulse(2.0, phase="one"), end("one", 3.0), begin("two", 500.0))
    assert folded(*quiet_between).longest_gap_s == 2.0
    assert folded(*quiet_between, pulse(504.0, phase="two")).longest_gap_s == 4.0
    assert folded(begin("one"), end("one", 7.0)).longest_gap_s == 7.0


def test_the_last_result_of_a_scenario_counts():
    first = Result(scenario="pixel1", accuracy_fraction=0.5, latency_ms=1.0)
    last = Result(scenario="pixel1", accuracy_fraction=0.6, latency_ms=1.0)
    assert folded(first, last).results == {"pixel1": last}


def test_every_component_of_every_session_is_known():
    assert set(folded(session(), session()).components) == {"dram"}


@pytest.mark.parametrize("events", [(), (pulse(),)])
def test_what_does_not_begin_with_a_header_is_no_run(events):
    with pytest.raises(LedgerError, match=r"ledger\.jsonl: this ledger is empty or does not begin with a header"):
        fold(events, PATH)


def test_a_newer_schema_is_refused_by_its_number():
    newer = rf"ledger\.jsonl: written in schema {SCHEMA + 1}, .* reads up to {SCHEMA}; upgrade carbon_nas"
    with pytest.raises(LedgerError, match=newer):
        fold([header(schema=SCHEMA + 1)], PATH)


@pytest.mark.parametrize("events", [(end("train"),), (begin("search"), end("train"))])
def test_an_end_without_its_beginning_is_damage(events):
    with pytest.raises(LedgerCorrupt, match="phase 'train' ends without having begun"):
        folded(*events)


def test_a_run_is_read_from_its_file_and_a_folder_in_the_order_of_names(tmp_path):
    for name in ("b", "a"):
        ledger = Journal(tmp_path / f"{name}.jsonl")
        ledger.append(header())
        ledger.close()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "killed-at-once.jsonl").touch()
    (tmp_path / "killed-in-its-first-line.jsonl").write_bytes(b'{"kind":"head')
    assert [run.path.stem for run in read(tmp_path)] == ["a", "b"]
    assert read_run(tmp_path / "a.jsonl").header == header()


@pytest.mark.parametrize("folder", [".", "not-there"])
def test_a_folder_without_a_ledger_says_how_to_record_one(tmp_path, folder):
    with pytest.raises(LedgerError, match=rf"{re.escape(str(tmp_path))}.*no ledger here; record one with"):
        read(tmp_path / folder)


# What a killed process leaves


def test_a_run_that_came_to_an_end_has_nothing_to_write_off():
    assert write_off(folded(session(), begin("train"), end("train")), utc=UTC) == ()


def killed(*, interval_s: float | None = 1.0, power_max_w: float | None = 10.0, beats=((12.0, 4.0), (15.0, 8.0))):
    pulses = (pulse(time_s, energy_j, phase="train") for time_s, energy_j in beats)
    opened = session(heartbeat_interval_s=interval_s, power_max_w=power_max_w)
    (waste,) = write_off(folded(opened, begin("train", 10.0, 1.0), *pulses), utc=UTC)
    return waste


def test_what_was_seen_is_the_last_heartbeat_minus_the_beginning():
    waste = killed()
    assert (waste.phase, waste.attempt, waste.seen_duration_s) == ("train", 1, 5.0)
    assert waste.seen_energy_j == waste.seen_device_s == {"dram": 7.0}


def test_without_a_single_heartbeat_nothing_was_seen():
    waste = killed(beats=())
    assert waste.seen_energy_j == {"dram": 0.0}
    assert waste.rest_max_j == {"dram": 10.0}


def test_the_rest_is_bounded_by_the_heartbeat_interval_or_the_longest_gap_if_that_was_longer():
    assert (killed(interval_s=60.0).rest_max_s, killed(interval_s=60.0).rest_max_j) == (60.0, {"dram": 600.0})
    assert (killed(interval_s=1.0).rest_max_s, killed(interval_s=1.0).rest_max_j) == (3.0, {"dram": 30.0})


def test_the_rest_has_no_bound_where_no_power_limit_is_known():
    assert killed(power_max_w=None).rest_max_j == {"dram": None}


def test_the_rest_has_no_bound_where_no_heart_was_beating():
    waste = killed(interval_s=None)
    assert (waste.rest_max_s, waste.rest_max_j) == (None, {"dram": None})


def test_what_cannot_be_read_at_the_last_heartbeat_is_not_known():
    assert killed(beats=((12.0, None),)).seen_energy_j == {"dram": None}


def test_a_waste_that_was_written_closes_the_phase_and_counts_as_an_attempt():
    waste = killed(interval_s=60.0)
    run = folded(session(), begin("train", 10.0, 1.0), waste, begin("train", attempt=2), end("train"))
    lost, done = run.activities
    assert (lost.wasted, lost.energy_j, lost.rest_max_j) == (True, {"dram": 7.0}, {"dram": 600.0})
    assert (done.wasted, done.rest_max_j) == (False, {})
    assert write_off(run, utc=UTC) == ()
    assert run.attempts("train") == 2


# Phases within phases, and windows


def test_of_killed_phases_that_were_nested_each_loses_its_own_and_the_innermost_the_rest():
    opened = session(heartbeat_interval_s=2.0, power_max_w=10.0)
    run = folded(
        opened, begin("outer", 10.0, 1.0), begin("inner", 12.0, 4.0, parent="outer"), pulse(13.0, 9.0, phase="inner")
    )
    assert [lost.begin.phase for lost in run.open_phases] == ["outer", "inner"]
    inner, outer = write_off(run, utc=UTC)
    assert (inner.phase, inner.seen_energy_j, inner.rest_max_j) == ("inner", {"dram": 5.0}, {"dram": 20.0})
    assert (outer.phase, outer.seen_energy_j, outer.rest_max_j) == ("outer", {"dram": 3.0}, {"dram": 0.0})


def test_a_finished_phase_is_not_lost_again_with_the_killed_one_around_it():
    run = folded(
        session(),
        begin("outer", 0.0, 0.0),
        begin("inner", 1.0, 1.0, parent="outer"),
        end("inner", 2.0, energy_j=4.0),
        pulse(3.0, 9.0, phase="outer"),
    )
    (outer,) = write_off(run, utc=UTC)
    assert outer.seen_energy_j == {"dram": 5.0}


def looked_at(name: str, energy_j: float | None, *, complete: bool = True) -> WindowEnd:
    measured = Measurement(
        component="dram",
        energy_j=energy_j,
        low_j=energy_j,
        high_j=energy_j,
        random_u_j=None,
        systematic_u_j=None,
        device_s=None,
        complete=complete,
    )
    return WindowEnd(name=name, parent=None, time_s=0.0, duration_s=2.0, measured=(measured,), own_j={})


def test_windows_are_summed_up_by_family():
    windows = folded(
        looked_at("evaluate/1", 3.0), looked_at("evaluate/2", 4.0, complete=False), looked_at("warm up", None)
    )
    assert windows.windows == {
        "evaluate": WindowSum(count=2, duration_s=4.0, energy_j=7.0, incomplete=1),
        "warm up": WindowSum(count=1, duration_s=2.0, energy_j=None),
    }
