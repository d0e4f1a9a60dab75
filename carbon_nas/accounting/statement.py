"""A statement: the activities of one run with a site applied to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from carbon_nas.accounting.site import Site
from carbon_nas.sources import Tier
from carbon_nas.units import total, total_known

__all__ = ["Entry", "Statement", "account"]


class _Component(Protocol):
    @property
    def tier(self) -> Tier: ...


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
        device_s=_sum(activity.device_s),
        duration_s=activity.duration_s,
        steps=activity.steps,
        macs=activity.macs,
        tier=Tier.weakest(tiers) or Tier.MODELLED,
        wasted=activity.wasted,
        rest_max_j=_sum(activity.rest_max_j) if activity.rest_max_j else None,
        bounded=None not in activity.rest_max_j.values(),
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
