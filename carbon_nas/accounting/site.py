"""The site: where the electricity comes from and what the building adds to it."""

from dataclasses import dataclass

from carbon_nas.accounting.grid import Grid, grid, named_grids
from carbon_nas.accounting.methods import metered_kg
from carbon_nas.errors import InvalidSite

__all__ = ["Site", "site"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where a study ran, as far as it is known.

    Attributes:
        grids: one grid if the site was named; three that stand in, low, mean and high, if not.
        named: whether the user said where it is.
        pue: power usage effectiveness, facility over IT energy; None if not given, and then only IT energy is shown.
    """

    grids: tuple[Grid, ...]
    named: bool
    pue: float | None

    @property
    def label(self) -> str:
        """What has to stand beside every CO2e figure."""
        year = f", {self.grids[0].year}" if self.grids[0].year else ""
        place = f"{self.grids[0].name}{year}" if self.named else "site not given"
        return f"{place}; {self.boundary}"

    @property
    def boundary(self) -> str:
        """What the energy covers."""
        return "IT energy only" if self.pue is None else f"facility energy, PUE {self.pue:g}"

    @property
    def factor_ratio(self) -> float:
        """What IT energy is multiplied by: the PUE, or one for IT energy only."""
        return 1.0 if self.pue is None else self.pue

    def mass_kg(self, energy_j: float, grid: Grid) -> float:
        """Return the CO2e of some IT energy on one of the grids."""
        return metered_kg(energy_j, factor_ratio=self.factor_ratio, intensity_g_per_kwh=grid.intensity_g_per_kwh)


def site(zone: str | None = None, pue: float | None = None) -> Site:
    """Describe a site.

    Args:
        zone: see `grid`; three named grids stand in if it is not given.
        pue: facility energy over IT energy, at least 1.

    Raises:
        UnknownName: if the zone is not in the tables.
        InvalidSite: if the PUE is below 1 or no number.
    """
    if pue is not None and not 1.0 <= pue < 100.0:
        raise InvalidSite(
            f"a PUE of {pue:g} cannot be: a building uses at least what its computers use",
            where="--pue",
            cure="give facility energy divided by IT energy, such as 1.2",
        )
    return Site(grids=named_grids() if zone is None else (grid(zone),), named=zone is not None, pue=pue)
