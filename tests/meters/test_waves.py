"""The truth that sensors are compared with: its integrals are those of its power."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.meters.waves import Constant, Ramp, Square, Sum, Telegraph

POWERS_W = st.floats(0, 1_000)
TIMES_S = st.floats(-50, 150)
LENGTHS_S = st.floats(0.01, 50)
WAVES = st.one_of(
    st.builds(Constant, level_w=POWERS_W),
    st.builds(
        Square,
        low_w=POWERS_W,
        high_w=POWERS_W,
        period_s=st.floats(0.05, 50),
        high_ratio=st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]),
        phase_s=TIMES_S,
    ),
    st.builds(
        lambda begin_s, length_s, **powers: Ramp(begin_s=begin_s, end_s=begin_s + length_s, **powers),
        from_w=POWERS_W,
        to_w=POWERS_W,
        begin_s=TIMES_S,
        length_s=LENGTHS_S,
    ),
    st.builds(Telegraph, low_w=POWERS_W, high_w=POWERS_W, mean_s=st.floats(0.1, 50), seed=st.integers(0, 99)),
)


@settings(deadline=None)
@given(WAVES | st.builds(Sum, waves=st.lists(WAVES, max_size=3).map(tuple)), st.tuples(TIMES_S, TIMES_S, TIMES_S))
def test_energy_is_never_negative_and_adds_up(wave, times_s):
    first_s, middle_s, last_s = sorted(times_s)
    whole_j = wave.energy_j(first_s, last_s)
    parts_j = wave.energy_j(first_s, middle_s) + wave.energy_j(middle_s, last_s)
    assert whole_j >= -1e-6
    assert parts_j == pytest.approx(whole_j, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(WAVES, TIMES_S, st.floats(0.01, 5))
def test_the_integral_is_that_of_the_power(wave, begin_s, length_s):
    steps = 4_000
    step_s = length_s / steps
    powers_w = [wave.power_w(begin_s + (number + 0.5) * step_s) for number in range(steps)]
    # The midpoint rule errs by one step for every jump.
    jumps = sum(one != other for one, other in pairwise(powers_w))
    tolerance_j = 1e-6 + 1_000 * step_s * (jumps + 1)
    assert wave.energy_j(begin_s, begin_s + length_s) == pytest.approx(sum(powers_w) * step_s, abs=tolerance_j)


def test_a_square_is_high_first():
    wave = Square(low_w=10.0, high_w=110.0, period_s=4.0, high_ratio=0.25)
    assert [wave.power_w(time_s) for time_s in (0.0, 0.9, 1.0, 3.9, 4.0)] == [110.0, 110.0, 10.0, 10.0, 110.0]
    assert wave.energy_j(0.0, 8.0) == 2 * (110.0 + 30.0)


def test_a_ramp_is_level_before_and_after():
    wave = Ramp(from_w=0.0, to_w=100.0, begin_s=1.0, end_s=3.0)
    assert [wave.power_w(time_s) for time_s in (0.0, 2.0, 9.0)] == [0.0, 50.0, 100.0]
    assert wave.energy_j(0.0, 4.0) == 0.0 + 100.0 + 100.0


def test_a_telegraph_is_decided_by_its_seed():
    one, same, other = (Telegraph(low_w=0.0, high_w=1.0, mean_s=1.0, seed=seed) for seed in (7, 7, 8))
    assert one == same
    assert one.energy_j(0.0, 99.0) == same.energy_j(0.0, 99.0) != other.energy_j(0.0, 99.0)
    assert 20 < one.energy_j(0.0, 100.0) < 80


def test_waves_can_be_added():
    wave = Sum(waves=(Constant(level_w=1.0), Constant(level_w=2.0)))
    assert (wave.power_w(0.0), wave.energy_j(0.0, 2.0)) == (3.0, 6.0)


@pytest.mark.parametrize(
    "wave",
    [
        lambda: Constant(level_w=-1.0),
        lambda: Square(low_w=0.0, high_w=1.0, period_s=0.0),
        lambda: Square(low_w=-1.0, high_w=1.0, period_s=1.0),
        lambda: Ramp(from_w=0.0, to_w=1.0, begin_s=1.0, end_s=1.0),
        lambda: Telegraph(low_w=0.0, high_w=1.0, mean_s=0.0, seed=0),
    ],
)
def test_a_wave_that_cannot_be_is_refused(wave):
    with pytest.raises(ValueError, match="needs"):
        wave()
