"""The tables of what energy was multiplied by: each factor with year, basis and source, and the mean of the hours."""

import pytest

from carbon_nas.accounting import account, site
from carbon_nas.accounting.grid import Kind
from carbon_nas.accounting.series import Gaps
from carbon_nas.accounting.site import Site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison.hourly import hourly_means
from carbon_nas.ledger import read
from carbon_nas.reporting.factors import embodied_table, factor_table, mixed_bases
from tests.accounting.places import a_grid, a_place, a_series, an_item
from tests.comparison.gauged import gauged

# `a` trains in the first hour and searches in the second, at 1 W; `b` searches in the first, at 3 W.
HOURS = {"a": (3600.0, 1800.0), "b": (0.0, 1800.0)}
WATTS = {"a gpu:a": {"power_w": 1.0}, "b gpu:b": {"power_w": 3.0}}


def rows(folder, place: Site) -> list[list[str]]:
    statements = [account(run, place) for run in read(gauged(folder, HOURS, WATTS) / "ledger")]
    table = factor_table(Sites(sites=(place,)), hourly_means(statements))
    return [[cell.text for cell in row] for row in table.rows]


def test_the_mean_of_the_hours_over_the_energy_of_the_study_stands_beside_them(tmp_path):
    # 9 kJ at 100 g/kWh and 1.8 kJ at 400: 150, where the clock would say 200 and the series 250.
    _, series, mean = rows(tmp_path, a_place(90.0, hourly=a_series(100.0, 400.0)))
    assert series[1] == "the lab's hours, location-based, by the time of each phase"
    assert mean[1:6] == [
        "the lab's hours, location-based, mean over this study's phases",
        "150",
        "g/kWh",
        "2020",
        "weighed by energy, no gaps",
    ]


def test_what_of_the_mean_was_filled_in_is_said(tmp_path):
    place = a_place(hourly=a_series(100.0, None), hourly_gaps=Gaps.FILL)
    assert rows(tmp_path, place)[-1][5] == "weighed by energy, 16.7 % of it in gaps"


def test_a_marginal_series_has_a_mean_of_its_own(tmp_path):
    place = a_place(hourly=a_series(100.0, 400.0), marginal=a_series(700.0, 700.0, kind=Kind.MARGINAL))
    means = [(row[1], row[2]) for row in rows(tmp_path, place) if "mean over" in row[1]]
    assert means == [
        ("the lab's hours, location-based, mean over this study's phases", "150"),
        ("the lab's hours, marginal, mean over this study's phases", "700"),
    ]


def test_means_are_those_of_each_site(tmp_path):
    here = a_place(name="here", hourly=a_series(100.0, 400.0), ledgers=("a-*",))
    there = a_place(name="there", hourly=a_series(300.0, 400.0), ledgers=("b-*",))
    sites = Sites(sites=(here, there))
    statements = [account(run, sites.of(run.path.name)) for run in read(gauged(tmp_path, HOURS, WATTS) / "ledger")]
    means = hourly_means(statements)
    assert [(one.site, one.view, one.mean.intensity_g_per_kwh) for one in means] == [
        (0, "hourly", pytest.approx(200.0)),
        (1, "hourly", pytest.approx(300.0)),
    ]


def test_without_a_series_there_is_no_mean(tmp_path):
    assert len(rows(tmp_path, a_place(pue=1.2))) == 2


def test_a_spread_of_a_pue_is_said_to_be_one_of_the_overhead():
    table = factor_table(Sites(sites=(a_place(pue=1.2, pue_gsd_ratio=1.1),)))
    assert table.rows[-1][1].text == "PUE (spread: of PUE - 1)"


def test_embodied_carbon_is_called_so():
    assert embodied_table(Sites(sites=(a_place(embodied=(an_item(),)),))).title == "Embodied carbon of the hardware"


# What the factors count.


def test_factors_that_do_not_count_the_same_are_named():
    here = a_place(grids=(a_grid(name="here", basis="life cycle, national mix"),), name="one")
    there = a_place(grids=(a_grid(name="there", basis="direct; total output"),), name="two")
    (told,) = mixed_bases(Sites(sites=(here, there)))
    assert "life cycle (here); direct (there)" in told
    assert list(mixed_bases(Sites(sites=(here,)))) == []


def test_a_contract_is_another_question_and_no_mixture():
    place = a_place(grids=(a_grid(basis="life cycle"),), market=a_grid(1.0, Kind.MARKET, basis="direct, residual mix"))
    assert list(mixed_bases(Sites(sites=(place,)))) == []


def test_grids_that_stand_in_are_from_two_kinds_of_table():
    (told,) = mixed_bases(Sites(sites=(site(),)))
    assert "life cycle (Sweden, India); direct or life cycle not stated (world average)" in told
