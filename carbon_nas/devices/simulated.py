"""A device that is computed."""

import random
from collections.abc import Sequence

from carbon_nas.devices.device import Subject, Timing, Usage
from carbon_nas.devices.targets import Target
from carbon_nas.units import MS_PER_S

__all__ = ["SimulatedDevice"]


class SimulatedDevice:
    """A device whose latencies follow from the MACs alone, exactly. It ships for tests and dry runs."""

    def __init__(self, target: Target, *, call_ms: float = 0.01, ms_per_mega_mac: float = 0.5) -> None:
        self.target = target
        self._call_ms, self._ms_per_mega_mac = call_ms, ms_per_mega_mac

    def check(self) -> None:
        """Find nothing missing."""

    def time(
        self, subjects: Sequence[Subject], *, passes: int, rng: random.Random, anchor_ms: float | None = None
    ) -> Timing:
        """Return a fixed time a call plus a time proportional to the MACs of the batch."""
        del rng
        return Timing(
            latency_ms={subject.key: self._latency_ms(subject) for subject in subjects},
            anchor_ms=1.0 if anchor_ms is None else anchor_ms,
            anchor_spread_ratio=1.0,
            macs=passes * sum(subject.macs * self.target.batch_size for subject in subjects),
        )

    def run(self, subject: Subject, *, duration_s: float) -> Usage:
        """Return as many whole calls as fit, at least one, without waiting for them."""
        call_s = self._latency_ms(subject) / MS_PER_S
        calls = max(1, int(duration_s / call_s))
        return Usage(images=calls * self.target.batch_size, calls=calls, duration_s=calls * call_s)

    def _latency_ms(self, subject: Subject) -> float:
        return self._call_ms + self._ms_per_mega_mac * subject.macs * self.target.batch_size / 1e6
