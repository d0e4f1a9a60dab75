"""A ledger played back gives the joules that were recorded."""

import pytest

from carbon_nas.errors import MeterError
from carbon_nas.meters import ManualClock, ReplayMeter, SimulatedMeter
from carbon_nas.recorder import Recorder
from tests.contracts.meter import MeterContract


@pytest.fixture
def ledger(tmp_path):
    clock = ManualClock(start_s=50.0)
    meters = [
        SimulatedMeter(clock, power_w=7.0, component="gpu:a"),
        SimulatedMeter(clock, power_w=2.0, component="dram"),
    ]
    path = tmp_path / "run.jsonl"
    with Recorder(path, strategy="mine", clock=clock, meters=meters, heartbeat_interval_s=None) as recorder:
        with recorder.phase("train"):
            for _ in range(5):
                clock.advance(1.0)
                recorder.sample()
        clock.advance(5.0)
        with recorder.phase("search"):
            clock.advance(1.0)
    return path


class TestReplayMeter(MeterContract):
    @pytest.fixture
    def clock(self):
        return ManualClock()

    @pytest.fixture
    def meter(self, clock, ledger):
        return ReplayMeter(ledger, clock)

    @pytest.fixture
    def spend(self, clock):
        return lambda: clock.advance(0.5)


def test_it_gives_the_recorded_joules_at_any_time_and_stands_still_after_the_last(ledger):
    clock = ManualClock()
    meter = ReplayMeter(ledger, clock)
    assert meter.duration_s == 11.0
    seen = []
    for _ in range(4):
        seen.append([reading.energy_j for reading in meter.read()])
        clock.advance(4.5)
    assert seen == [[0.0, 0.0], [31.5, 9.0], [63.0, 18.0], [77.0, 22.0]]


def test_it_says_that_it_is_a_replay_and_of_what(ledger):
    gpu, _ = ReplayMeter(ledger, ManualClock()).components
    assert gpu.method.startswith("replayed from a ledger: simulated")


def test_a_session_that_is_not_there_is_an_error(ledger):
    with pytest.raises(MeterError, match="nothing to play back"):
        ReplayMeter(ledger, ManualClock(), session=1)


def test_a_file_that_is_no_ledger_is_an_error(tmp_path):
    (tmp_path / "x.jsonl").write_text("no ledger\n")
    for name in ("x.jsonl", "not-there.jsonl"):
        with pytest.raises(MeterError, match="cannot be played back"):
            ReplayMeter(tmp_path / name, ManualClock())
