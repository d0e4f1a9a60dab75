"""The joules of a window, and that the truth lies within what it says, wherever a counter was silent or began anew."""

from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carbon_nas.meters import Component, Gaps, ManualClock, Measurement, Metering, Reading, SimulatedMeter, measure
from carbon_nas.meters.counter import Counter
from carbon_nas.meters.measurement import charged, measure_all
from carbon_nas.sources import Tier

LIMIT_W = 100.0


def part(**changes) -> Component:
    fields = {"name": "gpu:a", "tier": Tier.MEASURED, "method": "a counter", "power_max_w": LIMIT_W, "tick_s": 0.0}
    return Component(**(fields | changes))


def shown(energy_j: float | None, **facts) -> Reading:
    return Reading(component="gpu:a", energy_j=energy_j, device_s=None, **facts)


@dataclass
class Hardware:
    """A device whose true energy is known, with a counter in millijoules that a test silences and resets."""

    clock: ManualClock
    true_j: float = 0.0
    base_j: float = 1e9
    origin_j: float = -1e9
    power_w: float = 0.0
    answers: bool = True
    driver: bool = True
    tells_power: bool = True

    def __post_init__(self) -> None:
        self.components = (part(),)
        self._counter = Counter(
            unit_j=1e-3,
            power_max_w=LIMIT_W,
            wrap=None,
            now_s=self.clock.monotonic_s(),
            raw=self._raw(),
            power_w=self.power_w,
            tick_s=0.0,
        )

    def _raw(self) -> int:
        return round((self.true_j - self.origin_j) * 1e3)

    def run(self, duration_s: float, power_w: float) -> None:
        self.clock.advance(duration_s)
        self.true_j += duration_s * power_w
        self.power_w = power_w

    def reset(self) -> None:
        # Far below what it showed: whether a counter that fell from next to nothing fell at all, nobody can see.
        self.base_j -= 1e5
        self.origin_j = self.true_j - self.base_j

    def read(self) -> tuple[Reading, ...]:
        if not self.driver:
            raise RuntimeError("the driver is gone")
        power_w = self.power_w if self.tells_power and self.answers else None
        self._counter.update(self.clock.monotonic_s(), self._raw() if self.answers else None, power_w)
        return (shown(self._counter.energy_j, power_w=power_w, gaps=self._counter.gaps),)

    def close(self) -> None:
        pass


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(1, 50), st.integers(0, 100)),
        st.tuples(st.just("reset")),
        st.tuples(st.sampled_from(["answers", "driver", "tells_power"]), st.booleans()),
        st.tuples(st.just("glance")),
        st.tuples(st.just("window")),
    ),
    max_size=40,
)
GONE, BACK = ("driver", False), ("driver", True)


@settings(deadline=None, max_examples=400)
@given(EVENTS)
@example([("run", 50, 50), GONE, ("run", 40, 100), ("window",), ("run", 1, 10), ("window",)])
@example([("run", 50, 50), GONE, ("run", 40, 100), ("window",), ("run", 1, 10), BACK, ("window",)])
@example([("run", 50, 50), GONE, ("run", 9, 100), ("reset",), ("window",), ("run", 9, 10), BACK, ("window",)])
def test_the_truth_lies_within_the_bounds_wherever_a_counter_is_silent_or_begins_anew(events):
    clock = ManualClock()
    device = Hardware(clock)
    began_j, whole_j, windows = None, 0.0, []
    with Metering([device], clock) as meters, meters.window("whole") as whole:
        for what, *values in [*events, ("window",), ("run", 1, 1), ("window",)]:
            match what:
                case "run":
                    device.run(values[0] / 8, values[1])
                case "reset":
                    device.reset()
                case "glance":
                    meters.read()
                case "window" if began_j is None:
                    window, began_j = meters.begin("window"), device.true_j
                case "window":
                    meters.end(window)
                    windows.append((window, device.true_j - began_j))
                    began_j = None
                case _:
                    setattr(device, what, values[0])
        if began_j is not None:
            meters.end(window)
            windows.append((window, device.true_j - began_j))
        whole_j = device.true_j
    for window, true_j in [*windows, (whole, whole_j)]:
        (found,) = window.measured
        # A counter in millijoules is a millijoule off at either edge.
        assert found.low_j - 0.002 <= true_j <= found.high_j + 0.002
        assert 0 <= found.low_j <= found.high_j
        assert found.energy_j >= 0
        assert found.segments >= 1
        # Not seeing a window at all costs no more than its own length.
        assert found.high_j <= found.energy_j + LIMIT_W * window.duration_s + 0.002
        if found.complete:
            assert found.low_j == found.energy_j == found.high_j
            assert found.energy_j == pytest.approx(true_j, abs=0.002)


