"""Reading a ledger: in one pass, with the head that belongs to what was read."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.errors import LedgerCorrupt, LedgerError
from carbon_nas.ledger import read_run
from carbon_nas.ledger.journal import GENESIS, EventReader, head_of
from carbon_nas.ledger.records import TrainerLog
from tests.ledger.by_hand import hashes, write
from tests.ledger.events import any_event, begin, end, header

STORY = (header(), begin("a phase"), end("a phase"))


def test_the_reader_knows_after_every_event_how_far_it_is(tmp_path):
    path = write(tmp_path / "ledger.jsonl", STORY)
    reader = EventReader(path)
    assert (reader.head, reader.lines) == (GENESIS, 0)
    assert [(reader.lines, reader.head) for _ in reader] == list(enumerate(hashes(path), start=1))


def test_a_reader_begins_again_each_time(tmp_path):
    reader = EventReader(write(tmp_path / "ledger.jsonl", STORY))
    assert list(reader) == list(reader) == list(STORY)
    assert reader.lines == len(STORY)


def test_a_torn_line_is_measured_and_left_out(tmp_path):
    path = write(tmp_path / "ledger.jsonl", STORY)
    whole = hashes(path)[-1]
    path.write_bytes(path.read_bytes() + b'{"kind":"heartb')
    reader = EventReader(path)
    assert list(reader) == list(STORY)
    assert (reader.head, reader.lines, reader.torn_bytes) == (whole, 3, 15)


def test_what_is_added_while_a_ledger_is_read_is_not_mixed_with_what_was_read(tmp_path):
    path = write(tmp_path / "ledger.jsonl", STORY[:2])
    reader = EventReader(path)
    assert list(reader) == list(STORY[:2])
    before = reader.head
    write(path, STORY)
    assert reader.head == before != head_of(path)


def test_the_place_of_damage_is_where_the_reader_stopped(tmp_path):
    path = write(tmp_path / "ledger.jsonl", STORY)
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second.replace(b'"attempt":1', b'"attempt":2') + third)
    reader = EventReader(path)
    with pytest.raises(LedgerCorrupt, match="line 2: this line is damaged: its hash does not fit its bytes"):
        list(reader)
    assert (reader.lines, reader.head) == (1, hashes(path)[0])


@settings(deadline=None, max_examples=30)
@given(st.lists(any_event, max_size=5), st.sampled_from([b"", b"{", b"x" * 100]))
def test_the_head_from_the_end_of_the_file_is_the_head_of_all_its_lines(events, torn):
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "ledger.jsonl"), events)
        expected = hashes(path)[-1] if events else GENESIS
        path.write_bytes(path.read_bytes() + torn)
        assert head_of(path) == expected


@pytest.mark.parametrize("torn_bytes", [0, 10, 65_400, 65_536, 200_000])
def test_the_head_is_found_before_a_torn_line_of_any_length(tmp_path, torn_bytes):
    path = write(tmp_path / "ledger.jsonl", STORY)
    expected = hashes(path)[-1]
    path.write_bytes(path.read_bytes() + b"x" * torn_bytes)
    assert head_of(path) == expected


def test_the_head_of_a_line_that_is_longer_than_a_block_is_found(tmp_path):
    long = TrainerLog(phase="x" * 200_000, subject="", epoch=1, steps=1, energy_j=None, accuracy_fraction=None)
    path = write(tmp_path / "ledger.jsonl", (header(), long))
    assert head_of(path) == hashes(path)[-1]


def test_the_head_of_what_is_not_there_is_an_error_of_this_package(tmp_path):
    with pytest.raises(LedgerError, match="cannot be read"):
        head_of(tmp_path / "not-there.jsonl")


def test_a_run_carries_the_head_of_its_last_line(tmp_path):
    path = write(tmp_path / "ledger.jsonl", STORY)
    assert read_run(path).head == hashes(path)[-1]


def test_many_attempts_and_epochs_are_read_in_time_that_grows_with_their_number_only(tmp_path):
    # With a search through all finished phases for every epoch, this would be 25 million comparisons.
    events = [header()]
    for number in range(5_000):
        name = f"phase {number}"
        epoch = TrainerLog(phase=name, subject="net", epoch=1, steps=1, energy_j=1.0, accuracy_fraction=0.5)
        events += [begin(name, float(number)), epoch, end(name, number + 1.0)]
    run = read_run(write(tmp_path / "ledger.jsonl", events))
    assert len(run.epochs) == len(run.activities) == 5_000
