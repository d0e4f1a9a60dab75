"""A hardware counter of energy, followed from reading to reading: it may wrap, begin anew, or fall silent.

Pure: no hardware here. What a counter shows is turned into joules that never fall, beside what is not known about them.
A backward step is never taken for a wrap unless one wrap, and nothing else, explains it.
"""

from carbon_nas.meters.base import Gaps

__all__ = ["Counter"]

# How far above its limit a device may draw for a moment without its counter being doubted.
_HEADROOM_RATIO = 1.2


class Counter:
    """Adds up one counter over its wraps, resets and silences.

    Args:
        unit_j: joules per count.
        power_max_w: the most that the device can draw; None if not known.
        wrap: after how many counts the counter starts again at 0; None if it never does. Of no use without a limit.
        now_s: the monotonic time of the first value.
        raw: the first value; None if it did not answer.
        power_w: the power at that moment, if it is known.
        tick_s: how old the counter's state can be, so that two readings may lie one such step further apart in energy
            than in time.
        asked_s: when the value was asked for, if the answer took a while.
    """

    def __init__(
        self,
        *,
        unit_j: float,
        power_max_w: float | None,
        wrap: int | None,
        now_s: float,
        raw: int | None,
        power_w: float | None = None,
        tick_s: float = 0.1,
        asked_s: float | None = None,
    ) -> None:
        self._unit_j, self._power_max_w, self._wrap, self._tick_s = unit_j, power_max_w, wrap, tick_s
        # Counts are kept as an integer and turned into joules once. Dividing rounds right where 1 / unit is whole.
        per_j = round(1 / unit_j)
        self._per_j = per_j if per_j and abs(per_j * unit_j - 1) < 1e-12 else None
        self._counts, self._bridged_j = 0, 0.0
        self._segments, self._unseen_s, self._pending_s = 1, 0.0, 0.0
        self._last, self._last_power_w = raw, power_w
        self._seen_s = self._moved_s = now_s if asked_s is None else asked_s

    @property
    def energy_j(self) -> float | None:
        """Joules since the first value, as far as they were seen or bridged; None before that."""
        if self._last is None:
            return None
        seen_j = self._counts * self._unit_j if self._per_j is None else self._counts / self._per_j
        return seen_j + self._bridged_j

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

    def update(
        self, now_s: float, raw: int | None, power_w: float | None = None, *, asked_s: float | None = None
    ) -> None:
        """Take in what the counter shows now.

        Args:
            now_s: the monotonic time at which it had answered.
            raw: the counter; None if it did not answer, which is no loss as long as it goes on counting.
            power_w: the power at that moment, for bridging a gap; None if not known.
            asked_s: when it was asked. Its value may be as old as that, or as new as `now_s`: what was used while the
                process had to wait in between is not more than can be.
        """
        passed_s = max(0.0, now_s - self._seen_s)
        if raw is None:
            self._pending_s = passed_s or self._tick_s
            return
        rise, lost_s, bridged_j = 0, 0.0, 0.0
        if self._last is not None:
            known = self._rise(self._last, raw, passed_s, max(0.0, now_s - self._moved_s))
            if known is None:
                lost_s = passed_s or self._tick_s
                bridged_j = self._bridge_j(lost_s, power_w)
            else:
                rise = known
        seen_s = now_s if asked_s is None else asked_s
        moved_s = seen_s if raw != self._last else self._moved_s
        # In one step: after Ctrl-C in the middle, the same rise would be counted again. A gap may be noted twice.
        gap = self._segments + (lost_s > 0), self._unseen_s + lost_s, self._bridged_j + bridged_j
        self._segments, self._unseen_s, self._bridged_j = gap
        self._counts, self._last, self._last_power_w = self._counts + rise, raw, power_w
        self._seen_s, self._moved_s, self._pending_s = seen_s, moved_s, 0.0

    def _rise(self, last: int, raw: int, passed_s: float, still_s: float) -> int | None:
        """Return by how much it rose; None if that cannot be told."""
        if self._power_max_w is None:
            # Without a limit any step back could be a wrap, so none is taken for one.
            return raw - last if raw >= last else None
        explained = []
        # What stood still may catch up with all it had not shown; a wrap must lie between two readings.
        if raw >= last and self._plausible(raw - last, still_s):
            explained.append(raw - last)
        if self._wrap is not None:
            wraps = (raw - last + turns * self._wrap for turns in (1, 2))
            explained += [rise for rise in wraps if self._plausible(rise, passed_s)]
        # With two ways to explain the same value, nobody can say which one it was.
        return explained[0] if len(explained) == 1 else None

    def _plausible(self, rise: int, within_s: float) -> bool:
        limit_w = self._power_max_w
        return limit_w is None or rise * self._unit_j <= (
            _HEADROOM_RATIO * limit_w * (within_s + self._tick_s) + self._unit_j
        )

    def _bridge_j(self, unseen_s: float, power_w: float | None) -> float:
        if power_w is None or self._last_power_w is None:
            return 0.0
        mean_w = max(0.0, (power_w + self._last_power_w) / 2)
        # What is filled in stays within the bounds of what was not seen.
        return unseen_s * (mean_w if self._power_max_w is None else min(mean_w, self._power_max_w))
