"""A number with what is not known about it."""

from math import inf, nan
from operator import add, mul, sub, truediv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.errors import UnknownQuantity
from carbon_nas.uncertain import Interval, Uncertain, printed

numbers = st.floats(min_value=-1e9, max_value=1e9).map(lambda number: round(number, 3))
shares = st.floats(min_value=0.0, max_value=1.0)


@st.composite
def intervals_with_a_member(draw):
    low, high = sorted((draw(numbers), draw(numbers)))
    return Interval(low=low, high=high), min(high, max(low, low + draw(shares) * (high - low)))


@pytest.mark.parametrize("operation", [add, sub, mul, truediv])
@given(first=intervals_with_a_member(), second=intervals_with_a_member())
def test_arithmetic_keeps_every_possible_value(operation, first, second):
    (left, one), (right, other) = first, second
    if operation is not truediv or other != 0.0:
        assert operation(left, right).holds(operation(one, other))


@pytest.mark.parametrize("operation", [add, sub, mul, truediv])
@given(first=intervals_with_a_member(), second=intervals_with_a_member())
def test_both_ends_are_possible_values(operation, first, second):
    (left, _), (right, _) = first, second
    if operation is truediv and right.holds(0.0):
        return
    corners = [operation(one, other) for one in (left.low, left.high) for other in (right.low, right.high)]
    found = operation(left, right)
    assert (found.low, found.high) == (min(corners), max(corners))


@given(first=intervals_with_a_member(), number=numbers)
def test_a_plain_number_is_an_interval_that_holds_one_number(first, number):
    interval, _ = first
    assert interval + number == number + interval == interval + Interval.exactly(number)
    assert interval * number == number * interval == interval * Interval.exactly(number)
    assert interval - number == interval - Interval.exactly(number)


def test_two_numbers_in_one_interval_need_not_be_equal():
    interval = Interval(low=1.0, high=2.0)
    assert interval - interval == Interval(low=-1.0, high=1.0)
    assert interval / interval == Interval(low=0.5, high=2.0)


def test_a_divisor_that_may_be_zero_bounds_nothing():
    assert Interval(low=1.0, high=2.0) / Interval(low=0.0, high=1.0) == Interval(low=-inf, high=inf)


def test_zero_stays_zero_however_large_the_other_number_may_be():
    unbounded = Interval(low=-inf, high=inf)
    assert Interval.exactly(0.0) * unbounded == Interval.exactly(0.0)
    assert Interval(low=0.0, high=2.0) * Interval(low=1.0, high=inf) == Interval(low=0.0, high=inf)
    assert Interval(low=1.0, high=inf) / Interval(low=2.0, high=inf) == Interval(low=0.0, high=inf)


@pytest.mark.parametrize("operation", [add, sub, mul, truediv])
def test_what_is_no_number_is_refused(operation):
    with pytest.raises(ValueError, match="nan"):
        operation(Interval(low=0.0, high=1.0), nan)


def test_an_interval_has_its_lower_end_first():
    with pytest.raises(ValueError, match="holds nothing"):
        Interval(low=2.0, high=1.0)


@given(first=intervals_with_a_member(), second=intervals_with_a_member())
def test_two_intervals_meet_where_both_hold_a_number(first, second):
    (left, member), (right, _) = first, second
    assert left.meets(right) == right.meets(left)
    assert left.meets(Interval.exactly(member))
    if right.holds(member):
        assert left.meets(right)
    if left.high < right.low:
        assert not left.meets(right)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("79", 78.5, 79.5),
        ("0.34k", 335.0, 345.0),
        (".62k", 615.0, 625.0),
        ("1,507", 1506.5, 1507.5),
        ("$5875.2k", 5_875_150.0, 5_875_250.0),
        ("12,041.51", 12_041.505, 12_041.515),
        ("626,155", 626_154.5, 626_155.5),
        ("979M", 978.5e6, 979.5e6),
        (" 4.0k ", 3_950.0, 4_050.0),
        ("-0.5", -0.55, -0.45),
    ],
)
def test_a_printed_number_is_every_number_that_rounds_to_it(text, low, high):
    assert printed(text) == Interval(low=low, high=high)


@given(st.floats(min_value=-1e6, max_value=1e6), st.integers(min_value=0, max_value=6))
def test_a_number_lies_among_those_that_print_as_it_does(number, decimals):
    assert printed(f"{number:.{decimals}f}").holds(number)


@pytest.mark.parametrize("text", ["", "k", "-", "n/a", "inf", "nan", "1e3", "about 5", "5 k", "0.3.4", "41-140"])
def test_what_is_no_printed_number_is_refused(text):
    with pytest.raises(ValueError, match="no printed number"):
        printed(text)


@given(st.floats(min_value=1e-6, max_value=1e6), st.floats(min_value=1.0, max_value=3.0))
def test_a_log_normal_spread_reaches_as_far_up_as_down_in_ratio(value, gsd_ratio):
    about = Uncertain(value=value, unit="W", gsd_ratio=gsd_ratio)
    assert about.interval_95.holds(value)
    assert about.interval_95.high / value == pytest.approx(value / about.interval_95.low)
    assert about.interval_95.high / value == pytest.approx(gsd_ratio**1.96, rel=1e-4)


def test_no_spread_is_a_point_and_an_unknown_one_is_none():
    assert Uncertain(value=3.0, unit="W", gsd_ratio=1.0).interval_95 == Interval.exactly(3.0)
    unknown = Uncertain(value=3.0, unit="W")
    assert unknown.interval_95 is None
    with pytest.raises(UnknownQuantity, match="not quantified"):
        _ = unknown.sigma_ratio


@pytest.mark.parametrize("gsd_ratio", [0.99, 0.0, -1.0, nan, inf])
def test_a_spread_that_cannot_be_is_refused(gsd_ratio):
    with pytest.raises(ValueError, match="geometric standard deviation"):
        Uncertain(value=3.0, unit="W", gsd_ratio=gsd_ratio)
