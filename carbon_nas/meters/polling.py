"""A meter that is read again and again: how often what it shows changes, and how long a look takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from carbon_nas.meters.base import Component, Meter, Reading
from carbon_nas.meters.clock import Clock

__all__ = ["Part", "polled"]

_PAUSE_S = 0.001
_FEWEST_CHANGES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A component that can be metered here.

    Attributes:
        answers: whether its energy can be read now.
        update_s: how often what it shows has changed while it was polled; None if that was not seen.
        latency_s: how long reading it takes, half of the time; None if that was not looked at.
    """

    component: Component
    answers: bool
    update_s: float | None = None
    latency_s: float | None = None


def polled(
    meter: Meter, clock: Clock, *, poll_s: float = 2.0, pause: Callable[[float], None] = time.sleep
) -> tuple[Part, ...]:
    """Read a meter again and again for some time.

    Args:
        meter: what is read; it stays open.
        clock: what tells the time.
        poll_s: for how long.
        pause: waits between two looks.
    """
    begin_s, last = clock.monotonic_s(), meter.read()
    changes_s: dict[str, list[float]] = {reading.component: [] for reading in last}
    latencies_s: dict[str, list[float]] = {reading.component: [] for reading in last}
    integrated = {part.name for part in meter.components if part.sampling_s is not None and part.name[:3] == "gpu"}
    while (now_s := clock.monotonic_s()) - begin_s < poll_s:
        readings = meter.read()
        for was, reading in zip(last, readings, strict=True):
            name = reading.component
            if _changed(was, reading, power=name in integrated):
                changes_s[name].append(now_s)
            if reading.jitter_s is not None:
                latencies_s[name].append(2 * reading.jitter_s)
        last = readings
        pause(_PAUSE_S)
    return tuple(
        Part(
            component=part,
            answers=reading.energy_j is not None,
            update_s=_interval_s(changes_s[part.name]),
            latency_s=median(latencies_s[part.name]) if latencies_s[part.name] else None,
        )
        for part, reading in zip(meter.components, last, strict=True)
    )


def _changed(was: Reading, now: Reading, *, power: bool) -> bool:
    # Integrated power grows with every look; what the sensor shows is the power itself.
    before, after = (was.power_w, now.power_w) if power else (was.energy_j, now.energy_j)
    return before is not None and after is not None and before != after


def _interval_s(times_s: list[float]) -> float | None:
    if len(times_s) < _FEWEST_CHANGES:
        return None
    return median(after - before for before, after in pairwise(times_s))
