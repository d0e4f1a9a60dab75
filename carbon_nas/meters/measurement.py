"""The energy of a window: the difference of two readings, with what is not known about it.

Uncertainty is kept in two parts. The random part comes from the edges (how old the counter's state was, how long the
call took) and from power sampling; it is independent from window to window. The systematic part is the sensor's gain;
it is the same for every window of one device, so it cancels in a ratio of two of them. Gaps in a counter are neither:
they are bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt

from carbon_nas.meters.base import WHOLE, Component, Reading

__all__ = ["Measurement", "measure", "measure_all"]

# The age of a counter's state is uniform between 0 and one tick. About zero, not about its mean: the lag at the two
# edges of a window only cancels if the power is the same at both.
_RMS_OF_UNIFORM = 1 / sqrt(3)


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
    first, last = begin.gaps or WHOLE, end.gaps or WHOLE
    unseen_s, bridged_j = last.unseen_s - first.unseen_s, last.bridged_j - first.bridged_j
    complete = unseen_s == 0 and first.pending_s == 0 and last.pending_s == 0
    low_j: float | None = energy_j
    high_j: float | None = energy_j
    if not complete:
        # What an open gap had used before the window began may be in its joules; what one has used since is not.
        before_s, missing_s = first.pending_s, unseen_s + last.pending_s
        low_j = energy_j - bridged_j
        if before_s:
            low_j = 0.0 if limit_w is None else max(0.0, low_j - limit_w * before_s)
        high_j = None if limit_w is None else energy_j - bridged_j + limit_w * missing_s
    random_u_j = _random_u_j(component, begin, end, energy_j, duration_s)
    return Measurement(
        component=component.name,
        energy_j=energy_j,
        low_j=low_j,
        high_j=high_j,
        random_u_j=random_u_j,
        systematic_u_j=None if component.gain_fraction is None else component.gain_fraction * energy_j,
        device_s=_difference(begin.device_s, end.device_s),
        attributed_j=_difference(begin.attributed_j, end.attributed_j),
        complete=complete,
        below_resolution=random_u_j is not None and random_u_j > 0 and energy_j <= 2 * random_u_j,
        segments=last.segments - first.segments + 1,
    )


def _difference(was: float | None, now: float | None) -> float | None:
    return None if was is None or now is None else now - was


def _random_u_j(component: Component, begin: Reading, end: Reading, energy_j: float, duration_s: float) -> float | None:
    if component.tick_s is None:
        return None
    mean_w = energy_j / duration_s if duration_s > 0 else 0.0
    parts = []
    for edge in (begin, end):
        # Power may have just changed: the counter still lags behind at the power of before, which the mean has seen.
        power_w = max(mean_w, edge.power_w or 0.0)
        parts.append(power_w * component.tick_s * _RMS_OF_UNIFORM)
        parts.append(power_w * (edge.jitter_s or 0.0) * _RMS_OF_UNIFORM)
    sampled_j2 = (end.sampling_u_j or 0.0) ** 2 - (begin.sampling_u_j or 0.0) ** 2
    return hypot(*parts, sqrt(max(0.0, sampled_j2)))


def measure_all(
    components: Sequence[Component], begin: Sequence[Reading], end: Sequence[Reading], duration_s: float
) -> tuple[Measurement, ...]:
    """Subtract two sets of readings, component by component. What was not read at the beginning is not known."""
    first = {reading.component: reading for reading in begin}
    last = {reading.component: reading for reading in end}
    unread = {part.name: Reading(component=part.name, energy_j=None, device_s=None) for part in components}
    return tuple(
        measure(part, first.get(part.name, unread[part.name]), last.get(part.name, unread[part.name]), duration_s)
        for part in components
    )
