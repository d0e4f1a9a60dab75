"""Deployment targets, and the devices that can time a network on them."""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from carbon_nas.errors import UnknownName
from carbon_nas.supernet.static import channels_last, fold_batch_norm
from carbon_nas.units import MS_PER_S

__all__ = ["Device", "HostDevice", "SimulatedDevice", "Subject", "TARGETS", "Target", "Timing", "Usage", "target_named"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A way to run a network in the field.

    Attributes:
        batch_size: images per call.
        fold_batch_norm: whether batch norm is merged into the convolutions first.
        description: in words, for the report.
    """

    name: str
    batch_size: int
    fold_batch_norm: bool
    description: str


TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target(name="eager-b1", batch_size=1, fold_batch_norm=False, description="CPU, one image a call"),
        Target(
            name="folded-b1", batch_size=1, fold_batch_norm=True, description="CPU, one image a call, batch norm folded"
        ),
        Target(name="eager-b32", batch_size=32, fold_batch_norm=False, description="CPU, 32 images a call"),
    )
}


def target_named(name: str) -> Target:
    """Return a target of the catalogue.

    Raises:
        UnknownName: if there is none of that name.
    """
    if name not in TARGETS:
        raise UnknownName(f"there is no deployment target {name!r}", cure=f"choose one of {', '.join(TARGETS)}")
    return TARGETS[name]


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

    def time(
        self, subjects: Sequence[Subject], *, passes: int, rng: random.Random, anchor_ms: float | None = None
    ) -> Timing:
        """Time every subject in `passes` shuffled passes, normalised to `anchor_ms` (its own median if not given)."""
        ...

    def run(self, subject: Subject, *, duration_s: float) -> Usage:
        """Call one subject again and again for about `duration_s`, at least once, one call after the other."""
        ...


def _seconds(call: Callable[[], object], repeats: int) -> float:
    began_s = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began_s) / repeats


class HostDevice:
    """This machine's CPU.

    Raw medians drift by tens of per cent on shared machines. So every sample stands between two runs of an anchor
    kernel, is divided by their mean, and the passes over all subjects are shuffled.
    """

    SAMPLE_S = 4e-3
    _ANCHOR_REPEATS = 20

    def __init__(self, target: Target) -> None:
        self.target = target
        self._anchor_input = torch.linspace(-1.0, 1.0, 8 * 16 * 16).view(1, 8, 16, 16)
        self._anchor_weight = torch.linspace(-0.1, 0.1, 8 * 8 * 9).view(8, 8, 3, 3)
        self._anchor_macs = 8 * 8 * 9 * 16 * 16

    def _anchor(self) -> Tensor:
        return torch.relu(torch.conv2d(self._anchor_input, self._anchor_weight, padding=1))

    @torch.inference_mode()
    def time(
        self, subjects: Sequence[Subject], *, passes: int, rng: random.Random, anchor_ms: float | None = None
    ) -> Timing:
        """Time every subject. Their modules are moved to the CPU, channels-last and into evaluation, in place."""
        calls = {subject.key: self._prepare(subject) for subject in subjects}
        macs_of = {subject.key: subject.macs * self.target.batch_size for subject in subjects}
        repeats, macs = {}, 0
        for key, call in calls.items():
            _seconds(call, 2)
            repeats[key] = max(1, round(self.SAMPLE_S / _seconds(call, 3)))
            macs += 5 * macs_of[key]
        _seconds(self._anchor, self._ANCHOR_REPEATS)
        ratios: dict[str, list[float]] = {key: [] for key in calls}
        anchors: list[float] = []
        for _ in range(passes):
            for key in rng.sample(sorted(calls), len(calls)):
                before_s = _seconds(self._anchor, self._ANCHOR_REPEATS)
                sample_s = _seconds(calls[key], repeats[key])
                after_s = _seconds(self._anchor, self._ANCHOR_REPEATS)
                anchors += [before_s, after_s]
                ratios[key].append(sample_s / ((before_s + after_s) / 2))
                macs += repeats[key] * macs_of[key] + 2 * self._ANCHOR_REPEATS * self._anchor_macs
        if anchor_ms is None:
            anchor_ms = statistics.median(anchors) * MS_PER_S
        tenths = statistics.quantiles(anchors, n=10) if len(anchors) > 1 else [anchors[0]] * 9
        return Timing(
            latency_ms={key: statistics.median(values) * anchor_ms for key, values in ratios.items()},
            anchor_ms=anchor_ms,
            anchor_spread_ratio=tenths[-1] / tenths[0],
            macs=macs,
        )

    @torch.inference_mode()
    def run(self, subject: Subject, *, duration_s: float) -> Usage:
        """Call a subject until the time is up. Its module is moved and switched as it is for timing."""
        call, calls = self._prepare(subject), 0
        began_s = now_s = time.perf_counter()
        while not calls or now_s - began_s < duration_s:
            call()
            calls += 1
            now_s = time.perf_counter()
        return Usage(images=calls * self.target.batch_size, calls=calls, duration_s=now_s - began_s)

    def _prepare(self, subject: Subject) -> Callable[[], object]:
        module = subject.module.cpu().eval()
        if self.target.fold_batch_norm:
            module = fold_batch_norm(module)
        module = channels_last(module)
        x_BCHW = torch.zeros(self.target.batch_size, *subject.input_shape).to(memory_format=torch.channels_last)
        x_BCHW.normal_(generator=torch.Generator().manual_seed(0))
        return lambda: module(x_BCHW)


class SimulatedDevice:
    """A device whose latencies follow from the MACs alone, exactly. It ships for tests and dry runs."""

    def __init__(self, target: Target, *, call_ms: float = 0.01, ms_per_mega_mac: float = 0.5) -> None:
        self.target = target
        self._call_ms, self._ms_per_mega_mac = call_ms, ms_per_mega_mac

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
