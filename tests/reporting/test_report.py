import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from carbon_nas.errors import LedgerError
from carbon_nas.ledger import read
from carbon_nas.reporting import ask, build, write_report
from carbon_nas.reporting.figures import FORMATS
from tests.recorded import record_study

GOLDEN = Path(__file__).parents[1] / "golden" / "report.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = record_study(tmp_path_factory.mktemp("study"), seeds=2)
    write_report(folder, ask())
    return folder


def _without_machine(text: str) -> str:
    text = re.sub(r"Recorded on .*", "Recorded on (this machine).", text)
    text = re.sub(r"codecarbon \d+\.\d+\.\d+", "codecarbon (version)", text)
    return re.sub(r"[0-9a-f]{64}", "(hash)", text)


def test_the_report_reads_as_it_was_last_agreed(folder: Path) -> None:
    """After a wanted change: CARBON_NAS_GOLDEN=write python -m pytest tests/reporting, and read the difference."""
    text = _without_machine((folder / "report.md").read_text())
    if os.environ.get("CARBON_NAS_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_every_file_of_the_folder_is_there(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    figures = {f"figures/{key}.{suffix}" for key in ("cost_curve", "phase_energy", "waterfall") for suffix in FORMATS}
    keys = [
        "strategies",
        "phases",
        "cost_curve",
        "break_even",
        "deliveries",
        "intervals",
        "choices",
        "tornado",
        "scale",
        "waterfall",
        "factors",
        "components",
        "meters",
        "latency_tables",
        "ledgers",
    ]
    tables = {f"data/{key}.csv" for key in keys}
    ledgers = {path for path in found if path.startswith("ledger/")}
    alone = {
        "index.html",
        "report.md",
        "references.bib",
        "data/comparison.json",
        "data/request.json",
        "manifest.sha256",
    }
    assert found - ledgers == alone | figures | tables


def test_the_record_never_stands_without_its_correction(folder: Path) -> None:
    for name in ("index.html", "report.md", "data/comparison.json", "data/scale.csv"):
        text = (folder / name).read_text().replace(",", "")
        assert "626155" in text
        assert "7096" in text


def test_what_must_be_known_stands_with_the_verdict_everywhere(folder: Path) -> None:
    for name in ("index.html", "report.md", "data/comparison.json"):
        assert "no hardware was read" in (folder / name).read_text()


def test_the_heads_of_the_ledgers_stand_in_the_report(folder: Path) -> None:
    for run in read(folder / "ledger"):
        assert run.head in (folder / "report.md").read_text()
        assert run.head in (folder / "data" / "ledgers.csv").read_text()


def test_every_source_is_in_the_bibliography(folder: Path) -> None:
    keys = set(re.findall(r"^- \[(\w+)\]", (folder / "report.md").read_text(), re.MULTILINE))
    assert {"strubell2019", "patterson2021", "codecarbon"} <= keys
    assert keys == set(re.findall(r"^@\w+\{(\w+),", (folder / "references.bib").read_text(), re.MULTILINE))


def test_the_scale_is_never_called_a_saving(folder: Path) -> None:
    assert "Their ratio to this study is no saving." in (folder / "report.md").read_text()


def test_without_a_site_three_grids_are_shown_and_named(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    assert "Site not given" in text
    assert "IT energy only" in text
    assert all(name in text for name in ("Sweden", "world average", "India"))


def test_a_site_and_a_pue_only_change_the_reading(folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "ledger").iterdir()}
    _, files = build(read(folder / "ledger"), ask("FR", 1.5))
    data = json.loads(files["data/comparison.json"])
    assert data["comparison"]["sites"]["sites"][0]["pue"] == 1.5
    assert "facility energy, PUE 1.5" in files["report.md"].decode()
    rows = list(csv.DictReader(files["data/strategies.csv"].decode().splitlines()))
    for row in rows:
        facility_kwh = 1.5 * float(row["it_energy_j"]) / 3.6e6
        assert float(row["facility_energy_kwh"]) == pytest.approx(facility_kwh)
        assert row["facility_energy_kwh_tier"] == "modelled"
        assert float(row["co2e_location_kg"]) == pytest.approx(facility_kwh * 56.039 / 1000)
    assert {path.name: path.read_bytes() for path in (folder / "ledger").iterdir()} == before


def test_every_number_in_a_table_carries_its_tier(folder: Path) -> None:
    for path in (folder / "data").glob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for column, tier in row.items():
                    if column.endswith("_tier") and row[column.removesuffix("_tier")]:
                        assert tier in {"measured", "estimated", "modelled", "published"}, (path.name, column)


def test_device_time_steps_and_macs_stand_beside_every_energy(folder: Path) -> None:
    for name in ("strategies", "phases"):
        header = (folder / "data" / f"{name}.csv").read_text().splitlines()[0].split(",")
        assert {"it_energy_j", "device_s", "trainer_steps", "macs"} <= set(header)


def test_the_same_ledgers_give_the_same_bytes(folder: Path) -> None:
    runs = read(folder / "ledger")
    _, once = build(runs, ask())
    _, again = build(runs, ask())
    assert {name: hashlib.sha256(data).hexdigest() for name, data in once.items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in again.items()
    }


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_fetches_nothing_and_its_links_lead_somewhere(folder: Path) -> None:
    page = _Page()
    page.feed((folder / "index.html").read_text())
    for link in page.links:
        assert link.startswith("data:image/svg+xml") or (folder / link).is_file(), link


def test_files_of_an_earlier_report_that_do_not_follow_any_more_are_taken_away(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    write_report(folder, ask(methods=["strubell2019"], equivalents=True))
    assert {"methods.csv", "equivalents.csv"} <= {path.name for path in (folder / "data").iterdir()}
    write_report(folder, ask("FR"))
    left = {path.name for path in (folder / "data").iterdir()}
    assert not left & {"methods.csv", "method_inputs.csv", "equivalents.csv"}
    assert "strategies.csv" in left


def test_words_from_ledgers_are_escaped_in_the_page(tmp_path: Path) -> None:
    folder = record_study(tmp_path, name="<script>alert(1)</script>")
    write_report(folder, ask("FR"))
    assert "<script>" not in (folder / "index.html").read_text()


def test_ledgers_that_lie_loose_are_pointed_to_their_place(tmp_path: Path) -> None:
    (record_study(tmp_path / "study") / "ledger").rename(tmp_path / "loose")
    with pytest.raises(LedgerError, match=r"move those that belong together to .*ledger"):
        write_report(tmp_path / "loose", ask("FR"))


def test_figures_leave_no_cache_behind(folder: Path, tmp_path: Path, offline_env: dict[str, str]) -> None:
    env = {key: value for key, value in offline_env.items() if key != "MPLCONFIGDIR"}
    code = (
        "from pathlib import Path; from carbon_nas.ledger import read;"
        f"from carbon_nas.reporting import ask, build; build(read(Path({str(folder / 'ledger')!r})), ask())"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=env, cwd=tmp_path)
    assert [path for path in Path(env["HOME"]).rglob("*") if path.is_file()] == []


def test_what_the_report_did_not_write_or_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    own = [folder / "data" / "my.csv", folder / "figures" / "my.pdf"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    write_report(folder, ask(methods=["strubell2019"]))
    changed = folder / "data" / "methods.csv"
    changed.write_text("mine as well")
    write_report(folder, ask("FR"))
    assert [path.read_text() for path in (*own, changed)] == ["mine", "mine", "mine as well"]
