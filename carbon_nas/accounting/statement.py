"""A statement: the activities of one run with a site applied to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from carbon_nas.accounting.entry import Entry, Part, busy_seconds
from carbon_nas.accounting.holding import own_seconds
from carbon_nas.accounting.quantities import (
    EmbodiedMass,
    FacilityEnergy,
    ItEnergy,
    LocationBasedMass,
    MarketBasedMass,
)
from carbon_nas.accounting.recorded import RecordedActivity, RecordedComponent, RecordedRun, RecordedSession
from carbon_nas.accounting.series import Weighted
from carbon_nas.accounting.site import EMBODIED_VIEW, LOCATION, MARKET, Mass, Site, Stretch
from carbon_nas.errors import InvalidSite, UnknownQuantity
from carbon_nas.sources import Tier
from carbon_nas.units import sum_or_none, total, total_known

__all__ = ["Entry", "Part", "Statement", "account"]

M = TypeVar("M", LocationBasedMass, MarketBasedMass, EmbodiedMass)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """The entries of one run at one site. Totals are of all that was metered, lost attempts and use phases included."""

    strategy: str
    seed: int
    role: str
    entries: tuple[Entry, ...]
    site: Site

    @property
    def energy(self) -> ItEnergy | FacilityEnergy:
        """What was used, as the kind that the site says it is.

        Raises:
            UnknownQuantity: if the energy of an entry is not known.
        """
        return self.site.energy(total(entry.energy_j for entry in self.entries))

    @property
    def location_based(self) -> LocationBasedMass:
        """CO2e by the average of the grid.

        Raises:
            UnknownQuantity: if the energy of an entry is not known, or the site is not.
        """
        return self._total(LOCATION, LocationBasedMass)

    @property
    def market_based(self) -> MarketBasedMass:
        """CO2e by contract.

        Raises:
            UnknownQuantity: if the energy of an entry is not known, or the site tells of no contract.
        """
        return self._total(MARKET, MarketBasedMass)

    @property
    def embodied(self) -> EmbodiedMass:
        """CO2e of the hardware that was worn.

        Raises:
            UnknownQuantity: if the energy of an entry is not known, or the site tells of no hardware.
        """
        return self._total(EMBODIED_VIEW, EmbodiedMass)

    def _total(self, view: str, kind: type[M]) -> M:
        if view not in {one.key for one in self.site.views}:
            raise UnknownQuantity(
                f"the {view} CO2e is not known", where=self.site.place, cure="describe the site in a site file"
            )
        whole = kind(0)
        for entry in self.entries:
            mass = entry.masses.get(view)
            if not isinstance(mass, kind):
                raise UnknownQuantity(
                    f"the {view} CO2e of {entry.phase} is not known", where=self.strategy, cure="describe the site"
                )
            whole += mass
        return whole


def _parts(activity: RecordedActivity, components: Mapping[str, RecordedComponent]) -> Iterable[Part]:
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
                device_s=activity.device_s.get(name),
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
            device_s=activity.device_s.get(name),
        )


def _moments(
    activity: RecordedActivity, sessions: Sequence[RecordedSession]
) -> tuple[datetime | None, datetime | None]:
    """Return when it began and ended by the wall clock of its session's beginning."""
    if activity.session >= len(sessions) or activity.began_s is None or activity.ended_s is None:
        return None, None
    opened = sessions[activity.session]
    if not opened.utc:
        return None, None
    start = datetime.fromisoformat(opened.utc)
    began, ended = (timedelta(seconds=edge_s - opened.time_s) for edge_s in (activity.began_s, activity.ended_s))
    return start + began, start + ended


def _entry(run: RecordedRun, site: Site, activity: RecordedActivity, own_s: float) -> Entry:
    components = run.components
    tiers = {components[name].tier for name in activity.energy_j if name in components}
    energy_j = sum_or_none(activity.energy_j.values())
    facility_j: float | None = None
    masses: Mapping[str, Mass] = {}
    means: Mapping[str, Weighted] = {}
    if energy_j is not None:
        began, ended = _moments(activity, run.sessions)
        metered = tuple(activity.energy_j)
        facility_j = site.energy(energy_j).joules
        stretch = Stretch(energy_j=energy_j, own_s=own_s, components=metered, began=began, ended=ended)
        means = site.means(stretch)
        masses = site.masses(stretch, means)
    return Entry(
        phase=activity.phase,
        name=activity.name,
        scope=str(activity.scope),
        scenario=activity.scenario,
        energy_j=energy_j,
        known_energy_j=total_known(activity.energy_j.values()),
        estimated_j=sum(
            joules or 0.0
            for name, joules in activity.energy_j.items()
            if name in components and components[name].tier is Tier.ESTIMATED
        ),
        device_s=busy_seconds(activity.device_s),
        duration_s=activity.duration_s,
        steps=activity.steps,
        macs=activity.macs,
        tier=Tier.weakest(tiers) or Tier.MODELLED,
        wasted=activity.wasted,
        rest_max_j=sum_or_none(activity.rest_max_j.values()) if activity.rest_max_j else None,
        bounded=None not in activity.rest_max_j.values(),
        parts=tuple(_parts(activity, components)),
        began_s=activity.began_s,
        ended_s=activity.ended_s,
        session=activity.session,
        own_s=own_s,
        images=activity.images,
        facility_j=facility_j,
        masses=masses,
        means=means,
    )


def account(run: RecordedRun, site: Site) -> Statement:
    """Apply a site to a run.

    Raises:
        InvalidSite: if the site does not fit what was metered: a share for a host that was metered itself, or a series
            for a run that does not tell the time.
        IncompleteSeries: if a series does not cover the time, and gaps are not to be filled.
    """
    _check_shares(run, site)
    activities = tuple(run.activities)
    own_s = own_seconds(activities)
    return Statement(
        strategy=run.header.strategy,
        seed=run.header.seed,
        role=str(run.header.role),
        entries=tuple(_entry(run, site, one, seconds) for one, seconds in zip(activities, own_s, strict=True)),
        site=site,
    )


def _check_shares(run: RecordedRun, site: Site) -> None:
    hosts = [name for name in run.components if name.partition(":")[0] in {"cpu", "dram"}]
    if site.host_ratio and hosts:
        raise InvalidSite(
            f"a host share of {site.host_ratio:g} beside {', '.join(hosts)}, which were metered, counts the host twice",
            where="host_share",
            cure="leave the share out, or meter with --host none",
        )
