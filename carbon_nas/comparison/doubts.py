"""The factors of what was spent, each by its name, with what is known about its spread and where that is from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from carbon_nas.accounting.embodied import EmbodiedItem
from carbon_nas.accounting.grid import Grid
from carbon_nas.accounting.model import Factor
from carbon_nas.accounting.site import Site
from carbon_nas.comparison.spending import Bucket, Spending, Spent
from carbon_nas.uncertain import mean_gsd_ratio

__all__ = ["Doubts", "doubts", "power_name"]

Named = tuple[str, Factor]
_FEWEST_SEEDS = 3


def power_name(component: str) -> str:
    """Return the name of the factor by which the power of a component may be off; with several sites it begins so."""
    return f"power of {component}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubts:
    """Every factor of some spending, by where it stands. What is one factor has one name, whoever used it.

    Attributes:
        places: what every joule of a site is multiplied by, but for intensities, by the number of the site.
        at: what tells a site in the name of a factor; nothing where there is only one.
        powers: gains of sensors and assumed powers, by site and component.
        chances: what another seed would have made of own work, by strategy and by once or each.
        intensities: by grid or contract.
        makings: of hardware, by what is published about it.
    """

    places: Sequence[tuple[Named, ...]]
    at: Sequence[str]
    powers: Mapping[tuple[int, str], Named]
    chances: Mapping[tuple[str, str], Named]
    intensities: Mapping[Grid, Named]
    makings: Mapping[EmbodiedItem, Named]

    def of(self, at: Bucket, component: str, spent: Spent) -> Iterator[Named]:
        """Yield the factors of some joules, but for their intensity."""
        yield self.powers[at.site, component]
        chance = self.chance(at)
        # The scatter of seeds holds the edges of their phases already.
        if spent.measured and (chance is None or chance[1].gsd_ratio is None):
            yield (
                f"edges of {at.owner}, {at.paid}, {component}{self.at[at.site]}",
                Factor(
                    gsd_ratio=spent.edges_gsd_ratio,
                    origin="readings at the edges of phases, as the ledger states them",
                ),
            )
        yield from self.places[at.site]
        if chance is not None:
            yield chance

    def chance(self, at: Bucket) -> Named | None:
        """Return what another seed would have made of it; None for shared work, which was done once for all."""
        return self.chances[at.strategy, at.paid] if at.own else None


def doubts(spent: Spending, scatter_j: Mapping[tuple[str, str], Sequence[float]]) -> Doubts:
    """Name the factors of some spending.

    Args:
        spent: by whom, where and on what.
        scatter_j: joules of own work, seed by seed, by strategy and by once or each.
    """
    # Two sites are two, whatever they are called: what they have in common nobody has said. One grid is one.
    places = _numbered([site.place for site in spent.sites])
    at = [""] if len(places) == 1 else [f", {place}" for place in places]
    grids = list(dict.fromkeys(grid for site in spent.sites for grid in _grids(site)))
    # The same figure is the same wherever the piece stands, and however long it lives there.
    figures = {_figure(item): item.name for site in spent.sites for item in site.embodied}
    made = dict(zip(figures, _numbered(list(figures.values())), strict=True))
    return Doubts(
        places=[tuple(_place(site, name)) for site, name in zip(spent.sites, places, strict=True)],
        at=at,
        powers={
            (number, component): (f"{power_name(component)}{at[number]}", _power(sensor))
            for (number, component), sensor in spent.sensors().items()
        },
        chances={
            (strategy, paid): (f"chance in {strategy}, {paid}", _chance(of_seeds))
            for (strategy, paid), of_seeds in scatter_j.items()
        },
        intensities={
            grid: (f"intensity of {name}", _intensity(grid))
            for grid, name in zip(grids, _numbered([grid.name for grid in grids]), strict=True)
        },
        makings={
            item: (f"making of {made[_figure(item)]}", _making(item)) for site in spent.sites for item in site.embodied
        },
    )


def _numbered(names: Sequence[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names, start=1)]


def _grids(site: Site) -> Iterator[Grid]:
    yield site.grids[0]
    yield from (one for one in (site.market, site.marginal) if isinstance(one, Grid))


def _figure(item: EmbodiedItem) -> tuple[object, ...]:
    """Return what is published about a piece."""
    return item.name, item.mass_kg, item.gsd_ratio, item.source


def _power(sensor: Spent) -> Factor:
    gsd_ratio = sensor.gain_gsd_ratio
    if gsd_ratio is not None:
        return Factor(gsd_ratio=gsd_ratio, origin="the gain of its sensor, as its meter states it")
    if sensor.measured:
        return Factor(gsd_ratio=None, origin="nobody states how accurate its sensor is")
    return Factor(gsd_ratio=None, origin="a formula gave it, which has a range and no spread")


def _chance(scatter_j: Sequence[float]) -> Factor:
    gsd_ratio = mean_gsd_ratio(scatter_j)
    if gsd_ratio is not None:
        origin = f"the mean of {len(scatter_j)} seeds, as they scatter; the edges of their phases are in it"
        return Factor(gsd_ratio=gsd_ratio, origin=origin)
    few = "one seed tells" if len(scatter_j) == 1 else "two seeds tell"
    nothing = "a seed that paid nothing has no logarithm to scatter"
    return Factor(gsd_ratio=None, origin=f"{few} nothing of chance" if len(scatter_j) < _FEWEST_SEEDS else nothing)


def _place(site: Site, name: str) -> Iterator[Named]:
    if site.host_ratio or site.idle_ratio:
        yield f"shares at {name}", Factor(gsd_ratio=None, origin="host and idle shares have no stated spread")
    if site.pue is not None:
        stated = "as the site states it" if site.pue_gsd_ratio is not None else "the site states no spread"
        # A building never uses less than its computers: what is unsure is how much more.
        yield (
            f"PUE overhead at {name}",
            Factor(gsd_ratio=site.pue_gsd_ratio, origin=stated, moving_ratio=(site.pue - 1.0) / site.pue),
        )


def _intensity(grid: Grid) -> Factor:
    stated = "as the site states it" if grid.gsd_ratio is not None else "its source states no spread"
    return Factor(gsd_ratio=grid.gsd_ratio, origin=stated, source=grid.source)


def _making(item: EmbodiedItem) -> Factor:
    stated = "as the site states it" if item.gsd_ratio is not None else "its source states no spread"
    return Factor(gsd_ratio=item.gsd_ratio, origin=stated, source=item.source)
