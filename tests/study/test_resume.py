"""However a study is stopped, the next call goes on and ends where an uninterrupted one does."""

import multiprocessing
import random
import time

import pytest

from carbon_nas.devices import SimulatedDevice
from carbon_nas.ledger import read, read_events
from carbon_nas.ledger.records import PhaseBegin, PhaseEnd, Saved, TrainerLog, Waste
from carbon_nas.ledger.verify import verify_chain
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


def readings(folder):
    """What each reading of an uninterrupted study was for, in order: its run, its phase, and the line it went into.

    A phase takes a reading at either edge, one for each epoch that it logs, and one for each state that it saves.
    """
    recorded = sorted(runs(folder).values(), key=lambda one: one.header.time_s)
    kinds = (PhaseBegin, TrainerLog, Saved, PhaseEnd)
    return [
        (one.header.run, event.phase, type(event))
        for one in recorded
        for event in read_events(one.path)
        if isinstance(event, kinds)
    ]


def places(folder, run_name, phase, kind):
    """The numbers, from 1, of the readings of a kind in a phase."""
    wanted = (run_name, phase, kind)
    return [number for number, place in enumerate(readings(folder), start=1) if place == wanted]


def since_saved(folder, number):
    """How many readings were taken since the phase had last saved its state, or begun, up to a reading."""
    before = [kind for *_, kind in readings(folder)[: number - 1]]
    return next(count for count, kind in enumerate(reversed(before), start=1) if kind in (PhaseBegin, Saved))


@pytest.mark.parametrize(
    ("place", "nth"),
    [
        pytest.param(("profiling", "profile / eager-b1", PhaseEnd), 0, id="at the end of the profile"),
        pytest.param(("once_for_all-seed0", "shrink kernel", TrainerLog), 0, id="after an epoch of the supernet"),
        pytest.param(("once_for_all-seed0", "use / eager-b1", PhaseEnd), 0, id="while a delivered network works"),
        pytest.param(("evolution-seed0", "search / eager-b1", Saved), 0, id="while the first candidate is saved"),
        pytest.param(("evolution-seed0", "search / eager-b1", TrainerLog), 1, id="in the second candidate"),
        pytest.param(("evolution-seed0", "search / eager-b1", PhaseEnd), 0, id="after the last candidate"),
        pytest.param(("evolution-seed0", "train / eager-b1", Saved), 0, id="while the winner is saved"),
        pytest.param(("evolution-seed0", "train / eager-b1", TrainerLog), 1, id="in the second epoch of the winner"),
        pytest.param(("evolution-seed0", "evaluate / eager-b1", PhaseEnd), 0, id="at the end of an evaluation"),
        pytest.param(("evolution-seed0", "use / eager-b1", PhaseEnd), 0, id="at the very last reading"),
    ],
)
def test_interrupted_in_a_phase_it_goes_on_from_there_and_only_what_was_not_saved_is_waste(
    one_scenario, tmp_path, place, nth
):
    number = places(one_scenario, *place)[nth]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, STUDY, meter=TickingMeter(interrupt_at=number))
    done = {(name, key) for name, recorded in runs(tmp_path).items() for key in recorded.done}
    events = []
    run(tmp_path, STUDY, observer=events.append)
    again = [(event.planned.run, event.planned.phase) for event in events if isinstance(event, PhaseBegins)]
    assert again[0] == place[:2]
    assert not done & set(again)
    assert found(tmp_path) == found(one_scenario)
    (lost,) = wasted(tmp_path)
    assert lost.phase == place[1]
    # A reading takes a second here; one more ends the attempt.
    assert lost.duration_s == since_saved(one_scenario, number) + 1
    assert lost.energy_j == {"simulated": POWER_W * lost.duration_s}
    assert_tidy(tmp_path)


def test_states_are_saved_no_more_often_than_the_host_says(one_scenario, tmp_path):
    """Evolution trains three candidates, each a second here, and the host asks for three seconds at the least."""
    run(tmp_path, STUDY, save_interval_s=3.0)
    assert found(tmp_path) == found(one_scenario)
    assert len(places(tmp_path, "evolution-seed0", "search / eager-b1", Saved)) == 1


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
        save_interval_s=0.0,
    )
    Runner(STUDY, folder, observer=ignore, host=host).run()


def written(folder, what=b"\n"):
    return sum(path.read_bytes().count(what) for path in (folder / "ledger").glob("*.jsonl"))


@pytest.fixture(scope="module")
def processes():
    """Processes of their own that need not load torch each time: forked from a server that has."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "sklearn.datasets", __name__])
    return context


def finish(processes, folder):
    process = processes.Process(target=live, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_killed_after_states_that_it_saved_it_goes_on_from_them(one_scenario, tmp_path, processes):
    states = sum(kind is Saved for *_, kind in readings(one_scenario))
    for count in (1, states):
        process = processes.Process(target=live, args=(tmp_path,))
        process.start()
        while process.is_alive() and written(tmp_path, b'"kind":"saved"') < count:
            time.sleep(0.0005)
        process.kill()
        process.join()
        assert process.exitcode < 0
    finish(processes, tmp_path)
    assert found(tmp_path) == found(one_scenario)
    assert_whole(tmp_path)
    resumed = [line for line in lines(tmp_path) if line["kind"] == "phase_begin" and line["resumes"]]
    assert resumed
    kept = [activity for recorded in runs(tmp_path).values() for activity in recorded.activities if activity.partial]
    assert len(kept) == len(resumed)


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
    finish(processes, tmp_path)
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
    assert_tidy(folder)
    for recorded in runs(folder).values():
        used_j = [
            event.energy_j["simulated"] if isinstance(event, PhaseEnd) else event.seen_energy_j["simulated"]
            for event in read_events(recorded.path)
            if isinstance(event, PhaseEnd | Waste)
        ]
        assert sum(one.energy_j["simulated"] for one in recorded.activities) == pytest.approx(sum(used_j))


def assert_tidy(folder):
    """No state is left, every number follows from the readings, and no epoch is told twice."""
    assert list((folder / "checkpoints").rglob("*state*")) == []
    for recorded in runs(folder).values():
        assert verify_chain(recorded.path).difference is None
        told = [(log.phase, log.subject, log.epoch) for log in recorded.epochs]
        assert len(told) == len(set(told))
