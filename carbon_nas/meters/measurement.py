"""The energy of a window: the difference of two readings, with what is not known about it.

Uncertainty is kept in two parts. The random part comes from the edges (how old the counter's state was, how long the
call took) and from power sampling; it is independent from window to window. The systematic part is the sensor's gain;
it is the same for every window of one device, so it cancels in a ratio of two of them. Gaps in a counter are neither:
they are bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from carbon_nas.meters.base import WHOLE, Component, Reading

__all__ = ["Measurement", "charged", "measure", "measure_all"]

# The age of a counter's state is uniform between 0 and one tick. About zero, not about its mean: the lag at the two
# edges of a window only cancels if the power is the same at both.
_VARIANCE_OF_UNIFORM = 1 / 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What one component used in one window.

    Attributes:
        energy_j: joules as far as they were seen, from begin to end; None if the component could not be read at all.
        low_j, high_j: bounds on the true joules from what was not seen; None: no bound is known. Both equal `energy_j`
            for a complete window; `random_u_j` and `systematic_u_j` come on top.
        random_u_j: standard uncertainty (k = 1) that is independent from window to window; None: not quantified.
        systematic_u_j: standard uncertainty (k = 1) that all windows of this device share; None: not quantified.
        device_s: device time.
        attributed_j: the part that is estimated to be this process's own on a shared device.
        complete: whether the counter was seen at both edges and without a break in between.
        below_resolution: whether the window is too short or the energy too small to be told from zero.
        segments: unbroken stretches of the counter that the window touches.
    """

    component: str
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    random_u_j: float | None
    systematic_u_j: float | None
    device_s: float | None
    attributed_j: float | None = None
    complete: bool = True
    below_resolution: bool = False
    segments: int = 1


def measure(component: Component, begin: Reading, end: Reading, duration_s: float) -> Measurement:
    """Subtract two readings of one component.

    Args:
        component: what was read.
        begin: its reading at the first edge.
        end: its reading at the last edge, of the same session.
        duration_s: the time between them.

    Source:
        Edges and gain: GUM (JCGM 100:2008), sections 4.3.7 and 5.1.2, applied to an update interval.
    """
    limit_w = component.power_max_w
    if begin.energy_j is None or end.energy_j is None:
        return Measurement(
            component=component.name,
            energy_j=None,
            low_j=0.0,
            high_j=None if limit_w is None else limit_w * duration_s,
            random_u_j=None,
            systematic_u_j=None,
            device_s=_difference(begin.device_s, end.device_s),
            complete=False,
        )
    energy_j = end.energy_j - begin.energy_j
    random_u_j = _random_u_j(component, begin, end, energy_j, duration_s)
    systematic_u_j = None if component.gain_fraction is None else component.gain_fraction * energy_j
    if begin.gaps is None and end.gaps is None:  # As it nearly always is.
        return Measurement(
            component=component.name,
            energy_j=energy_j,
            low_j=energy_j,
            high_j=energy_j,
            random_u_j=random_u_j,
            systematic_u_j=systematic_u_j,
            device_s=_difference(begin.device_s, end.device_s),
            attributed_j=_difference(begin.attributed_j, end.attributed_j),
            below_resolution=_is_below_resolution(component, energy_j, random_u_j),
        )
    first, last = begin.gaps or WHOLE, end.gaps or WHOLE
    unseen_s, bridged_j = last.unseen_s - first.unseen_s, last.bridged_j - first.bridged_j
    complete = unseen_s == 0 and first.pending_s == 0 and last.pending_s == 0
    low_j: float | None = energy_j
    high_j: float | None = energy_j
    if not complete:
        # What an open gap had used before the window began may be in its joules; what one has used since is not. A gap
        # may have begun before the window: no more than the whole window was missed in it.
        before_s, missing_s = first.pending_s, min(unseen_s + last.pending_s, duration_s)
        seen_j = max(0.0, energy_j - bridged_j)
        low_j = seen_j
        if before_s:
            low_j = 0.0 if limit_w is None else max(0.0, seen_j - limit_w * before_s)
        high_j = None if limit_w is None else seen_j + limit_w * missing_s
    return Measurement(
        component=component.name,
        energy_j=energy_j,
        low_j=low_j,
        high_j=high_j,
        random_u_j=random_u_j,
        systematic_u_j=systematic_u_j,
        device_s=_difference(begin.device_s, end.device_s),
        attributed_j=_difference(begin.attributed_j, end.attributed_j),
        complete=complete,
        below_resolution=_is_below_resolution(component, energy_j, random_u_j),
        segments=last.segments - first.segments + 1,
    )


