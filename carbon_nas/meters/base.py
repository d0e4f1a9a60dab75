"""What a meter is: something with components, a `read()` and a `close()`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from carbon_nas.sources import Tier

__all__ = ["Component", "Condition", "Gaps", "Meter", "Observant", "Reading", "WHOLE", "spent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One thing that draws power, and how its energy is known.

    Attributes:
        name: `gpu:<uuid>`, `cpu:package-0`, `cpu:process`, `dram`, ...
        tier: measured, or estimated by a formula.
        method: the call or formula behind the joules, in words.
        power_max_w: the most it can draw, for bounds on what was not seen; None if not known.
        inputs: what the formula was fed with; the unit is in each key.
        note: what a reader must be told beside every number of this component.
        tick_s: how old the state behind a reading can be; None if not known, 0.0 if it is always current.
        gain_fraction: standard uncertainty of the sensor's gain, relative to the energy. Systematic: it is the same in
            every window of one device. None: not quantified.
        low_ratio, high_ratio: for an estimate, the range of the true energy over the estimate; None: not quantified.
        sampling_s: how often it has to be read for its joules to be right; None if reading the edges is enough.
        own: whether it counts what this process used and nothing else, so that two recorders on one host never count
            the same joule.
    """

    name: str
    tier: Tier
    method: str
    power_max_w: float | None = None
    inputs: Mapping[str, str | float | int | None] = field(default_factory=dict)
    note: str = ""
    tick_s: float | None = None
    gain_fraction: float | None = None
    low_ratio: float | None = None
    high_ratio: float | None = None
    sampling_s: float | None = None
    own: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaps:
    """What is not known about a counter, cumulative since the meter was opened.

    Attributes:
        segments: stretches in which the counter ran without a break; 1 if it never broke.
        unseen_s: seconds that are lost for good: nobody saw the counter, and it began anew.
        bridged_j: the part of the reading's `energy_j` that power at both ends of such a gap filled in.
        pending_s: for how long it has not answered now; 0.0 if this reading is live. If it answers again and goes on
            counting, nothing was lost.
    """

    segments: int = 1
    unseen_s: float = 0.0
    bridged_j: float = 0.0
    pending_s: float = 0.0


WHOLE = Gaps()
"""No gap at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The state of one component's counters at one moment.

    Attributes:
        component: the name of the component.
        energy_j: joules since an origin that stays put while the meter is open, as far as they were seen; None if it
            never could be read.
        device_s: busy device time since the same origin: CPU seconds, or seconds a GPU was held.
        power_w: its power at that moment; None if it does not tell.
        jitter_s: half the time that reading it took; None if that was not looked at.
        gaps: what is missing in `energy_j`; None if nothing ever was.
        sampling_u_j: for joules that are integrated from power samples, the standard uncertainty since the origin.
            Independent from sample to sample, so windows subtract its squares.
        attributed_j: the part of `energy_j` that this process is estimated to have used of a shared device; None if
            that is not known, or the device is not shared.
    """

    component: str
    energy_j: float | None
    device_s: float | None
    power_w: float | None = None
    jitter_s: float | None = None
    gaps: Gaps | None = None
    sampling_u_j: float | None = None
    attributed_j: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What else a device says about itself: for explaining its power, not for counting it.

    Attributes:
        throttled_by: the reasons why it runs slower than it could, in words; empty if it does not.
    """

    component: str
    temperature_c: float | None = None
    throttled_by: tuple[str, ...] = ()


class Meter(Protocol):
    """A source of readings. Counters never fall while it is open; `close()` may be called twice."""

    @property
    def components(self) -> tuple[Component, ...]:
        """The components it reads, in the order of the readings."""
        ...

    def read(self) -> tuple[Reading, ...]:
        """Read every component once. Never raises for a device that went away: its gap is then pending."""
        ...

    def close(self) -> None:
        """Let go of the hardware."""
        ...


@runtime_checkable
class Observant(Protocol):
    """A meter that can also tell the conditions of its devices."""

    def conditions(self) -> tuple[Condition, ...]:
        """Ask every device for its temperature and throttling; slow, so not at the edges of windows."""
        ...


def spent(
    begin: tuple[Reading, ...], end: tuple[Reading, ...], what: Literal["energy_j", "device_s"]
) -> dict[str, float | None]:
    """Subtract two sets of readings of one session, per component. None where either is not known."""
    first = {reading.component: getattr(reading, what) for reading in begin}
    used: dict[str, float | None] = {}
    for reading in end:
        was, now = first.get(reading.component), getattr(reading, what)
        used[reading.component] = None if was is None or now is None else now - was
    return used
