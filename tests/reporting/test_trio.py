"""The report of three strategies, two of which pay once, and of one that started from earlier work."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.comparison.findings import Findings
from carbon_nas.ledger import read
from carbon_nas.reporting import ask, write_report
from carbon_nas.reporting.document import Cell, Document, Table
from carbon_nas.reporting.inks import _looks
from carbon_nas.reporting.numbers import significant
from carbon_nas.reporting.report import derive
from carbon_nas.reporting.uncertainty import headline
from carbon_nas.reporting.verify import verify_report
from carbon_nas.sources import Tier
from tests.recorded import record_study
from tests.trio import EARLIER, RELEASED, record_trio

Derived = tuple[Findings, Document]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Derived:
    return derived(record_trio(tmp_path_factory.mktemp("plain"), seeds=3, trusted=False))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The report of a study whose once_for_all began with released weights, and of which one network was shipped."""
    folder = record_trio(tmp_path_factory.mktemp("released"), priors=[RELEASED], trained=False)
    model = folder / "models" / "once_for_all" / "slow" / "seed0"
    model.mkdir(parents=True)
    (model / "architecture.json").write_text("{}")
    write_report(folder, ask())
    return folder


@pytest.fixture(scope="module")
def released(folder) -> Derived:
    return derived(folder)


def derived(folder: Path) -> Derived:
    return derive(read(folder / "ledger"), ask())


def table(found: Derived, key: str) -> Table | None:
    return next((one for one in found[1].tables if one.key == key), None)


def rows(found: Derived, key: str) -> list[dict[str, Cell]]:
    shown = table(found, key)
    return [dict(zip([column.key for column in shown.columns], row, strict=True)) for row in shown.rows]


def texts(found: Derived, key: str, column: str) -> list[str]:
    return [row[column].text for row in rows(found, key)]


# Three strategies.


def test_every_pair_has_its_ratio_and_its_accuracy_and_those_that_differ_a_break_even(plain):
    said = plain[1].verdict
    pairs = (("once_for_all", "sandwich"), ("once_for_all", "evolution"), ("sandwich", "evolution"))
    (kin,) = [told for told in said if told.startswith("In all, for 2 scenarios, ")]
    sure = plain[0].spreads["once_for_all / sandwich"].interval
    ends = f"95 %: {significant(1 / sure.high, 2)} to {significant(1 / sure.low, 2)}"
    assert kin.endswith(f"sandwich takes 0.624 times the energy of once_for_all ({ends}).")
    for one, other in pairs[1:]:
        assert sum(f"{one} takes" in told and f"of {other} (" in told for told in said) == 1
    for one, other in pairs:
        assert sum(told.startswith(f"In test accuracy {one} differs from {other}") for told in said) == 1
    assert [told.split(" at N*")[0] for told in said if "breaks even" in told] == [
        "once_for_all breaks even with evolution",
        "sandwich breaks even with evolution",
    ]


def test_one_sentence_compares_the_two_trainings_in_energy_and_accuracy(plain):
    (told,) = [told for told in plain[1].verdict if told.startswith("Paid once")]
    assert (
        "(sandwich) takes 0.58 times the energy of progressive shrinking (once_for_all): 77.0 J against 132 J" in told
    )
    assert "test accuracy is 94.0 % against 95.0 % on average" in told


def test_the_headline_figure_is_about_strategies_that_differ(plain):
    assert headline(plain[0]) == "once_for_all / evolution"
    names = texts(plain, "intervals", "quantity")
    assert "N*, once_for_all against sandwich" not in names
    assert "N*, sandwich against evolution" in names


def test_crossings_of_lines_side_by_side_are_no_number(plain):
    found = {(row["upfront"].text, row["rival"].text): row for row in rows(plain, "break_even")}
    assert found["once_for_all", "sandwich"]["break_even_n"].value is None
    assert found["once_for_all", "sandwich"]["basis"].text == "both pay once"
    assert found["sandwich", "evolution"]["break_even_n"].value == pytest.approx(70 / 43)
    assert len(rows(plain, "cost_curve")) == 4


def test_phases_look_different_from_each_other(plain):
    look = _looks(plain[0].comparison)
    assert len(look) > 10
    assert len({(one["color"], one["hatch"]) for one in look.values()}) == len(look)


# What decides.


def test_tables_predictors_and_choices_stand_with_the_networks(plain):
    (section,) = [one for one in plain[1].sections if one.title == "Networks"]
    assert [block.key for block in section.blocks if isinstance(block, Table)] == [
        *("deliveries", "choices_made", "predictors", "latency_tables"),
    ]


def test_a_table_that_is_not_trusted_says_what_was_done_instead(plain):
    instead = "no: it proposes, and networks are timed"
    assert texts(plain, "latency_tables", "trusted") == ["yes", instead]


