"""Ranges of choices: other powers, another PUE, other hours; without a probability, and only where they matter."""

from dataclasses import replace

import pytest

from carbon_nas.accounting.choices import ChoiceRange, End
from carbon_nas.accounting.methods import STRUBELL_PUE
from carbon_nas.accounting.site import Site, site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison.ranges import ranges
from carbon_nas.comparison.spread import break_even_name, ratio_name
from carbon_nas.sources import Tier
from tests.accounting.places import a_place, a_series, an_item
from tests.comparison.gauged import gauged, look

RATIO, CROSSING = ratio_name("a", "b"), break_even_name("a", "b")
TWO = {"a": (10.0, 2.0), "b": (0.0, 8.0)}
ASSUMED = {"tier": Tier.ESTIMATED, "low_ratio": 0.5, "high_ratio": 2.0}
G_PER_J = 3.6e9  # An intensity at which every joule is a kilogram.


def ranged(folder, place: Site | None = None, components=None, strategies=None) -> dict[str, dict[str, ChoiceRange]]:
    found = look(gauged(folder, strategies or TWO, components), Sites(sites=(place or a_place(G_PER_J, pue=1.0),)))
    by_name = ranges(found.comparison, found.doubt, found.runs)
    return {name: {one.name: one for one in several} for name, several in by_name.items()}


def low_and_high(one: ChoiceRange) -> tuple[float, float]:
    return one.low.value, one.high.value


def test_a_power_that_a_formula_assumes_has_the_range_that_its_source_states(tmp_path):
    found = ranged(tmp_path, components={"cpu:process": ASSUMED})
    one = found["a"]["power assumed for cpu:process"]
    assert (one.base, one.unit) == ("as assumed", "kg")
    assert (one.low, one.high) == (
        End(label="0.5 x assumed power", value=pytest.approx(6.0), unit="kg"),
        End(label="2 x assumed power", value=pytest.approx(24.0), unit="kg"),
    )


def test_the_assumed_power_of_everything_leaves_a_ratio_and_a_break_even_as_they_are(tmp_path):
    found = ranged(tmp_path, components={"cpu:process": ASSUMED})
    assert low_and_high(found[RATIO]["power assumed for cpu:process"]) == pytest.approx((1.5, 1.5))
    assert low_and_high(found[CROSSING]["power assumed for cpu:process"]) == pytest.approx((10 / 6, 10 / 6))


def test_the_assumed_power_of_one_part_moves_the_ratio(tmp_path):
    components = {"a cpu:process": ASSUMED, "gpu:a": {}}
    found = ranged(tmp_path, components=components)
    # `a`: 12 J by the sensor, and 12 J, 6 J or 24 J by the formula; `b`: 8 J.
    assert low_and_high(found[RATIO]["power assumed for cpu:process"]) == pytest.approx((18 / 8, 36 / 8))


@pytest.mark.parametrize(
    ("one", "other"), [((0.5, 2.0), (0.8, 3.0)), ((0.8, 3.0), (0.5, 2.0)), ((0.5, 3.0), (0.9, 1.1))]
)
def test_on_several_machines_the_widest_of_their_ranges_holds_for_all(tmp_path, one, other):
    """Whichever ledger is read first."""
    components = {
        f"{strategy} cpu:process": ASSUMED | {"low_ratio": low_ratio, "high_ratio": high_ratio}
        for strategy, (low_ratio, high_ratio) in (("a", one), ("b", other))
    }
    found = ranged(tmp_path, components=components)
    for name, joules in (("a", 12.0), ("b", 8.0)):
        range_ = found[name]["power assumed for cpu:process"]
        assert (range_.low.label, range_.high.label) == (
            "0.5 x assumed power",
            "3 x assumed power",
        )
        assert low_and_high(range_) == pytest.approx((0.5 * joules, 3.0 * joules))


def test_a_choice_for_which_curves_do_not_cross_says_so(tmp_path):
    components = {"a cpu:process": ASSUMED | {"high_ratio": 9.0}, "gpu:a": {}}
    one = ranged(tmp_path, components=components)[CROSSING]["power assumed for cpu:process"]
    # 2 J by the sensor and 18 J by the formula for each scenario, against 8 J.
    assert one.undefined == ("9 x assumed power",)


