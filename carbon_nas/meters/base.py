"""What a meter is: something with components, a `read()` and a `close()`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from carbon_nas.sources import Tier

__all__ = ["Component", "Meter", "Reading", "spent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One thing that draws power, and how its energy is known.

    Attributes:
        name: `gpu:<uuid>`, `cpu:process`, `dram`, ...
        tier: measured, or estimated by a formula.
        method: the call or formula behind the joules, in words.
        power_max_w: the most it can draw, for bounds on what was not seen; None if not known.
        inputs: what the formula was fed with; the unit is in each key.
        note: what a reader must be told beside every number of this component.
    """

    name: str
    tier: Tier
    method: str
    power_max_w: float | None = None
    inputs: Mapping[str, str | float | int | None] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The state of one component's counters at one moment.

    Attributes:
        component: the name of the component.
        energy_j: joules since an origin that stays put while the meter is open; None if it could not be read.
        device_s: busy device time since the same origin: CPU seconds, or seconds a GPU was held.
    """

    component: str
    energy_j: float | None
    device_s: float | None


class Meter(Protocol):
    """A source of readings. Counters never fall while it is open; `close()` may be called twice."""

    @property
    def components(self) -> tuple[Component, ...]:
        """The components it reads, in the order of the readings."""
        ...

    def read(self) -> tuple[Reading, ...]:
        """Read every component once. Never raises for a device that went away: its energy is then None."""
        ...

    def close(self) -> None:
        """Let go of the hardware."""
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
