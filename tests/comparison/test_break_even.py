import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.comparison import BreakEven, CostCurve, SeedCost, break_even


def curve(strategy: str, once_j: float, *each_j: float, seed: int = 0) -> CostCurve:
    scenarios = {f"s{number}": joules for number, joules in enumerate(each_j)}
    return CostCurve(strategy=strategy, seeds=(SeedCost(seed=seed, once_j=once_j, per_scenario_j=scenarios),))


def test_a_curve_is_once_plus_n_times_the_mean_scenario() -> None:
    upfront = curve("upfront", 100.0, 2.0, 4.0)
    assert upfront.slope_j == 3.0
    assert upfront.energy_j(10) == 130.0
    assert upfront.points_j() == (100.0, 102.0, 106.0)
    assert upfront.total_j == 106.0


def test_curves_cross_where_what_was_paid_once_is_saved() -> None:
    found = break_even(curve("upfront", 100.0, 2.0, 4.0), curve("repeated", 0.0, 50.0, 30.0))
    assert found.n_ratio == pytest.approx(100 / 37)
    assert (found.low_ratio, found.high_ratio) == (pytest.approx(100 / 48), pytest.approx(100 / 26))
    assert found.first_n == 3
    assert found.extrapolated


def test_a_crossing_on_a_whole_number_is_not_yet_cheaper() -> None:
    found = break_even(curve("upfront", 20.0, 0.0), curve("repeated", 0.0, 10.0))
    assert found.n_ratio == 2.0
    assert found.first_n == 3


def test_who_pays_more_once_and_not_less_each_time_never_breaks_even() -> None:
    found = break_even(curve("upfront", 100.0, 50.0), curve("repeated", 0.0, 50.0))
    assert found.n_ratio is None
    assert found.first_n is None
    assert found.extrapolated, "that straight lines never cross was not run"


@given(*[st.floats(min_value=0, max_value=1e9) for _ in range(4)])
def test_both_cost_the_same_at_the_crossing(a: float, b: float, c: float, d: float) -> None:
    one, other = curve("one", a, b), curve("other", c, d)
    found = break_even(one, other)
    if found.n_ratio is not None and found.n_ratio < 1e6:
        assert one.energy_j(found.n_ratio) == pytest.approx(other.energy_j(found.n_ratio), rel=1e-6, abs=1e-3)


@given(st.floats(min_value=1, max_value=1e6), *[st.floats(min_value=0, max_value=1e3)] * 2)
def test_the_order_of_the_curves_does_not_matter(once_j: float, b: float, c: float) -> None:
    upfront, repeated = curve("upfront", once_j, b), curve("repeated", 0.0, c)
    assert break_even(upfront, repeated) == break_even(repeated, upfront)


def test_only_equal_seeds_and_scenarios_are_paired_for_the_range() -> None:
    found = break_even(curve("upfront", 100.0, 0.0, seed=0), curve("repeated", 0.0, 50.0, seed=1))
    assert isinstance(found, BreakEven)
    assert (found.pairs, found.low_ratio, found.high_ratio) == (0, None, None)


def test_pairs_that_never_cross_are_counted_and_not_hidden() -> None:
    found = break_even(curve("upfront", 100.0, 2.0, 60.0), curve("repeated", 0.0, 50.0, 30.0))
    assert (found.pairs, found.crossing_pairs) == (2, 1)
    assert found.low_ratio == found.high_ratio == pytest.approx(100 / 48)
