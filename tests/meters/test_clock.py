import time
from datetime import UTC, datetime

import pytest

from carbon_nas.meters import ManualClock, SystemClock
from carbon_nas.meters.clock import ClockWatch, Disturbance, utc


def test_the_system_clock_never_goes_back_and_labels_in_utc():
    clock = SystemClock()
    assert clock.monotonic_s() <= clock.monotonic_s()
    assert datetime.fromisoformat(utc(clock)).tzinfo is UTC


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux counts the time it was suspended")
def test_the_time_since_boot_is_known_on_linux():
    assert SystemClock().boot_s() > 0


def test_the_time_since_boot_is_none_where_the_system_cannot_tell(monkeypatch):
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert SystemClock().boot_s() is None


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = ManualClock(start_s=5.0)
    assert (clock.monotonic_s(), utc(clock)) == (5.0, "2020-01-01T00:00:05.000+00:00")
    assert clock.monotonic_s() == 5.0
    clock.advance(2.5)
    assert (clock.monotonic_s(), clock.boot_s()) == (7.5, 7.5)


def test_a_manual_clock_does_not_go_back():
    with pytest.raises(ValueError, match="does not go back"):
        ManualClock().advance(-1.0)


def test_sleep_is_told_from_a_clock_that_was_set():
    clock = ManualClock()
    watch = ClockWatch(clock)
    clock.advance(10.0)
    assert watch.check() is None
    clock.suspend(3_600.0)
    clock.advance(1.0)
    assert watch.check() == Disturbance(suspended_s=3_600.0, wall_step_s=0.0)
    clock.step_wall(-3_600.0)
    assert watch.check() == Disturbance(suspended_s=0.0, wall_step_s=-3_600.0)
    clock.advance(1.0)
    assert (watch.check(), clock.monotonic_s()) == (None, 12.0)
