"""A phase that keeps its state can be stopped at any time: nothing it used is counted twice, and nothing is lost."""

import os
import shutil
import tempfile
import threading
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.ledger import read_events, read_run
from carbon_nas.ledger.records import PhaseBegin, PhaseEnd, Saved
from carbon_nas.ledger.verify import verify_chain
from carbon_nas.meters import ManualClock, SimulatedMeter, metering, node
from carbon_nas.recorder import Recorder, phase
from tests.ledger.accidents import in_a_fork, interrupted_at, needs_fork

POWER_W = 8.0
MACS_PER_STEP = 100


def recording(path: Path, clock: ManualClock, **options) -> Recorder:
    meters = [SimulatedMeter(clock, power_w=POWER_W)]
    return Recorder(path, strategy="mine", clock=clock, meters=meters, heartbeat_interval_s=None, **options)


def written(path: Path, kind: type) -> list:
    return [event for event in read_events(path) if isinstance(event, kind)]


def stop_after_saving(recorder: Recorder, clock: ManualClock, before_s: float, after_s: float) -> None:
    """Train for a while, save, train on, and press Ctrl-C."""
    with recorder.phase("train") as train:
        clock.advance(before_s)
        train.save(1, "abc")
        clock.advance(after_s)
        raise KeyboardInterrupt


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_s=1_000.0)


def test_a_saved_state_is_written_down_with_what_was_used_and_done_up_to_it(path, clock):
    with recording(path, clock) as recorder, recorder.phase("train") as train:
        clock.advance(3.0)
        train.steps, train.macs = 5, 500
        train.save(2, "abc")
        clock.advance(1.0)
        (state,) = written(path, Saved)
    assert (state.phase, state.progress, state.artefact_hash) == ("train", 2, "abc")
    assert (state.duration_s, state.energy_j, state.device_s) == (3.0, {"simulated": 24.0}, {"simulated": 3.0})
    assert (state.steps, state.macs, state.own_j, state.foreign_j) == (5, 500, {}, {})
    (done,) = read_run(path).activities
    assert (done.energy_j, done.partial) == ({"simulated": 32.0}, False)
    assert verify_chain(path).difference is None


def test_the_line_is_on_the_disk_when_a_save_returns(path, clock, monkeypatch):
    synced_bytes, fsync = [], os.fsync

    def watched(handle):
        fsync(handle)
        synced_bytes.append(os.fstat(handle).st_size)

    monkeypatch.setattr(os, "fsync", watched)
    with recording(path, clock) as recorder, recorder.phase("train") as train:
        train.save(1, "abc")
        assert synced_bytes[-1] == path.stat().st_size


def test_queued_work_of_a_device_is_inside_what_is_saved(path, clock):
    waiting = recording(path, clock, synchronize=lambda: clock.advance(0.5))
    with waiting as recorder, recorder.phase("train") as train:
        train.save(1, "abc")
    (state,) = written(path, Saved)
    assert state.duration_s == 0.5


def test_a_phase_that_has_ended_keeps_no_state_any_more(path, clock):
    with recording(path, clock) as recorder:
        with recorder.phase("train") as train:
            pass
        with pytest.raises(ValueError, match="window 'train' has ended"):
            train.save(1, "abc")
    assert written(path, Saved) == []


def test_what_an_attempt_goes_on_from_is_written_in_its_begin(path, clock):
    with recording(path, clock) as recorder:
        with pytest.raises(KeyboardInterrupt):
            stop_after_saving(recorder, clock, 2.0, 1.0)
        with recorder.phase("train", resumes="abc"):
            clock.advance(4.0)
    assert [(begin.attempt, begin.resumes) for begin in written(path, PhaseBegin)] == [(1, None), (2, "abc")]
    run = read_run(path)
    assert [one.energy_j["simulated"] for one in run.kept("train")] == [16.0, 32.0]
    assert sum(one.energy_j["simulated"] for one in run.activities) == 7.0 * POWER_W
    assert verify_chain(path).difference is None


