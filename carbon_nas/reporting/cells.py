"""Cells: a number, its unit, how it is shown, and how sure it is."""

from carbon_nas.accounting.site import Site
from carbon_nas.reporting.document import Cell, Column
from carbon_nas.reporting.numbers import count, energy, mass, significant
from carbon_nas.sources import Tier

__all__ = ["Carbon", "counted", "joules", "maybe", "seconds", "word"]


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
    """Turns joules into cells of CO2e, one per grid of the site."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def columns(self) -> tuple[Column, ...]:
        """Return one column per grid."""
        return tuple(
            Column(
                key=f"co2e_{grid.zone.lower().replace('/', '_').replace(' ', '_')}_kg", title=f"CO2e, {grid.name}{rank}"
            )
            for grid, rank in zip(self.site.grids, self._ranks(), strict=True)
        )

    def _ranks(self) -> tuple[str, ...]:
        return ("",) if self.site.named else (" (low)", " (mean)", " (high)")

    def cells(self, energy_j: float, tier: Tier) -> tuple[Cell, ...]:
        """Return one cell per grid."""
        # A product with a factor is a model, however well its energy was measured.
        sure = Tier.weakest({tier, Tier.MODELLED}) or Tier.MODELLED
        return tuple(
            Cell(
                text=mass(self.site.mass_kg(energy_j, grid)),
                tier=sure,
                value=self.site.mass_kg(energy_j, grid),
                unit="kg",
            )
            for grid in self.site.grids
        )

    def note(self) -> str:
        """Say which grids stand behind the columns, and what the energy covers."""
        grids = "; ".join(
            f"{grid.name} {significant(grid.intensity_g_per_kwh)} g/kWh"
            + (f" ({grid.year}, {grid.basis})" if grid.year else f" ({grid.basis})")
            for grid in self.site.grids
        )
        lead = "CO2e at the named site" if self.site.named else "Site not given: CO2e stands for three named grids"
        return f"{lead}: {grids}. {self.site.boundary[0].upper()}{self.site.boundary[1:]}."
