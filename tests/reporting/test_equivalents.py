"""Equivalents: only with a year, and only from a hundredth of one."""

from carbon_nas.accounting.sites import Sites
from carbon_nas.reporting.equivalents import equivalent_sources, equivalent_table
from tests.accounting.places import a_place
from tests.comparison.gauged import gauged, look

KG_PER_J = 3.6e9  # An intensity at which every joule is a kilogram.


def rows(folder, intensity_g_per_kwh: float) -> list[list[str]]:
    strategies = {"a": (10_000.0, 2_000.0), "b": (0.0, 10.0)}
    found = look(gauged(folder, strategies), Sites(sites=(a_place(intensity_g_per_kwh),)))
    table = equivalent_table(found.comparison)
    assert table.title == "Equivalents"
    return [[cell.text for cell in row] for row in table.rows]


def test_every_equivalent_that_is_shown_has_a_year(tmp_path):
    found = rows(tmp_path, KG_PER_J)
    assert {"a", "b"} == {row[0] for row in found}
    assert all(row[5][:4].isdecimal() for row in found)
    assert not [one for one in equivalent_sources() if one.key == "epa"]


def test_what_is_below_a_hundredth_is_left_out(tmp_path):
    found = rows(tmp_path, KG_PER_J)
    # 12 t are a fifth of a car's life, and 10 kg are nothing of it.
    lives = [row for row in found if "car" in row[3]]
    assert [row[0] for row in lives] == ["a"]
    assert all(float(row[2].replace(",", "")) >= 0.01 for row in found)


def test_where_nothing_is_left_one_row_says_so(tmp_path):
    assert [row[:4] for row in rows(tmp_path, 100.0)] == [["every strategy", "", "less than a hundredth", "any"]]
