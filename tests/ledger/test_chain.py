"""The chain of hashes: what was written comes back, and what was changed is found."""

import hashlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.errors import LedgerCorrupt, LedgerError
from carbon_nas.ledger import Journal, read_events
from carbon_nas.ledger.journal import GENESIS, chain
from tests.ledger.events import any_event, begin, end, header, pulse

STORY = (header(), begin("a phase"), pulse(1.0, 5.0), pulse(2.0, 9.0), end("a phase", 3.0))


def lines_of(events) -> list[bytes]:
    """Write the chain by hand, as a second opinion on the journal."""
    lines, prev = [], GENESIS
    for event in events:
        line, prev = chain(event, prev)
        lines.append(line)
    return lines


WHOLE = b"".join(lines_of(STORY))


def read_back(data: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.jsonl")
        path.write_bytes(data)
        events = list(read_events(path))
        assert path.read_bytes() == data
        return events


@settings(deadline=None, max_examples=60)
@given(st.lists(any_event, max_size=8))
def test_any_events_come_back_equal_and_in_order(events):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.jsonl")
        journal = Journal(path)
        for event in events:
            journal.append(event)
        journal.close()
        assert list(read_events(path)) == events
        seen = []
        again = Journal(path, seen.append)
        assert (seen, again.head, again.bytes_cut) == (events, journal.head, 0)
        again.close()


def test_a_line_names_the_line_before_it_and_hashes_its_own_bytes(tmp_path):
    journal = Journal(tmp_path / "ledger.jsonl")
    for event in STORY:
        journal.append(event)
    journal.close()
    prev = "0" * 64
    for line in (tmp_path / "ledger.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        assert list(record)[-2:] == ["prev", "hash"]
        assert record["prev"] == prev
        assert record["hash"] == hashlib.sha256(line.rpartition(b',"hash":')[0]).hexdigest()
        prev = record["hash"]
    assert journal.head == prev


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(WHOLE) - 2), st.integers(1, 255))
def test_a_flipped_byte_anywhere_in_a_whole_line_is_found(place, flip):
    damaged = bytearray(WHOLE)
    damaged[place] ^= flip
    with pytest.raises(LedgerCorrupt):
        read_back(bytes(damaged))


@settings(deadline=None)
@given(st.integers(1, 255))
def test_a_flipped_last_newline_makes_a_torn_line_which_is_left_out(flip):
    assert read_back(WHOLE[:-1] + bytes([WHOLE[-1] ^ flip])) == list(STORY[:-1])


@settings(deadline=None)
@given(st.integers(0, len(WHOLE)))
def test_wherever_a_ledger_is_cut_its_whole_lines_are_read(length):
    assert read_back(WHOLE[:length]) == list(STORY[: WHOLE[:length].count(b"\n")])


@pytest.mark.parametrize(
    ("order", "first_bad"),
    [
        ((1, 2, 3, 4), 1),
        ((0, 1, 3, 4), 3),
        ((0, 2, 1, 3, 4), 2),
        ((0, 1, 2, 4, 3), 4),
        ((0, 1, 2, 2, 3, 4), 4),
        ((4, 3, 2, 1, 0), 1),
    ],
)
def test_lines_that_were_removed_reordered_or_repeated_are_found(order, first_bad):
    lines = lines_of(STORY)
    with pytest.raises(LedgerCorrupt, match=rf"line {first_bad}: the chain is broken"):
        read_back(b"".join(lines[place] for place in order))


def test_a_line_of_another_ledger_is_found():
    lines, foreign = lines_of(STORY), lines_of((header(), begin("another phase"), pulse(1.0, 5.0)))
    with pytest.raises(LedgerCorrupt, match="line 3: the chain is broken"):
        read_back(b"".join([*lines[:2], foreign[2], *lines[3:]]))


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"not a record\n", b"\x00" * 100 + b"\n"])
def test_a_whole_line_that_is_no_record_is_found(line):
    with pytest.raises(LedgerCorrupt, match="line 2: this line is damaged"):
        read_back(lines_of(STORY)[0] + line)


@pytest.mark.parametrize("body", ['{"kind":"prophecy"', '{"kind":"repair","utc":"x","bytes_cut":"many"'])
def test_a_chained_line_that_is_not_understood_may_come_from_a_newer_version(body):
    first, prev = chain(header(), GENESIS)
    chained = f'{body},"prev":"{prev}"'.encode()
    line = chained + b',"hash":"' + hashlib.sha256(chained).hexdigest().encode() + b'"}\n'
    with pytest.raises(LedgerCorrupt, match=r"line 2: this line is whole but not understood .*; .*newer carbon_nas"):
        read_back(first + line)


def test_an_empty_ledger_holds_nothing():
    assert read_back(b"") == []


@pytest.mark.parametrize("name", ["not-there.jsonl", "."])
def test_a_ledger_that_cannot_be_read_is_an_error_of_this_package(tmp_path, name):
    with pytest.raises(LedgerError, match="cannot be read"):
        list(read_events(tmp_path / name))
