"""The lines of a statement: one for each activity, with a part for each component."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from carbon_nas.accounting.series import Weighted
from carbon_nas.accounting.site import Mass
from carbon_nas.sources import Tier
from carbon_nas.units import sum_or_none, total_known

__all__ = ["Entry", "Part", "busy_seconds"]

_PROCESSORS = frozenset({"cpu", "gpu"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one component used in one entry.

    Attributes:
        low_j, high_j: bounds from what its counter did not show; None: no bound is known.
        random_u_j, systematic_u_j: standard uncertainties; None: not quantified.
        complete: whether its counter was seen at both edges and without a break.
        attributed_j: the part of a shared device that is estimated to be the run's own; None: not known.
        device_s: its busy time; None where it has none, or it is not known.
    """

    component: str
    tier: Tier
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    random_u_j: float | None
    systematic_u_j: float | None
    complete: bool
    attributed_j: float | None = None
    device_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a statement: a finished phase or a lost attempt.

    Attributes:
        energy_j: IT energy over all components; None if one of them is not known.
        known_energy_j: the part of it that is known; None if nothing is.
        estimated_j: the part of it that a formula gave, and no sensor.
        device_s: busy device time over all components; None if that of a processor is not known.
        tier: of the weakest component.
        rest_max_j: for a killed attempt, the most that can be missing; None if nothing is missing or nothing bounds it.
        bounded: False if something is missing and nothing bounds it.
        parts: the same energy by component.
        began_s, ended_s: its edges on the monotonic clock of its session; None if they are not known.
        session: times of different sessions are not comparable.
        own_s: seconds for which it ran and nothing within it did.
        images: how many passed, in the use phase; None if nobody counted.
        facility_j: what the building used for it, as far as the site tells; None if the energy is not known.
        masses: its CO2e by every view of the site, each a kind of its own; empty if the energy is not known.
        means: the mean intensity over its time, by view; only for views that go by the clock.
    """

    phase: str
    name: str
    scope: str
    scenario: str | None
    energy_j: float | None
    known_energy_j: float | None
    estimated_j: float
    device_s: float | None
    duration_s: float
    steps: int | None
    macs: int | None
    tier: Tier
    wasted: bool
    rest_max_j: float | None
    bounded: bool
    parts: tuple[Part, ...] = ()
    began_s: float | None = None
    ended_s: float | None = None
    session: int = 0
    own_s: float = 0.0
    images: int | None = None
    facility_j: float | None = None
    masses: Mapping[str, Mass] = field(default_factory=dict)
    means: Mapping[str, Weighted] = field(default_factory=dict)

    @property
    def filled_share(self) -> Mapping[str, float]:
        """For which part of its time a series had no value, by view."""
        return {view: mean.filled_share for view, mean in self.means.items()}

    @property
    def mass_kg(self) -> Mapping[str, float]:
        """Its CO2e by every view, in kilograms."""
        return {view: mass.kg for view, mass in self.masses.items()}

    @property
    def complete(self) -> bool:
        """Whether every counter was seen at both edges and without a break."""
        return all(part.complete for part in self.parts)

    @property
    def low_j(self) -> float | None:
        """The least it can have used, as far as gaps in counters go; None if no bound is known."""
        return sum_or_none(part.low_j for part in self.parts)

    @property
    def high_j(self) -> float | None:
        """The most it can have used, as far as gaps in counters go; None if no bound is known."""
        return sum_or_none(part.high_j for part in self.parts)


def busy_seconds(device_s: Mapping[str, float | None]) -> float | None:
    """Add the busy time of components, by name; None if that of a processor is not known.

    Memory has none by nature: it is the same joules in use and idle. The CPU seconds of all packages stand beside the
    first of them, so that one that is known is all. A GPU has its own, and one that is not known leaves no sum.
    """
    kinds: dict[str, list[float | None]] = {}
    for name, seconds in device_s.items():
        kinds.setdefault(name.partition(":")[0], []).append(seconds)
    sums = {kind: sum_or_none(known) if kind == "gpu" else total_known(known) for kind, known in kinds.items()}
    if any(seconds is None and kind in _PROCESSORS for kind, seconds in sums.items()):
        return None
    return total_known(sums.values())
