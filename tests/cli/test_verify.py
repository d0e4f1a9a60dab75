"""`carbon-nas verify` as an auditor meets it: a line per ledger, exit code 1 at the first difference."""

import shutil
import subprocess
from pathlib import Path

import pytest

from carbon_nas.files import MANIFEST, manifest_of, manifest_text
from carbon_nas.ledger import read
from carbon_nas.reporting import ask, write_report
from tests.recorded import record_study

LEDGER = Path("out/ledger/upfront-seed0.jsonl")


@pytest.fixture
def verify(run_python):
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_python("-m", "carbon_nas", "verify", *arguments)

    return call


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = record_study(tmp_path_factory.mktemp("study"))
    write_report(folder, ask("FR", 1.2))
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "out"))


def differs(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    last = done.stdout.splitlines()[-1]
    assert last.startswith("difference: ")
    assert done.stdout.count("difference: ") == 1
    return last


def test_an_intact_report_shows_every_head_hash_and_exits_0(verify, folder: Path) -> None:
    done = verify("out")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    runs = read(folder / "ledger")
    assert [line.split()[:2] for line in lines[: len(runs)]] == [[run.head, f"ledger/{run.path.name}:"] for run in runs]
    assert all("intact" in line for line in lines)
    assert lines[len(runs)].startswith("manifest.sha256: intact")
    assert lines[-1].startswith("report: intact")


def test_a_folder_of_ledgers_and_a_single_one_are_checked_alone(verify, folder: Path) -> None:
    done = verify("out/ledger")
    assert (done.returncode, done.stdout.count("intact")) == (0, len(list((folder / "ledger").iterdir())))
    done = verify(str(LEDGER))
    assert (done.returncode, done.stdout.count("intact")) == (0, 1)


def test_ledgers_whose_report_was_not_drawn_yet_are_checked_alone(verify, tmp_path: Path) -> None:
    record_study(tmp_path / "out")
    done = verify("out")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "no report beside these ledgers"


def test_a_damaged_line_is_the_difference(verify, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / LEDGER
    damaged = path.read_bytes().replace(b'"attempt":1', b'"attempt":2', 1)
    path.write_bytes(damaged)
    assert "upfront-seed0.jsonl, line 3: this line is damaged" in differs(verify("out"))
    assert path.read_bytes() == damaged


def test_a_last_newline_that_was_changed_is_the_difference(verify, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / LEDGER
    path.write_bytes(path.read_bytes()[:-1] + b"\x0b")
    assert "the last line is torn" in differs(verify(str(LEDGER)))


def test_a_ledger_that_grew_after_the_report_is_the_difference(verify, tmp_path: Path, folder: Path) -> None:
    lines = (tmp_path / LEDGER).read_bytes().splitlines(keepends=True)
    (tmp_path / LEDGER).write_bytes(b"".join(lines[:-1]))
    assert "ledger/upfront-seed0.jsonl: changed after the report" in differs(verify("out"))


def test_a_number_that_was_changed_together_with_the_manifest_is_the_difference(verify, folder: Path) -> None:
    path = folder / "data" / "strategies.csv"
    path.write_text(path.read_text().replace("estimated", "measured").replace("modelled", "measured"))
    assert "data/strategies.csv: changed after the report" in differs(verify("out"))
    (folder / MANIFEST).write_text(manifest_text(manifest_of(folder)))
    assert "data/strategies.csv, row 2, " in differs(verify("out"))


def test_a_head_that_was_handed_over_is_found_with_what_was_added_since(verify, tmp_path: Path, folder: Path) -> None:
    lines = (tmp_path / LEDGER).read_bytes().splitlines()
    last, earlier = lines[-1][-66:-2].decode(), lines[3][-66:-2].decode()
    done = verify("out", "--head", last, "--head", earlier[:8].upper())
    assert done.returncode == 0, done.stdout
    assert f"{last}: line {len(lines)} of upfront-seed0.jsonl, the last one" in done.stdout
    added = len(lines) - 4
    assert f"{earlier[:8]}: line 4 of upfront-seed0.jsonl, {added} lines were added after it" in done.stdout


def test_a_head_that_no_line_has_shows_that_a_ledger_was_cut(verify, tmp_path: Path, folder: Path) -> None:
    lines = (tmp_path / LEDGER).read_bytes().splitlines(keepends=True)
    (tmp_path / LEDGER).write_bytes(b"".join(lines[:-1]))
    head = lines[-1][-67:-3].decode()
    assert f"--head {head}: no line of these ledgers has this hash" in differs(verify(str(LEDGER), "--head", head))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no ledger here"),
        (["."], "there is no ledger here"),
        (["out", "--head", "1234567"], "'1234567' is no head hash"),
        (["out", "--head", "not a hash"], "is no head hash"),
        ([], "FOLDER"),
    ],
)
def test_what_cannot_be_checked_gets_one_line_and_exit_code_2(verify, folder: Path, arguments, words) -> None:
    done = verify(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_help_says_what_the_chain_shows_and_what_it_does_not(verify) -> None:
    text = " ".join(verify("--help").stdout.split())
    for words in ("What this shows:", "What it cannot show by itself:", "rewrote everything", "--head", "Examples:"):
        assert words in text
