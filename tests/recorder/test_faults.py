"""Whatever happens to meters, disks and clocks, the program goes on, and the ledger says what happened."""

import threading
import warnings
from pathlib import Path

import pytest

from carbon_nas.ledger import read_events, read_run
from carbon_nas.ledger.records import Incident, PhaseEnd, Pulse, Trace, WindowEnd
from carbon_nas.meters import Component, ManualClock, Reading, SimulatedMeter
from carbon_nas.recorder import Recorder
from carbon_nas.sources import Tier
from tests.ledger.accidents import in_a_fork, needs_fork


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_s=100.0)


def recording(path: Path, clock: ManualClock, *meters, **options) -> Recorder:
    options = {"strategy": "mine", "heartbeat_interval_s": None} | options
    return Recorder(path, clock=clock, meters=meters or [SimulatedMeter(clock, power_w=7.0)], **options)


def written(path: Path, kind: type) -> list:
    return [event for event in read_events(path) if isinstance(event, kind)]


class Fragile:
    """A simulated meter that a test breaks and mends."""

    def __init__(self, clock: ManualClock, *, power_w: float = 7.0, component: str = "gpu:a") -> None:
        self._meter, self.broken = SimulatedMeter(clock, power_w=power_w, component=component), False
        self.components = self._meter.components

    def read(self) -> tuple[Reading, ...]:
        if self.broken:
            raise RuntimeError("the sensor fell off")
        return self._meter.read()

    def close(self) -> None:
        if self.broken:
            raise RuntimeError("the sensor is not there")


# Meters


def test_a_meter_that_fails_to_the_end_leaves_a_bound_and_the_program_goes_on(path, clock):
    meter, done = Fragile(clock), False
    with recording(path, clock, meter) as recorder, recorder.phase("train"):
        clock.advance(3.0)
        recorder.sample()
        meter.broken = True
        clock.advance(10.0)
        recorder.beat()
        done = True
    assert done
    (end,) = written(path, PhaseEnd)
    (measured,) = end.measured
    assert (measured.energy_j, measured.low_j, measured.high_j) == (21.0, 21.0, 91.0)
    assert not measured.complete
    incidents = [(incident.what, incident.component) for incident in written(path, Incident)]
    assert ("lost", "gpu:a") in incidents
    assert ("meter failed", "gpu:a") in incidents


def test_a_meter_that_comes_back_has_lost_nothing_for_the_phase_around_it(path, clock):
    meter = Fragile(clock)
    with recording(path, clock, meter) as recorder, recorder.phase("train") as train:
        clock.advance(3.0)
        recorder.beat()
        meter.broken = True
        clock.advance(10.0)
        recorder.beat()
        meter.broken = False
        clock.advance(1.0)
        recorder.beat()
    (measured,) = train.end.measured
    assert (measured.energy_j, measured.low_j, measured.high_j, measured.complete) == (98.0, 98.0, 98.0, True)
    assert [incident.what for incident in written(path, Incident)] == ["lost", "meter failed", "back"]


@pytest.mark.parametrize("within", ["begin", "end"])
def test_a_window_with_one_edge_in_a_gap_is_bounded_on_both_sides(path, clock, within):
    meter = Fragile(clock)
    with recording(path, clock, meter) as recorder, recorder.phase("train") as train:
        clock.advance(3.0)
        recorder.sample()
        meter.broken = True
        clock.advance(10.0)
        if within == "begin":
            with recorder.window("late") as window:
                meter.broken = False
                clock.advance(1.0)
        else:
            with recorder.window("late") as window:
                clock.advance(1.0)
            meter.broken = False
    (measured,) = window.measured
    assert not measured.complete
    true_j = 7.0 * window.duration_s
    assert measured.low_j <= true_j <= measured.high_j
    assert train.end.measured[0].complete


def test_a_meter_that_never_answered_is_not_known_and_bounded_by_its_power(path, clock):
    meter = Fragile(clock)
    meter.broken = True
    with recording(path, clock, meter) as recorder, recorder.phase("train") as train:
        clock.advance(10.0)
    (measured,) = train.end.measured
    assert (measured.energy_j, measured.low_j, measured.high_j, measured.complete) == (None, 0.0, 70.0, False)
    assert train.energy_j() is None