# Gaps


def test_a_window_in_the_middle_of_a_long_silence_is_bounded_by_its_own_length():
    before, after = shown(50.0, gaps=Gaps(pending_s=1_000.0)), shown(50.0, gaps=Gaps(pending_s=1_002.0))
    found = measure(part(), before, after, 2.0)
    assert (found.energy_j, found.low_j, found.high_j, found.complete) == (0.0, 0.0, 200.0, False)


def test_what_bridges_a_gap_is_in_the_energy_and_in_neither_bound():
    after = shown(80.0, gaps=Gaps(segments=2, unseen_s=3.0, bridged_j=60.0))
    found = measure(part(), shown(10.0), after, 5.0)
    assert (found.energy_j, found.low_j, found.high_j) == (70.0, 10.0, 310.0)
    assert (found.complete, found.segments) == (False, 2)


def test_without_a_power_limit_a_gap_has_no_upper_bound():
    found = measure(part(power_max_w=None), shown(10.0), shown(30.0, gaps=Gaps(pending_s=1.0)), 5.0)
    assert (found.energy_j, found.low_j, found.high_j) == (20.0, 20.0, None)


def test_a_gap_that_lies_before_the_window_is_none_of_its_business():
    gaps = Gaps(segments=3, unseen_s=7.0, bridged_j=5.0)
    found = measure(part(), shown(10.0, gaps=gaps), shown(30.0, gaps=gaps), 5.0)
    assert (found.low_j, found.high_j, found.complete, found.segments) == (20.0, 20.0, True, 1)


@pytest.mark.parametrize(("first", "last"), [(None, 5.0), (5.0, None), (None, None)])
def test_what_was_not_read_at_both_edges_is_not_known_and_not_zero(first, last):
    found = measure(part(), shown(first), shown(last), 3.0)
    assert (found.energy_j, found.low_j, found.high_j, found.complete) == (None, 0.0, 300.0, False)


def test_a_component_that_was_not_there_at_the_beginning_is_not_known():
    found = measure_all((part(), part(name="gpu:b")), [shown(1.0)], [shown(2.0)], 1.0)
    assert [one.energy_j for one in found] == [1.0, None]


# Uncertainty


def test_a_counter_that_has_not_moved_is_no_measured_zero():
    counter = part(tick_s=0.1, gain_fraction=0.05)
    found = measure(counter, shown(5.0), shown(5.0), 0.03)
    assert (found.energy_j, found.random_u_j, found.below_resolution) == (0.0, None, True)
    found = measure(counter, shown(5.0, power_w=90.0), shown(5.0, power_w=90.0), 0.03)
    assert found.below_resolution
    assert found.random_u_j > 90.0 * 0.03


def test_a_meter_that_is_always_current_measures_a_zero_that_is_one():
    clock = ManualClock()
    with Metering([SimulatedMeter(clock)], clock).window("nothing") as window:
        pass
    (found,) = window.measured
    assert (found.energy_j, found.random_u_j, found.below_resolution) == (0.0, 0.0, False)


def test_a_gain_is_shared_by_all_windows_and_grows_with_their_energy():
    found = measure(part(gain_fraction=0.05), shown(0.0), shown(200.0), 4.0)
    assert (found.systematic_u_j, found.random_u_j) == (10.0, 0.0)


def test_sampling_adds_up_in_squares():
    found = measure(part(), shown(0.0, sampling_u_j=3.0), shown(10.0, sampling_u_j=5.0), 4.0)
    assert found.random_u_j == pytest.approx(4.0)


def test_without_a_tick_nothing_is_said_about_chance():
    found = measure(part(tick_s=None), shown(0.0), shown(0.0), 4.0)
    assert (found.random_u_j, found.below_resolution) == (None, False)


def test_what_others_were_charged_takes_its_part_of_everything_but_the_uncertainty_of_the_edges():
    whole = Measurement(
        component="gpu:a",
        energy_j=100.0,
        low_j=90.0,
        high_j=120.0,
        random_u_j=6.0,
        systematic_u_j=5.0,
        device_s=10.0,
        attributed_j=50.0,
    )
    part = charged(whole, 80.0, 4.0)
    assert (part.energy_j, part.low_j, part.high_j, part.device_s) == (20.0, 10.0, 40.0, 6.0)
    assert (part.random_u_j, part.systematic_u_j, part.attributed_j) == (6.0, 1.0, 10.0)
    assert not part.below_resolution
    assert charged(whole, 90.0, 0.0).below_resolution
    assert charged(whole, 200.0, 0.0).energy_j == 0.0
