"""The report of the published record: it follows from what was asked and from the register, and from nothing else."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydantic import ValidationError

from carbon_nas.accounting.site_file import SiteFile
from carbon_nas.errors import InvalidSite, LedgerError, UnknownName, UsageError
from carbon_nas.ledger import Scope, read
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.recorder import Recorder
from carbon_nas.references import REFERENCES, nas_costs
from carbon_nas.reporting.document import FigureBlock
from carbon_nas.reporting.figures import FORMATS
from carbon_nas.reporting.published import build_published, derive_published, write_published_report
from carbon_nas.reporting.published_request import PublishedRequest, ask_published, measure

TABLES = (
    *("claims", "claim_points", "claim_steps", "errata", "printed_cells", "published_break_even"),
    *("published_break_even_pairs", "published_costs", "published_factors", "register", "waterfall"),
)
SECONDS = {"once_for_all": {"once": 60.0, "each": 1.0}, "evolution": {"once": 0.0, "each": 50.0}}


def record(folder: Path, component: str, strategies: tuple[str, ...] = ("once_for_all", "evolution")) -> Path:
    """Record strategies for two scenarios on one simulated component that draws 100 W."""
    for strategy in strategies:
        clock = ManualClock()
        meters = [SimulatedMeter(clock, component=component, power_w=100.0)]
        path = folder / "ledger" / f"{strategy}.jsonl"
        study = {"name": "bench"}
        with Recorder(
            path, strategy=strategy, study=study, meters=meters, clock=clock, heartbeat_interval_s=None
        ) as own:
            if SECONDS[strategy]["once"]:
                with own.phase("train", scope=Scope.ONCE):
                    clock.advance(SECONDS[strategy]["once"])
            for scenario in ("a", "b"):
                with own.phase("search", scope=Scope.PER_SCENARIO, scenario=scenario):
                    clock.advance(SECONDS[strategy]["each"])
                own.result(scenario=scenario, accuracy=0.9 if strategy == "evolution" else 0.92)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_published_report(folder, ask_published(5, zone="FR", power="300", mnasnet="6,912"))
    return folder


def said(request: PublishedRequest) -> str:
    document = derive_published(request)
    return "\n".join((document.subtitle, *document.verdict, *document.caveats))


def costs(request: PublishedRequest) -> dict[str, dict[str, float | None]]:
    table = next(table for table in derive_published(request).tables if table.key == "published_costs")
    keys = [column.key for column in table.columns]
    return {row[0].text: dict(zip(keys, (cell.value for cell in row), strict=True)) for row in table.rows}


def test_every_file_of_the_folder_is_there_and_in_the_manifest(folder):
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    figures = {
        f"figures/{key}.{suffix}" for key in ("claim_steps", "published_curves", "waterfall") for suffix in FORMATS
    }
    tables = {f"data/{key}.csv" for key in TABLES}
    alone = {"index.html", "report.md", "references.bib", "data/published.json", "data/request.json"}
    assert found == alone | figures | tables | {"manifest.sha256"}
    listed = {line.split("  ")[1] for line in (folder / "manifest.sha256").read_text().splitlines()}
    assert listed == found - {"manifest.sha256"}


def test_the_figures_of_the_document_are_those_that_are_drawn(folder):
    document = derive_published(ask_published())
    keys = {block.key for section in document.sections for block in section.blocks if isinstance(block, FigureBlock)}
    assert keys == {path.stem for path in (folder / "figures").iterdir()}


def test_the_same_request_gives_the_same_bytes_and_can_be_read_back(folder):
    kept = PublishedRequest.model_validate_json((folder / "data/request.json").read_bytes())
    assert kept == ask_published(5, zone="FR", power="300", mnasnet="6,912")
    assert json.loads((folder / "data/request.json").read_bytes())["report"] == "published"
    _, files = build_published(kept)
    assert files == {path: (folder / path).read_bytes() for path in files}


def test_the_record_never_stands_without_its_correction(folder):
    for path in folder.rglob("*"):
        if path.suffix in {".md", ".html", ".json", ".csv", ".svg"}:
            text = path.read_text().replace(",", "")
            assert ("626155" in text) <= ("7096" in text), path
    document = derive_published(ask_published())
    for sentence in (*document.verdict, *(f"{card.value} {card.detail}" for card in document.cards)):
        assert ("626,155" in sentence) == ("7,096" in sentence)


def test_every_source_is_in_the_bibliography_and_the_sites_too(folder):
    keys = set(re.findall(r"^- \[(\w+)\]", (folder / "report.md").read_text(), re.MULTILINE))
    assert {"cai2020", "strubell2019", "patterson2021", "tan2019", "aws", "codecarbon"} <= keys
    assert keys == set(re.findall(r"^@\w+\{(\w+),", (folder / "references.bib").read_text(), re.MULTILINE))


def test_every_number_in_the_data_carries_its_tier(folder):
    data = json.loads((folder / "data/published.json").read_bytes())
    assert set(data["tables"]) == set(TABLES)
    numbers = [
        cell for rows in data["tables"].values() for row in rows for cell in row.values() if isinstance(cell, dict)
    ]
    assert {cell["tier"] for cell in numbers} == {"published", "modelled"}
    assert all(isinstance(cell["value"], int | float) for cell in numbers)


def test_the_data_and_the_csv_hold_the_same_numbers(folder):
    data = json.loads((folder / "data/published.json").read_bytes())
    with (folder / "data/published_costs.csv").open(newline="") as file:
        for line, row in zip(csv.DictReader(file), data["tables"]["published_costs"], strict=True):
            assert float(line["co2e_kg"]) == pytest.approx(row["co2e_kg"]["value"])


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_fetches_nothing_and_points_to_no_ledger_that_is_not_there(folder):
    page, text = _Page(), (folder / "index.html").read_text()
    page.feed(text)
    for link in page.links:
        assert link.startswith("data:image/svg+xml") or (folder / link).is_file(), link
    assert "ledger/" not in text


def test_the_register_is_folded_on_the_page_and_complete_in_its_file(folder):
    page = (folder / "index.html").read_text()
    folded = page[page.index("<details>") : page.index("</details>")]
    assert page.count("<details>") == 1
    assert "The register: published numbers, computed again" in folded
    with (folder / "data/register.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert f"({len(lines)} rows)" in folded
    assert {line["key"] for line in lines} == set(REFERENCES)


def test_every_pair_stands_in_the_data_whether_it_is_shown_or_not(folder):
    pairs = json.loads((folder / "data/published.json").read_bytes())["break_evens"]
    assert len(pairs) == 15 * 14 // 2
    found = {tuple(pair["methods"]): pair for pair in pairs}
    assert found["OFA", "ProxylessNAS"]["first_n"] == 3
    assert found["MobileNetV2", "ProxylessNAS"]["cheaper"] == "MobileNetV2"


def test_the_derived_factors_of_a_gpu_hour_are_visible():
    table = next(table for table in derive_published(ask_published()).tables if table.key == "published_factors")
    shown = {row[0].text: [cell.text for cell in row[1:4]] for row in table.rows}
    assert shown["CO2e of a GPU-hour"] == ["0.2836", "0.2836", "lb"]
    assert shown["price of a GPU-hour"] == ["3.060", "3.060", "USD"]


def test_without_a_site_the_factors_are_those_of_the_printed_table():
    setting = ask_published().setting()
    assert ask_published() == PublishedRequest()
    assert setting == ask_published().preset()
    assert (setting.n, setting.pue) == (nas_costs()["cai2020-ofa"].scenarios, 1.58)
    assert costs(ask_published())["OFA"]["co2e_kg"] == pytest.approx(1_240 * 0.2836 * 0.45359237, rel=1e-4)
    assert "co2e_paper_kg" not in costs(ask_published())["OFA"]


def test_what_is_asked_stands_beside_the_printed_factors_and_the_rest_is_kept():
    asked = ask_published(zone="FR")
    assert asked.setting().pue == 1.58
    row = costs(asked)["ProxylessNAS"]
    assert row["co2e_kg"] == pytest.approx(20_000 * 0.18814859375 * 1.58 * asked.grid().intensity_g_per_kwh / 1_000)
    assert row["co2e_paper_kg"] == pytest.approx(costs(ask_published())["ProxylessNAS"]["co2e_kg"])
    assert "France" in said(asked)


def test_neither_site_nor_power_moves_a_ratio_or_a_break_even():
    one, other = ask_published(7), ask_published(7, zone="IND", pue=2.0, power="400")
    assert [row["upfront_ratio"] for row in costs(one).values()] == [
        row["upfront_ratio"] for row in costs(other).values()
    ]
    assert "ProxylessNAS at N* = 2.48" in said(one)
    assert "ProxylessNAS at N* = 2.48" in said(other)


def test_the_verdict_says_what_is_claimed_and_what_becomes_of_it():
    text = said(ask_published(5))
    for words in (
        "16x against ProxylessNAS, 19x against FBNet-C, 1,300x against MnasNet",
        "2.02x against ProxylessNAS",
        "161x by the hours that are reported against MnasNet",
        "MobileNetV3-Large at N* ≤ 6.89",
        "Against NASNet-A and MnasNet it takes fewer hours from the first scenario on",
        "from several accelerators",
        "training of NASNet-A, training of MnasNet",
        "drop 40 GPU-hours of search",
        "188 W per GPU, scaled from another GPU; 325 W were measured",
        "not equally accurate",
        "nothing in it was run or measured again",
    ):
        assert words in text


def test_with_the_numbers_of_the_printed_table_a_ratio_is_said_once():
    assert not any(sentence.startswith("At N = 40") for sentence in derive_published(ask_published()).verdict)
    assert "give 16.1x, 18.6x, 1,290x; site and power cancel in them" in said(ask_published(zone="FR"))


def test_the_way_from_the_claim_ends_at_what_was_asked():
    request = ask_published(5, fine_tuning="#25")
    assert request.steps()[-1].after_ratio == pytest.approx(5 * 500 / (1_240 + 5 * 25))
    assert "the 1,300x become 1.83x at N = 5 (0.395x to 8.93x for N from 1 to 40)" in said(request)
    cards = [card.detail for card in derive_published(request).cards]
    assert "step by step: 1.83x at N = 5, against ProxylessNAS" in cards


def test_the_setting_is_said_without_a_second_colon():
    place = "188 W per GPU, PUE 1.58 and 433 g CO2e per kWh (the printed table's US average)"
    document = derive_published(ask_published())
    assert document.subtitle == f"Recomputed for N = 40 at {place}"
    assert any(sentence.startswith(f"At {place}, OFA takes 1,240 GPU-hours") for sentence in document.verdict)


def test_a_question_keeps_its_mark_and_gets_no_full_stop(folder):
    for path in ("index.html", "report.md"):
        assert "?." not in (folder / path).read_text()


def test_hours_of_another_accelerator_are_no_bound_but_an_assumption():
    text = said(ask_published(mnasnet="6,912"))
    assert "25.3x" not in text
    assert "223x (with an assumption, see below) against MnasNet" in text
    assert "what stands for NASNet-A and MobileNetV3-Large is a lower bound" in text
    assert "TPUv2-hours are taken for GPU-hours" in text


def test_ledgers_give_their_power_and_lead_to_their_own_ratio(tmp_path):
    folder = record(tmp_path, "gpu:a")
    request = ask_published(measured=folder)
    assert request.setting().power.power_w == pytest.approx(100.0)
    ratio = (2 * 50.0) / (60.0 + 2 * 1.0)
    assert request.steps()[-1].after_ratio == pytest.approx(ratio)
    assert "become the 1.61x that bench found against evolution for 2 scenarios" in said(request)
    assert costs(request)["OFA"]["it_energy_kwh"] == pytest.approx(124.0)


def test_of_ledgers_the_hashes_are_kept_and_not_the_path(tmp_path):
    folder = record(tmp_path / "private", "gpu:a")
    document, files = build_published(ask_published(measured=folder))
    assert all(str(tmp_path).encode() not in data for data in files.values())
    assert all(run.head in files["report.md"].decode() for run in read(folder / "ledger"))
    kept = PublishedRequest.model_validate_json(files["data/request.json"])
    assert derive_published(kept) == document


def test_ledgers_without_a_gpu_leave_the_published_power_and_say_so(tmp_path):
    request = ask_published(measured=record(tmp_path, "cpu:process"))
    assert request.setting().power.power_w == pytest.approx(188.14859375)
    assert "metered no GPU" in said(request)


def test_ledgers_without_a_rival_lead_nowhere_and_say_so(tmp_path):
    request = ask_published(measured=record(tmp_path, "gpu:a", ("once_for_all",)) / "ledger")
    assert request.measured.ratio is None
    assert "no finished comparison of once-for-all with a rival" in said(request)


def test_a_power_that_is_asked_for_goes_before_that_of_the_ledgers(tmp_path):
    folder = record(tmp_path, "gpu:a")
    assert ask_published(power="patterson2021", measured=folder).setting().power.power_w == 325.0


def test_a_gap_in_accuracy_is_once_for_all_minus_its_rival(tmp_path):
    # The rival's ledger is read first.
    ratio = measure(record(tmp_path, "gpu:a")).ratio
    assert ratio.accuracy_gap_fraction == pytest.approx(0.92 - 0.9)
    assert "+2.0 percentage points for once-for-all" in str(ask_published(measured=tmp_path).steps())


def test_a_folder_without_ledgers_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="there is no ledger here"):
        ask_published(measured=tmp_path)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"fine_tuning": "#50"}, UnknownName, "#25"),
        ({"mnasnet": "7000"}, UnknownName, "90,720"),
        ({"power": "a lot"}, UnknownName, "patterson2021"),
        ({"power": "-3"}, UsageError, "no power"),
        ({"zone": "Atlantis"}, UnknownName, "Atlantis"),
        ({"pue": 0.9}, InvalidSite, "PUE"),
        ({"site": SiteFile(zone="FR", energy="facility")}, InvalidSite, "energy"),
        ({"site": SiteFile(zone="FR", host_share=0.2)}, InvalidSite, "host_share"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_asked(asked, error, words):
    with pytest.raises(error, match=words):
        ask_published(**asked)


@pytest.mark.parametrize(
    ("fine_tuning", "mnasnet", "same"),
    [("25", "6912", ("#25", "6,912")), ("75", "90720", ("#75", "90,720")), ("none", "40000", ("none", "40,000"))],
)
def test_marks_and_commas_may_be_left_out(fine_tuning, mnasnet, same):
    asked = ask_published(fine_tuning=fine_tuning, mnasnet=mnasnet)
    assert asked == ask_published(fine_tuning=same[0], mnasnet=same[1])


def test_what_a_site_file_says_in_vain_is_named():
    site = SiteFile.model_validate(
        {
            "zone": "FR",
            "pue": 1.3,
            "market": {"intensity_g_per_kwh": 10.0, "basis": "contract", "source": "bill of 2024"},
        }
    )
    assert "The site file also gives market" in said(ask_published(site=site))


@pytest.mark.parametrize("data", [{"report": "own"}, {"n": 0}, {"folder": "run"}, {"measured": {"heads": []}}])
def test_a_kept_request_that_cannot_be_is_refused(data):
    with pytest.raises(ValidationError):
        PublishedRequest.model_validate(data)
