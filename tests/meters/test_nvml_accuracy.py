"""Energy of an NVIDIA GPU against a truth that is known in closed form: the stated doubt holds, and is not huge."""

from random import Random

import pytest

from carbon_nas.meters import ManualClock
from carbon_nas.meters.measurement import measure
from carbon_nas.meters.nvml import NvmlMeter
from carbon_nas.meters.simulated_gpu import SimulatedGpu
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant, Ramp, Square, Telegraph

ONE = "GPU-aaaa1111"
LENGTHS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def random_wave(chance: Random, length_s: float):
    low_w, high_w = sorted((chance.uniform(30, 700), chance.uniform(30, 700)))
    period_s = 10 ** chance.uniform(-1.3, 1.5)
    kind = chance.choice(("constant", "square", "ramp", "telegraph"))
    if kind == "constant":
        return Constant(level_w=high_w)
    if kind == "square":
        ratio = chance.uniform(0.1, 0.9)
        phase_s = chance.uniform(0, period_s)
        return Square(low_w=low_w, high_w=high_w, period_s=period_s, high_ratio=ratio, phase_s=phase_s)
    if kind == "ramp":
        begin_s = chance.uniform(0, 2 + length_s)
        return Ramp(from_w=low_w, to_w=high_w, begin_s=begin_s, end_s=begin_s + period_s)
    return Telegraph(low_w=low_w, high_w=high_w, mean_s=period_s, seed=chance.randrange(2**32), horizon_s=110.0)


def window_of(chance: Random, length_s: float, *, sigma_ratio: float = 0.0, wave=None, **gpu):
    """Meter one window of a random wave, and return it with the true energy."""
    gain_ratio = max(0.1, chance.gauss(1.0, sigma_ratio)) if sigma_ratio else 1.0
    wave = wave or random_wave(chance, length_s)
    board = SimulatedGpu(uuid=ONE, wave=wave, phase_s=chance.uniform(0, 0.1), gain_ratio=gain_ratio, **gpu)
    clock = ManualClock()
    meter = NvmlMeter(clock, SimulatedNvml(clock, [board]), environment={})
    (component,) = meter.components
    step_s = component.sampling_s

    def passes(duration_s: float) -> None:
        # What integrates power is read all the time, at moments of its own; what counts is read at the edges.
        while step_s and duration_s > step_s:
            clock.advance(step_s)
            meter.read()
            duration_s -= step_s
        clock.advance(duration_s)

    passes(chance.uniform(1.0, 2.0))
    begin_s, (begin,) = clock.monotonic_s(), meter.read()
    passes(length_s)
    end_s, (end,) = clock.monotonic_s(), meter.read()
    return measure(component, begin, end, end_s - begin_s), wave.energy_j(begin_s, end_s)


KINDS = {
    "counter": {},
    "instantaneous power": {"counter": False},
    "average power": {"counter": False, "instant": False},
}


@pytest.mark.parametrize(
    ("kind", "sigma_ratio", "windows"),
    [
        ("counter", 0.0, 1_008),
        ("counter", 0.05, 1_008),
        ("instantaneous power", 0.0, 1_008),
        ("instantaneous power", 0.05, 1_008),
        ("average power", 0.0, 1_008),
    ],
)
def test_in_nineteen_of_twenty_windows_the_truth_is_within_twice_the_doubt(kind, sigma_ratio, windows):
    chance = Random(f"{kind} {sigma_ratio}")
    inside, doubts = [], {}
    for number in range(windows):
        length_s = LENGTHS_S[number % len(LENGTHS_S)] * chance.uniform(0.8, 1.0)
        # Long windows of sampled power take hundreds of readings each: fewer of them.
        if kind != "counter" and length_s > 5 and number % 8:
            length_s = 10 ** chance.uniform(-2, 0.7)
        window, true_j = window_of(chance, length_s, sigma_ratio=sigma_ratio, **KINDS[kind])
        u_j = (window.random_u_j**2 + (window.systematic_u_j**2 if sigma_ratio else 0.0)) ** 0.5
        inside.append(abs(window.energy_j - true_j) <= 2 * u_j)
        nearest_s = min(LENGTHS_S, key=lambda known_s: abs(known_s - length_s))
        doubts.setdefault(nearest_s, []).append(u_j / true_j)
    table = {length_s: f"{sum(ratios) / len(ratios):.1%}" for length_s, ratios in sorted(doubts.items())}
    assert sum(inside) / len(inside) >= 0.95, f"{sum(inside)} of {len(inside)} inside; mean u/E by length: {table}"
    long = [ratio for length_s, ratios in doubts.items() if length_s >= 10 for ratio in ratios]
    assert sum(long) / len(long) < 0.15, f"mean u/E by length: {table}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_doubt_of_a_long_window_of_constant_power_is_small(kind):
    chance = Random(kind)
    most_ratio = 0.01 if kind != "average power" else 0.1
    for length_s in (10.0, 30.0):
        window, true_j = window_of(chance, length_s, wave=Constant(level_w=400.0), **KINDS[kind])
        assert window.random_u_j / true_j < most_ratio
        assert abs(window.energy_j - true_j) <= 2 * window.random_u_j
        assert window.complete
        assert not window.below_resolution


def test_a_window_shorter_than_a_tick_says_that_it_cannot_be_told():
    window, _ = window_of(Random(1), 0.01, wave=Constant(level_w=400.0))
    assert window.below_resolution
