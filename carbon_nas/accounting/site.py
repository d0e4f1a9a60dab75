"""The site: where the electricity comes from, what the building adds to it, and what hardware wears out there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import assert_never

from carbon_nas.accounting.embodied import EmbodiedItem, check_double_counting, embodied_mass
from carbon_nas.accounting.grid import Grid, Kind, grid, named_grids
from carbon_nas.accounting.quantities import (
    EmbodiedMass,
    FacilityEnergy,
    ItEnergy,
    LocationBasedMass,
    MarginalMass,
    MarketBasedMass,
)
from carbon_nas.accounting.series import Gaps, IntensitySeries, Weighted
from carbon_nas.errors import InvalidSite

__all__ = ["EMBODIED_VIEW", "HOURLY", "LOCATION", "MARGINAL", "MARKET", "Mass", "Site", "Stretch", "View", "site"]

Mass = LocationBasedMass | MarketBasedMass | MarginalMass | EmbodiedMass

LOCATION, MARKET, HOURLY, MARGINAL, EMBODIED_VIEW = "location", "market", "hourly", "marginal", "embodied"


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One way of looking at the CO2e of the same energy. Views stand side by side and are never added.

    Attributes:
        key: its name in data files.
        title: its name for readers.
    """

    key: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """What a site needs to know of some metered work.

    Attributes:
        energy_j: IT energy, or the building's where that is what was metered.
        own_s: seconds for which hardware was held for it and for nothing within it.
        components: what was metered.
        began, ended: by the wall clock; None where the ledger does not tell.
    """

    energy_j: float
    own_s: float
    components: tuple[str, ...] = ()
    began: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where a study ran, as far as it is known.

    Attributes:
        grids: one location-based grid if the site was named; three that stand in, low, mean and high, if not.
        named: whether the user said where it is.
        pue: power usage effectiveness, facility over IT energy; None if not given, and then only IT energy is shown.
        name: what the user calls it.
        pue_source: where the PUE is from, in words.
        pue_gsd_ratio: the geometric standard deviation of the overhead, PUE - 1; None: not quantified.
        facility_metered: the meters showed the building's energy, cooling included, so that no PUE applies.
        host_ratio: energy of the host over what was metered, where the host was not; None: not said.
        idle_ratio: energy of hardware that was reserved and idle over what was metered; None: not said.
        market: a contract, a supplier, or a residual mix.
        hourly: the same grid by the hour, beside its yearly average.
        marginal: what answers to a little more load; never part of an inventory.
        embodied: what the hardware cost to make.
        ledgers: patterns of the ledgers' names that ran here; all if empty.
    """

    grids: tuple[Grid, ...]
    named: bool
    pue: float | None
    name: str = ""
    pue_source: str = ""
    pue_gsd_ratio: float | None = None
    facility_metered: bool = False
    host_ratio: float | None = None
    idle_ratio: float | None = None
    market: Grid | None = None
    hourly: IntensitySeries | None = None
    hourly_gaps: Gaps = Gaps.REFUSE
    marginal: Grid | IntensitySeries | None = None
    marginal_gaps: Gaps = Gaps.REFUSE
    embodied: tuple[EmbodiedItem, ...] = ()
    ledgers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pue is not None:
            if self.facility_metered:
                raise InvalidSite(
                    f"a PUE of {self.pue:g} would be applied to energy that has it already",
                    where="pue",
                    cure='leave the PUE out, or say energy = "it" if the meters showed IT energy',
                )
            ItEnergy(1.0).through(self.pue)
        if self.facility_metered and self.host_ratio:
            raise InvalidSite(
                f"a host share of {self.host_ratio:g} beside the building's energy, which has the host in it",
                where="host_share",
                cure='leave it out, or say energy = "it" if the meters showed IT energy',
            )
        for name, ratio in (("host_share", self.host_ratio), ("idle_share", self.idle_ratio)):
            if ratio is not None and not 0.0 <= ratio < 100.0:
                raise InvalidSite(
                    f"a share of {ratio:g} cannot be", where=name, cure="give energy over what was metered"
                )
        for what, kind in ((self.market, Kind.MARKET), (self.marginal, Kind.MARGINAL), (self.hourly, Kind.LOCATION)):
            if what is not None and what.kind is not kind:
                raise InvalidSite(f"{what.name} is {what.kind}, and {kind} is wanted here", where=self.name or "site")
        check_double_counting(self.embodied)

    @property
    def label(self) -> str:
        """What has to stand beside every CO2e figure."""
        return f"{self.place}; {self.boundary}"

    @property
    def place(self) -> str:
        """Where it is, and of which year the factor is."""
        if not self.named:
            return "site not given"
        year = f", {self.grids[0].year}" if self.grids[0].year else ""
        called = f"{self.name}: " if self.name and self.name != self.grids[0].name else ""
        return f"{called}{self.grids[0].name}{year}"

    @property
    def boundary(self) -> str:
        """What the energy covers."""
        added = [
            f"{words} {ratio:g}"
            for words, ratio in (("host share", self.host_ratio), ("idle share", self.idle_ratio))
            if ratio
        ]
        tail = f", {' and '.join(added)} added" if added else ""
        if self.facility_metered:
            return f"facility energy as metered{tail}"
        return f"IT energy only{tail}" if self.pue is None else f"facility energy, PUE {self.pue:g}{tail}"

    @property
    def factor_ratio(self) -> float:
        """What metered energy is multiplied by: the PUE if it is known, and the shares of what was not metered."""
        return float(Fraction(1.0 if self.pue is None else self.pue) * (1 + self.added_ratio()))

    def added_ratio(self) -> Fraction:
        """What is added for host and idle hardware, over what was metered; nothing where the user says nothing."""
        return Fraction(self.host_ratio or 0.0) + Fraction(self.idle_ratio or 0.0)

    def energy(self, energy_j: float) -> ItEnergy | FacilityEnergy:
        """Return the energy of some work here, as the kind that it is."""
        whole_ratio = 1 + self.added_ratio()
        if self.facility_metered:
            return FacilityEnergy(energy_j) * whole_ratio
        whole = ItEnergy(energy_j) * whole_ratio
        return whole if self.pue is None else whole.through(self.pue)

    def mass_kg(self, energy_j: float, grid: Grid) -> float:
        """Return the CO2e of some metered energy on one of the location-based grids."""
        return LocationBasedMass.emitted(self.energy(energy_j), grid.intensity_g_per_kwh).kg

    @property
    def views(self) -> tuple[View, ...]:
        """What is known about CO2e here, in the order in which it is shown."""
        return tuple(self._views())

    def _views(self) -> Iterator[View]:
        if not self.named:
            for one, rank in zip(self.grids, ("low", "mean", "high"), strict=True):
                yield View(key=_key(one), title=f"CO2e, {one.name} ({rank})")
        else:
            beside = self.market is not None or self.hourly is not None or self.marginal is not None
            yield View(key=LOCATION, title="CO2e, location-based" if beside else f"CO2e, {self.grids[0].name}")
        if self.market is not None:
            yield View(key=MARKET, title="CO2e, market-based")
        if self.hourly is not None:
            yield View(key=HOURLY, title="CO2e, by the hour")
        if self.marginal is not None:
            yield View(key=MARGINAL, title="CO2e, marginal")
        if self.embodied:
            yield View(key=EMBODIED_VIEW, title="CO2e, embodied")

    def masses(self, stretch: Stretch, means: Mapping[str, Weighted] | None = None) -> Mapping[str, Mass]:
        """Return the CO2e of some work by every view.

        Args:
            stretch: the work.
            means: what `means` says of it, if that was asked already.

        Raises:
            IncompleteSeries: if a series does not cover the time, and gaps are not to be filled.
            InvalidSite: if there is a series, and nobody knows when the work was done.
        """
        energy = self.energy(stretch.energy_j)
        means = self.means(stretch) if means is None else means
        found: dict[str, Mass] = {
            key: LocationBasedMass.emitted(energy, one.intensity_g_per_kwh)
            for one, key in zip(self.grids, map(_key, self.grids) if not self.named else [LOCATION], strict=True)
        }
        if self.market is not None:
            found[MARKET] = MarketBasedMass.emitted(energy, self.market.intensity_g_per_kwh)
        if self.hourly is not None:
            found[HOURLY] = LocationBasedMass.emitted(energy, means[HOURLY].intensity_g_per_kwh)
        match self.marginal:
            case None:
                pass
            case Grid():
                found[MARGINAL] = MarginalMass.emitted(energy, self.marginal.intensity_g_per_kwh)
            case IntensitySeries():
                found[MARGINAL] = MarginalMass.emitted(energy, means[MARGINAL].intensity_g_per_kwh)
            case _:
                assert_never(self.marginal)
        if self.embodied:
            found[EMBODIED_VIEW] = self._embodied(stretch)
        return found

    def means(self, stretch: Stretch) -> Mapping[str, Weighted]:
        """Return by view the mean intensity of a series over the work, and what of it was filled in.

        Raises:
            IncompleteSeries, InvalidSite: as `masses`.
        """
        found: dict[str, Weighted] = {}
        if self.hourly is not None:
            found[HOURLY] = _within(self.hourly, stretch, self.hourly_gaps)
        if isinstance(self.marginal, IntensitySeries):
            found[MARGINAL] = _within(self.marginal, stretch, self.marginal_gaps)
        return found

    def _embodied(self, stretch: Stretch) -> EmbodiedMass:
        # A piece that is there is worn for as long as it is held, however many of its components are metered.
        worn = [
            embodied_mass(item, stretch.own_s)
            for item in self.embodied
            if any(fnmatchcase(name, item.component) for name in stretch.components)
        ]
        return sum(worn, EmbodiedMass(0.0))

    def has(self, ledger: str) -> bool:
        """Tell whether a ledger of this name ran here."""
        return not self.ledgers or any(fnmatchcase(ledger, pattern) for pattern in self.ledgers)


def _key(grid: Grid) -> str:
    return grid.zone.lower().replace("/", "_").replace(" ", "_")


def _within(series: IntensitySeries, stretch: Stretch, gaps: Gaps) -> Weighted:
    if stretch.began is None or stretch.ended is None:
        raise InvalidSite(
            "nobody knows when this energy was used, and a series goes by the clock",
            where=series.name,
            cure="use a yearly factor for runs that do not tell the time",
        )
    return series.intensity(stretch.began, stretch.ended, gaps=gaps)


def site(zone: str | None = None, pue: float | None = None) -> Site:
    """Describe a site by its zone and PUE alone; a site file says more.

    Args:
        zone: see `grid`; three named grids stand in if it is not given.
        pue: facility energy over IT energy, at least 1.

    Raises:
        UnknownName: if the zone is not in the tables.
        InvalidSite: if the PUE is below 1 or no number.
    """
    return Site(grids=named_grids() if zone is None else (grid(zone),), named=zone is not None, pue=pue)
