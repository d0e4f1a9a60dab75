"""Lines that wait for a disk: in order, each of them once, and none that keeps the others from it."""

import errno
import os
import threading
from pathlib import Path

import pytest

from carbon_nas.ledger import read_events
from carbon_nas.ledger.backlog import Backlog
from carbon_nas.ledger.journal import Journal
from carbon_nas.ledger.records import Pulse, Repair
from carbon_nas.meters import Reading

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def line(number: int) -> Repair:
    return Repair(utc="", bytes_cut=number)


def pulse(at_s: float) -> Pulse:
    return Pulse(phase="p", time_s=at_s, readings=(Reading(component="a", energy_j=0.0, device_s=None),))


def numbers(path: Path) -> list[int]:
    return [event.bytes_cut for event in read_events(path)]


class Disk:
    """What a test makes of the disk below a journal: refused calls by name."""

    def __init__(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        self._journal, self._patch = journal, monkeypatch

    def refuse(self, *, writing: bool = False, syncing: bool = False) -> None:
        def refused(*_: object) -> None:
            raise FULL

        if writing:
            self._patch.setattr(self._journal, "_write", refused)
        if syncing:
            self._patch.setattr(os, "fsync", refused)

    def mend(self) -> None:
        self._patch.undo()


@pytest.fixture
def disk(path, monkeypatch):
    journal = Journal(path)
    yield Disk(journal, monkeypatch), Backlog(journal, room=5)
    monkeypatch.undo()
    journal.close()


def test_what_waits_is_written_later_and_in_order(path, disk):
    below, lines = disk
    assert lines.append(line(0), durable=True)
    below.refuse(writing=True)
    assert not lines.append(line(1), durable=True)
    assert not lines.append(line(2))
    assert (lines.waiting, "No space left" in lines.trouble) == (2, True)
    below.mend()
    assert lines.append(line(3))
    assert numbers(path) == [0, 1, 2, 3]


def test_a_line_that_could_not_be_made_durable_is_not_written_twice_and_is_no_success(path, disk):
    below, lines = disk
    below.refuse(syncing=True)
    assert not lines.append(line(0), durable=True)
    assert not lines.append(line(1), durable=True)
    assert not lines.retry()
    assert lines.waiting == 0
    below.mend()
    assert lines.retry()
    assert numbers(path) == [0, 1]


def test_an_event_that_is_handed_over_again_is_written_once(path, disk):
    below, lines = disk
    one = line(0)
    lines.append(one)
    lines.append(one)
    below.refuse(writing=True)
    other = line(1)
    lines.append(other)
    lines.append(other)
    below.mend()
    lines.append(other)
    assert numbers(path) == [0, 1]


def test_an_event_that_can_never_be_written_is_refused_and_keeps_no_other_from_it(path, disk):
    below, lines = disk
    with pytest.raises(ValueError, match="no nan"):
        lines.append(pulse(float("nan")))
    below.refuse(writing=True)
    lines.append(line(0))
    with pytest.raises(ValueError, match="no nan"):
        lines.append(pulse(float("nan")))
    lines.append(line(1))
    below.mend()
    assert lines.retry()
    assert (numbers(path), lines.waiting, lines.dropped) == ([0, 1], 0, 0)


def test_what_only_observes_makes_room_for_what_is_accounted(path, disk):
    below, lines = disk
    below.refuse(writing=True)
    for at_s in range(9):
        lines.append(pulse(at_s))
    lines.append(line(0))
    assert (lines.waiting, lines.dropped) == (6, 4)
    below.mend()
    assert lines.retry()
    assert len(list(read_events(path))) == 6


def test_several_threads_wait_in_one_queue(path, disk):
    below, lines = disk
    below.refuse(writing=True)

    def hand_over(first: int) -> None:
        for number in range(first, first + 50):
            lines.append(line(number))

    threads = [threading.Thread(target=hand_over, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    below.mend()
    for thread in threads:
        thread.join()
    assert lines.retry()
    found = numbers(path)
    assert len(found) == 200
    for first in range(0, 400, 100):
        mine = [number for number in found if first <= number < first + 100]
        assert mine == list(range(first, first + 50))
