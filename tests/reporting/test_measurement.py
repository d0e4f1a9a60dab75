"""What the report says about how well it was measured: tables, and the sentences above them."""

import csv
import json
from pathlib import Path

import pytest

from carbon_nas.ledger import Scope, read
from carbon_nas.ledger.observations import CrossCheck, Incident
from carbon_nas.meters import ManualClock
from carbon_nas.meters.agreement import WINDOW
from carbon_nas.recorder import Recorder
from carbon_nas.reporting import ask, write_report
from carbon_nas.reporting.document import Document, Table
from carbon_nas.reporting.measurement import MOST_INCIDENTS
from carbon_nas.reporting.report import derive
from carbon_nas.sources import Tier
from tests.gauge import Gauge

WHY = "both are guesses: ours is power per GB, theirs per module"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_s=100.0)


def recording(folder: Path, clock: ManualClock, *gauges: Gauge, strategy: str = "a", run: str = "", **options):
    path = folder / "ledger" / f"{run or strategy}.jsonl"
    return Recorder(path, strategy=strategy, meters=gauges, clock=clock, heartbeat_interval_s=None, **options)


def search(recorder: Recorder, clock: ManualClock, duration_s: float = 10.0, scenario: str = "s") -> None:
    with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario=scenario):
        clock.advance(duration_s)
    recorder.result(scenario=scenario, accuracy=0.5)


def document(folder: Path) -> Document:
    return derive(read(folder / "ledger"), ask("FR"))[1]


def table(found: Document, key: str) -> Table | None:
    return next((one for one in found.tables if one.key == key), None)


def rows(found: Document, key: str) -> list[dict[str, str]]:
    one = table(found, key)
    return (
        []
        if one is None
        else [{column.key: cell.text for column, cell in zip(one.columns, row, strict=True)} for row in one.rows]
    )


# Components


def test_net_stands_beside_gross_where_idle_was_measured(tmp_path, clock):
    gauge = Gauge(clock, power_w=1.0, gain_fraction=0.05)
    with recording(tmp_path, clock, gauge) as recorder:
        recorder.baseline(10.0, wait=clock.advance)
        gauge.power_w = 5.0
        search(recorder, clock)
    (row,) = rows(document(tmp_path), "components")
    assert (row["gross_j"], row["idle_j"], row["net_j"]) == ("50.0 J", "10.0 J", "40.0 J")
    assert (row["random_u_j"], row["systematic_u_j"]) == ("0 J", "2.50 J")


def test_idle_that_was_not_measured_is_no_zero(tmp_path, clock):
    with recording(tmp_path, clock, Gauge(clock)) as recorder:
        search(recorder, clock)
    (row,) = rows(document(tmp_path), "components")
    assert (row["idle_j"], row["net_j"], row["systematic_u_j"]) == ("not measured", "not measured", "not quantified")


def test_an_estimate_has_a_range_and_no_uncertainty_of_a_sensor(tmp_path, clock):
    facts = {"tier": Tier.ESTIMATED, "low_ratio": 0.5, "high_ratio": 2.0, "own": True}
    with recording(tmp_path, clock, Gauge(clock, "cpu:process", **facts)) as recorder:
        recorder.baseline(10.0, wait=clock.advance)
        search(recorder, clock)
    found = document(tmp_path)
    (row,) = rows(found, "components")
    assert (row["gross_j"], row["estimate_low_j"], row["estimate_high_j"]) == ("10.0 J", "5.00 J", "20.0 J")
    assert (row["random_u_j"], row["systematic_u_j"]) == ("no sensor", "no sensor")
    assert (row["idle_j"], row["net_j"]) == ("own work only", "own work only")
    components = table(found, "components")
    assert components is not None
    assert "Of cpu:process only the program's own work is counted" in components.note


def test_what_is_all_idle_has_a_net_of_about_nothing(tmp_path, clock):
    with recording(tmp_path, clock, Gauge(clock, "dram", tier=Tier.ESTIMATED)) as recorder:
        recorder.baseline(10.0, wait=clock.advance)
        search(recorder, clock)
    (row,) = rows(document(tmp_path), "components")
    assert row["net_j"] == "about 0 J"


def test_where_all_is_measured_there_is_no_range_of_an_estimate(tmp_path, clock):
    with recording(tmp_path, clock, Gauge(clock)) as recorder:
        search(recorder, clock)
    (row,) = rows(document(tmp_path), "components")
    assert "estimate_low_j" not in row


# Windows


def test_windows_are_summed_up_by_family_and_are_in_no_total(tmp_path, clock):
    with (
        recording(tmp_path, clock, Gauge(clock)) as recorder,
        recorder.phase("search", scope=Scope.PER_SCENARIO, scenario="s"),
    ):
        for candidate in range(4):
            with recorder.window(f"evaluate/{candidate}"):
                clock.advance(2.0)
        recorder.result(scenario="s", accuracy=0.5)
    found = document(tmp_path)
    (row,) = rows(found, "windows")
    assert (row["family"], row["windows_n"], row["energy_j"], row["mean_j"]) == ("evaluate", "4", "8.00 J", "2.00 J")
    assert (row["below_resolution_n"], row["incomplete_n"]) == ("0", "0")
    assert rows(found, "strategies")[0]["it_energy_j"] == "8.00 J"


