"""A phase that was stopped and gone on with costs what one without a stop does, and what was done twice is lost."""

from pathlib import Path

import pytest

from carbon_nas.accounting import account, site
from carbon_nas.comparison import compare, deliveries
from carbon_nas.ledger import read
from carbon_nas.ledger.records import Scope
from carbon_nas.meters import ManualClock
from carbon_nas.recorder import Recorder
from tests.gauge import Gauge

NAMES = ("mine", "other")


def train(recorder: Recorder, clock: ManualClock, seconds: float, *, resumes: str | None, stop_s: float | None) -> None:
    """Train for some seconds, a step and ten MACs each; with a stop, save and go on for so long before it."""
    with recorder.phase("train", resumes=resumes) as window:
        clock.advance(seconds)
        window.steps, window.macs = int(seconds), 10 * int(seconds)
        if stop_s is not None:
            window.save(1, "abc")
            clock.advance(stop_s)
            raise KeyboardInterrupt


def recorded(folder: Path, *, stopped: bool, resumes: str | None = "abc") -> Path:
    """Two strategies that train for 100 s at 1 W; the first may be stopped after 60 s and 7 more that are in vain."""
    for name in NAMES:
        clock = ManualClock()
        gauges = [Gauge(clock, "gpu:a", own=True)]
        path = folder / "ledger" / f"{name}.jsonl"
        with Recorder(path, strategy=name, meters=gauges, clock=clock, heartbeat_interval_s=None) as recorder:
            if stopped and name == NAMES[0]:
                with pytest.raises(KeyboardInterrupt):
                    train(recorder, clock, 60.0, resumes=None, stop_s=7.0)
                train(recorder, clock, 40.0 if resumes else 100.0, resumes=resumes, stop_s=None)
            else:
                train(recorder, clock, 100.0, resumes=None, stop_s=None)
            with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario="s") as window:
                clock.advance(5.0)
                window.steps, window.macs = 0, 0
            recorder.result(scenario="s", accuracy=0.9)
    return folder


def compared(folder: Path):
    runs = read(folder / "ledger")
    return compare([account(run, site("FR", 1.2)) for run in runs], deliveries(runs))


def test_parts_are_entries_of_their_phase_and_the_rest_is_a_lost_one(tmp_path):
    (run, _) = read(recorded(tmp_path, stopped=True) / "ledger")
    entries = account(run, site("FR", 1.2)).entries
    assert [(one.phase, one.scope, one.energy_j, one.own_s, one.wasted) for one in entries] == [
        ("train", "once", 60.0, 60.0, False),
        ("train", "once", 7.0, 7.0, True),
        ("train", "once", 40.0, 40.0, False),
        ("search / s", "per scenario", 5.0, 5.0, False),
    ]
    assert [one.parts[0].energy_j for one in entries] == [60.0, 7.0, 40.0, 5.0]
    assert [one.steps for one in entries[:3]] == [60, 0, 40]


def test_a_comparison_adds_them_up_and_lists_what_was_done_twice_as_lost(tmp_path):
    whole = compared(recorded(tmp_path / "whole", stopped=False))
    stopped = compared(recorded(tmp_path / "stopped", stopped=True))
    assert stopped.strategies == whole.strategies
    assert stopped.phases == whole.phases
    assert (stopped.curves, stopped.work) == (whole.curves, whole.work)
    assert [(lost.phase, lost.seen_j, lost.rest_max_j) for lost in stopped.lost] == [("train", 7.0, 0.0)]


def test_an_attempt_that_nobody_went_on_from_is_one_lost_attempt(tmp_path):
    anew = compared(recorded(tmp_path, stopped=True, resumes=None))
    assert [(lost.phase, lost.seen_j) for lost in anew.lost] == [("train", 67.0)]
    assert {cost.strategy: cost.energy_j for cost in anew.strategies} == {"mine": 105.0, "other": 105.0}
