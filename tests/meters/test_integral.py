"""Joules from power samples, and what sampling leaves open."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.meters.base import Gaps
from carbon_nas.meters.integral import Integral


def fed(*samples: tuple[float, float | None], limit_w: float | None = None) -> Integral:
    (first_s, first_w), *others = samples
    integral = Integral(now_s=first_s, power_w=first_w, power_max_w=limit_w)
    for now_s, power_w in others:
        integral.update(now_s, power_w)
    return integral


def test_constant_power_is_power_times_time_without_doubt():
    integral = fed(*((0.1 * number, 300.0) for number in range(101)))
    assert integral.energy_j == pytest.approx(3_000.0)
    assert (integral.sampling_u_j, integral.gaps) == (0.0, None)


def test_a_straight_line_is_integrated_exactly():
    integral = fed(*((0.1 * number, 10.0 * number) for number in range(11)))
    assert integral.energy_j == pytest.approx(50.0)


def test_a_jump_is_in_doubt_by_about_half_a_step():
    integral = fed((0.0, 0.0), (0.1, 100.0))
    assert integral.energy_j == pytest.approx(5.0)
    assert 100.0 * 0.1 / 12**0.5 < integral.sampling_u_j < 100.0 * 0.1


def test_what_power_usually_does_is_in_doubt_also_where_it_stood_still():
    restless = fed((0.0, 0.0), (0.1, 100.0), (0.2, 100.0))
    assert restless.sampling_u_j > fed((0.0, 0.0), (0.1, 100.0)).sampling_u_j


def test_before_the_first_sample_nothing_is_known():
    assert fed((0.0, None), (0.1, None)).energy_j is None
    assert fed((0.0, None), (0.1, 5.0)).energy_j == 0.0


def test_what_was_used_while_it_did_not_answer_is_bridged_and_lost():
    integral = fed((0.0, 100.0), (0.1, 100.0), (0.2, None), (0.3, None))
    assert (integral.energy_j, integral.gaps) == (pytest.approx(10.0), Gaps(pending_s=pytest.approx(0.2)))
    integral.update(0.4, 300.0)
    assert integral.energy_j == pytest.approx(10.0 + 0.3 * 200.0)
    assert integral.gaps == Gaps(segments=2, unseen_s=pytest.approx(0.3), bridged_j=pytest.approx(60.0), pending_s=0.0)


def test_a_bridge_stays_within_the_limit():
    assert fed((0.0, 900.0), (0.1, None), (1.0, 900.0), limit_w=300.0).gaps.bridged_j == pytest.approx(300.0)


def test_a_time_in_which_nobody_looked_is_a_gap():
    assert fed((0.0, 100.0), (60.0, 100.0)).gaps == Gaps(segments=2, unseen_s=60.0, bridged_j=6_000.0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.none() | st.floats(0, 1_000)), max_size=40))
def test_neither_energy_nor_doubt_ever_falls(steps):
    integral, now_s, last_j, last_u_j = Integral(now_s=0.0, power_w=None), 0.0, 0.0, 0.0
    for passed_s, power_w in steps:
        now_s += passed_s
        integral.update(now_s, power_w)
        assert integral.sampling_u_j >= last_u_j
        assert (integral.energy_j or 0.0) >= last_j
        last_j, last_u_j = integral.energy_j or 0.0, integral.sampling_u_j
