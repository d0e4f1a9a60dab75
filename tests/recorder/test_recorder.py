"""The recorder: phases of any program, metered and written down, whatever happens to the program."""

import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carbon_nas as cn
from carbon_nas import files
from carbon_nas.errors import LedgerBusy, LedgerCorrupt, LedgerError, LedgerMismatch, OutputError
from carbon_nas.ledger import Outcome, Scope, read_events, read_run
from carbon_nas.ledger.records import Header, PhaseBegin, PhaseEnd, Pulse, Repair, Session, TrainerLog, Waste
from carbon_nas.ledger.verify import verify_chain
from carbon_nas.meters import Component, ManualClock, Meter, Reading, SimulatedMeter
from carbon_nas.recorder import Recorder
from carbon_nas.sources import Tier
from tests.ledger.accidents import in_a_fork, needs_fork

PATIENCE_S = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "my-run.jsonl"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_s=1_000.0)


def open_recorder(path: Path, clock: ManualClock, *meters: Meter, **options) -> Recorder:
    """Record on 7 W of simulated hardware without a heart, unless told otherwise."""
    options = {"strategy": "my-nas", "heartbeat_interval_s": None} | options
    return Recorder(path, clock=clock, meters=meters or [SimulatedMeter(clock, power_w=7.0)], **options)


def written(path: Path, kind: type) -> list:
    return [event for event in read_events(path) if isinstance(event, kind)]


class ScriptedMeter:
    """Shows the joules that a test wrote down beforehand, one row per reading; the last row stays."""

    def __init__(self, *rows: dict[str, float | None], power_max_w: float | None = None) -> None:
        self._rows, self.closed = list(rows), 0
        self.components = tuple(
            Component(name=name, tier=Tier.MODELLED, method="written down", power_max_w=power_max_w) for name in rows[0]
        )

    def read(self) -> tuple[Reading, ...]:
        row = self._rows.pop(0) if len(self._rows) > 1 else self._rows[0]
        return tuple(Reading(component=name, energy_j=energy_j, device_s=None) for name, energy_j in row.items())

    def close(self) -> None:
        self.closed += 1


def break_off(clock: ManualClock, error: BaseException) -> None:
    clock.advance(3.0)
    raise error


# Two lines


def test_two_lines_record_any_training_loop_on_this_very_host(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cn.Recorder("runs/my-run.jsonl", strategy="my-nas") as recorder:
        with recorder.phase("search", scope=cn.Scope.PER_SCENARIO, scenario="pixel1-25ms"):
            sum(range(10_000))
        recorder.result(
            scenario="pixel1-25ms", accuracy=0.761, latency_ms=24.2, architecture={"ks": [7] * 20}, workload="imagenet"
        )
    run = read_run(Path("runs/my-run.jsonl"))
    assert (run.header.strategy, run.header.run) == ("my-nas", "my-run")
    (search,) = run.activities
    assert (search.name, search.scope, search.scenario) == ("search", Scope.PER_SCENARIO, "pixel1-25ms")
    assert search.energy_j["cpu:process"] >= 0
    assert run.components["cpu:process"].tier is Tier.ESTIMATED
    result = run.results["pixel1-25ms"]
    assert (result.accuracy_fraction, result.latency_ms, result.workload) == (0.761, 24.2, "imagenet")
    assert result.architecture == {"ks": [7] * 20}


def test_a_network_at_work_is_recorded_with_the_images_that_passed(path, clock):
    with (
        open_recorder(path, clock) as recorder,
        recorder.phase("use", scope=cn.Scope.USE, scenario="pixel1-25ms") as window,
    ):
        clock.advance(2.0)
        window.images = 500
    assert verify_chain(path).difference is None
    (use,) = read_run(path).activities
    assert (use.scope, use.scenario, use.images) == (Scope.USE, "pixel1-25ms", 500)
    assert use.energy_j == {"simulated": 14.0}


def test_a_ledger_begins_with_what_is_run_and_where(path, clock):
    with open_recorder(path, clock, workload="digits", seed=3, study={"name": "mine"}):
        pass
    header, session = read_events(path)
    assert isinstance(header, Header)
    assert (header.workload, header.seed, header.study) == ("digits", 3, {"name": "mine"})
    assert isinstance(session, Session)
    assert (session.time_s, session.boot_s, session.heartbeat_interval_s) == (1_000.0, 1_000.0, None)
    assert [component.name for component in session.components] == ["simulated"]


# Joules


def test_joules_are_exact(path, clock):
    with open_recorder(path, clock) as recorder:
        clock.advance(5.0)
        with recorder.phase("train") as window:
            clock.advance(2.0)
            assert (window.energy_j(), window.duration_s()) == (14.0, 2.0)
            clock.advance(1.0)
            window.steps, window.macs, window.artefact_hash = 10, 10**9, "abc"
        clock.advance(100.0)
        assert (window.energy_j(), window.duration_s()) == (21.0, 3.0)
    (train,) = read_run(path).activities
    assert (train.energy_j, train.device_s, train.duration_s) == ({"simulated": 21.0}, {"simulated": 3.0}, 3.0)
    assert (train.steps, train.macs, train.artefact_hash, train.wasted) == (10, 10**9, "abc", False)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 10**6), max_size=6))