def test_a_device_that_flaps_does_not_fill_the_disk(path, clock):
    meter = Fragile(clock)
    with recording(path, clock, meter) as recorder, recorder.phase("train"):
        for number in range(2_000):
            meter.broken = number % 2 == 0
            clock.advance(0.1)
            recorder.sample()
    incidents = written(path, Incident)
    assert 100 < len(incidents) < 300
    assert "silenced" in {incident.what for incident in incidents}


# Clocks


def test_sleep_and_a_clock_that_is_set_are_told_and_change_no_duration(path, clock):
    with recording(path, clock) as recorder, recorder.phase("train") as train:
        clock.advance(5.0)
        clock.suspend(3_600.0)
        recorder.beat()
        clock.step_wall(-7_200.0)
        recorder.beat()
    assert (train.duration_s(), train.energy_j()) == (5.0, 35.0)
    suspended, step = written(path, Incident)
    assert (suspended.what, suspended.duration_s) == ("suspended", 3_600.0)
    assert (step.what, "-7200.000 s" in step.detail) == ("clock step", True)


# Disks

FULL_DISK = """
import resource, sys, warnings
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.recorder import Recorder
clock = ManualClock()
warnings.simplefilter("always")
told = []
warnings.showwarning = lambda message, *_: told.append(str(message))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
options = {"strategy": "mine", "clock": clock, "heartbeat_interval_s": None}
with Recorder(sys.argv[1], meters=[SimulatedMeter(clock, power_w=7.0)], **options) as recorder:
    with recorder.phase("before"):
        clock.advance(1.0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, hard))
    for number in range(20):
        with recorder.phase(f"full {number}"):
            clock.advance(1.0)
            recorder.beat()
    if "room" in sys.argv:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        with recorder.phase("after"):
            clock.advance(1.0)
print(len(told), "lines wait in memory" in told[0], told[-1])
"""


def test_a_disk_that_is_full_for_a_while_costs_no_line_and_is_told(path, run_python):
    pytest.importorskip("resource")
    done = run_python("-c", FULL_DISK, str(path), "room")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 True")
    run = read_run(path)
    assert len(run.done) == 22
    assert {activity.energy_j["simulated"] for activity in run.activities} == {7.0}
    (disk,) = run.incidents
    assert disk.what == "disk"
    assert 15.0 < disk.duration_s <= 20.0


def test_what_a_disk_that_stays_full_did_not_take_goes_on_with_the_chain_elsewhere(path, run_python, tmp_path):
    pytest.importorskip("resource")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # A limit on the size of files holds for the rest as well: it is small enough.
    done = run_python("-c", FULL_DISK.replace("range(20)", "range(2)"), str(path), TMPDIR=str(elsewhere))
    assert (done.returncode, done.stderr) == (0, "")
    (rest,) = elsewhere.iterdir()
    assert str(rest) in done.stdout
    whole = tmp_path / "whole.jsonl"
    whole.write_bytes(path.read_bytes() + rest.read_bytes())
    assert list(read_run(whole).done) == ["before", "full 0", "full 1"]


# Other recorders


def shared(clock: ManualClock, component: str = "gpu:contested-in-a-test") -> SimulatedMeter:
    return SimulatedMeter(clock, component=component, own=False)


def test_two_recorders_of_one_device_both_say_so(tmp_path, clock):
    with recording(tmp_path / "one.jsonl", clock, shared(clock)) as one:
        with recording(tmp_path / "two.jsonl", clock, shared(clock)):
            pass
        one.beat()
    first, second = (written(tmp_path / name, Incident) for name in ("one.jsonl", "two.jsonl"))
    if not first and not second:
        pytest.skip("this system cannot tell")
    assert [(incident.what, incident.component) for incident in (*first, *second)] == [
        ("contested", "gpu:contested-in-a-test")
    ] * 2


def test_two_recorders_of_what_only_they_use_do_not_mind_each_other(tmp_path, clock):
    with recording(tmp_path / "one.jsonl", clock) as one, recording(tmp_path / "two.jsonl", clock):
        one.beat()
    assert written(tmp_path / "one.jsonl", Incident) == []


