"""A statement: the activities of one run with a site applied to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from carbon_nas.accounting.site import Site
from carbon_nas.sources import Tier
from carbon_nas.units import total, total_known

__all__ = ["Entry", "Part", "Statement", "account"]


class _Component(Protocol):
    @property
    def tier(self) -> Tier: ...


class _Measurement(Protocol):
    @property
    def component(self) -> str: ...
    @property
    def energy_j(self) -> float | None: ...
    @property
    def low_j(self) -> float | None: ...
    @property
    def high_j(self) -> float | None: ...
    @property
    def random_u_j(self) -> float | None: ...
    @property
    def systematic_u_j(self) -> float | None: ...
    @property
    def attributed_j(self) -> float | None: ...
    @property
    def complete(self) -> bool: ...


class _Activity(Protocol):
    @property
    def phase(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def scenario(self) -> str | None: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def energy_j(self) -> Mapping[str, float | None]: ...
    @property
    def device_s(self) -> Mapping[str, float | None]: ...
    @property
    def steps(self) -> int | None: ...
    @property
    def macs(self) -> int | None: ...
    @property
    def wasted(self) -> bool: ...
    @property
    def rest_max_j(self) -> Mapping[str, float | None]: ...
    @property
    def measured(self) -> Iterable[_Measurement]: ...
    @property
    def began_s(self) -> float | None: ...
    @property
    def ended_s(self) -> float | None: ...
    @property
    def session(self) -> int: ...


class _Header(Protocol):
    @property
    def strategy(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def role(self) -> str: ...


class _Run(Protocol):
    """What a statement needs of a run: the ledger's `Run` has it, and so can any importer's."""

    @property
    def header(self) -> _Header: ...
    @property
    def activities(self) -> Iterable[_Activity]: ...
    @property
    def components(self) -> Mapping[str, _Component]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one component used in one entry.

    Attributes:
        low_j, high_j: bounds from what its counter did not show; None: no bound is known.
        random_u_j, systematic_u_j: standard uncertainties; None: not quantified.
        complete: whether its counter was seen at both edges and without a break.
        attributed_j: the part of a shared device that is estimated to be the run's own; None: not known.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a statement: a finished phase or a lost attempt.

    Attributes:
        energy_j: IT energy over all components; None if one of them is not known.
        known_energy_j: the part of it that is known; None if nothing is.
        estimated_j: the part of it that a formula gave, and no sensor.
        device_s: busy device time over all components.
        tier: of the weakest component.
        rest_max_j: for a killed attempt, the most that can be missing; None if nothing is missing or nothing bounds it.
        bounded: False if something is missing and nothing bounds it.
        parts: the same energy by component.
        began_s, ended_s: its edges on the monotonic clock of its session; None if they are not known.
        session: times of different sessions are not comparable.
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

    @property
    def complete(self) -> bool:
        """Whether every counter was seen at both edges and without a break."""
        return all(part.complete for part in self.parts)

    @property
    def low_j(self) -> float | None:
        """The least it can have used, as far as gaps in counters go; None if no bound is known."""
        return _sum({part.component: part.low_j for part in self.parts})

    @property
    def high_j(self) -> float | None:
        """The most it can have used, as far as gaps in counters go; None if no bound is known."""
        return _sum({part.component: part.high_j for part in self.parts})


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """The entries of one run at one site."""

    strategy: str
    seed: int
    role: str
    entries: tuple[Entry, ...]
    site: Site


def _sum(values: Mapping[str, float | None]) -> float | None:
    return None if None in values.values() else total(values.values())


def _parts(activity: _Activity, components: Mapping[str, _Component]) -> Iterable[Part]:
    measured = {one.component: one for one in activity.measured}
    for name, energy_j in activity.energy_j.items():
        found = measured.get(name)
        tier = components[name].tier if name in components else Tier.MODELLED
        if found is None:
            # The first schema of the ledger knew no uncertainty, and no gap but an energy that is not known.
            known = energy_j is not None
            yield Part(
                component=name,
                tier=tier,
                energy_j=energy_j,
                low_j=energy_j if known else 0.0,
                high_j=energy_j,
                random_u_j=None,
                systematic_u_j=None,
                complete=known,
            )
            continue
        # What is measured is gross; an entry is charged without the phases within it, whose gaps are their own.
        inner_j = 0.0 if energy_j is None or found.energy_j is None else found.energy_j - energy_j
        # The gain of a sensor is a fraction of what it counted, so the phases within have their share of it.
        own_ratio = 1.0 - inner_j / found.energy_j if found.energy_j else 1.0
        yield Part(
            component=name,
            tier=tier,
            energy_j=energy_j,
            low_j=None if found.low_j is None else max(0.0, found.low_j - inner_j),
            high_j=None if found.high_j is None else found.high_j - inner_j,
            random_u_j=found.random_u_j,
            systematic_u_j=None if found.systematic_u_j is None else found.systematic_u_j * own_ratio,
            complete=found.complete,
            attributed_j=found.attributed_j,
        )


def _entry(activity: _Activity, components: Mapping[str, _Component]) -> Entry:
    tiers = {components[name].tier for name in activity.energy_j if name in components}
    return Entry(
        phase=activity.phase,
        name=activity.name,
        scope=str(activity.scope),
        scenario=activity.scenario,
        energy_j=_sum(activity.energy_j),
        known_energy_j=total_known(activity.energy_j.values()),
        estimated_j=sum(
            joules or 0.0
            for name, joules in activity.energy_j.items()
            if name in components and components[name].tier is Tier.ESTIMATED
        ),
        # Memory has no device time: it is the same joules in use and idle.
        device_s=total_known(activity.device_s.values()),
        duration_s=activity.duration_s,
        steps=activity.steps,
        macs=activity.macs,
        tier=Tier.weakest(tiers) or Tier.MODELLED,
        wasted=activity.wasted,
        rest_max_j=_sum(activity.rest_max_j) if activity.rest_max_j else None,
        bounded=None not in activity.rest_max_j.values(),
        parts=tuple(_parts(activity, components)),
        began_s=activity.began_s,
        ended_s=activity.ended_s,
        session=activity.session,
    )


def account(run: _Run, site: Site) -> Statement:
    """Apply a site to a run."""
    return Statement(
        strategy=run.header.strategy,
        seed=run.header.seed,
        role=str(run.header.role),
        entries=tuple(_entry(activity, run.components) for activity in run.activities),
        site=site,
    )
