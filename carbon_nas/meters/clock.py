"""Time is an argument: a clock that runs, and one that a test moves."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "ClockWatch", "Disturbance", "ManualClock", "SystemClock", "utc"]

_2020_S = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


class Clock(Protocol):
    """Three views of time; only `monotonic_s` is used for durations."""

    def monotonic_s(self) -> float:
        """Seconds since some origin, never going back, without the time that the machine was suspended."""
        ...

    def wall_s(self) -> float:
        """Seconds since 1970 as the wall clock shows them: a label, not a measure."""
        ...

    def boot_s(self) -> float | None:
        """Seconds since boot with suspended time included; None where the system cannot tell."""
        ...


def utc(clock: Clock) -> str:
    """Return the wall clock as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(clock.wall_s(), UTC).isoformat(timespec="milliseconds")


class SystemClock:
    """The clocks of this machine."""

    def monotonic_s(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def wall_s(self) -> float:
        """Return the wall clock."""
        return time.time()

    def boot_s(self) -> float | None:
        """Return CLOCK_BOOTTIME, which Linux alone has."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return None if boot is None else time.clock_gettime(boot)


class ManualClock:
    """A clock that stands still until it is moved. Its wall clock begins in 2020."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._wall_offset_s, self._suspended_s = _2020_S, 0.0

    def advance(self, duration_s: float) -> None:
        """Let time pass.

        Raises:
            ValueError: if it would go back.
        """
        if duration_s < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now_s += duration_s

    def step_wall(self, by_s: float) -> None:
        """Set the wall clock forward or back, as a time server or a person does."""
        self._wall_offset_s += by_s

    def suspend(self, duration_s: float) -> None:
        """Let the machine sleep: the wall clock and the time since boot go on, the monotonic clock does not."""
        self._wall_offset_s += duration_s
        self._suspended_s += duration_s

    def monotonic_s(self) -> float:
        """Return the time that was set."""
        return self._now_s

    def wall_s(self) -> float:
        """Return the set time, counted from 2020-01-01, with every step and suspension."""
        return self._wall_offset_s + self._now_s

    def boot_s(self) -> float | None:
        """Return the set time with every suspension."""
        return self._now_s + self._suspended_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """What happened to the clocks between two looks.

    Attributes:
        suspended_s: how long the machine slept; durations do not contain it.
        wall_step_s: by how much the wall clock was set, sleep aside.
    """

    suspended_s: float
    wall_step_s: float


class ClockWatch:
    """Compares the clocks of a machine with each other: durations stay right, and what was odd is told.

    Args:
        clock: the clocks.
        tolerance_s: what is put down to a time server that slews.
    """

    def __init__(self, clock: Clock, *, tolerance_s: float = 0.5) -> None:
        self._clock, self._tolerance_s = clock, tolerance_s
        self._last = self._look()

    def _look(self) -> tuple[float, float, float | None]:
        return self._clock.monotonic_s(), self._clock.wall_s(), self._clock.boot_s()

    def check(self) -> Disturbance | None:
        """Return what happened since the last look; None if the clocks agree."""
        (was_s, wall_was_s, boot_was_s), now = self._last, self._look()
        now_s, wall_now_s, boot_now_s = self._last = now
        passed_s = now_s - was_s
        slept_s = 0.0 if boot_was_s is None or boot_now_s is None else boot_now_s - boot_was_s - passed_s
        stepped_s = wall_now_s - wall_was_s - passed_s - slept_s
        if max(abs(slept_s), abs(stepped_s)) <= self._tolerance_s:
            return None
        return Disturbance(
            suspended_s=slept_s if slept_s > self._tolerance_s else 0.0,
            wall_step_s=stepped_s if abs(stepped_s) > self._tolerance_s else 0.0,
        )