def test_phases_that_follow_each_other_add_up_to_the_whole(durations_s):
    with tempfile.TemporaryDirectory() as folder:
        path, clock = Path(folder, "run.jsonl"), ManualClock()
        with open_recorder(path, clock) as recorder:
            for number, duration_s in enumerate(durations_s):
                with recorder.phase(f"phase {number}"):
                    clock.advance(duration_s)
        activities = read_run(path).activities
        assert [activity.duration_s for activity in activities] == durations_s
        assert sum(activity.energy_j["simulated"] for activity in activities) == 7 * sum(durations_s)


def test_an_epoch_is_written_with_the_joules_since_the_phase_began(path, clock):
    with open_recorder(path, clock) as recorder:
        clock.advance(9.0)
        with recorder.phase("train") as window:
            clock.advance(2.0)
            window.log_epoch(subject="supernet", epoch=0, steps=4, accuracy=0.5)
            clock.advance(2.0)
            window.log_epoch(subject="supernet", epoch=1, steps=8, accuracy=None)
    assert read_run(path).epochs == (
        TrainerLog(phase="train", subject="supernet", epoch=0, steps=4, energy_j=14.0, accuracy_fraction=0.5),
        TrainerLog(phase="train", subject="supernet", epoch=1, steps=8, energy_j=28.0, accuracy_fraction=None),
    )


def test_a_component_that_stops_answering_is_not_known_and_neither_is_the_sum(path, clock):
    meter = ScriptedMeter({"cpu:process": 1.0, "gpu:a": 10.0}, {"cpu:process": 4.0, "gpu:a": None})
    with open_recorder(path, clock, meter) as recorder, recorder.phase("train") as window:
        assert window.energy_j() is None
    assert window.energy_j() is None
    (train,) = read_run(path).activities
    assert train.energy_j == {"cpu:process": 3.0, "gpu:a": None}


def test_several_meters_are_read_side_by_side_and_closed_with_the_recorder(path, clock):
    one, two = ScriptedMeter({"cpu:process": 1.0}, {"cpu:process": 4.0}), ScriptedMeter({"dram": 2.0})
    with open_recorder(path, clock, one, two) as recorder, recorder.phase("train") as window:
        pass
    assert window.end.energy_j == {"cpu:process": 3.0, "dram": 0.0}
    recorder.close()
    assert one.closed >= 1
    assert two.closed >= 1


# Phases


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(RuntimeError, Outcome.FAILED), (SystemExit, Outcome.FAILED), (KeyboardInterrupt, Outcome.INTERRUPTED)],
)
def test_what_a_phase_used_before_it_broke_off_is_kept_as_waste_and_the_error_goes_on(path, clock, error, outcome):
    with open_recorder(path, clock) as recorder:
        with pytest.raises(error), recorder.phase("train"):
            break_off(clock, error())
        with recorder.phase("train"):
            clock.advance(5.0)
    assert [end.outcome for end in written(path, PhaseEnd)] == [outcome, Outcome.DONE]
    assert [begin.attempt for begin in written(path, PhaseBegin)] == [1, 2]
    run = read_run(path)
    assert [(activity.wasted, activity.energy_j["simulated"]) for activity in run.activities] == [
        (True, 21.0),
        (False, 35.0),
    ]
    assert run.done["train"].energy_j == {"simulated": 35.0}