def test_phases_within_are_taken_out_of_what_is_saved_those_that_go_on_as_well(path, clock):
    with recording(path, clock) as recorder, recorder.phase("outer") as outer:
        clock.advance(1.0)
        with recorder.phase("inner"):
            clock.advance(4.0)
        outer.save(1, "a")
        with recorder.phase("goes on"):
            clock.advance(2.0)
            outer.save(2, "b")
            clock.advance(8.0)
    first, second = written(path, Saved)
    assert (first.energy_j, first.own_j) == ({"simulated": 5.0 * POWER_W}, {"simulated": POWER_W})
    assert (second.energy_j, second.own_j) == ({"simulated": 7.0 * POWER_W}, {"simulated": POWER_W})
    assert read_run(path).done["outer"].energy_j == {"simulated": POWER_W}
    assert verify_chain(path).difference is None


def test_what_phases_of_other_threads_are_charged_is_taken_out_of_what_is_saved(path, clock):
    begun, finish = threading.Event(), threading.Event()
    with recording(path, clock) as recorder:

        def other():
            with recorder.phase("other"):
                begun.set()
                finish.wait()

        clock.advance(1.0)
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait()
        with pytest.raises(KeyboardInterrupt):
            stop_after_saving(recorder, clock, 4.0, 2.0)
        finish.set()
        thread.join()
    (state,) = written(path, Saved)
    assert (state.energy_j, state.foreign_j) == ({"simulated": 16.0}, {"simulated": 16.0})
    part, rest = [one for one in read_run(path).activities if one.phase == "train"]
    assert (part.energy_j, part.shared_with_threads) == ({"simulated": 16.0}, True)
    assert (rest.energy_j, rest.measured[0].energy_j) == ({"simulated": 8.0}, 8.0)
    assert sum(one.energy_j["simulated"] for one in read_run(path).activities) == 6.0 * POWER_W
    assert verify_chain(path).difference is None


def test_the_rest_of_a_stopped_attempt_is_measured_from_its_last_state_on(path, clock):
    with recording(path, clock) as recorder, pytest.raises(KeyboardInterrupt):
        stop_after_saving(recorder, clock, 2.0, 1.0)
    part, rest = read_run(path).activities
    assert [(one.measured[0].energy_j, one.measured[0].device_s) for one in (part, rest)] == [(16.0, 2.0), (8.0, 1.0)]


@needs_fork
def test_a_forked_child_saves_nothing(path, clock):
    with recording(path, clock) as recorder, recorder.phase("train") as train:
        assert in_a_fork(lambda: train.save(1, "abc")) == 0
    assert written(path, Saved) == []


@pytest.mark.parametrize("module", [phase, metering, node], ids=lambda module: module.__name__.rpartition(".")[2])
def test_ctrl_c_at_any_line_of_a_save_leaves_a_whole_ledger_and_every_joule_is_charged_once(tmp_path, module):
    for line in range(1, 400):
        path, clock = tmp_path / f"{line}.jsonl", ManualClock(5.0)
        with recording(path, clock) as recorder, recorder.phase("train") as train:
            clock.advance(1.0)
            interrupted = interrupted_at(line, module, lambda train=train: train.save(1, "abc"))
            clock.advance(2.0)
        assert verify_chain(path).difference is None
        assert [end.energy_j["simulated"] for end in written(path, PhaseEnd)] == [3.0 * POWER_W]
        assert len(written(path, Saved)) == 1 or interrupted
        if not interrupted:
            return
    pytest.fail("the save never came to an end")


# Whatever happens to an attempt

deeds = st.lists(
    st.tuples(st.just("work"), st.integers(1, 9)) | st.tuples(st.sampled_from(["save", "beat", "inner"]), st.just(0)),
    max_size=6,
)
fates = st.sampled_from(["killed", "stopped"])
lives = st.lists(st.tuples(deeds, fates, st.booleans()), max_size=4)


