"""Time is an argument: a clock that runs, and one that a test moves."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Three views of time; only `monotonic_s` is used for durations."""

    def monotonic_s(self) -> float:
        """Seconds since some origin, never going back."""
        ...

    def utc(self) -> str:
        """The wall clock as ISO 8601 in UTC: a label, not a measure."""
        ...

    def boot_s(self) -> float | None:
        """Seconds since boot with suspended time included; None where the system cannot tell."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def monotonic_s(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def utc(self) -> str:
        """Return the wall clock in UTC, to the millisecond."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")

    def boot_s(self) -> float | None:
        """Return CLOCK_BOOTTIME, which Linux alone has."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return None if boot is None else time.clock_gettime(boot)


class ManualClock:
    """A clock that stands still until `advance` is called."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def advance(self, duration_s: float) -> None:
        """Let time pass.

        Raises:
            ValueError: if it would go back.
        """
        if duration_s < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now_s += duration_s

    def monotonic_s(self) -> float:
        """Return the time that was set."""
        return self._now_s

    def utc(self) -> str:
        """Return the set time, counted from 2020-01-01."""
        return (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=self._now_s)).isoformat(timespec="milliseconds")

    def boot_s(self) -> float | None:
        """Return the set time: this clock is never suspended."""
        return self._now_s
