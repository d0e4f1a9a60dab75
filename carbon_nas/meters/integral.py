"""Power samples become joules: the trapezoid rule over every reading, with what sampling leaves open.

Every reading is a sample, those at the edges of windows too, so nothing at the edges is lost or made up.
"""

from math import sqrt

from carbon_nas.meters.base import Gaps

__all__ = ["Integral", "SAMPLING_S"]

SAMPLING_S = 0.1
"""How often power has to be read: as often as NVML updates it."""

# Beyond this nobody looked: what the power did in between is a gap, not a sampling error.
_SILENCE_S = 20 * SAMPLING_S


class Integral:
    """Integrates the power of one device.

    Args:
        now_s: the monotonic time of the first sample.
        power_w: the first sample; None if it did not answer.
        power_max_w: the most that the device can draw; None if not known.
    """

    def __init__(self, *, now_s: float, power_w: float | None, power_max_w: float | None = None) -> None:
        self._last_s, self._last_w, self._power_max_w = now_s, power_w, power_max_w
        self._energy_j, self._bridged_j, self._variance_j2 = 0.0, 0.0, 0.0
        self._segments, self._unseen_s, self._pending_s = 1, 0.0, 0.0
        self._steps_w2s, self._steps_s = 0.0, 0.0

    @property
    def energy_j(self) -> float | None:
        """Joules since the first sample; None before that."""
        return None if self._last_w is None else self._energy_j + self._bridged_j

    @property
    def sampling_u_j(self) -> float:
        """Standard uncertainty of `energy_j` from sampling, since the first sample."""
        return sqrt(self._variance_j2)

    @property
    def gaps(self) -> Gaps | None:
        """What is missing in `energy_j`; None if nothing is."""
        if self._segments == 1 and not self._pending_s:
            return None
        return Gaps(
            segments=self._segments,
            unseen_s=self._unseen_s,
            bridged_j=self._bridged_j,
            pending_s=self._pending_s,
        )

    def update(self, now_s: float, power_w: float | None) -> None:
        """Take in a sample; None if the device did not answer: what it uses until it does is then lost."""
        passed_s = max(0.0, now_s - self._last_s)
        if power_w is None:
            self._pending_s = passed_s or SAMPLING_S
            return
        if self._last_w is None:
            self._last_s, self._last_w, self._pending_s = now_s, power_w, 0.0
            return
        mean_w = (self._last_w + power_w) / 2
        # Each in one step: after Ctrl-C in the middle, the same time would be counted again.
        if self._pending_s or passed_s > _SILENCE_S:
            # What is filled in stays within the bounds of what was not seen.
            limit_w = mean_w if self._power_max_w is None else self._power_max_w
            gap = self._segments + 1, self._unseen_s + passed_s, self._bridged_j + passed_s * min(mean_w, limit_w)
            (self._segments, self._unseen_s, self._bridged_j), self._last_s, self._last_w = gap, now_s, power_w
        else:
            variance_j2 = self._variance_j2 + self._step_variance_j2(passed_s, power_w - self._last_w)
            sums = self._energy_j + passed_s * mean_w, variance_j2
            (self._energy_j, self._variance_j2), self._last_s, self._last_w = sums, now_s, power_w
        self._pending_s = 0.0

    def _step_variance_j2(self, passed_s: float, step_w: float) -> float:
        # The power may have jumped anywhere in between, or up and down again unseen: how much it jumps is known from
        # the steps that were seen, weighted by time so that a burst of readings does not hide them.
        self._steps_w2s += step_w**2 * passed_s
        self._steps_s += passed_s
        usual_w2 = self._steps_w2s / self._steps_s if self._steps_s else 0.0
        return passed_s**2 * max(step_w**2, usual_w2) / 2