def test_a_phase_within_a_phase_is_charged_to_itself_and_the_outer_one_the_rest(path, clock):
    with open_recorder(path, clock) as recorder, recorder.phase("outer") as outer:
        clock.advance(1.0)
        with recorder.phase("inner", scope=Scope.PER_SCENARIO, scenario="a") as inner:
            clock.advance(2.0)
        clock.advance(3.0)
    assert (outer.energy_j(), inner.energy_j()) == (42.0, 14.0)
    run = read_run(path)
    assert {key: phase.energy_j["simulated"] for key, phase in run.done.items()} == {"outer": 28.0, "inner / a": 14.0}
    assert {key: phase.device_s["simulated"] for key, phase in run.done.items()} == {"outer": 4.0, "inner / a": 2.0}
    assert {key: phase.nested for key, phase in run.done.items()} == {"outer": True, "inner / a": False}


def test_a_phase_within_itself_is_refused_and_the_outer_one_goes_on(path, clock):
    with open_recorder(path, clock) as recorder, recorder.phase("outer"):
        with pytest.raises(ValueError, match="phase 'outer' is still running"), recorder.phase("outer"):
            pass
        clock.advance(1.0)
    assert read_run(path).done["outer"].energy_j == {"simulated": 7.0}


@pytest.mark.parametrize(
    "place",
    [{"scope": Scope.PER_SCENARIO}, {"scope": Scope.USE}, {"scope": Scope.ONCE, "scenario": "a"}, {"scenario": "a"}],
)
def test_a_scenario_is_named_exactly_when_a_phase_is_done_for_one(path, clock, place):
    with open_recorder(path, clock) as recorder:
        with pytest.raises(ValueError, match="a scenario is named exactly when"), recorder.phase("search", **place):
            pass
        with recorder.phase("train"):
            pass
    assert list(read_run(path).done) == ["train"]


@pytest.mark.parametrize("accuracy", [-0.01, 1.01, 76.1, float("nan")])
def test_an_accuracy_that_is_no_fraction_is_refused(path, clock, accuracy):
    with open_recorder(path, clock) as recorder, pytest.raises(ValueError, match="fraction between 0 and 1"):
        recorder.result(scenario="pixel1-25ms", accuracy=accuracy)
    assert read_run(path).results == {}


@pytest.mark.parametrize("accuracy", [0.0, 1.0, None])
def test_a_result_may_be_nothing_everything_or_not_known(path, clock, accuracy):
    with open_recorder(path, clock) as recorder:
        recorder.result(scenario="pixel1-25ms", accuracy=accuracy)
    assert read_run(path).results["pixel1-25ms"].accuracy_fraction == accuracy


def test_what_is_recorded_after_closing_is_not_lost_in_silence(path, clock):
    with open_recorder(path, clock) as recorder:
        pass
    with pytest.raises(LedgerError):
        recorder.result(scenario="pixel1-25ms")
    with pytest.raises(LedgerError), recorder.phase("train"):
        pass


# Synchronising a device


def test_a_device_is_synchronised_before_each_edge_is_read(path, clock):
    calls = []

    class Watched(ScriptedMeter):
        def read(self):
            calls.append("read")
            return super().read()

    meter = Watched({"gpu:a": 0.0})
    with open_recorder(path, clock, meter, synchronize=lambda: calls.append("synchronise")) as recorder:
        calls.clear()
        with recorder.phase("train"):
            calls.append("work")
    assert calls == ["synchronise", "read", "work", "synchronise", "read"]


