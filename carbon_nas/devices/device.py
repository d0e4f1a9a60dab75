"""What every device is: it times subjects on one target, and lets them work there."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from carbon_nas.devices.targets import Target

__all__ = ["Device", "Subject", "Timing", "Usage"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """Something to be timed: a layer or a whole network, with the shape (C, H, W) of one input."""

    key: str
    module: nn.Module
    input_shape: tuple[int, int, int]
    macs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """What was timed.

    Attributes:
        latency_ms: per subject, the median over passes, for one call of the target's batch size.
        anchor_ms: the anchor kernel's time that all others were normalised to.
        anchor_spread_ratio: 90th over 10th percentile of the anchor: how much the machine's speed moved meanwhile.
        macs: everything that was computed for it.
    """

    latency_ms: Mapping[str, float]
    anchor_ms: float
    anchor_spread_ratio: float
    macs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a network did while it was let work.

    Attributes:
        images: how many passed through it: those of the first calls, on which everything is slower, included.
        calls: how often it was called, each time with the target's batch size.
        duration_s: how long it worked, the preparation of the target not included.
    """

    images: int
    calls: int
    duration_s: float


class Device(Protocol):
    """Times subjects on one target, and lets them work there."""

    @property
    def target(self) -> Target:
        """How the subjects are run."""
        ...

    def check(self) -> None:
        """Make sure that the target can be run here, before anything is paid for; it costs next to nothing.

        Raises:
            UsageError: if its processor is not here.
            MissingExtra: if its runtime is not installed.
        """
        ...

    def time(
        self, subjects: Sequence[Subject], *, passes: int, rng: random.Random, anchor_ms: float | None = None
    ) -> Timing:
        """Time every subject in `passes` shuffled passes, normalised to `anchor_ms` (its own median if not given)."""
        ...

    def run(self, subject: Subject, *, duration_s: float) -> Usage:
        """Call one subject again and again for about `duration_s`, at least once, one call after the other."""
        ...
