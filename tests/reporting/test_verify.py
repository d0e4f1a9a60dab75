"""A report that is derived again from its ledgers: every number, cell and sentence has to come out as it is kept."""

import json
import shutil
from pathlib import Path

import pytest

from carbon_nas.accounting import read_site_file
from carbon_nas.files import MANIFEST
from carbon_nas.ledger import read
from carbon_nas.ledger.verify import verify_manifest
from carbon_nas.reporting import ask, write_report
from carbon_nas.reporting.verify import verify_report
from tests.recorded import record_study


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = record_study(tmp_path_factory.mktemp("study"))
    write_report(folder, ask())
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "out"))


def found(folder: Path) -> str:
    difference = verify_report(folder)
    return "" if difference is None else str(difference)


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_report_that_was_just_written_follows_from_its_ledgers_and_is_not_touched(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found(folder) == ""
    assert verify_manifest(folder) is None
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("zone", "pue"), [("FR", 1.2), ("USA/california", None), (None, 1.5), ("WORLD", None)])
def test_it_is_derived_for_the_site_it_was_drawn_for(folder, zone, pue):
    write_report(folder, ask(zone, pue))
    assert found(folder) == ""


def _hours(path: Path, began: str, *, gap: bool) -> None:
    day = began[:11]
    rows = [f"{day}{hour:02d}:00:00+00:00,{40 + hour}" for hour in range(24) if not (gap and hour == 5)]
    path.write_text("\n".join(["utc,intensity_g_per_kwh", *rows]) + "\n")


@pytest.mark.parametrize("gap", [False, True])
def test_a_report_by_the_hour_is_written_and_derived_again(folder, tmp_path, gap):
    began = read(folder / "ledger")[0].sessions[0].utc
    _hours(tmp_path / "hours.csv", began, gap=gap)
    section = 'file = "hours.csv"\nbasis = "direct"\nsource = "the operator"\ngaps = "fill"\n'
    (tmp_path / "site.toml").write_text(f'zone = "FR"\n[hourly]\n{section}[marginal_hourly]\n{section}')
    document = write_report(folder, ask(sites=[read_site_file(tmp_path / "site.toml")]))
    assert found(folder) == ""
    columns = next(table.columns for table in document.tables if table.key == "strategies")
    assert {"co2e_location_kg", "co2e_hourly_kg", "co2e_marginal_kg"} <= {column.key for column in columns}


def test_the_manifest_is_written_last_and_lists_everything(folder):
    listed = {line.split("  ")[1] for line in (folder / MANIFEST).read_text().splitlines()}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert listed == files - {MANIFEST}
    assert "ledger/upfront-seed0.jsonl" in listed


def test_a_changed_number_is_named_by_its_key_with_what_is_kept_and_what_follows(folder):
    path = folder / "data" / "comparison.json"
    data = json.loads(path.read_bytes())
    data["comparison"]["strategies"][0]["energy_j"] = 1.0
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")
    told = found(folder)
    assert told.startswith("data/comparison.json, comparison.strategies[0].energy_j: 1.0 is kept, and ")
    assert told.endswith(" follows")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["comparison"].pop("strategies"), "comparison.strategies: nothing is kept"),
        (lambda data: data["comparison"].update(more=1), "comparison.more: 1 is kept, and nothing follows"),
        (lambda data: data["verdict"].append("Buy it."), "'Buy it.' is kept, and nothing follows"),
    ],
)
def test_a_key_that_is_missing_or_added_is_named(folder, change, words):
    path = folder / "data" / "comparison.json"
    data = json.loads(path.read_bytes())
    change(data)
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")
    assert words in found(folder)


@pytest.mark.parametrize(
    ("request_text", "words"),
    [
        ('{"sites": [{"pue": "high"}]}', "does not say for which site"),
        ('{"sites": [{"pue": 0.5}]}', "does not say for which site"),
        ('{"sites": [{"zone": "Atlantis"}]}', "does not say for which site"),
        ('{"methods": ["guess"]}', "does not say for which site"),
        ("{", "does not say for which site"),
        ('{"sites": [{"pue": 1.1}]}', "data/comparison.json, "),
        ('{"equivalents": true}', "data/comparison.json, sources"),
    ],
)
def test_a_request_that_cannot_be_or_is_another_one_is_named(folder, request_text, words):
    (folder / "data" / "request.json").write_text(request_text)
    assert words in found(folder)


def test_without_its_request_nobody_knows_for_which_site_a_report_was_drawn(folder):
    (folder / "data" / "request.json").unlink()
    assert found(folder).startswith("data/request.json: missing")


def test_a_changed_cell_is_named_by_its_row_and_column(folder):
    path = folder / "data" / "strategies.csv"
    header, first, *_ = path.read_text().splitlines()
    place = header.split(",").index("it_energy_j")
    value = first.split(",")[place]
    replace_in(path, value, "1.0")
    assert found(folder) == f"data/strategies.csv, row 2, it_energy_j: '1.0' is kept, and '{value}' follows"


def test_a_row_that_was_added_is_named(folder):
    path = folder / "data" / "strategies.csv"
    path.write_text(path.read_text() + "free lunch,0\n")
    assert "data/strategies.csv, row " in found(folder)
    assert "'free lunch' is kept, and nothing follows" in found(folder)


def test_a_line_ending_that_was_changed_is_a_difference_too(folder):
    path = folder / "data" / "strategies.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert found(folder).startswith("data/strategies.csv, line 1")


@pytest.mark.parametrize("name", ["index.html", "report.md", "references.bib"])
def test_a_changed_sentence_is_named_by_its_line(folder, name):
    path = folder / name
    replace_in(path, "2019", "2020")
    assert found(folder).startswith(f"{name}, line ")


@pytest.mark.parametrize("name", ["report.md", "index.html", "data/comparison.json", "data/scale.csv"])
def test_a_file_that_follows_and_is_missing_is_named(folder, name):
    (folder / name).unlink()
    assert found(folder) == f"{name}: missing, and it follows from the ledgers"


def test_a_table_that_follows_from_nothing_is_named(folder):
    (folder / "data" / "savings.csv").write_text("saved_kg\n1000000\n")
    assert found(folder) == "data/savings.csv: this file is no part of what follows"


def test_a_figure_must_be_there_and_be_the_one_on_the_page(folder):
    figure = folder / "figures" / "cost_curve.svg"
    drawn = figure.read_bytes()
    figure.write_bytes(b"<svg/>")
    assert found(folder).startswith("index.html, line ")
    figure.write_bytes(b"")
    assert found(folder) == "figures/cost_curve.svg: this figure is missing or empty"
    figure.write_bytes(drawn)
    assert found(folder) == ""


def test_a_ledger_that_says_something_else_shows_in_the_numbers(folder):
    (folder / "ledger" / "upfront-seed0.jsonl").unlink()
    assert found(folder).startswith("data/comparison.json, ")