# Windows, traces, idle power


def test_a_window_is_looked_at_and_not_accounted(path, clock):
    with recording(path, clock) as recorder, recorder.phase("search") as search:
        for number in range(3):
            with recorder.window(f"evaluate/{number}"):
                clock.advance(2.0)
    assert search.end.energy_j == {"simulated": 42.0}
    run = read_run(path)
    assert run.done["search"].energy_j == {"simulated": 42.0}
    assert (run.windows["evaluate"].count, run.windows["evaluate"].energy_j) == (3, 42.0)
    assert {window.parent for window in written(path, WindowEnd)} == {"search"}


def test_windows_of_threads_share_what_nobody_can_tell_apart(path, clock):
    with recording(path, clock) as recorder, recorder.phase("search") as search:
        both, end = threading.Barrier(3, timeout=30), threading.Barrier(3, timeout=30)

        def evaluate(number: int) -> None:
            with recorder.window(f"evaluate/{number}"):
                both.wait()
                end.wait()

        threads = [threading.Thread(target=evaluate, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        both.wait()
        clock.advance(6.0)
        end.wait()
        for thread in threads:
            thread.join()
    assert search.energy_j() == 42.0
    assert [window.measured[0].energy_j for window in written(path, WindowEnd)] == [21.0, 21.0]


def test_samples_become_traces_in_batches(path, clock):
    with recording(path, clock) as recorder, recorder.phase("train"):
        for _ in range(150):
            clock.advance(1.0)
            recorder.sample()
    traces = written(path, Trace)
    assert [len(trace.times_s) for trace in traces] == [10] * 15
    assert traces[0].energies_j[:3] == (7.0, 14.0, 21.0)
    assert set(traces[0].powers_w) == {7.0}
    assert len(written(path, Pulse)) == 150


def test_idle_power_is_stored_and_subtracted_from_nothing(path, clock):
    with recording(path, clock) as recorder:
        baseline = recorder.baseline(10.0, wait=clock.advance)
        with recorder.phase("train"):
            clock.advance(2.0)
            with pytest.raises(ValueError, match="before the work"):
                recorder.baseline(1.0, wait=clock.advance)
    assert (baseline.duration_s, baseline.measured[0].energy_j) == (10.0, 70.0)
    run = read_run(path)
    assert run.baselines == (baseline,)
    assert run.done["train"].energy_j == {"simulated": 14.0}


def test_a_component_that_needs_it_is_sampled_faster_and_beats_no_faster(path, clock):
    class Sampled(SimulatedMeter):
        def __init__(self) -> None:
            super().__init__(clock)
            (part,) = self.components
            self.components = (
                Component(name="gpu:a", tier=Tier.MODELLED, method=part.method, sampling_s=0.1, own=True),
            )

        def read(self) -> tuple[Reading, ...]:
            return (Reading(component="gpu:a", energy_j=0.0, device_s=0.0),)

    with recording(path, clock, Sampled(), heartbeat_interval_s=3_600.0) as recorder, recorder.phase("train"):
        for _ in range(10):
            recorder.sample()
    session = read_run(path).sessions[0]
    assert (session.sampling_interval_s, session.heartbeat_interval_s) == (0.1, 3_600.0)
    assert written(path, Pulse) == []


def test_nothing_is_said_while_nothing_is_wrong(path, clock):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with recording(path, clock) as recorder, recorder.phase("train"):
            clock.advance(1.0)
            recorder.beat()
    assert written(path, Incident) == []


# Forks


@needs_fork
def test_in_five_hundred_forks_no_child_hangs_and_none_writes(path, clock):
    with recording(path, clock, heartbeat_interval_s=0.001) as recorder, recorder.phase("train"):

        def child() -> None:
            with recorder, recorder.phase("not mine"), recorder.window("not mine either"):
                recorder.beat()

        assert [in_a_fork(child, patience_s=20) for _ in range(500)] == [0] * 500
    assert list(read_run(path).done) == ["train"]
    assert written(path, WindowEnd) == []
