"""What a choice between sources or methods moves."""

from math import inf

import pytest

from carbon_nas.accounting.choices import End, choice_range
from carbon_nas.errors import UnknownName, UnknownQuantity

# MnasNet's search as three papers give it, over the 1,240 h of once-for-all (Cai et al. 2020, Table 1), at N = 40.
MNASNET = {"its own paper": 6_912 * 40 / 1240, "cai2020": 40_000 * 40 / 1240, "wu2019": 90_720 * 40 / 1240}


def test_a_range_goes_from_the_least_to_the_most_and_says_which_they_are():
    found = choice_range("cost of MnasNet", MNASNET, unit="", base="cai2020")
    assert found.low == End(label="its own paper", value=MNASNET["its own paper"], unit="")
    assert found.high == End(label="wu2019", value=MNASNET["wu2019"], unit="")
    assert (found.base, found.undefined) == ("cai2020", ())


def test_an_alternative_without_a_number_is_named_and_never_zero():
    values = {"a": 2.0, "b": None, "c": 1.0, "d": inf}
    found = choice_range("switch", values, unit="kg", base="a")
    assert (found.low.value, found.high.value) == (1.0, 2.0)
    assert found.undefined == ("b", "d")


def test_of_equal_alternatives_the_first_is_named():
    found = choice_range("switch", {"a": 2.0, "b": 2.0}, unit="kg", base="b")
    assert found.low.label == found.high.label == "a"


def test_a_range_without_any_number_is_refused():
    with pytest.raises(UnknownQuantity, match="no alternative gives a number"):
        choice_range("switch", {"a": None}, unit="kg", base="a")


def test_the_base_is_one_of_the_alternatives():
    with pytest.raises(UnknownName, match="'c'"):
        choice_range("switch", {"a": 1.0}, unit="kg", base="c")
