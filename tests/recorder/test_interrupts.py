"""Ctrl-C at any line of recording: every phase that has begun has an end, and every joule is charged once."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from carbon_nas.errors import LedgerError
from carbon_nas.ledger import Outcome, backlog, journal, read_events, read_run
from carbon_nas.ledger.records import PhaseBegin, PhaseEnd
from carbon_nas.ledger.verify import verify_chain
from carbon_nas.meters import ManualClock, SimulatedMeter, guard, metering, node
from carbon_nas.recorder import Recorder, chronicle, monitor, phase, recorder, watch
from tests.ledger.accidents import interrupted_at

POWER_W = 8.0
MODULES = [recorder, phase, watch, monitor, chronicle, backlog, journal, metering, node, guard]


def recording(path: Path, clock: ManualClock, **options) -> Recorder:
    meters = [SimulatedMeter(clock, power_w=POWER_W)]
    return Recorder(path, strategy="mine", clock=clock, meters=meters, heartbeat_interval_s=None, **options)


def fail_after(accident: Callable[[], object]) -> None:
    accident()
    raise ValueError("the loss is NaN")


def is_whole(path: Path) -> bool:
    """Whether its numbers follow from its readings, and every begin has its end."""
    kinds = [event.phase for event in read_events(path) if isinstance(event, PhaseBegin | PhaseEnd)]
    return verify_chain(path).difference is None and all(kinds.count(name) % 2 == 0 for name in kinds)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_ctrl_c_at_any_line_of_a_phase_leaves_a_ledger_in_which_every_joule_is_charged_once(
    tmp_path: Path, module: ModuleType
):
    for line in range(1, 400):
        path, clock = tmp_path / f"{line}.jsonl", ManualClock(5.0)
        with recording(path, clock) as run:
            with run.phase("outer") as outer:
                clock.advance(1.0)

                def work(run=run, clock=clock):
                    with run.phase("inner"):
                        clock.advance(4.0)

                interrupted = interrupted_at(line, module, work)
                clock.advance(1.0)
            with run.phase("inner"):
                clock.advance(1.0)
        assert is_whole(path)
        activities = read_run(path).activities
        total_j = POWER_W * (outer.duration_s() + 1.0)
        assert sum(activity.energy_j["simulated"] for activity in activities) == total_j
        if not interrupted:
            return
    pytest.fail("the phase never came to an end")


def test_ctrl_c_while_a_device_is_waited_for_is_an_interrupted_phase(tmp_path):
    path, clock, calls = tmp_path / "run.jsonl", ManualClock(5.0), []

    def impatient():
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with recording(path, clock, synchronize=impatient) as run:
        with pytest.raises(KeyboardInterrupt), run.phase("train"):
            clock.advance(3.0)
        with run.phase("train"):
            clock.advance(1.0)
    ends = [event for event in read_events(path) if isinstance(event, PhaseEnd)]
    assert [(end.outcome, end.energy_j["simulated"]) for end in ends] == [
        (Outcome.INTERRUPTED, 24.0),
        (Outcome.DONE, 8.0),
    ]


def test_a_device_that_breaks_does_not_hide_the_error_in_a_window(tmp_path):
    path, clock = tmp_path / "run.jsonl", ManualClock(5.0)
    broken = []

    def synchronize():
        if broken:
            raise RuntimeError("device-side assert")

    with recording(path, clock, synchronize=synchronize) as run:
        with pytest.raises(ValueError, match="the loss is NaN"), run.window("evaluate/1"):
            fail_after(lambda: broken.append(True))
        broken.clear()
        with pytest.raises(RuntimeError, match="device-side"), run.window("evaluate/2"):
            broken.append(True)
    assert read_run(path).windows["evaluate"].count == 2


def test_a_phase_that_outlives_its_recorder_says_so_and_hides_no_error_of_the_work(tmp_path):
    clock = ManualClock(5.0)
    run = recording(tmp_path / "one.jsonl", clock)
    with pytest.raises(LedgerError, match="closed"), run.phase("train"):
        run.close()
    run = recording(tmp_path / "two.jsonl", clock)
    with pytest.raises(ValueError, match="the loss is NaN"), run.phase("train"):
        fail_after(run.close)