def test_choices_and_predictors_have_means_and_ranges(plain):
    assert "once_for_all 0.85 on average, 0.80 to 0.90" in table(plain, "predictors").note
    assert (
        "Validation, when chosen: once_for_all, the supernet with this architecture; "
        in table(plain, "choices_made").note
    )
    assert "once_for_all: test accuracy differs from the predictor by -1.0 points" in table(plain, "choices_made").note
    assert "once_for_all: measured latency differs from the table by +5.6 %" in table(plain, "choices_made").note
    assert len(rows(plain, "choices_made")) == 12
    assert {row["test_accuracy_fraction"].value for row in rows(plain, "choices_made")} == {0.94, 0.95}


def test_fine_tuning_is_not_told_as_an_error_of_the_predictor_nor_in_what_nobody_explains(tmp_path):
    found = derived(record_trio(tmp_path, tuned={"once_for_all": 10}))
    note = table(found, "choices_made").note
    assert "once_for_all: fine-tuned after that" in note
    assert "once_for_all: test accuracy" not in note
    assert "sandwich: test accuracy differs from the predictor" in note
    assert any("fine-tunes for 10 epochs" in text for text in texts(found, "claim_steps", "note"))
    basis = {(row["upfront"].text, row["rival"].text): row["basis"].text for row in rows(found, "break_even")}
    assert "both pay once" not in basis.values()
    assert "side by side" not in table(found, "break_even").note


def test_older_ledgers_have_no_such_tables(tmp_path):
    found = derived(record_study(tmp_path))
    assert table(found, "predictors") is table(found, "choices_made") is table(found, "in_full") is None
    assert set(texts(found, "latency_tables", "trusted")) == {"yes"}


def test_networks_that_were_shipped_are_linked_to(folder, plain, released):
    page, text = (folder / "index.html").read_text(), (folder / "report.md").read_text()
    path = "models/once_for_all/slow/seed0/architecture.json"
    assert page.count(f'href="{path}"') == 1
    assert text.count(f"]({path})") == 1
    assert texts(released, "deliveries", "model").count("files") == 1
    assert "model" not in rows(plain, "deliveries")[0]


# Earlier work.


def test_the_first_sentence_says_what_is_not_in_it_and_where_it_stands(released):
    first = released[1].verdict[0]
    assert "Not in it is what once_for_all starts from, train supernet (published, cai2020-ofa)" in first
    assert first.endswith("it stands in the table 'Charged in full'.")


def test_no_sentence_but_that_quotes_a_ratio_as_if_everything_was_paid(released):
    for told in released[1].verdict[1:]:
        if "once_for_all" in told and ("times the energy" in told or "breaks even" in told):
            assert told.startswith("Without what once_for_all started from, ")
    assert not [told for told in released[1].verdict if told.startswith("Paid once")]
    assert any("starts from work that was paid for before" in told for told in released[1].caveats)


def test_published_joules_are_in_no_other_table(released):
    for one in released[1].tables:
        large = [cell for row in one.rows for cell in row if cell.unit == "J" and (cell.value or 0.0) > 1e6]
        assert bool(large) == (one.key in ("in_full", "priors"))
    for row in rows(released, "in_full"):
        assert row["full_j"].value > 8e8
        assert {cell.tier for cell in row.values() if cell.tier is not None} == {Tier.MODELLED}
    cells = [cell for one in released[1].tables if one.key == "priors" for row in one.rows for cell in row]
    assert {cell.text for cell in cells if cell.tier is Tier.PUBLISHED} == {"1,200"}


def test_both_ways_of_counting_are_in_json_too_and_their_sources_are_cited(folder, released):
    numbers = json.loads((folder / "data" / "comparison.json").read_text())
    found = next(one for one in numbers["in_full"] if one["rival"] == "evolution" and one["power"] == "strubell2019")
    assert found["spent_ratio"] < 1 < found["full_ratio"]
    assert found["full"]["n_ratio"] > found["spent"]["n_ratio"]
    keys = {source.key for source in released[1].sources}
    assert {"cai2020", "strubell2019", "patterson2021"} <= keys


def test_a_start_whose_cost_nobody_knows_has_one_row_and_no_power(tmp_path):
    found = derived(record_trio(tmp_path, priors=[replace(RELEASED, reference="nobody2031")], trained=False))
    assert texts(found, "in_full", "power") == ["not known"] * 2
    assert set(texts(found, "in_full", "full_ratio")) == {"not known"}


def test_own_earlier_work_is_charged_as_it_was_metered(tmp_path):
    found = derived(record_trio(tmp_path, priors=[EARLIER], trained=False))
    against = next(row for row in table(found, "in_full").rows if row[1].text == "evolution")
    assert [cell.text for cell in against[3:]] == [
        *("100 J", "24.0 J", "124 J", "100 J", "0.240", "1.24", "0.233", "2.56"),
    ]


def test_such_a_report_follows_from_its_ledgers_and_names_its_curve_for_what_it_is(folder):
    assert verify_report(folder) is None
    assert "once_for_all, already spent" in (folder / "figures" / "cost_curve.svg").read_text()
