"""Two hundred kills at random moments: what is left is a ledger that is read, and next to nothing is lost."""

import multiprocessing
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from carbon_nas.ledger import read_events, read_run
from carbon_nas.ledger.records import PhaseBegin, PhaseEnd, Pulse, Session, Waste
from carbon_nas.ledger.verify import verify_chain
from carbon_nas.meters import SimulatedMeter, SystemClock
from carbon_nas.recorder import Recorder
from tests.conftest import block_network

KILLS, HEARTBEAT_S, POWER_W = 200, 0.05, 8.0


def record(path: Path, report: Connection) -> None:
    """Record phases until killed, and tell after every step of work what time it is."""
    block_network()
    clock = SystemClock()
    options = {"clock": clock, "meters": [SimulatedMeter(clock, power_w=POWER_W)], "heartbeat_interval_s": HEARTBEAT_S}
    with Recorder(path, strategy="mine", resume=True, **options) as recorder:
        for number in range(10**6):
            with recorder.phase(f"phase {number % 3}"):
                for step in range(number % 40):
                    with recorder.window(f"step/{step}"):
                        time.sleep(0.005)
                    report.send(clock.monotonic_s())


@pytest.fixture(scope="module")
def processes():
    """Processes of their own that need not import anything: forked from a server that has."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def reported(report: Connection) -> float | None:
    """What the killed process said last; None if it said nothing."""
    last_s = None
    try:
        while report.poll():
            last_s = report.recv()
    except (EOFError, OSError):
        pass
    return last_s


def killed(processes, path: Path, after_s: float) -> float | None:
    """Record for a while, then kill; return when the process last said that it had worked."""
    report, theirs = processes.Pipe(duplex=False)
    with report:
        process = processes.Process(target=record, args=(path, theirs))
        process.start()
        theirs.close()
        time.sleep(after_s)
        process.kill()
        process.join()
        assert process.exitcode < 0
        last_s = reported(report)
        process.close()
    return last_s


def sessions(path: Path) -> Iterator[list]:
    """The events of a ledger, session by session."""
    session = []
    for event in read_events(path):
        if isinstance(event, Session) and session:
            yield session
            session = []
        session.append(event)
    yield session


def known_s(session: list) -> list[float]:
    """When its counters were written down."""
    return sorted(event.time_s for event in session if isinstance(event, Pulse | PhaseBegin | PhaseEnd))


def test_of_two_hundred_kills_each_leaves_a_ledger_that_is_read_and_at_most_one_open_phase(tmp_path, processes):
    chance, path, said_s = random.Random(2020), tmp_path / "run.jsonl", []
    for _ in range(KILLS):
        last_s = killed(processes, path, chance.uniform(0.0, 0.1))
        if not path.exists() or not path.read_bytes().count(b"\n"):
            continue  # Killed before its first line.
        # Whole lines fit, each to the one before; only what has no newline is torn.
        torn_bytes = verify_chain(path).torn_bytes
        data = path.read_bytes()
        assert torn_bytes == len(data) - data.rfind(b"\n") - 1
        run = read_run(path)
        assert len(run.open_phases) <= 1
        if last_s is not None:
            said_s.append((len(run.sessions), last_s))
    assert said_s
    clock = SystemClock()
    meters = [SimulatedMeter(clock, power_w=POWER_W)]
    with Recorder(path, strategy="mine", clock=clock, meters=meters, heartbeat_interval_s=None, resume=True) as after:
        assert after.run.open_phases == ()
    assert verify_chain(path).difference is None

    written = list(sessions(path))
    # The header stands before the first session.
    written = [session for session in written if any(isinstance(event, Session) for event in session)]
    gaps_s = [after_s - before_s for session in written for before_s, after_s in pairwise(known_s(session))]
    longest_s = max([HEARTBEAT_S, *gaps_s])
    for number, last_s in said_s:
        assert last_s - known_s(written[number - 1])[-1] <= HEARTBEAT_S + longest_s

    wastes = 0
    for session in written[:-1]:
        begins = [event for event in session if isinstance(event, PhaseBegin)]
        ends = [event for event in session if isinstance(event, PhaseEnd)]
        # It is written off by whoever goes on, before that session begins.
        lost = [event for event in session if isinstance(event, Waste)]
        assert len(begins) - len(ends) == len(lost) <= 1
        for waste in lost:
            wastes += 1
            assert (waste.phase, waste.attempt) == (begins[-1].phase, begins[-1].attempt)
            assert waste.seen_duration_s == known_s(session)[-1] - begins[-1].time_s
            assert waste.seen_energy_j["simulated"] == pytest.approx(POWER_W * waste.seen_device_s["simulated"])
            assert waste.rest_max_s >= HEARTBEAT_S
            assert waste.rest_max_j == {"simulated": POWER_W * waste.rest_max_s}
    assert wastes
