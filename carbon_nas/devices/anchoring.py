"""Anchored passes: how a call is timed on a machine whose speed moves.

Raw medians drift by tens of per cent on shared machines. So every sample stands between two runs of an anchor kernel,
is divided by their mean, and the passes over all subjects are shuffled. Where one thread does all the work its own CPU
clock is read, which stands still while another program has the core: what a network takes is not what others take from
it.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from carbon_nas.devices.device import Timing, Usage
from carbon_nas.devices.targets import Processor
from carbon_nas.units import MS_PER_S

__all__ = ["Clock", "Job", "SAMPLE_S", "WARM_UPS", "anchor_job", "clock_for", "time_anchored", "work"]

SAMPLE_S = 4e-3
"""How long a sample takes at least: thousands of times the resolution of the clock, and over before much can change."""

WARM_UPS = 2
"""Calls before the first that is timed, on a CPU: the first allocates, and finds its kernels."""

_ANCHOR_REPEATS, _TRIAL_REPEATS = 20, 3

Clock = Callable[[], float]
"""Tells the time in seconds from some moment on."""


def clock_for(processor: Processor) -> Clock:
    """Return the clock that latencies are read from: that of this thread if it alone does the work, else the wall's."""
    return time.thread_time if processor == "cpu" and torch.get_num_threads() == 1 else time.perf_counter


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Something to be called: it returns when the work is done, `macs` multiply-accumulates of it."""

    call: Callable[[], object]
    macs: int


def anchor_job(device: torch.device) -> Job:
    """Make the anchor kernel: a small convolution, 3x3 over 8 channels of 16 by 16 pixels, and relu."""
    x_BCHW = torch.linspace(-1.0, 1.0, 8 * 16 * 16).view(1, 8, 16, 16).to(device)
    weight = torch.linspace(-0.1, 0.1, 8 * 8 * 9).view(8, 8, 3, 3).to(device)
    return Job(call=lambda: torch.relu(torch.conv2d(x_BCHW, weight, padding=1)), macs=8 * 8 * 9 * 16 * 16)


def time_anchored(
    jobs: Mapping[str, Job],
    anchor: Job,
    *,
    passes: int,
    rng: random.Random,
    anchor_ms: float | None,
    clock: Clock = time.perf_counter,
    sample_s: float = SAMPLE_S,
    warm_ups: int = WARM_UPS,
) -> Timing:
    """Time every job in shuffled passes, normalised to `anchor_ms`, the anchor's own median if it is not given."""
    repeats, macs = {}, 0
    for key, job in jobs.items():
        _seconds(job.call, warm_ups, clock)
        repeats[key] = max(1, round(sample_s / max(_seconds(job.call, _TRIAL_REPEATS, clock), 1e-9)))
        macs += (warm_ups + _TRIAL_REPEATS) * job.macs
    _seconds(anchor.call, _ANCHOR_REPEATS, clock)
    ratios: dict[str, list[float]] = {key: [] for key in jobs}
    anchors: list[float] = []
    for _ in range(passes):
        for key in rng.sample(sorted(jobs), len(jobs)):
            before_s = _seconds(anchor.call, _ANCHOR_REPEATS, clock)
            subject_s = _seconds(jobs[key].call, repeats[key], clock)
            after_s = _seconds(anchor.call, _ANCHOR_REPEATS, clock)
            anchors += [before_s, after_s]
            ratios[key].append(subject_s / ((before_s + after_s) / 2))
            macs += repeats[key] * jobs[key].macs + 2 * _ANCHOR_REPEATS * anchor.macs
    if anchor_ms is None:
        anchor_ms = statistics.median(anchors) * MS_PER_S
    tenths = statistics.quantiles(anchors, n=10) if len(anchors) > 1 else [anchors[0]] * 9
    return Timing(
        latency_ms={key: statistics.median(values) * anchor_ms for key, values in ratios.items()},
        anchor_ms=anchor_ms,
        anchor_spread_ratio=tenths[-1] / tenths[0],
        macs=macs,
    )


def work(job: Job, *, images_per_call: int, duration_s: float) -> Usage:
    """Do a job again and again until the time is up, at least once."""
    calls = 0
    began_s = now_s = time.perf_counter()
    while not calls or now_s - began_s < duration_s:
        job.call()
        calls += 1
        now_s = time.perf_counter()
    return Usage(images=calls * images_per_call, calls=calls, duration_s=now_s - began_s)


def _seconds(call: Callable[[], object], repeats: int, clock: Clock) -> float:
    began_s = clock()
    for _ in range(repeats):
        call()
    return (clock() - began_s) / repeats
