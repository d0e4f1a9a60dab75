"""The reports that are kept in the repository still follow from the ledgers beside them."""

import re
from pathlib import Path

import pytest

from carbon_nas.ledger import read
from carbon_nas.ledger.verify import verify_chain, verify_manifest
from carbon_nas.reporting import ask, build
from carbon_nas.reporting.verify import verify_report

OWN_RUNS = {"digits", "digits-quick"}  # Where the default studies write; not kept.
RECORD = Path(__file__).parents[2] / "reports" / "published"
KEPT = sorted(
    path.parent for path in (Path(__file__).parents[2] / "reports").glob("*/ledger") if path.parent.name not in OWN_RUNS
)


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_a_kept_report_says_what_its_ledgers_say(folder: Path) -> None:
    document, files = build(read(folder / "ledger"), ask())
    text = (folder / "report.md").read_text(encoding="utf-8")
    for sentence in (*document.verdict, *document.caveats):
        assert sentence in text
    assert (folder / "data" / "phases.csv").read_bytes() == files["data/phases.csv"]


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_a_kept_report_can_be_verified_and_its_heads_are_the_ones_the_readme_names(folder: Path) -> None:
    assert verify_manifest(folder) is None
    # With the pinned versions: another codecarbon brings other tables and another name.
    assert verify_report(folder) is None
    for path in (folder / "ledger").iterdir():
        assert verify_chain(path).difference is None
    heads = [run.head for run in read(folder / "ledger")]
    quoted = re.findall(
        rf"verify reports/{folder.name} --head ([0-9a-f]+)",
        (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8"),
    )
    assert all(any(head.startswith(start) for head in heads) for start in quoted)


def test_the_kept_record_follows_from_the_register() -> None:
    assert verify_manifest(RECORD) is None
    assert verify_report(RECORD) is None


@pytest.mark.parametrize(
    ("report", "figures"),
    [
        ("digits-schedules", ("1.10 kJ", "977 J", "920 J", "86.2 s", "76.5 s", "72.0 s", "970 J", "846 J", "307 J")),
        ("digits-schedules", ("43.7 J", "1,414", "840", "4,620", "N* = 3.7", "N* = 3.2")),
        ("digits-schedules", ("from 3.0 to 4.5 by scenario and seed", "1.20", "1.1 to 1.4")),
        ("digits-use", ("N* = 4.1",)),
        ("digits-cpu", ("N* = 4.2",)),
    ],
)
def test_the_readme_quotes_a_kept_report(report: str, figures: tuple[str, ...]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    text = (Path(__file__).parents[2] / "reports" / report / "report.md").read_text(encoding="utf-8")
    for figure in figures:
        assert figure in readme
        assert figure in text
