"""What a choice between sources or methods moves."""

from math import inf

import pytest

from carbon_nas.accounting.scenarios import End, scenario_range, scenario_ranges
from carbon_nas.errors import UnknownName, UnknownQuantity

# MnasNet's search as three papers give it, over the 1,240 h of once-for-all (Cai et al. 2020, Table 1), at N = 40.
MNASNET = {"its own paper": 6_912 * 40 / 1240, "cai2020": 40_000 * 40 / 1240, "wu2019": 90_720 * 40 / 1240}


def test_a_range_goes_from_the_least_to_the_most_and_says_which_they_are():
    found = scenario_range("cost of MnasNet", MNASNET, unit="", base="cai2020")
    assert found.low == End(label="its own paper", value=MNASNET["its own paper"], unit="")
    assert found.high == End(label="wu2019", value=MNASNET["wu2019"], unit="")
    assert (found.base, found.undefined) == ("cai2020", ())


def test_an_alternative_without_a_number_is_named_and_never_zero():
    values = {"a": 2.0, "b": None, "c": 1.0, "d": inf}
    found = scenario_range("switch", values, unit="kg", base="a")
    assert (found.low.value, found.high.value) == (1.0, 2.0)
    assert found.undefined == ("b", "d")


def test_of_equal_alternatives_the_first_is_named():
    found = scenario_range("switch", {"a": 2.0, "b": 2.0}, unit="kg", base="b")
    assert found.low.label == found.high.label == "a"


def test_a_range_without_any_number_is_refused():
    with pytest.raises(UnknownQuantity, match="no alternative gives a number"):
        scenario_range("switch", {"a": None}, unit="kg", base="a")


def test_the_base_is_one_of_the_alternatives():
    with pytest.raises(UnknownName, match="'c'"):
        scenario_range("switch", {"a": 1.0}, unit="kg", base="c")


# PUE and kg/kWh of Patterson et al. 2021, Table 4 (Georgia), and of Strubell et al. 2019, equations 1 and 2.
PUE = {"Georgia": 1.10, "average 2018": 1.58}
INTENSITY = {"Georgia": 0.431, "US average": 0.43273}


def mass_kg(choice):
    return 100.0 * PUE[choice["pue"]] * INTENSITY[choice["grid"]]


def test_one_switch_is_turned_at_a_time():
    base = {"pue": "average 2018", "grid": "US average"}
    pue, grid = scenario_ranges(mass_kg, base=base, alternatives={"pue": list(PUE), "grid": ["Georgia"]}, unit="kg")
    assert (pue.name, pue.low.label, pue.high.label) == ("pue", "Georgia", "average 2018")
    assert pue.low.value == 100.0 * 1.10 * 0.43273
    assert (grid.name, grid.low.label, grid.high.label) == ("grid", "Georgia", "US average")
    assert grid.high.value == pue.high.value == mass_kg(base)


def test_no_choice_is_computed_twice():
    asked = []

    def remembered(choice):
        asked.append(tuple(choice.items()))
        return mass_kg(choice)

    base = {"pue": "average 2018", "grid": "US average"}
    scenario_ranges(remembered, base=base, alternatives={"pue": list(PUE), "grid": list(INTENSITY)}, unit="kg")
    assert len(asked) == len(set(asked)) == 3


def test_a_switch_without_a_base_is_refused():
    with pytest.raises(UnknownName, match="grid: a switch has no base"):
        scenario_ranges(mass_kg, base={"pue": "Georgia"}, alternatives={"grid": ["Georgia"]}, unit="kg")
