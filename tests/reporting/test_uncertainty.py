"""The tables and the figure of how sure it is: one cell an interval, and only what a reader can see."""

import csv
from pathlib import Path

import pytest

from carbon_nas.accounting.site import Site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison.findings import Findings, find
from carbon_nas.ledger import read
from carbon_nas.reporting.document import Table
from carbon_nas.reporting.inks import inks
from carbon_nas.reporting.renderers import render_csv
from carbon_nas.reporting.uncertainty import headline, range_table, spread_table, swing_table
from carbon_nas.sources import Tier
from tests.accounting.places import a_grid, a_place, an_item
from tests.comparison.gauged import gauged

SCATTERED = {"a": [(10.0, 2.0), (12.0, 2.5), (11.0, 2.2)], "b": [(0.0, 8.0), (0.0, 9.0), (0.0, 7.0)]}
SENSOR = {"gpu:a": {"gain_fraction": 0.05}}
CERTAIN = a_place(grids=(a_grid(gsd_ratio=1.1),), pue=1.2, pue_gsd_ratio=1.3)


def found(folder: Path, strategies=None, place: Site = CERTAIN, components=None) -> Findings:
    runs = read(gauged(folder, strategies or SCATTERED, components or SENSOR) / "ledger")
    return find(runs, Sites(sites=(place,)))


def rows(table: Table) -> dict[str, dict[str, str]]:
    """Return what a page shows, by the first cell of each row."""
    keys = [column.key for column in table.shown_columns]
    return {row[0].text: dict(zip(keys, (cell.text for cell in row), strict=True)) for row in table.shown_rows}


def numbers(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(render_csv(table).splitlines()))


def test_an_interval_is_one_cell_for_readers_and_two_numbers_for_programs(tmp_path):
    findings = found(tmp_path)
    table, interval = spread_table(findings), findings.spreads["a / b"].interval
    low, high = rows(table)["a / b"]["interval"].split(" to ")
    assert (float(low), float(high)) == pytest.approx((interval.low, interval.high), rel=0.01)
    row = next(row for row in numbers(table) if row["quantity"] == "a / b")
    assert (float(row["low"]), float(row["high"])) == (interval.low, interval.high)
    assert [column.title for column in table.shown_columns] == ["quantity", "value", "95 % interval", "not quantified"]


def test_what_is_not_quantified_is_said_once_and_named(tmp_path):
    table = spread_table(found(tmp_path, place=a_place()))
    cells = rows(table)["a"]
    assert list(cells.values()).count("not quantified") == 1
    assert cells["missing"] == "intensity of the lab's grid"
    # From the rest alone.
    assert " to " in cells["known"]
    assert next(row for row in numbers(table) if row["quantity"] == "a")["low"] == ""


def test_parts_of_costs_are_not_shown(tmp_path):
    assert set(rows(spread_table(found(tmp_path)))) == {"a", "b", "a / b", "N*, a against b"}


def test_both_methods_agree_or_it_is_said_where_they_do_not(tmp_path):
    assert "agrees with every interval" in spread_table(found(tmp_path / "near")).note
    # Where curves hardly ever cross, no straight line through the middle tells how often.
    wild = {"a": [(10.0, 6.0), (12.0, 7.0), (11.0, 8.0)], "b": SCATTERED["b"]}
    findings = found(tmp_path / "wild", wild)
    assert findings.spreads["N*, a against b"].agree is False
    assert "does not agree for N*, a against b" in spread_table(findings).note


def test_draws_without_a_crossing_are_a_column_only_where_there_are_any(tmp_path):
    assert "undefined_share" not in rows(spread_table(found(tmp_path / "all")))["a"]
    wild = {"a": [(10.0, 6.0), (12.0, 7.0), (11.0, 8.0)], "b": SCATTERED["b"]}
    shown = rows(spread_table(found(tmp_path / "some", wild)))
    assert shown["N*, a against b"]["undefined_share"].endswith("%")
    assert shown["a"]["undefined_share"] == ""


def test_the_headline_stands_first_among_what_moves_results(tmp_path):
    findings = found(tmp_path)
    table = swing_table(findings)
    assert table.rows[0][0].text == headline(findings) == "a / b"
    # Neither what cancels, nor what nobody has quantified.
    assert "intensity of the lab's grid" not in {row[1].text for row in table.rows if row[0].text == "a / b"}
    assert "intensity of the lab's grid" in {row[1].text for row in table.rows if row[0].text == "a"}


def test_where_nothing_moves_the_headline_there_is_no_figure_of_it(tmp_path):
    one = {"a": (10.0, 2.0), "b": (0.0, 8.0)}
    assert "tornado" not in inks(found(tmp_path / "one", one))
    assert "tornado" in inks(found(tmp_path / "three"))


def test_where_nothing_moves_anything_there_is_no_table(tmp_path):
    exact = a_place(grids=(a_grid(gsd_ratio=1.0),), pue=1.0, pue_gsd_ratio=1.0)
    findings = found(tmp_path, {"a": (10.0, 2.0), "b": (0.0, 8.0)}, exact, {"gpu:a": {"gain_fraction": 0.0}})
    assert swing_table(findings) is None


def test_choices_are_called_choices(tmp_path):
    components = {"cpu:process": {"tier": Tier.ESTIMATED, "low_ratio": 0.1113, "high_ratio": 2.0}}
    findings = found(tmp_path, place=a_place(), components=components)
    table = range_table(findings)
    assert (table.key, [row[1].text for row in table.rows][:2]) == (
        "choices",
        ["power assumed for cpu:process", "PUE, not given"],
    )
    assert table.rows[0][4].text == "0.11 x assumed power"
    assert {row[2].text for row in swing_table(findings).rows if row[1].text == "PUE, not given"} == {"choice"}


def test_what_matters_most_with_the_making_of_hardware_is_in_the_table(tmp_path):
    place = a_place(grids=(a_grid(gsd_ratio=1.1),), embodied=(an_item(gsd_ratio=2.0),))
    table = swing_table(found(tmp_path, place=place))
    first = next(row for row in table.rows if row[0].text == "a, in operation and embodied")
    assert first[1].text == "making of gpu:*"
