"""A phase that has begun and has no end: it is running, or it was killed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from carbon_nas.ledger.records import PhaseBegin, PhaseEnd, Pulse, Saved
from carbon_nas.meters.base import Reading, spent

__all__ = ["OpenPhase", "less"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenPhase:
    """A phase under way, up to its last heartbeat.

    Attributes:
        inner_j, inner_device_s: what finished phases within it used, gross; empty if there were none.
        saved: the last state that it kept; None if it kept none.
        saves: how many it kept.
    """

    begin: PhaseBegin
    last_readings: tuple[Reading, ...]
    last_time_s: float
    inner_j: Mapping[str, float | None] = field(default_factory=dict)
    inner_device_s: Mapping[str, float | None] = field(default_factory=dict)
    saved: Saved | None = None
    saves: int = 0

    @property
    def attempt(self) -> tuple[str, int]:
        """The phase and which attempt at it this is: a name that no other attempt has."""
        return self.begin.phase, self.begin.attempt

    def seen(self, event: Pulse | PhaseBegin | Saved | PhaseEnd) -> "OpenPhase":
        """Return it after a reading, a heartbeat or the edge of another phase."""
        return replace(self, last_readings=event.readings, last_time_s=event.time_s)

    def keeping(self, saved: Saved) -> "OpenPhase":
        """Return it after it has kept its state."""
        return replace(self, saved=saved, saves=self.saves + 1)

    def enclosing(self, gross_j: Mapping[str, float | None], gross_device_s: Mapping[str, float | None]) -> "OpenPhase":
        """Return it after a phase within it has ended."""
        return replace(
            self, inner_j=_sum(self.inner_j, gross_j), inner_device_s=_sum(self.inner_device_s, gross_device_s)
        )

    def gross(self, what: Literal["energy_j", "device_s"]) -> dict[str, float | None]:
        """Return what it used from its beginning to its last heartbeat."""
        return spent(self.begin.readings, self.last_readings, what)

    def own(
        self, what: Literal["energy_j", "device_s"], *, besides: tuple["OpenPhase", ...] = ()
    ) -> dict[str, float | None]:
        """Return what it used without the phases within it, those in `besides` that are still open included."""
        inner = self.inner_j if what == "energy_j" else self.inner_device_s
        for child in besides:
            inner = _sum(inner, child.gross(what))
        return {name: less(value, inner.get(name, 0.0)) for name, value in self.gross(what).items()}


def less(whole: float | None, part: float | None) -> float | None:
    """Subtract what may be not known; rounding turns nothing negative."""
    return None if whole is None or part is None else max(0.0, whole - part)


def _sum(one: Mapping[str, float | None], other: Mapping[str, float | None]) -> dict[str, float | None]:
    total = dict(one)
    for name, value in other.items():
        before = total.get(name, 0.0)
        total[name] = None if value is None or before is None else before + value
    return total