def test_the_window_of_the_second_opinion_is_no_work_and_not_listed(tmp_path, clock):
    with recording(tmp_path, clock, Gauge(clock)) as recorder, recorder.window(WINDOW):
        search(recorder, clock)
    assert table(document(tmp_path), "windows") is None


def test_nobody_opened_a_window_so_there_is_no_table_of_them(tmp_path, clock):
    with recording(tmp_path, clock, Gauge(clock)) as recorder:
        search(recorder, clock)
    assert table(document(tmp_path), "windows") is None


# Gaps and incidents


@pytest.fixture
def gap(tmp_path, clock) -> Document:
    gauge = Gauge(clock, power_w=2.0)
    with recording(tmp_path, clock, gauge) as recorder:
        recorder.baseline(10.0, wait=clock.advance)
        with recorder.phase("train"):
            clock.advance(3.0)
            recorder.sample()
            gauge.broken = True
            clock.advance(5.0)
        gauge.broken = False
        recorder.sample()
        search(recorder, clock)
    return document(tmp_path)


def test_a_gap_stands_with_its_bounds_in_the_table(gap):
    (row,) = rows(gap, "gaps")
    assert (row["strategy"], row["phase"], row["components"]) == ("a", "train", "gpu:a")
    assert (row["energy_j"], row["low_j"], row["high_j"]) == ("6.00 J", "6.00 J", "106 J")


def test_a_gap_is_named_before_anything_is_quoted(gap):
    assert "a, seed 0: the energy of train has a gap (gpu:a); it is at least 6.00 J, and at most 106 J." in gap.caveats


def test_nothing_is_set_off_against_energy_with_a_gap(gap):
    (row,) = rows(gap, "components")
    assert (row["gross_j"], row["idle_j"], row["net_j"]) == ("26.0 J", "36.0 J", "not known, for a gap")


def test_a_gap_leaves_an_incident(gap):
    assert {"lost", "back"} <= {row["what"] for row in rows(gap, "incidents")}


def test_without_gaps_and_incidents_there_are_no_such_tables(tmp_path, clock):
    with recording(tmp_path, clock, Gauge(clock)) as recorder:
        search(recorder, clock)
    found = document(tmp_path)
    assert table(found, "gaps") is None
    assert table(found, "incidents") is None


def test_incidents_beyond_a_page_are_counted_and_not_listed(tmp_path, clock):
    with recording(tmp_path, clock, Gauge(clock)) as recorder:
        search(recorder, clock)
        for number in range(MOST_INCIDENTS + 3):
            recorder.append(Incident(utc="", time_s=0.0, what="disk", detail=str(number), missing_max_j=2.0))
    incidents = table(document(tmp_path), "incidents")
    assert incidents is not None
    assert len(incidents.rows) == MOST_INCIDENTS
    assert "3 more are in the ledgers" in incidents.note
    assert incidents.rows[0][-1].text == "up to 2.00 J"


def test_a_second_recorder_on_a_device_is_named_before_anything_is_quoted(tmp_path, clock):
    with recording(tmp_path, clock, Gauge(clock)) as recorder:
        search(recorder, clock)
        recorder.append(Incident(utc="", time_s=0.0, what="contested", detail="another one", component="gpu:a"))
    (said,) = [words for words in document(tmp_path).caveats if "Another recorder" in words]
    assert "gpu:a" in said
    assert "a.jsonl" in said


# Second opinions


def opinion(ours_j: float | None, theirs_j: float | None, *, error: str = "") -> CrossCheck:
    reasons = ()
    if ours_j is not None and theirs_j is not None and theirs_j > 1.1 * ours_j:
        reasons = (f"dram: ours {ours_j:.4g} J, theirs {theirs_j:.4g} J: {WHY}",)
    return CrossCheck(
        tool="codecarbon 3.3.2",
        duration_s=10.0,
        ours_j={"gpu": None, "dram": ours_j},
        theirs_j={"gpu": None, "dram": theirs_j},
        reasons=reasons,
        error=error,
    )


def checked(folder: Path, clock: ManualClock, *checks: CrossCheck) -> Document:
    for number, check in enumerate(checks):
        with recording(folder, clock, Gauge(clock, "dram", own=True), run=f"a-{number}", seed=number) as recorder:
            search(recorder, clock)
            recorder.append(check)
    return document(folder)


def test_opinions_that_differ_are_named_once_per_component_with_their_reason(tmp_path, clock):
    found = checked(tmp_path, clock, opinion(10.0, 20.0), opinion(100.0, 230.0), opinion(10.0, 10.5))
    assert [words for words in found.caveats if "codecarbon" in words] == [
        f"codecarbon 3.3.2 puts the energy of dram at 200 % to 230 % of what stands here, in 2 ledgers: {WHY}."
    ]


