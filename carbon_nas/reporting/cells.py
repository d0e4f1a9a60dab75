"""Cells: a number, its unit, how it is shown, and how sure it is."""

from collections.abc import Mapping

from carbon_nas.accounting.grid import Grid
from carbon_nas.accounting.site import MARGINAL, MARKET
from carbon_nas.accounting.sites import Sites
from carbon_nas.reporting.document import Cell, Column
from carbon_nas.reporting.numbers import count, energy, mass, significant
from carbon_nas.sources import Tier

__all__ = ["Carbon", "counted", "joules", "kilograms", "maybe", "seconds", "word"]


def word(text: str) -> Cell:
    """Return a cell of words."""
    return Cell(text=text)


def counted(value: float | None, unit: str, tier: Tier = Tier.MEASURED) -> Cell:
    """Return a cell of a count; None is shown as not known."""
    return Cell(text=count(value), tier=None if value is None else tier, value=value, unit=unit)


def joules(energy_j: float, tier: Tier) -> Cell:
    """Return a cell of energy."""
    return Cell(text=energy(energy_j), tier=tier, value=energy_j, unit="J")


def maybe(energy_j: float | None, tier: Tier, missing: str) -> Cell:
    """Return a cell of energy, or of words if it is not known."""
    return word(missing) if energy_j is None else joules(energy_j, tier)


def seconds(value: float | None) -> Cell:
    """Return a cell of device time; None is shown as not known."""
    text = "not known" if value is None else f"{significant(value)} s"
    return Cell(text=text, tier=None if value is None else Tier.MEASURED, value=value, unit="s")


class Carbon:
    """Turns a cost into cells of CO2e, one for each view that its sites allow."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites

    def columns(self) -> tuple[Column, ...]:
        """Return one column per view."""
        return tuple(Column(key=f"co2e_{view.key}_kg", title=view.title) for view in self._sites.views)

    def cells(self, masses_kg: Mapping[str, float | None], tier: Tier) -> tuple[Cell, ...]:
        """Return one cell per view."""
        return tuple(kilograms(masses_kg.get(view.key), tier) for view in self._sites.views)

    def note(self) -> str:
        """Say which factors stand behind the columns, and what the energy covers."""
        if not self._sites.named:
            lead = "Site not given: CO2e stands for three named grids"
        else:
            lead = f"CO2e at the named {'site' if self._sites.only else 'sites'}"
        grids = "; ".join(dict.fromkeys(_intensity(grid) for site in self._sites.sites for grid in site.grids))
        views = {view.key for view in self._sites.views}
        apart = " Location-based and market-based CO2e are never added." if MARKET in views else ""
        marginal = " Marginal CO2e answers what shifting load would do, and belongs to no inventory."
        boundary = f"{self._sites.boundary[0].upper()}{self._sites.boundary[1:]}."
        return f"{lead}: {grids}. {boundary}{apart}{marginal if MARGINAL in views else ''}"


def _intensity(grid: Grid) -> str:
    said = f"{grid.year}, {grid.basis}" if grid.year else grid.basis
    return f"{grid.name} {significant(grid.intensity_g_per_kwh)} g/kWh ({said})"


def kilograms(mass_kg: float | None, tier: Tier) -> Cell:
    """Return a cell of CO2e; a product with a factor is a model, however well its energy was measured."""
    if mass_kg is None:
        return word("not known")
    sure = Tier.weakest({tier, Tier.MODELLED}) or Tier.MODELLED
    return Cell(text=mass(mass_kg), tier=sure, value=mass_kg, unit="kg")