class BreaksAtTheEnd:
    """A device whose queued work turns out to have failed when it is waited for at the end of a phase."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == 2:
            raise RuntimeError("device-side assert")


def test_work_that_fails_when_it_is_waited_for_is_a_failed_phase_whose_joules_are_kept(path, clock):
    with (
        open_recorder(path, clock, synchronize=BreaksAtTheEnd()) as recorder,
        pytest.raises(RuntimeError, match="device-side assert"),
        recorder.phase("train"),
    ):
        clock.advance(3.0)
    (train,) = read_run(path).activities
    assert (train.wasted, train.energy_j) == (True, {"simulated": 21.0})


def test_a_device_that_breaks_does_not_hide_the_error_of_the_phase(path, clock):
    with (
        open_recorder(path, clock, synchronize=BreaksAtTheEnd()) as recorder,
        pytest.raises(ValueError, match="the loss is NaN"),
        recorder.phase("train"),
    ):
        break_off(clock, ValueError("the loss is NaN"))
    (train,) = read_run(path).activities
    assert (train.wasted, train.energy_j) == (True, {"simulated": 21.0})


# Heartbeats


def test_a_heartbeat_writes_the_counters_and_tells_the_joules_so_far(path, clock):
    heard = []
    with open_recorder(path, clock, on_heartbeat=heard.append) as recorder:
        recorder.beat()
        with recorder.phase("train"):
            clock.advance(2.0)
            recorder.beat()
        recorder.beat()
    (pulse,) = written(path, Pulse)
    assert (pulse.phase, pulse.time_s) == ("train", 1_002.0)
    assert [reading.energy_j for reading in pulse.readings] == [14.0]
    assert heard == [14.0]


def test_a_real_heart_beats_by_itself_while_a_phase_runs(path, clock):
    heard = threading.Event()
    options = {"heartbeat_interval_s": 0.001, "on_heartbeat": lambda energy_j: heard.set()}
    with open_recorder(path, clock, **options) as recorder, recorder.phase("train"):
        assert heard.wait(PATIENCE_S)
    assert recorder.heartbeat_errors == 0
    assert written(path, Pulse)


def test_a_heartbeat_that_fails_is_counted_and_the_run_goes_on(path, clock):
    def screen_is_gone(energy_j):
        raise OSError("no terminal")

    options = {"heartbeat_interval_s": 0.001, "on_heartbeat": screen_is_gone}
    with open_recorder(path, clock, **options) as recorder, recorder.phase("train"):
        give_up_s = time.monotonic() + PATIENCE_S
        while not recorder.heartbeat_errors and time.monotonic() < give_up_s:
            time.sleep(0.001)
    assert recorder.heartbeat_errors >= 1
    assert list(read_run(path).done) == ["train"]


# Going on with a ledger


def test_a_ledger_that_exists_is_not_touched_and_gets_a_sibling_that_names_it(path, clock):
    with open_recorder(path, clock) as first:
        pass
    before = path.read_bytes()
    with open_recorder(path, clock) as second:
        assert second.path == path.with_name("my-run.2.jsonl")
    with open_recorder(path, clock) as third:
        assert third.path == path.with_name("my-run.3.jsonl")
    assert path.read_bytes() == before
    assert (read_run(path).header.previous, read_run(path).header.previous_head) == (None, None)
    header = read_run(second.path).header
    assert (header.run, header.previous, header.previous_head) == ("my-run.2", "my-run.jsonl", first.head)
    assert read_run(third.path).header.previous_head == second.head


@pytest.mark.skipif(files.fcntl is None, reason="this system has no flock")
def test_two_recorders_at_once_write_to_ledgers_of_their_own(path, clock):
    with open_recorder(path, clock) as one, open_recorder(path, clock) as other:
        assert (one.path.name, other.path.name) == ("my-run.jsonl", "my-run.2.jsonl")


def test_each_rank_of_a_job_writes_to_a_ledger_of_its_own(path, clock, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    with open_recorder(path, clock) as recorder:
        assert recorder.path.name == "my-run.rank3.jsonl"
    assert read_run(recorder.path).header.rank == 3


def test_a_resumed_run_keeps_its_header_knows_what_is_done_and_counts_attempts_on(path, clock):
    with open_recorder(path, clock) as recorder:
        with recorder.phase("train"):
            clock.advance(1.0)
        with pytest.raises(RuntimeError), recorder.phase("search"):
            raise RuntimeError
    with open_recorder(path, clock, resume=True) as recorder:
        assert list(recorder.run.done) == ["train"]
        with recorder.phase("search"):
            clock.advance(2.0)
    assert len(written(path, Header)) == 1
    assert len(written(path, Session)) == 2
    assert [(begin.phase, begin.attempt) for begin in written(path, PhaseBegin)] == [
        ("train", 1),
        ("search", 1),
        ("search", 2),
    ]
    assert list(read_run(path).done) == ["train", "search"]


@pytest.mark.parametrize("other", [{"strategy": "other"}, {"seed": 1}, {"study_hash": "other"}, {"code_hash": "other"}])
def test_a_ledger_of_another_run_is_not_continued(path, clock, other):
    with open_recorder(path, clock):
        pass
    before = path.read_bytes()
    with pytest.raises(LedgerMismatch):
        open_recorder(path, clock, resume=True, **other).close()
    assert path.read_bytes() == before


def test_a_torn_last_line_is_cut_off_and_the_cut_is_written_down(path, clock):
    with open_recorder(path, clock):
        pass
    path.write_bytes(path.read_bytes() + b'{"kind":')
    with open_recorder(path, clock, resume=True):
        pass
    assert [repair.bytes_cut for repair in written(path, Repair)] == [8]


def test_a_run_that_was_killed_in_its_very_first_line_begins_again(path, clock):
    path.parent.mkdir()
    path.write_bytes(b'{"kind":"head')
    with open_recorder(path, clock, resume=True) as recorder, recorder.phase("train"):
        pass
    assert list(read_run(path).done) == ["train"]


def test_a_damaged_ledger_is_refused_and_not_changed(path, clock):
    with open_recorder(path, clock) as recorder, recorder.phase("train"):
        pass
    damaged = path.read_bytes().replace(b'"my-nas"', b'"my-nos"')
    path.write_bytes(damaged)
    with pytest.raises(LedgerCorrupt, match="line 1"):
        open_recorder(path, clock, resume=True)
    assert path.read_bytes() == damaged


@pytest.mark.skipif(files.fcntl is None, reason="this system has no flock")
def test_a_ledger_in_use_is_refused(path, clock):
    with open_recorder(path, clock), pytest.raises(LedgerBusy):
        open_recorder(path, clock, resume=True)


@pytest.mark.parametrize("name", ["a-file/run.jsonl", f"{'x' * 300}.jsonl"], ids=["below a file", "too long a name"])
def test_a_ledger_that_cannot_be_made_is_an_error_of_this_package(tmp_path, clock, name):
    (tmp_path / "a-file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        open_recorder(tmp_path / name, clock)


def test_meters_are_closed_when_the_recorder_cannot_begin(path, clock):
    with open_recorder(path, clock):
        pass
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    meter = ScriptedMeter({"cpu:process": float("inf")}, power_max_w=float("inf"))
    with pytest.raises(ValueError, match="a ledger holds no inf"):
        open_recorder(path, clock, meter, resume=True)
    assert meter.closed == 1


# A killed process


class Killed:
    """A run whose ledger is copied at the moment of a kill: what is on disk then is all that is left."""

    def __init__(self, path: Path) -> None:
        self.left, self._path = path.with_name("killed.jsonl"), path

    def now(self) -> None:
        self.left.write_bytes(self._path.read_bytes())

    def resumed(self, **options) -> Waste:
        with open_recorder(self.left, ManualClock(), resume=True, **options) as recorder:
            assert recorder.run.open_phase is None
        (waste,) = written(self.left, Waste)
        return waste


def test_of_a_killed_phase_the_joules_up_to_its_last_heartbeat_are_known_and_the_rest_is_bounded(path, clock):
    killed = Killed(path)
    with open_recorder(path, clock, heartbeat_interval_s=3_600.0) as recorder, recorder.phase("train"):
        clock.advance(10.0)
        recorder.beat()
        clock.advance(20.0)
        recorder.beat()
        clock.advance(8.0)
        killed.now()
    waste = killed.resumed()
    assert (waste.phase, waste.attempt) == ("train", 1)
    assert (waste.seen_duration_s, waste.seen_device_s) == (30.0, {"simulated": 30.0})
    assert waste.seen_energy_j == {"simulated": 210.0}
    assert (waste.rest_max_s, waste.rest_max_j) == (3_600.0, {"simulated": 25_200.0})
    (lost,) = read_run(killed.left).activities
    assert (lost.wasted, lost.energy_j, lost.rest_max_j) == (True, {"simulated": 210.0}, {"simulated": 25_200.0})
    assert (lost.steps, lost.macs) == (None, None)


def test_a_heart_that_was_once_late_widens_the_bound(path, clock):
    killed = Killed(path)
    with open_recorder(path, clock, heartbeat_interval_s=3_600.0) as recorder:
        with recorder.phase("train"):
            clock.advance(5_000.0)
            recorder.beat()
        with recorder.phase("search"):
            killed.now()
    waste = killed.resumed()
    assert waste.seen_energy_j == {"simulated": 0.0}
    assert waste.rest_max_j == {"simulated": 35_000.0}


def test_where_no_power_limit_is_known_the_rest_of_a_killed_phase_has_no_bound(path, clock):
    killed, meter = Killed(path), ScriptedMeter({"gpu:a": 1.0}, {"gpu:a": 5.0})
    with open_recorder(path, clock, meter, heartbeat_interval_s=3_600.0) as recorder, recorder.phase("train"):
        recorder.beat()
        killed.now()
    waste = killed.resumed()
    assert (waste.seen_energy_j, waste.rest_max_j) == ({"gpu:a": 4.0}, {"gpu:a": None})


def test_where_no_heart_was_beating_the_rest_of_a_killed_phase_has_no_bound(path, clock):
    killed = Killed(path)
    with open_recorder(path, clock, heartbeat_interval_s=None) as recorder, recorder.phase("train"):
        clock.advance(10_000.0)
        killed.now()
    assert killed.resumed().rest_max_j == {"simulated": None}


def test_a_killed_phase_is_written_off_once_and_done_again_as_the_next_attempt(path, clock):
    killed = Killed(path)
    with open_recorder(path, clock, heartbeat_interval_s=3_600.0) as recorder, recorder.phase("train"):
        killed.now()
    killed.resumed()
    with open_recorder(killed.left, clock, resume=True) as recorder, recorder.phase("train"):
        clock.advance(1.0)
    assert len(written(killed.left, Waste)) == 1
    assert [begin.attempt for begin in written(killed.left, PhaseBegin)] == [1, 2]
    assert read_run(killed.left).done["train"].energy_j == {"simulated": 7.0}


RECORD_UNTIL_KILLED = """
import sys, time
from carbon_nas.meters import SimulatedMeter, SystemClock
from carbon_nas.recorder import Recorder
clock = SystemClock()
options = {"meters": [SimulatedMeter(clock, power_w=5.0)], "clock": clock, "heartbeat_interval_s": 0.05}
with Recorder(sys.argv[1], strategy="my-nas", resume=True, **options) as recorder:
    print("recording", flush=True)
    for number in range(100):
        with recorder.phase(f"phase {number % 5}") as window:
            for epoch in range(number % 7):
                window.log_epoch(subject="net", epoch=epoch, steps=epoch, accuracy=0.5)
                time.sleep(0.03)
