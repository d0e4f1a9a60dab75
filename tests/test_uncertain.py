"""A number with what is not known about it."""

from math import exp, gamma, inf, log, nan, pi, sqrt
from operator import add, mul, sub, truediv
from random import Random
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.errors import UnknownQuantity
from carbon_nas.uncertain import Z_95, Interval, Uncertain, mean_gsd_ratio, printed

numbers = st.floats(min_value=-1e9, max_value=1e9, allow_subnormal=False).map(lambda number: round(number, 3))
shares = st.floats(min_value=0.0, max_value=1.0, allow_subnormal=False)


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


@given(st.floats(min_value=-1e6, max_value=1e6, allow_subnormal=False), st.integers(min_value=0, max_value=6))
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


# How sure the mean of some repeats is.

costs = st.floats(min_value=1e-3, max_value=1e6)
repeats = st.lists(costs, min_size=3, max_size=40)


def test_the_mean_of_three_has_the_interval_that_one_reckons_by_hand():
    """Logarithms of 1, 2 and 4 are a step of log 2 apart: that is their standard deviation, and t is 4.303."""
    gsd_ratio = mean_gsd_ratio([1.0, 2.0, 4.0])
    assert gsd_ratio**Z_95 == pytest.approx(2.0 ** (4.303 / sqrt(3.0)))
    about = Uncertain(value=2.0, unit="J", gsd_ratio=gsd_ratio)
    assert about.interval_95.high == pytest.approx(11.19, abs=0.01)


@given(st.lists(costs, max_size=2))
def test_fewer_than_three_say_nothing(values):
    assert mean_gsd_ratio(values) is None


@given(repeats, st.integers(min_value=0), st.sampled_from([0.0, -1.0]))
def test_what_has_no_logarithm_has_no_spread(values, place, number):
    values.insert(place % len(values), number)
    assert mean_gsd_ratio(values) is None


@given(costs, st.integers(min_value=3, max_value=40))
def test_repeats_that_are_all_alike_leave_no_doubt(value, number):
    assert mean_gsd_ratio([value] * number) == 1.0


@settings(max_examples=50)
@given(repeats, st.floats(min_value=1e-3, max_value=1e3))
def test_the_unit_does_not_matter(values, scale_ratio):
    scaled = mean_gsd_ratio([value * scale_ratio for value in values])
    assert log(scaled) == pytest.approx(log(mean_gsd_ratio(values)), rel=1e-9, abs=1e-12)


@settings(max_examples=50)
@given(repeats, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    assert mean_gsd_ratio(shuffled) == pytest.approx(mean_gsd_ratio(values), rel=1e-12)


@settings(max_examples=50)
@given(repeats)
def test_twice_the_scatter_is_twice_the_reach(values):
    squared = mean_gsd_ratio([value**2 for value in values])
    assert log(squared) == pytest.approx(2.0 * log(mean_gsd_ratio(values)), rel=1e-9, abs=1e-12)


@settings(max_examples=50)
@given(
    st.floats(min_value=1.01, max_value=10.0),
    st.integers(min_value=2, max_value=20),
    st.integers(min_value=1, max_value=20),
)
def test_more_repeats_of_the_same_scatter_are_surer(factor, pairs, more):
    few, many = (mean_gsd_ratio([1.0 / factor, factor] * number) for number in (pairs, pairs + more))
    assert 1.0 < many < few


def student_below(quantile: float, freedom: int) -> float:
    """Return how much of Student's distribution lies below, by Simpson's rule over its density."""
    steps = 2_000
    width = quantile / steps
    height = gamma((freedom + 1) / 2) / (sqrt(freedom * pi) * gamma(freedom / 2))
    densities = [height * (1 + (width * step) ** 2 / freedom) ** (-(freedom + 1) / 2) for step in range(steps + 1)]
    return 0.5 + width / 3 * (densities[0] + 4 * sum(densities[1:-1:2]) + 2 * sum(densities[2:-1:2]) + densities[-1])


def student_used(number: int) -> float:
    """Return the quantile that the interval of so many repeats was made with."""
    values = [exp(0.1 * step) for step in range(number)]
    return log(mean_gsd_ratio(values)) * Z_95 * sqrt(number) / stdev(map(log, values))


@pytest.mark.parametrize("number", range(3, 32))
def test_the_quantiles_are_those_of_student_s_distribution(number):
    # Three decimals are tabled.
    assert student_below(student_used(number), number - 1) == pytest.approx(0.975, abs=3e-5)


@pytest.mark.parametrize("number", [32, 40, 100, 150])
def test_beyond_what_is_tabled_the_interval_is_a_little_too_wide_and_never_too_narrow(number):
    assert 0.975 < student_below(student_used(number), number - 1) < 0.98


@pytest.mark.parametrize("number", [3, 5])
def test_nineteen_of_twenty_intervals_hold_what_the_repeats_scatter_about(number):
    random, trials, held = Random(0), 4_000, 0
    for _ in range(trials):
        logarithms = [random.gauss(0.0, 0.5) for _ in range(number)]
        reach = Z_95 * log(mean_gsd_ratio([exp(one) for one in logarithms]))
        held += abs(fmean(logarithms)) <= reach
    # Three standard errors of a share of 95 % in 4,000.
    assert held / trials == pytest.approx(0.95, abs=0.0104)
