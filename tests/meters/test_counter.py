"""A counter that wraps, begins anew or falls silent: right, or bounded, and never a blind wrap."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.meters.base import Component, Gaps, Reading
from carbon_nas.meters.counter import Counter
from carbon_nas.meters.measurement import measure
from carbon_nas.sources import Tier

WRAP, UNIT_J, MAX_W = 262_143_328_850, 1e-6, 500.0


def counter(**changes) -> Counter:
    return Counter(**{"unit_j": 1e-3, "power_max_w": 300.0, "wrap": None, "now_s": 0.0, "raw": 1_000} | changes)


@pytest.mark.parametrize("used", [0, 1, 9, 1_234_567, 7 * 10**12, 2**60])
def test_counts_become_joules_exactly(used):
    one = counter(power_max_w=None)
    one.update(1.0, 1_000 + used)
    assert one.energy_j == used / 1_000
    assert one.gaps is None


def test_a_million_small_steps_do_not_drift():
    one = counter(power_max_w=None)
    for step in range(100_000):
        one.update(float(step), 1_000 + 3 * step)
    assert one.energy_j == 3 * 99_999 / 1_000


def test_a_unit_that_is_no_round_part_of_a_joule_is_multiplied_once():
    one = counter(unit_j=6.1e-5, power_max_w=None)
    one.update(1.0, 1_100)
    assert one.energy_j == 100 * 6.1e-5


def test_before_the_first_value_nothing_is_known_and_it_is_the_origin():
    one = counter(raw=None)
    assert one.energy_j is None
    one.update(1.0, None)
    assert one.energy_j is None
    one.update(2.0, 77)
    assert (one.energy_j, one.gaps) == (0.0, None)


def test_a_counter_that_is_silent_keeps_what_was_seen_and_loses_nothing_if_it_goes_on():
    one = counter()
    one.update(1.0, 101_000)
    one.update(2.0, None)
    one.update(4.0, None)
    assert (one.energy_j, one.gaps) == (100.0, Gaps(pending_s=3.0))
    one.update(5.0, 501_000)
    assert (one.energy_j, one.gaps) == (500.0, None)


def test_silence_without_any_time_passing_is_still_no_live_reading():
    one = counter()
    one.update(0.0, None)
    assert one.gaps.pending_s > 0


def test_a_step_back_begins_a_new_segment():
    one = counter()
    one.update(1.0, 101_000)
    one.update(3.0, 20)
    assert (one.energy_j, one.gaps) == (100.0, Gaps(segments=2, unseen_s=2.0))
    one.update(4.0, 10_020)
    assert one.energy_j == 110.0


def test_a_step_back_without_any_time_passing_is_still_a_gap():
    one = counter()
    one.update(0.0, 20)
    assert one.gaps.unseen_s > 0


def test_a_gap_is_bridged_with_the_mean_power_of_both_ends_within_its_bound():
    one = counter()
    one.update(1.0, 101_000, 100.0)
    one.update(3.0, 20, 200.0)
    assert (one.energy_j, one.gaps) == (400.0, Gaps(segments=2, unseen_s=2.0, bridged_j=300.0))
    one.update(4.0, 0, 5_000.0)
    assert one.gaps.bridged_j == 600.0


@pytest.mark.parametrize(("before_w", "after_w"), [(None, 100.0), (100.0, None)])
def test_a_gap_whose_ends_are_not_known_is_not_filled(before_w, after_w):
    one = counter()
    one.update(1.0, 101_000, before_w)
    one.update(3.0, 20, after_w)
    assert (one.energy_j, one.gaps.bridged_j) == (100.0, 0.0)


def test_a_leap_that_no_power_explains_is_no_energy():
    one = counter()
    one.update(1.0, 10**9)
    assert (one.energy_j, one.gaps) == (0.0, Gaps(segments=2, unseen_s=1.0))


def test_a_counter_that_stood_still_may_catch_up():
    one = counter()
    for second in range(1, 10):
        one.update(float(second), 1_000)
    one.update(9.1, 2_000_000)
    assert (one.energy_j, one.gaps) == (1_999.0, None)


@pytest.mark.parametrize("waits_first", [True, False])
def test_energy_that_was_used_while_a_reader_had_to_wait_is_not_too_much(waits_first):
    # Asked at 1 s and 2 s, one of the answers came only at 9 s: the values may lie 8 s apart.
    one = counter()
    if waits_first:
        one.update(9.0, 301_000, asked_s=1.0)
        one.update(9.001, 2_701_000, asked_s=9.0)
    else:
        one.update(1.0, 301_000, asked_s=1.0)
        one.update(9.0, 2_701_000, asked_s=2.0)
    assert (one.energy_j, one.gaps) == (2_700.0, None)


def test_one_wrap_that_the_time_explains_is_one_wrap():
    one = Counter(unit_j=UNIT_J, power_max_w=MAX_W, wrap=WRAP, now_s=0.0, raw=WRAP - 10_000_000)
    one.update(1.0, 90_000_000)
    assert (one.energy_j, one.gaps) == (100.0, None)


def test_a_step_back_that_is_no_wrap_is_never_262_kilojoules():
    one = Counter(unit_j=UNIT_J, power_max_w=MAX_W, wrap=WRAP, now_s=0.0, raw=1_000_000_000)
    one.update(1.0, 999_000_000)
    assert (one.energy_j, one.gaps) == (0.0, Gaps(segments=2, unseen_s=1.0))


def test_after_so_long_that_it_may_have_wrapped_twice_nobody_knows():
    one = Counter(unit_j=UNIT_J, power_max_w=MAX_W, wrap=WRAP, now_s=0.0, raw=0)
    one.update(3_000.0, 5_000_000)
    assert (one.energy_j, one.gaps) == (0.0, Gaps(segments=2, unseen_s=3_000.0))


@pytest.mark.parametrize(("last", "now"), [(90, 10), (99, 0), (50, 49)])
def test_without_a_limit_no_step_back_is_taken_for_a_wrap(last, now):
    one = Counter(unit_j=1.0, power_max_w=None, wrap=100, now_s=0.0, raw=last)
    one.update(1.0, now)
    assert (one.energy_j, one.gaps) == (0.0, Gaps(segments=2, unseen_s=1.0))


RAWS = st.none() | st.integers(0, 2**40)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1_000), RAWS, st.none() | st.floats(0, 1_000)), max_size=30),
    st.none() | st.floats(1, 1_000),
    st.none() | st.integers(2**40, 2**41),
    RAWS,
)
def test_whatever_a_counter_shows_energy_never_falls_and_is_never_negative(steps, limit_w, wrap, raw):
    one = Counter(unit_j=1e-6, power_max_w=limit_w, wrap=wrap, now_s=0.0, raw=raw)
    now_s, last_j, last = 0.0, 0.0, Gaps()
    for passed_s, shown, power_w in steps:
        now_s += passed_s
        one.update(now_s, shown, power_w)
        gaps = one.gaps or Gaps()
        assert gaps.segments >= last.segments
        assert gaps.unseen_s >= last.unseen_s
        assert gaps.bridged_j >= last.bridged_j
        assert (gaps.pending_s > 0) == (shown is None)
        if one.energy_j is not None:
            assert one.energy_j >= last_j
            last_j = one.energy_j
        last = gaps


SECONDS_S = st.floats(0.01, 1_000)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(SECONDS_S, st.floats(0, MAX_W), st.booleans()),
        min_size=2,
        max_size=20,
    ),
    st.integers(0, WRAP - 1),
    st.booleans(),
    st.data(),
)
def test_over_wraps_and_silences_the_true_energy_is_within_the_bounds(steps, raw, knows_power, data):
    component = Component(name="dram", tier=Tier.MEASURED, method="made up", power_max_w=MAX_W)
    one = Counter(unit_j=UNIT_J, power_max_w=MAX_W, wrap=WRAP, now_s=0.0, raw=raw)
    now_s, true, shown, points = 0.0, 0, raw, []
    for passed_s, power_w, silent in steps:
        now_s += passed_s
        used = int(power_w * passed_s / UNIT_J)
        true += used
        shown = (shown + used) % WRAP
        one.update(now_s, None if silent else shown, power_w if knows_power else None)
        reading = Reading(component="dram", energy_j=one.energy_j, device_s=None, gaps=one.gaps)
        points.append((now_s, true * UNIT_J, reading))
    first = data.draw(st.integers(0, len(points) - 2))
    last = data.draw(st.integers(first + 1, len(points) - 1))
    (begin_s, before_j, begin), (end_s, after_j, end) = points[first], points[last]
    window, true_j = measure(component, begin, end, end_s - begin_s), after_j - before_j
    assert window.low_j - 1e-3 <= true_j <= window.high_j + 1e-3
    if window.complete:
        assert window.energy_j == pytest.approx(true_j, abs=1e-3)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(1, MAX_W)), min_size=2, max_size=20), st.data())
def test_a_counter_that_begins_at_zero_somewhere_is_bounded(steps, data):
    component = Component(name="gpu:a", tier=Tier.MEASURED, method="made up", power_max_w=MAX_W)
    start = 10**9
    one = Counter(unit_j=1e-3, power_max_w=MAX_W, wrap=None, now_s=0.0, raw=start, power_w=0.0)
    broken = data.draw(st.integers(0, len(steps) - 1))
    begin = Reading(component="gpu:a", energy_j=one.energy_j, device_s=None, gaps=one.gaps)
    now_s, true, shown = 0.0, 0, start
    for number, (passed_s, power_w) in enumerate(steps):
        now_s += passed_s
        used = int(power_w * passed_s * 1_000)
        true += used
        shown = data.draw(st.integers(0, used)) if number == broken else shown + used
        one.update(now_s, shown, power_w)
    end = Reading(component="gpu:a", energy_j=one.energy_j, device_s=None, gaps=one.gaps)
    window = measure(component, begin, end, now_s)
    assert not window.complete
    assert window.segments == 2
    assert window.low_j - 1e-3 <= true * 1e-3 <= window.high_j + 1e-3
