"""Names beside names: nothing is overwritten, every rank has its own, and a machine is known without being shown."""

from pathlib import Path

import pytest

from carbon_nas.ledger.family import boot, node, previous_of, rank_path, sibling
from tests.ledger.by_hand import hashes, write
from tests.ledger.events import begin, end, header

STORY = (header(), begin("a phase"), end("a phase"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "my-run.jsonl"


def test_a_new_name_is_taken_as_it_is(path):
    assert sibling(path) == path
    assert sibling(path.parent / "not-there" / "run.jsonl") == path.parent / "not-there" / "run.jsonl"


def test_what_exists_gets_a_second_and_a_third_beside_it(path):
    names = []
    for _ in range(3):
        names.append(write(sibling(path), STORY).name)
    assert names == ["my-run.jsonl", "my-run.2.jsonl", "my-run.3.jsonl"]


def test_an_empty_file_is_no_ledger_and_its_name_is_free(path):
    path.touch()
    assert sibling(path) == path
    assert previous_of(path) is None


def test_a_number_that_was_lost_is_not_given_again(path):
    for name in ("my-run.jsonl", "my-run.4.jsonl"):
        write(path.with_name(name), STORY)
    assert sibling(path).name == "my-run.5.jsonl"


@pytest.mark.parametrize("name", ["my-run.rank1.jsonl", "my-run.x.jsonl", "my-run-2.jsonl", "my-run.2.csv", "my.jsonl"])
def test_other_names_are_not_of_the_family(path, name):
    write(path.with_name(name), STORY)
    assert sibling(path) == path
    assert previous_of(path) is None


def test_characters_with_a_meaning_in_patterns_are_plain_letters_in_a_name(tmp_path):
    path = write(tmp_path / "run[1]+(a).jsonl", STORY)
    assert sibling(path).name == "run[1]+(a).2.jsonl"
    assert write(sibling(path), STORY) == previous_of(path)[0]


def test_the_previous_ledger_is_the_latest_with_the_hash_of_its_last_whole_line(path):
    assert previous_of(path) is None
    write(path, STORY)
    assert previous_of(path) == (path, hashes(path)[-1])
    second = write(sibling(path), STORY[:2])
    assert previous_of(path) == (second, hashes(second)[-1])
    whole = hashes(second)[-1]
    second.write_bytes(second.read_bytes() + b'{"kind":"heartb')
    assert previous_of(path) == (second, whole)
    path.with_name("my-run.3.jsonl").write_bytes(b'{"kind":"head')
    assert previous_of(path) == (second, whole)


@pytest.mark.parametrize(
    "environment",
    [
        {"WORLD_SIZE": "8", "RANK": "3"},
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "3"},
        {"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "3"},
        {"PMI_SIZE": "8", "PMI_RANK": "3"},
        {"WORLD_SIZE": "1", "RANK": "0", "SLURM_NTASKS": "4", "SLURM_PROCID": "3"},
    ],
)
def test_a_rank_of_a_job_has_its_own_file(path, environment):
    assert rank_path(path, environment) == (path.with_name("my-run.rank3.jsonl"), 3)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WORLD_SIZE": "1", "RANK": "0"},
        {"WORLD_SIZE": "8"},
        {"RANK": "3"},
        {"WORLD_SIZE": "many", "RANK": "3"},
        {"WORLD_SIZE": "8", "RANK": "-1"},
        {"SLURM_NTASKS": "", "SLURM_PROCID": ""},
    ],
)
def test_a_process_alone_keeps_its_name(path, environment):
    assert rank_path(path, environment) == (path, None)


def test_ranks_have_siblings_of_their_own(path):
    own, _ = rank_path(path, {"WORLD_SIZE": "2", "RANK": "1"})
    write(own, STORY)
    assert sibling(own).name == "my-run.rank1.2.jsonl"
    assert sibling(path) == path


def test_a_machine_has_one_hash_that_does_not_show_its_number(tmp_path):
    number = tmp_path / "machine-id"
    number.write_text("0123456789abcdef0123456789abcdef\n")
    assert node(number) == node(number)
    assert len(node(number)) == 16
    assert "0123456789abcdef" not in node(number)
    other = tmp_path / "other-id"
    other.write_text("fedcba9876543210fedcba9876543210\n")
    assert node(number) != node(other)
    assert node(number) != boot(number)


def test_without_a_machine_number_the_network_address_stands_in(tmp_path, monkeypatch):
    monkeypatch.setattr("uuid.getnode", lambda: 0x001122334455)
    assert len(node(tmp_path / "not-there")) == 16
    assert "001122334455" not in node(tmp_path / "not-there")


def test_an_address_that_was_made_up_for_one_process_is_no_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("uuid.getnode", lambda: 0x011122334455)
    assert node(tmp_path / "not-there") == ""


def test_a_boot_that_has_no_number_is_not_known(tmp_path):
    assert boot(tmp_path / "not-there") == ""
