import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.devices.validation import rank_correlation, validate
from tests.supernet.spaces import few

latencies = st.floats(0.01, 1e3, allow_subnormal=False)
pairs = st.lists(st.tuples(latencies, latencies), min_size=1, max_size=20)


def test_errors_are_fractions_of_what_was_measured():
    found = validate([1.1, 1.6, 4.0], [1.0, 2.0, 4.0])
    assert found.networks == 3
    assert found.error_fraction == pytest.approx(0.1)
    assert found.greatest_error_fraction == pytest.approx(0.2)
    assert found.bias_fraction == pytest.approx(-0.1 / 3)
    assert found.rank_correlation_ratio == pytest.approx(1.0)


def test_with_nothing_to_compare_nothing_is_known():
    assert validate([], []) is None


@few
@given(pairs)
def test_the_bias_is_never_more_than_the_mean_error_and_that_never_more_than_the_greatest(pairs):
    found = validate(*zip(*pairs, strict=True))
    assert abs(found.bias_fraction) <= found.error_fraction * (1 + 1e-12)
    assert found.error_fraction <= found.greatest_error_fraction * (1 + 1e-12)


@few
@given(st.lists(st.floats(0.1, 10, allow_subnormal=False), min_size=3, max_size=20, unique=True))
def test_a_growing_function_keeps_every_rank_and_a_falling_one_turns_all_around(values):
    assert rank_correlation(values, [2 * value + 1 for value in values]) == pytest.approx(1.0)
    assert rank_correlation(values, [-value for value in values]) == pytest.approx(-1.0)


def test_equal_values_share_the_mean_of_their_ranks():
    # By hand: ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4; covariance 4.5, variances 4.5 and 5.
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)


@pytest.mark.parametrize("values", [[1, 2], [1, 1, 1, 1]])
def test_two_networks_or_equal_ones_have_no_rank_correlation(values):
    assert rank_correlation(values, list(range(len(values)))) is None
