"""A meter that may fail without stopping what it watches."""

from dataclasses import replace

from carbon_nas.meters.base import WHOLE, Component, Condition, Meter, Observant, Reading
from carbon_nas.meters.clock import Clock

__all__ = ["Guarded"]


class Guarded:
    """Turns an exception in a meter into a gap that is pending: what was known stays, and how old it is is told.

    Args:
        meter: the meter that may fail.
        clock: what tells how old the last good reading is.

    Attributes:
        errors: how often it failed.
        last_error: how it failed last, in words.
    """

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter, self._clock = meter, clock
        self.components: tuple[Component, ...] = meter.components
        self.errors, self.last_error = 0, ""
        self._last = tuple(Reading(component=part.name, energy_j=None, device_s=None) for part in self.components)
        self._last_s = clock.monotonic_s()

    def read(self) -> tuple[Reading, ...]:
        """Read the meter; if it fails, return its last good reading with the gap since then."""
        try:
            readings = self._meter.read()
        except Exception as error:
            return self._stale(error)
        self._last, self._last_s = readings, self._clock.monotonic_s()
        return readings

    def _stale(self, error: Exception) -> tuple[Reading, ...]:
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"
        age_s = self._clock.monotonic_s() - self._last_s
        return tuple(_aged(reading, age_s) for reading in self._last)

    def conditions(self) -> tuple[Condition, ...]:
        """Ask for the conditions of its devices; nothing if it has none to tell, or fails."""
        if not isinstance(self._meter, Observant):
            return ()
        try:
            return self._meter.conditions()
        except Exception as error:
            self.errors += 1
            self.last_error = f"{type(error).__name__}: {error}"
            return ()

    def close(self) -> None:
        """Close the meter; a failure on the way out is counted and goes no further."""
        try:
            self._meter.close()
        except Exception as error:
            self.errors += 1
            self.last_error = f"{type(error).__name__}: {error}"


def _aged(reading: Reading, age_s: float) -> Reading:
    gaps = reading.gaps or WHOLE
    return replace(reading, power_w=None, gaps=replace(gaps, pending_s=gaps.pending_s + age_s))
