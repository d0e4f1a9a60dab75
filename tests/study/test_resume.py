"""However a study is stopped, the next call goes on and ends where an uninterrupted one does."""

import multiprocessing
import random
import time

import pytest

from carbon_nas.devices import SimulatedDevice
from carbon_nas.ledger import read
from carbon_nas.meters import SimulatedMeter
from carbon_nas.meters.clock import SystemClock
from carbon_nas.study import Host, Runner
from carbon_nas.study.events import PhaseBegins, PhaseEnds
from tests.conftest import block_network
from tests.study.bench import POWER_W, TickingMeter, found, ignore, lines, run, runs, tiny_study, wasted

STUDY = tiny_study("eager-b1")


class Impatient:
    """An observer that interrupts at the k-th event of a kind."""

    def __init__(self, kind, count):
        self._kind, self._left = kind, count

    def __call__(self, event):
        self._left -= isinstance(event, self._kind)
        if not self._left:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("kind", "count"), [(PhaseBegins, 4), (PhaseEnds, 1), (PhaseEnds, 7)])
def test_interrupted_between_phases_nothing_is_lost(one_scenario, tmp_path, kind, count):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, STUDY, observer=Impatient(kind, count))
    run(tmp_path, STUDY)
    assert found(tmp_path) == found(one_scenario)
    assert wasted(tmp_path) == []


@pytest.mark.parametrize(
    ("interrupt_at", "phase"),
    [
        pytest.param(2, "profile / eager-b1", id="at the end of the profile"),
        pytest.param(7, "shrink kernel", id="after an epoch of the supernet"),
        pytest.param(16, "search / eager-b1", id="at the end of a search"),
        pytest.param(22, "use / eager-b1", id="while a delivered network works"),
        pytest.param(25, "search / eager-b1", id="after the second candidate"),
        pytest.param(33, "evaluate / eager-b1", id="at the end of an evaluation"),
        pytest.param(35, "use / eager-b1", id="at the very last reading"),
    ],
)
def test_interrupted_in_a_phase_it_alone_is_done_again_and_what_it_used_is_waste(
    one_scenario, tmp_path, interrupt_at, phase
):
    """A phase takes a reading at either edge, and one for each epoch that it logs."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, STUDY, meter=TickingMeter(interrupt_at=interrupt_at))
    done = {(name, key) for name, recorded in runs(tmp_path).items() for key in recorded.done}
    events = []
    run(tmp_path, STUDY, observer=events.append)
    again = [(event.planned.run, event.planned.phase) for event in events if isinstance(event, PhaseBegins)]
    assert again[0][1] == phase
    assert not done & set(again)
    assert found(tmp_path) == found(one_scenario)
    (lost,) = wasted(tmp_path)
    assert lost.phase == phase
    assert lost.energy_j == {"simulated": POWER_W * lost.duration_s}


def test_interrupted_in_an_epoch_the_joules_up_to_there_are_known(tmp_path):
    """Readings: two of the profile, one at the begin of the teacher; the fourth, of its epoch, is interrupted."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, STUDY, meter=TickingMeter(interrupt_at=4))
    (lost,) = wasted(tmp_path)
    assert (lost.phase, lost.energy_j, lost.rest_max_j) == ("train teacher", {"simulated": 2 * POWER_W}, {})
    assert {line["phase"]: line["outcome"] for line in lines(tmp_path) if line["kind"] == "phase_end"} == {
        "profile / eager-b1": "done",
        "train teacher": "interrupted",
    }


def test_interrupted_twice_in_the_same_phase_it_is_the_third_attempt_that_counts(one_scenario, tmp_path):
    for interrupt_at in (4, 2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, STUDY, meter=TickingMeter(interrupt_at=interrupt_at))
    run(tmp_path, STUDY)
    assert found(tmp_path) == found(one_scenario)
    assert [lost.phase for lost in wasted(tmp_path)] == ["train teacher"] * 2
    attempts = [
        line["attempt"] for line in lines(tmp_path) if line.get("phase") == "train teacher" and "attempt" in line
    ]
    assert attempts == [1, 2, 3]


def test_a_torn_last_line_is_cut_off_and_the_rest_goes_on(one_scenario, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, STUDY, observer=Impatient(PhaseEnds, 3))
    path = tmp_path / "ledger" / "once_for_all-seed0.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind":"phase_be')
    run(tmp_path, STUDY)
    assert found(tmp_path) == found(one_scenario)
    assert [line["bytes_cut"] for line in lines(tmp_path) if line["kind"] == "repair"] == [17]


def test_a_ledger_with_nothing_but_half_a_header_is_begun_anew(one_scenario, tmp_path):
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "profiling.jsonl").write_bytes(b'{"kind":"header","run":"prof')
    run(tmp_path, STUDY)
    assert found(tmp_path) == found(one_scenario)


def live(folder):
    """Run on a clock that runs, with a quick heart: what a process does that is about to be killed."""
    block_network()
    clock = SystemClock()
    host = Host(
        meters=lambda: (SimulatedMeter(clock, power_w=POWER_W),),
        clock=clock,
        device=SimulatedDevice,
        heartbeat_interval_s=0.02,
    )
    Runner(STUDY, folder, observer=ignore, host=host).run()


def written(folder):
    return sum(path.read_bytes().count(b"\n") for path in (folder / "ledger").glob("*.jsonl"))


@pytest.fixture(scope="module")
def processes():
    """Processes of their own that need not load torch each time: forked from a server that has."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "sklearn.datasets", __name__])
    return context


def test_killed_at_random_moments_it_ends_where_an_uninterrupted_study_does(one_scenario, tmp_path, processes):
    dice, kills = random.Random(1), 0
    for _ in range(4):
        process = processes.Process(target=live, args=(tmp_path,))
        process.start()
        fatal = written(tmp_path) + dice.randint(1, 60)
        while process.is_alive() and written(tmp_path) < fatal:
            time.sleep(0.001)
        process.kill()
        process.join()
        kills += process.exitcode < 0
    process = processes.Process(target=live, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert kills
    assert found(tmp_path) == found(one_scenario)
    assert_whole(tmp_path)


def assert_whole(folder):
    """Every phase that was begun has an end or is written off, once; what was written off has bounds, no more."""
    events = lines(folder)
    begun = [line for line in events if line["kind"] == "phase_begin"]
    ended = [line for line in events if line["kind"] in {"phase_end", "waste"}]
    assert len(begun) == len(ended)
    assert all(recorded.open_phase is None for recorded in read(folder / "ledger"))
    for line in events:
        if line["kind"] == "waste":
            assert line["seen_energy_j"]["simulated"] == pytest.approx(POWER_W * line["seen_device_s"]["simulated"])
            assert line["rest_max_s"] >= 0.02
            assert line["rest_max_j"] == {"simulated": POWER_W * line["rest_max_s"]}
    assert {lost.phase for lost in wasted(folder)} == {line["phase"] for line in events if line["kind"] == "waste"}
