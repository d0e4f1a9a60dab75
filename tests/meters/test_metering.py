"""Windows: nested, beside each other, in several threads, closed in any order, and interrupted at any line."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.meters import ManualClock, Metering, Reading, SimulatedMeter, metering
from tests.ledger.accidents import in_a_fork, interrupted_at, needs_fork

POWER_W = 8.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start_s=50.0)


def metered(clock: ManualClock, **options) -> Metering:
    return Metering([SimulatedMeter(clock, power_w=POWER_W)], clock, **options)


def energy_j(window) -> float:
    return window.measured[0].energy_j


def own_j(window) -> float:
    return window.own_j["simulated"]


def is_at_rest(meters: Metering, clock: ManualClock) -> bool:
    """Whether a window of now belongs to no other and is charged everything, as if there had never been one."""
    with meters.window("afterwards") as window:
        clock.advance(1.0)
    return (window.parent, energy_j(window), own_j(window), window.foreign_j) == (None, POWER_W, POWER_W, {})


# Sums


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 10**4)), max_size=8))
def test_windows_that_follow_each_other_and_what_lies_between_them_are_the_window_around_them(parts):
    clock, inner = ManualClock(), []
    meters = metered(clock)
    with meters.window("around") as around:
        for before_s, within_s in parts:
            clock.advance(before_s)
            with meters.window("part") as part:
                clock.advance(within_s)
            inner.append(part)
    assert [energy_j(part) for part in inner] == [POWER_W * within_s for _, within_s in parts]
    assert own_j(around) == POWER_W * sum(before_s for before_s, _ in parts)
    assert energy_j(around) == own_j(around) + sum(map(energy_j, inner))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(0, 10**4)),
        st.tuples(st.just("begin"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 2), st.integers(0, 20)),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_whoever_opens_and_closes_windows_in_whatever_order_every_joule_is_charged_once(steps):
    clock, ended, running = ManualClock(), [], []
    meters = metered(clock)
    with ExitStack() as stack:
        threads = [stack.enter_context(ThreadPoolExecutor(max_workers=1)) for _ in range(3)]
        whole = meters.begin("whole", accounted=True)
        for what, number, *rest in steps:
            if what == "pass":
                clock.advance(number)
            elif what == "begin":
                call = threads[number].submit(meters.begin, "part", accounted=rest[0])
                running.append(call.result())
            elif running:
                window = running.pop(rest[0] % len(running))
                threads[number].submit(meters.end, window).result()
                ended.append(window)
        clock.advance(1.0)
        for window in running:
            meters.end(window)
        meters.end(whole)
        windows = [*ended, *running, whole]
        total_j = POWER_W * whole.duration_s
        assert energy_j(whole) == pytest.approx(total_j)
        assert sum(own_j(window) for window in windows if window.accounted) == pytest.approx(total_j)
        for window in windows:
            assert own_j(window) >= 0
            assert 0 <= energy_j(window) <= POWER_W * window.duration_s * (1 + 1e-12)
            assert energy_j(window) + window.foreign_j.get("simulated", 0.0) == pytest.approx(
                POWER_W * window.duration_s, abs=1e-6
            )
        assert is_at_rest(meters, clock)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.lists(st.integers(1, 1000), min_size=1, max_size=4))
def test_what_threads_share_does_not_depend_on_which_of_them_comes_first(count, durations_s):
    clock = ManualClock()
    meters = metered(clock)
    with ThreadPoolExecutor(max_workers=1) as other:
        windows = [meters.begin("here")]
        windows += [other.submit(meters.begin, "there").result() for _ in range(count)]
        for duration_s in durations_s:
            clock.advance(duration_s)
            meters.end(meters.begin("a glance"))
        for window in windows:
            meters.end(window)
    # The windows there lie in each other and in the one here: only the innermost is charged to nobody else.
    assert [energy_j(window) for window in windows] == [POWER_W * sum(durations_s)] * len(windows)
    assert [own_j(window) for window in windows] == [0.0] * count + [POWER_W * sum(durations_s)]


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_meters_does_not_matter(clock, turned):
    meters = [SimulatedMeter(clock, power_w=3.0, component="a"), SimulatedMeter(clock, power_w=5.0, component="b")]
    with Metering(meters[::-1] if turned else meters, clock).window("both") as window:
        clock.advance(2.0)
    assert {part.component: part.energy_j for part in window.measured} == {"a": 6.0, "b": 10.0}


# Threads


def test_a_window_that_another_thread_closes_is_nobodys_parent_any_more(clock):
    meters = metered(clock)
    with ThreadPoolExecutor(max_workers=1) as other:
        meters.end(other.submit(meters.begin, "handed on").result())
        window = other.submit(meters.begin, "later").result()
        assert window.parent is None
        meters.end(window)


def test_a_window_that_is_closed_twice_stays_as_it_was(clock):
    meters = metered(clock)
    with meters.window("around") as around:
        window = meters.begin("twice")
        clock.advance(1.0)
        meters.end(window)
        clock.advance(1.0)
        meters.end(window)
    assert (energy_j(window), own_j(around)) == (POWER_W, POWER_W)


# What breaks


class Failing:
    """A device that fails, or Ctrl-C, when it is waited for the n-th time."""

    def __init__(self, nth: int, error: BaseException) -> None:
        self._left, self._error = nth, error

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise self._error


@pytest.mark.parametrize("error", [RuntimeError("device-side assert"), KeyboardInterrupt()])
@pytest.mark.parametrize("nth", [2, 3])
def test_a_device_that_fails_at_an_edge_leaves_no_window_open(clock, error, nth):
    meters = metered(clock, synchronize=Failing(nth, error))
    around = meters.begin("around")
    with pytest.raises(type(error)), meters.window("window"):
        clock.advance(2.0)
    clock.advance(1.0)
    meters.end(around)
    waited_s = 2.0 if nth == 3 else 0.0
    assert own_j(around) == POWER_W
    assert energy_j(around) == POWER_W * (1.0 + waited_s)
    assert is_at_rest(meters, clock)


def test_ctrl_c_at_any_line_leaves_every_joule_charged_once_and_no_window_open():
    for line in range(1, 400):
        clock = ManualClock()
        meters = metered(clock)
        begun = threading.Event()
        around, beside = meters.begin("around", accounted=True), []
        with ThreadPoolExecutor(max_workers=1) as other:
            beside.append(other.submit(meters.begin, "beside", accounted=True).result())

            def work(meters=meters, clock=clock, beside=beside, begun=begun):
                window = meters.begin("interrupted", accounted=True)
                beside.append(window)
                begun.set()
                clock.advance(4.0)
                meters.end(window)

            clock.advance(2.0)
            interrupted = interrupted_at(line, metering, work)
            passed_s = 6.0 if begun.is_set() else 2.0
            clock.advance(1.0)
            assert all(window.end is not None for window in beside[1:])
            other.submit(meters.end, beside[0]).result()
        meters.end(around)
        assert energy_j(around) == POWER_W * (passed_s + 1.0)
        assert sum(map(own_j, [around, *beside])) == energy_j(around)
        assert is_at_rest(meters, clock)
        if not interrupted:
            return
    pytest.fail("the window never came to an end")


class Nonsense:
    """Shows what a test says, whatever it is."""

    def __init__(self, clock: ManualClock, *rows) -> None:
        self._meter, self._rows = SimulatedMeter(clock), list(rows)
        self.components = self._meter.components

    def read(self):
        return self._rows.pop(0)

    def close(self) -> None:
        raise RuntimeError("it is gone")


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (Reading(component="simulated", energy_j=4.0, device_s=None),),
        (Reading(component="simulated", energy_j=float("nan"), device_s=None),),
        (Reading(component="simulated", energy_j=float("inf"), device_s=None),),
        (Reading(component="simulated", energy_j=6.0, device_s=None, power_w=float("nan")),),
        (Reading(component="another", energy_j=6.0, device_s=None),),
        (Reading(component="simulated", energy_j=6.0, device_s=None),) * 2,
    ],
    ids=["nothing", "a fall", "not a number", "infinite", "no power", "another component", "too much"],
)
def test_a_meter_that_shows_what_cannot_be_is_a_gap_and_no_error(clock, rows):
    sound = (Reading(component="simulated", energy_j=5.0, device_s=None),)
    with Metering([Nonsense(clock, sound, rows)], clock) as meters:
        with meters.window("window") as window:
            clock.advance(2.0)
        (measured,) = window.measured
        assert (measured.energy_j, measured.low_j, measured.high_j) == (0.0, 0.0, 200.0)
        assert not measured.complete
        assert list(meters.failures()) == ["simulated"]


@needs_fork
def test_a_forked_child_reads_nothing_and_closes_what_it_inherited(clock):
    meters = metered(clock)
    with meters.window("around"):

        def child():
            with meters.window("not mine") as window:
                clock.advance(5.0)
            if energy_j(window) != 0.0:
                raise AssertionError
            meters.close()

        assert in_a_fork(child) == 0