class Attempts:
    """Attempts at one phase in a ledger, each in a process of its own or in that of the one before it.

    A process is killed by going on with a copy of what it had written.

    Attributes:
        seen_j: what the meter says was used, up to the last reading of each attempt.
        chain: the states that an attempt can go on from, each with the joules and steps since the one before.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._copies = folder, 0
        self.clock = ManualClock(100.0)
        self.recorders = [recording(self.path, self.clock, resume=True)]
        self.seen_j = 0.0
        self.chain: list[tuple[str, float, int]] = []

    @property
    def path(self) -> Path:
        return self._folder / str(self._copies) / "run.jsonl"

    def live(self, deeds: list[tuple[str, int]], fate: str, *, anew: bool) -> None:
        if anew:
            self.chain.clear()
        resumes = self.chain[-1][0] if self.chain else None
        with pytest.raises(KeyboardInterrupt) if fate == "stopped" else nullcontext():
            self._train(deeds, fate, resumes)
        self.clock.advance(50.0)
        if fate == "killed":
            self.recorders.append(recording(self.path, self.clock, resume=True))

    def _train(self, deeds: list[tuple[str, int]], fate: str, resumes: str | None) -> None:
        recorder, own_j, last_j = self.recorders[-1], 0.0, 0.0
        state: tuple[str, float, int] | None = None
        with recorder.phase("train", resumes=resumes) as train:
            train.steps, train.macs = 0, 0
            for deed, seconds in deeds:
                if deed == "work":
                    self.clock.advance(float(seconds))
                    own_j += POWER_W * seconds
                    train.steps += seconds
                    train.macs += MACS_PER_STEP * seconds
                    continue
                if deed == "inner":
                    with recorder.phase("inner"):
                        self.clock.advance(1.0)
                    self.seen_j += POWER_W
                elif deed == "save":
                    digest = f"{self.clock.monotonic_s()}, {own_j} J"
                    train.save(train.steps, digest)
                    state = digest, own_j, train.steps
                else:
                    recorder.beat()
                last_j = own_j
            if fate == "done":
                state = "the end", own_j, train.steps
            if state is not None:
                self.chain.append(state)
            self.seen_j += last_j if fate == "killed" else own_j
            if fate == "killed":
                self._copy()
            if fate == "stopped":
                raise KeyboardInterrupt

    def _copy(self) -> None:
        before = self.path
        self._copies += 1
        self.path.parent.mkdir()
        shutil.copy(before, self.path)

    def close(self) -> None:
        for recorder in self.recorders:
            recorder.close()


@settings(deadline=None, max_examples=20)
@given(lives, deeds)
def test_parts_and_waste_add_up_to_what_was_used_and_parts_to_what_the_phase_took(lives, last):
    with tempfile.TemporaryDirectory() as folder, closing(Attempts(Path(folder))) as attempts:
        for deeds, fate, anew in lives:
            attempts.live(deeds, fate, anew=anew)
            run = read_run(attempts.path)
            assert run.done.keys() <= {"inner"}
            assert {state.artefact_hash for state in run.saved.values()} == {one[0] for one in attempts.chain[-1:]}
        attempts.live(last, "done", anew=False)
        run = read_run(attempts.path)
        assert sum(one.energy_j["simulated"] for one in run.activities) == attempts.seen_j
        assert [one.energy_j["simulated"] for one in run.kept("train")] == [joules for _, joules, _ in attempts.chain]
        assert [one.steps for one in run.kept("train")] == [steps for *_, steps in attempts.chain]
        assert [one.macs for one in run.kept("train")] == [MACS_PER_STEP * steps for *_, steps in attempts.chain]
        assert run.attempts("train") == len(lives) + 1
        assert run.saved == {}
        assert verify_chain(attempts.path).difference is None