def test_what_never_crosses_has_no_range(tmp_path):
    found = ranged(tmp_path, components={"cpu:process": ASSUMED}, strategies={"a": (10.0, 8.0), "b": (0.0, 2.0)})
    assert CROSSING not in found
    assert RATIO in found


@pytest.mark.parametrize("half", [{"low_ratio": None}, {"high_ratio": None}])
def test_a_power_without_a_published_range_has_none_here(tmp_path, half):
    assert ranged(tmp_path, components={"cpu:process": ASSUMED | half})["a"] == {}


def test_two_ends_of_a_narrow_range_are_both_there(tmp_path):
    narrow = ASSUMED | {"low_ratio": 0.996, "high_ratio": 1.004}
    one = ranged(tmp_path, components={"cpu:process": narrow})["a"]["power assumed for cpu:process"]
    assert one.low.label == "0.996 x assumed power"
    assert low_and_high(one) == pytest.approx((12 * 0.996, 12 * 1.004))


def test_a_pue_that_nobody_gave_may_be_that_of_the_average_data_centre(tmp_path):
    found = ranged(tmp_path, a_place(G_PER_J))
    one = found["b"]["PUE, not given"]
    assert one.base == one.low.label == "IT energy only"
    # Whose it is stands in the label.
    assert one.high.label == "PUE 1.58, data centres of 2018 [strubell2019, eq. 1]"
    assert low_and_high(one) == pytest.approx((8.0, 8.0 * STRUBELL_PUE.value))
    assert (found[RATIO], found[CROSSING]) == ({}, {})


@pytest.mark.parametrize("place", [a_place(pue=1.0), a_place(pue=1.4), a_place(facility_metered=True)])
def test_a_pue_that_is_known_or_does_not_apply_is_no_choice(tmp_path, place):
    assert "PUE, not given" not in ranged(tmp_path, place)["a"]


def test_without_a_site_the_range_of_a_cost_is_in_joules(tmp_path):
    found = ranged(tmp_path, site())
    assert found["a"]["PUE, not given"].unit == "J"
    assert low_and_high(found["a"]["PUE, not given"]) == pytest.approx((12.0, 12.0 * 1.58))


def test_a_year_may_be_taken_by_the_hour(tmp_path):
    # `a` runs for 12 s from New Year on: everything in the first hour, which is dirtier than the year.
    found = ranged(tmp_path, a_place(G_PER_J, pue=1.0, hourly=a_series(2 * G_PER_J, 0.0)))
    one = found["a"]["intensity over time"]
    assert (one.base, one.low.label, one.high.label) == ("yearly average", "yearly average", "by the hour")
    assert low_and_high(one) == pytest.approx((12.0, 24.0))


def test_a_range_is_no_interval(tmp_path):
    found = look(gauged(tmp_path, TWO, {"cpu:process": ASSUMED}), Sites(sites=(a_place(G_PER_J),)))
    assert all(spread.interval is None for name, spread in found.spreads.items() if name in ("a", "b"))
    assert {one.name for one in ranges(found.comparison, found.doubt, found.runs)["a"]} == {
        "power assumed for cpu:process",
        "PUE, not given",
    }


def test_several_sites_without_a_pue_may_have_one_too(tmp_path):
    here, there = (replace(a_place(G_PER_J), name=name, ledgers=(f"{name}-*",)) for name in ("a", "b"))
    found = look(gauged(tmp_path, TWO), Sites(sites=(here, there)))
    by_name = ranges(found.comparison, found.doubt, found.runs)
    assert [[one.name for one in by_name[name]] for name in ("a", "b", RATIO)] == [["PUE, not given"]] * 2 + [[]]


def test_no_building_moves_what_it_took_to_make_the_hardware(tmp_path):
    place = a_place(G_PER_J, embodied=(an_item("gpu:*"),))
    found = ranged(tmp_path, place)
    whole = found["a, in operation and embodied"]["PUE, not given"]
    assert low_and_high(whole) == pytest.approx((12.012, 12.0 * STRUBELL_PUE.value + 0.012))
    assert found["a, embodied"] == {}