"""


def test_a_run_that_is_killed_at_any_moment_leaves_a_whole_ledger_that_can_be_continued(path, clock, offline_env):
    chance, lost, command = random.Random(2020), 0, [sys.executable, "-c", RECORD_UNTIL_KILLED, str(path)]
    for killed in range(1, 16):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=offline_env) as process:
            assert process.stdout.readline() == b"recording\n"
            time.sleep(chance.uniform(0.0, 0.3))
            process.kill()
        run = read_run(path)
        assert len(run.sessions) == killed
        assert len(written(path, Waste)) == lost
        lost += run.open_phase is not None
    with open_recorder(path, clock, resume=True) as recorder:
        assert recorder.run.open_phase is None
        with recorder.phase("the end"):
            clock.advance(1.0)
    wastes = written(path, Waste)
    assert len(wastes) == lost >= 1
    for waste in wastes:
        assert waste.seen_energy_j["simulated"] >= 0
        assert waste.rest_max_s >= 0.05
        assert waste.rest_max_j == {"simulated": 5.0 * waste.rest_max_s}
    assert read_run(path).done["the end"].energy_j == {"simulated": 7.0}


# Forks


@needs_fork
def test_a_forked_child_writes_nothing_and_can_leave_as_it_likes(path, clock):
    with open_recorder(path, clock, heartbeat_interval_s=0.01) as recorder:

        def child():
            with recorder, recorder.phase("not mine") as window:
                window.log_epoch(subject="net", epoch=0, steps=0, accuracy=None)
                recorder.beat()
                recorder.result(scenario="not-mine")

        assert in_a_fork(child) == 0
        with recorder.phase("train"):
            clock.advance(1.0)
    assert {event.phase for event in written(path, PhaseBegin)} == {"train"}
    assert read_run(path).results == {}
