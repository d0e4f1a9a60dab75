"""What the sampler sees and tells: once, in order, and never without end."""

import sys
from pathlib import Path

import pytest

from carbon_nas.ledger import read_events
from carbon_nas.ledger.records import Incident, Pulse
from carbon_nas.meters import Gaps, ManualClock, Reading, SimulatedMeter
from carbon_nas.meters.metering import Edge
from carbon_nas.meters.occupancy import Occupancy
from carbon_nas.recorder import Recorder
from carbon_nas.recorder.monitor import Monitor


def edge(time_s: float, **gaps) -> Edge:
    return Edge(time_s=time_s, readings=(Reading(component="gpu:a", energy_j=0.0, device_s=None, gaps=Gaps(**gaps)),))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(5.0)


@pytest.fixture
def monitor(clock) -> Monitor:
    def incident(what, detail, **facts) -> Incident:
        return Incident(utc="", time_s=clock.monotonic_s(), what=what, detail=detail, **facts)

    return Monitor(SimulatedMeter(clock, component="gpu:a").components, clock, incident)


def test_a_reading_that_another_thread_has_overtaken_tells_nothing_twice(monitor):
    assert [one.what for one in monitor.notice(edge(3.0, segments=2, unseen_s=1.0))] == ["reset"]
    assert list(monitor.notice(edge(2.0, pending_s=1.0))) == []
    assert list(monitor.notice(edge(4.0, segments=2, unseen_s=1.0))) == []


def test_a_clock_that_is_set_every_second_does_not_fill_the_disk(monitor, clock):
    told = []
    for number in range(1_000):
        clock.step_wall(60.0)
        told += monitor.notice(edge(float(number)))
    assert len(told) == 201
    assert (told[-1].what, "clock step" in told[-1].detail) == ("silenced", True)


def test_a_meter_that_fails_in_ever_new_words_does_not_fill_the_disk(monitor):
    told = [one for number in range(1_000) for one in monitor.failed({"gpu:a": f"error number {number}"})]
    assert len(told) == 201


def test_a_heartbeat_comes_early_rather_than_late(tmp_path, clock):
    class Sampled(SimulatedMeter):
        def __init__(self) -> None:
            super().__init__(clock)
            (part,) = self.components
            self.components = (type(part)(name=part.name, tier=part.tier, method="", sampling_s=280.0),)

    path = tmp_path / "run.jsonl"
    options = {"clock": clock, "meters": [Sampled()], "heartbeat_interval_s": 1_000.0}
    with Recorder(path, strategy="mine", **options) as recorder, recorder.phase("train"):
        for _ in range(3):
            clock.advance(280.0)
            recorder.sample()
    assert [event.time_s for event in read_events(path) if isinstance(event, Pulse)] == [845.0]


@pytest.mark.parametrize("error", [OSError("no terminal"), SystemExit(1)])
def test_whatever_happens_to_who_is_told_the_heart_beats_on(tmp_path, clock, error):
    path, heard = tmp_path / "run.jsonl", []

    def listen(energy_j):
        heard.append(energy_j)
        raise error

    options = {"clock": clock, "meters": [SimulatedMeter(clock)], "heartbeat_interval_s": 0.001}
    with Recorder(path, strategy="mine", on_heartbeat=listen, **options) as recorder, recorder.phase("train"):
        while len(heard) < 3:
            pass
    assert recorder.heartbeat_errors >= 3
    assert sum(isinstance(event, Pulse) for event in read_events(path)) >= 3


def test_who_is_told_of_a_heartbeat_may_ask_for_another(tmp_path, clock):
    heard, path = [], tmp_path / "run.jsonl"

    def listen(energy_j):
        heard.append(energy_j)
        if len(heard) < 3:
            recorder.beat()

    options = {"clock": clock, "meters": [SimulatedMeter(clock)], "heartbeat_interval_s": None}
    with Recorder(path, strategy="mine", on_heartbeat=listen, **options) as recorder, recorder.phase("train"):
        recorder.beat()
    assert heard == [0.0] * 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who else is there")
@pytest.mark.parametrize("interval_s", [0.0, -1.0])
def test_a_recorder_that_could_not_begin_keeps_no_seat(tmp_path: Path, clock, interval_s):
    name = "gpu:of-a-recorder-that-never-was"
    meters = [SimulatedMeter(clock, component=name, own=False)]
    with pytest.raises(ValueError, match="interval above 0"):
        Recorder(tmp_path / "run.jsonl", strategy="mine", clock=clock, meters=meters, heartbeat_interval_s=interval_s)
    occupancy = Occupancy([name])
    assert occupancy.others == frozenset()
    occupancy.close()