def _difference(was: float | None, now: float | None) -> float | None:
    return None if was is None or now is None else now - was


def _is_below_resolution(component: Component, energy_j: float, random_u_j: float | None) -> bool:
    if energy_j == 0:
        # A counter that moves in ticks and has not moved: that is no measured zero.
        return bool(component.tick_s)
    return random_u_j is not None and energy_j <= 2 * random_u_j


def _random_u_j(component: Component, begin: Reading, end: Reading, energy_j: float, duration_s: float) -> float | None:
    if component.tick_s is None:
        return None
    mean_w = energy_j / duration_s if duration_s > 0 else 0.0
    if component.tick_s and energy_j == 0 and begin.power_w is None and end.power_w is None:
        return None  # The counter has not moved yet, and nothing tells at what power.
    # Power may have just changed: the counter still lags behind at the power of before, which the mean has seen.
    begin_w, end_w = begin.power_w or 0.0, end.power_w or 0.0
    begin_w, end_w = begin_w if begin_w > mean_w else mean_w, end_w if end_w > mean_w else mean_w
    tick_s2, begin_s, end_s = component.tick_s**2, begin.jitter_s or 0.0, end.jitter_s or 0.0
    edges_j2 = begin_w * begin_w * (tick_s2 + begin_s * begin_s) + end_w * end_w * (tick_s2 + end_s * end_s)
    sampled_j2 = (end.sampling_u_j or 0.0) ** 2 - (begin.sampling_u_j or 0.0) ** 2
    return sqrt(max(0.0, edges_j2 * _VARIANCE_OF_UNIFORM + sampled_j2))


def charged(measured: Measurement, foreign_j: float, foreign_device_s: float) -> Measurement:
    """Return a measurement without what others were charged of it; the uncertainty of the edges stays whole."""
    energy_j = measured.energy_j
    if energy_j is None or energy_j <= 0:
        return measured
    left_j = max(0.0, energy_j - foreign_j)
    share = left_j / energy_j

    def less(value: float | None, part: float) -> float | None:
        return None if value is None else max(0.0, value - part)

    return replace(
        measured,
        energy_j=left_j,
        low_j=less(measured.low_j, foreign_j),
        high_j=less(measured.high_j, foreign_j),
        systematic_u_j=None if measured.systematic_u_j is None else measured.systematic_u_j * share,
        device_s=less(measured.device_s, foreign_device_s),
        attributed_j=None if measured.attributed_j is None else measured.attributed_j * share,
        below_resolution=measured.below_resolution
        or (measured.random_u_j is not None and left_j <= 2 * measured.random_u_j and foreign_j > 0),
    )


def measure_all(
    components: Sequence[Component], begin: Sequence[Reading], end: Sequence[Reading], duration_s: float
) -> tuple[Measurement, ...]:
    """Subtract two sets of readings, component by component. What was not read at the beginning is not known."""
    if len(begin) == len(end) == len(components):
        found = [
            measure(part, first, last, duration_s)
            for part, first, last in zip(components, begin, end, strict=True)
            if part.name == first.component == last.component
        ]
        if len(found) == len(components):  # As they nearly always are: in order.
            return tuple(found)
    was = {reading.component: reading for reading in begin}
    now = {reading.component: reading for reading in end}
    unread = {part.name: Reading(component=part.name, energy_j=None, device_s=None) for part in components}
    return tuple(
        measure(part, was.get(part.name, unread[part.name]), now.get(part.name, unread[part.name]), duration_s)
        for part in components
    )
