"""Two recorders on one component notice each other: across processes, without files, and however one of them ends."""

import os
import signal
import subprocess
import sys
import uuid

import pytest

from carbon_nas.meters import occupancy
from carbon_nas.meters.occupancy import Occupancy

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has abstract sockets")

NONE: frozenset[str] = frozenset()
SECOND = """
import sys
from carbon_nas.meters.occupancy import Occupancy
seats = Occupancy(sys.argv[1:])
for line in sys.stdin:
    print(*sorted(seats.others if line == "others\\n" else seats.check()), flush=True)
"""


class Recorder:
    """A second recorder, in a process of its own."""

    def __init__(self, *components: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SECOND, *components], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, what: str) -> frozenset[str]:
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return frozenset(self.process.stdout.readline().split())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def start():
    recorders = []

    def begin(*components: str) -> Recorder:
        recorders.append(Recorder(*components))
        recorders[-1].ask("others")  # It has sat down.
        return recorders[-1]

    yield begin
    for recorder in recorders:
        recorder.kill()


@pytest.fixture
def seats():
    opened = []

    def sit_down(*components: str) -> Occupancy:
        opened.append(Occupancy(components))
        return opened[-1]

    yield sit_down
    for one in opened:
        one.close()


@pytest.fixture
def gpu() -> str:
    # Names are host-wide: these tests must not meet another run of themselves.
    return f"gpu:GPU-{uuid.uuid4()}"


@pytest.fixture
def dram() -> str:
    return f"dram:package-{uuid.uuid4()}"


def test_who_is_alone_hears_nothing(seats, gpu):
    mine = seats(gpu)
    assert mine.supported
    assert mine.others == NONE
    assert mine.check() == NONE


def test_both_notice_a_second_process_on_one_component_and_only_on_that(seats, start, gpu, dram):
    mine = seats(gpu, dram)
    second = start(gpu)
    assert second.ask("others") == {gpu}
    assert mine.check() == {gpu}
    assert mine.check() == NONE
    assert second.ask("check") == NONE


def test_all_notice_a_third_one(seats, start, gpu):
    mine, second = seats(gpu), start(gpu)
    mine.check()
    third = start(gpu)
    assert third.ask("others") == {gpu}
    assert mine.check() == {gpu}
    assert second.ask("check") == {gpu}


def test_the_third_one_is_noticed_even_if_the_first_has_left(seats, start, gpu):
    mine = seats(gpu)
    second = start(gpu)
    mine.close()
    third = start(gpu)
    assert third.ask("others") == {gpu}
    assert second.ask("check") == {gpu}


def test_two_recorders_of_one_process_notice_each_other_too(seats, gpu):
    mine, other = seats(gpu), seats(gpu)
    assert other.others == {gpu}
    assert mine.check() == {gpu}


def test_a_killed_recorder_leaves_nothing_behind(seats, start, gpu):
    start(gpu).kill()
    assert seats(gpu).others == NONE


def test_closing_gives_the_seats_back_and_may_be_done_twice(seats, gpu):
    mine = seats(gpu)
    mine.close()
    mine.close()
    assert mine.check() == NONE
    assert seats(gpu).others == NONE


def test_a_forked_worker_that_lives_on_does_not_keep_the_seat(seats, gpu):
    mine = seats(gpu)
    reading, writing = os.pipe()
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.write(told, b"x")
        os.read(reading, 1)  # Until the parent is done.
        os._exit(0 if mine.check() == NONE else 1)
    os.close(reading)
    os.read(ready, 1)
    mine.close()
    found = seats(gpu).others
    os.close(writing)
    assert os.waitpid(child, 0)[1] == 0
    os.close(ready)
    os.close(told)
    assert found == NONE


def test_a_worker_that_ends_does_not_take_the_seat_away(seats, start, gpu):
    mine = seats(gpu)
    child = os.fork()
    if child == 0:
        mine.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert start(gpu).ask("others") == {gpu}
    assert mine.check() == {gpu}


def test_a_started_program_does_not_inherit_the_seat(seats, gpu):
    mine = seats(gpu)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as program:
        mine.close()
        assert seats(gpu).others == NONE
        program.stdin.close()


def test_when_all_seats_are_taken_the_next_one_still_notices_and_is_noticed(seats, gpu):
    sitting = [seats(gpu) for _ in range(16)]
    for one in sitting:
        one.check()
    assert seats(gpu).others == {gpu}
    assert [one.check() for one in sitting] == [frozenset({gpu})] * 16


def test_a_recorder_that_never_listens_does_not_block_those_who_come(seats, gpu):
    mine = seats(gpu)
    for _ in range(300):
        other = seats(gpu)
        assert other.others == {gpu}
        other.close()
    assert mine.check() == {gpu}
    assert mine.check() == NONE


def test_a_long_name_fits(seats):
    name = f"gpu:{'x' * 200}{uuid.uuid4()}"
    seats(name)
    assert seats(name).others == {name}


def test_a_component_that_is_named_twice_is_not_its_own_rival(seats, gpu):
    assert seats(gpu, gpu).others == NONE


def test_where_there_are_no_abstract_sockets_nothing_is_claimed(seats, gpu, monkeypatch):
    seats(gpu)
    monkeypatch.setattr(occupancy.sys, "platform", "win32")
    mine = seats(gpu)
    assert not mine.supported
    assert (mine.others, mine.check()) == (NONE, NONE)


def test_where_sockets_are_forbidden_nothing_is_claimed_and_nothing_breaks(seats, gpu, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(1, "forbidden")

    monkeypatch.setattr(occupancy.socket, "socket", refuse)
    mine = seats(gpu)
    assert not mine.supported
    assert (mine.others, mine.check()) == (NONE, NONE)
