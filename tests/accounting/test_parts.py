"""Parts of a statement: one component of one phase, with what is not known about it."""

from pathlib import Path

import pytest

from carbon_nas.accounting import account, site
from carbon_nas.accounting.statement import Entry
from carbon_nas.ledger import read_run
from carbon_nas.meters import ManualClock
from carbon_nas.recorder import Recorder
from tests.gauge import Gauge


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_s=100.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def recording(path: Path, clock: ManualClock, *meters: Gauge) -> Recorder:
    return Recorder(path, strategy="a", meters=meters, clock=clock, heartbeat_interval_s=None)


def entries(path: Path) -> dict[str, Entry]:
    return {entry.phase: entry for entry in account(read_run(path), site("FR")).entries}


def nested(path: Path, clock: ManualClock, gauge: Gauge) -> dict[str, Entry]:
    """Ten seconds, four of which belong to a phase within."""
    with recording(path, clock, gauge) as recorder, recorder.phase("outer"):
        clock.advance(3.0)
        with recorder.phase("inner"):
            clock.advance(4.0)
        clock.advance(3.0)
    return entries(path)


def test_a_phase_around_another_is_charged_the_rest_part_by_part(path, clock):
    found = nested(path, clock, Gauge(clock, power_w=2.0))
    assert {name: entry.parts[0].energy_j for name, entry in found.items()} == {"inner": 8.0, "outer": 12.0}
    assert all(entry.energy_j == sum(part.energy_j or 0.0 for part in entry.parts) for entry in found.values())


def test_the_gain_of_a_sensor_is_shared_as_its_joules_are(path, clock):
    found = nested(path, clock, Gauge(clock, power_w=2.0, gain_fraction=0.05))
    shares = {name: entry.parts[0].systematic_u_j for name, entry in found.items()}
    assert shares == {"inner": pytest.approx(0.05 * 8.0), "outer": pytest.approx(0.05 * 12.0)}


def test_bounds_of_whole_phases_are_their_energy_without_the_phases_within(path, clock):
    for entry in nested(path, clock, Gauge(clock, power_w=2.0)).values():
        assert entry.complete
        assert (entry.low_j, entry.high_j) == (pytest.approx(entry.energy_j), pytest.approx(entry.energy_j))


def test_the_edges_of_a_phase_are_kept(path, clock):
    found = nested(path, clock, Gauge(clock))
    assert (found["outer"].began_s, found["outer"].ended_s, found["outer"].session) == (100.0, 110.0, 0)
    assert (found["inner"].began_s, found["inner"].ended_s) == (103.0, 107.0)


def test_a_gap_has_bounds_that_hold_the_truth(path, clock):
    gauge = Gauge(clock, power_w=2.0)
    with recording(path, clock, gauge) as recorder, recorder.phase("train"):
        clock.advance(3.0)
        recorder.sample()
        gauge.broken = True
        clock.advance(5.0)
    (entry,) = entries(path).values()
    assert not entry.complete
    assert entry.low_j is not None
    assert entry.high_j is not None
    assert entry.low_j <= 2.0 * 8.0 <= entry.high_j


def test_two_components_are_two_parts_and_one_gap_makes_the_phase_incomplete(path, clock):
    whole, broken = Gauge(clock, "cpu:package-0"), Gauge(clock, "gpu:a")
    with recording(path, clock, whole, broken) as recorder, recorder.phase("train"):
        clock.advance(1.0)
        recorder.sample()
        broken.broken = True
        clock.advance(1.0)
    (entry,) = entries(path).values()
    assert {part.component: part.complete for part in entry.parts} == {"cpu:package-0": True, "gpu:a": False}
    assert not entry.complete
