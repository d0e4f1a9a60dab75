"""A meter that may fail, or say what cannot be, without stopping what it watches."""

from dataclasses import replace
from math import inf, isfinite

from carbon_nas.errors import MeterError
from carbon_nas.meters.base import WHOLE, Component, Condition, Meter, Observant, Reading
from carbon_nas.meters.clock import Clock

__all__ = ["Guarded"]


class Guarded:
    """Turns an exception in a meter into a gap that is pending: what was known stays, and how old it is is told.

    What cannot be is treated like an exception: other components than were announced, a NaN, a counter that falls.

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
            for was, now in zip(self._last, readings, strict=True):
                if not _makes_sense(was, now):
                    _refuse(was, now)
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


def _makes_sense(was: Reading, now: Reading) -> bool:
    # Looked at for every component at every edge, so without a loop.
    energy_j, device_s = now.energy_j, now.device_s
    return (
        now.component == was.component
        and (energy_j is None or (-inf if was.energy_j is None else was.energy_j) <= energy_j < inf)
        and (device_s is None or (-inf if was.device_s is None else was.device_s) <= device_s < inf)
        and energy_j != -inf
        and device_s != -inf
        and (now.power_w is None or -inf < now.power_w < inf)
    )


def _refuse(was: Reading, now: Reading) -> None:
    if now.component != was.component:
        raise MeterError(f"it shows {now.component} where {was.component} was", where=was.component)
    for what, before, after in (
        ("energy", was.energy_j, now.energy_j),
        ("device time", was.device_s, now.device_s),
    ):
        if after is not None and not isfinite(after):
            raise MeterError(f"its {what} is {after}", where=now.component)
        if before is not None and after is not None and after < before:
            raise MeterError(f"its {what} fell", where=now.component)
    if now.power_w is not None and not isfinite(now.power_w):
        raise MeterError(f"its power is {now.power_w}", where=now.component)


def _aged(reading: Reading, age_s: float) -> Reading:
    gaps = reading.gaps or WHOLE
    return replace(reading, power_w=None, gaps=replace(gaps, pending_s=gaps.pending_s + age_s))
