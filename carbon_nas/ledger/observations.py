"""Lines of a ledger that observe and are not accounted: windows, traces, incidents, idle power, second opinions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from carbon_nas.meters.measurement import Measurement

__all__ = ["Baseline", "CrossCheck", "Incident", "Trace", "WindowEnd"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowEnd:
    """A window ended: a stretch within a phase, or outside of all, that is looked at but not accounted by itself.

    Attributes:
        name: what was done; what stands before the last `/` is its family, as in `evaluate/123`.
        parent: the name of the phase or window it ran in.
        own_j: without the windows that ran within it; empty where none did.
    """

    kind: Literal["window"] = "window"
    name: str
    parent: str | None
    time_s: float
    duration_s: float
    measured: tuple[Measurement, ...]
    own_j: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """What the sampler saw of one component since its last batch: one entry per sample.

    Attributes:
        times_s: monotonic.
        energies_j: cumulative, as in readings.
        temperature_c: at the end of the batch; None where the device does not tell.
        throttled_by: every reason that was given in this batch.
    """

    kind: Literal["trace"] = "trace"
    component: str
    times_s: tuple[float, ...]
    energies_j: tuple[float | None, ...]
    powers_w: tuple[float | None, ...] = ()
    temperature_c: float | None = None
    throttled_by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """Something went wrong with the metering, and the run went on.

    Attributes:
        what: `lost`, `back`, `reset`, `meter failed`, `suspended`, `clock step`, `disk`, `contested`, ...
        component: the one concerned; None for clocks and disks.
        missing_max_j: the most joules that may be missing because of it; None if no bound is known, or none are.
    """

    kind: Literal["incident"] = "incident"
    utc: str
    time_s: float
    what: str
    detail: str
    component: str | None = None
    duration_s: float | None = None
    missing_max_j: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What the components drew while nothing was done: for showing net beside gross, never subtracted in silence."""

    kind: Literal["baseline"] = "baseline"
    utc: str
    duration_s: float
    measured: tuple[Measurement, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossCheck:
    """A second opinion on the same sensors: the totals of another tool over the same time.

    Attributes:
        tool: its name and version.
        ours_j, theirs_j: per class of component (`gpu`, `cpu`, `dram`); None where one of them does not cover it.
        reasons: why they differ, as far as it can be told.
        error: why there is no second opinion; empty if there is one.
    """

    kind: Literal["cross_check"] = "cross_check"
    tool: str
    duration_s: float
    ours_j: Mapping[str, float | None]
    theirs_j: Mapping[str, float | None]
    reasons: tuple[str, ...] = ()
    error: str = ""