def test_opinions_within_a_tenth_need_no_warning_but_stand_in_the_table(tmp_path, clock):
    found = checked(tmp_path, clock, opinion(10.0, 10.9))
    assert not [words for words in found.caveats if "codecarbon" in words]
    (row,) = rows(found, "cross_checks")
    assert (row["component"], row["ours_j"], row["theirs_j"]) == ("dram", "10.0 J", "10.9 J")
    assert (row["difference_fraction"], row["reason"]) == ("+9.0 %", "")


def test_the_table_says_why_without_repeating_the_joules(tmp_path, clock):
    (row,) = rows(checked(tmp_path, clock, opinion(10.0, 20.0)), "cross_checks")
    assert (row["difference_fraction"], row["reason"]) == ("+100.0 %", WHY)


def test_what_only_one_of_them_covers_is_no_difference(tmp_path, clock):
    (row,) = rows(checked(tmp_path, clock, opinion(10.0, None)), "cross_checks")
    assert (row["theirs_j"], row["difference_fraction"]) == ("not covered", "")


def test_an_opinion_that_was_not_to_be_had_says_why(tmp_path, clock):
    (row,) = rows(checked(tmp_path, clock, opinion(10.0, None, error="it died")), "cross_checks")
    assert row["reason"] == "no second opinion: it died"


def test_a_second_opinion_is_never_called_a_validation(tmp_path, clock):
    cross_checks = table(checked(tmp_path, clock, opinion(10.0, 10.0)), "cross_checks")
    assert cross_checks is not None
    assert "no validation" in cross_checks.note


# Several ledgers


def test_two_ledgers_of_one_strategy_and_seed_are_added_up_and_that_is_said(tmp_path, clock):
    for _ in range(2):
        with recording(tmp_path, clock, Gauge(clock, own=True)) as recorder:
            search(recorder, clock)
    found = document(tmp_path)
    assert rows(found, "strategies")[0]["it_energy_j"] == "20.0 J"
    (said,) = [words for words in found.caveats if "are added up" in words]
    assert said.startswith(
        "a.2.jsonl and a.jsonl are of one run, a, seed 0, and are added up. search / s: done in each"
    )


def test_two_parts_of_one_run_are_not_called_a_repetition(tmp_path, clock):
    for scenario in ("s", "t"):
        with recording(tmp_path, clock, Gauge(clock, own=True)) as recorder:
            search(recorder, clock, scenario=scenario)
    (said,) = [words for words in document(tmp_path).caveats if "are added up" in words]
    assert "done in each" not in said


def test_a_seed_of_its_own_needs_no_word(tmp_path, clock):
    for seed in range(2):
        with recording(tmp_path, clock, Gauge(clock, own=True), run=f"a-{seed}", seed=seed) as recorder:
            search(recorder, clock)
    assert not [words for words in document(tmp_path).caveats if "are added up" in words]


def test_ledgers_that_overlap_on_a_device_are_refused_in_one_line(tmp_path, run_python):
    folder = tmp_path / "out"
    for strategy in ("a", "b"):
        clock = ManualClock(start_s=100.0)
        with recording(folder, clock, Gauge(clock, "dram"), strategy=strategy) as recorder:
            search(recorder, clock)
    done = run_python("-m", "carbon_nas.compare", "--report-only", "--out", str(folder))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "a.jsonl and" in line
    assert "dram of one machine at the same time for 10 s" in line
    assert "leave one of them out" in line
    assert not (folder / "index.html").exists()


def test_ledgers_that_overlap_are_attributed_by_a_rule_that_is_named_and_can_be_verified(tmp_path, run_python):
    folder = tmp_path / "out"
    for strategy in ("a", "b"):
        clock = ManualClock(start_s=100.0)
        with recording(folder, clock, Gauge(clock, "dram"), strategy=strategy) as recorder:
            search(recorder, clock)
    call = ("-m", "carbon_nas.compare", "--report-only", "--out", str(folder), "--on-overlap")
    done = run_python(*call, "split")
    assert done.returncode == 0, done.stderr
    assert "attributed by the rule 'split'" in done.stdout
    assert run_python("-m", "carbon_nas", "verify", str(folder)).returncode == 0
    assert "choose one of refuse, split, first" in run_python(*call, "guess").stderr


def test_every_number_of_the_section_is_in_the_files_with_its_tier(tmp_path, clock):
    gauge = Gauge(clock, power_w=1.0, gain_fraction=0.05)
    with recording(tmp_path, clock, gauge) as recorder:
        recorder.baseline(10.0, wait=clock.advance)
        with recorder.window("look"):
            clock.advance(1.0)
        search(recorder, clock)
        recorder.append(opinion(10.0, 20.0))
    write_report(tmp_path, ask("FR"))
    for key in ("components", "windows", "cross_checks"):
        with (tmp_path / "data" / f"{key}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                for column, tier in row.items():
                    if column.endswith("_tier"):
                        assert bool(tier) == bool(row[column.removesuffix("_tier")]), (key, column)
    (component,) = json.loads((tmp_path / "data" / "comparison.json").read_text())["comparison"]["components"]
    assert component["energy_j"] == component["net_j"] + component["idle_j"]
