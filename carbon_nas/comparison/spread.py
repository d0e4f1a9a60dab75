"""How sure a comparison is: its costs as sums of products, and what is known about every factor of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import exp, hypot, log1p, sqrt

from carbon_nas.accounting.model import Derivation, Derived, Factor, Model, Term, crossing, unit_of
from carbon_nas.accounting.site import Site
from carbon_nas.accounting.statement import Part, Statement
from carbon_nas.comparison.charged import charged
from carbon_nas.comparison.finished import Finished
from carbon_nas.ledger.records import Scope
from carbon_nas.sources import Tier
from carbon_nas.uncertain import mean_gsd_ratio
from carbon_nas.units import total

__all__ = ["SpreadModel", "break_even_name", "power_name", "ratio_name", "spread_model"]

ONCE, EACH = "once", "each"


@dataclass(frozen=True, kw_only=True, slots=True)
class SpreadModel:
    """A model and what is derived from it: the cost of each strategy, their ratios, and where their curves cross.

    Attributes:
        unit: kg of CO2e where the site is named, else joules.
        scenarios: for how many scenarios the costs are.
    """

    model: Model
    derived: Mapping[str, Derivation]
    unit: str
    scenarios: int

    def unit_of(self, name: str) -> str:
        """Return the unit of one of its quantities; a ratio has none."""
        return unit_of(self.model, self.derived, name)


def power_name(component: str) -> str:
    """Return the name of the factor by which the power of a component may be off; with several sites it begins so."""
    return f"power of {component}"


def ratio_name(strategy: str, rival: str) -> str:
    """Return the name of a ratio of costs."""
    return f"{strategy} / {rival}"


def break_even_name(upfront: str, rival: str) -> str:
    """Return the name of a break-even."""
    return f"N*, {upfront} against {rival}"


@dataclass(slots=True)
class _Sum:
    """What one component used, and what its sensor says about itself."""

    energy_j: float = 0.0
    systematic_u_j: float | None = 0.0
    random_u_j: list[float | None] = field(default_factory=list)
    tiers: set[Tier] = field(default_factory=set)

    def add(self, part: Part, share_ratio: float) -> None:
        self.energy_j += total([part.energy_j]) * share_ratio
        self.tiers.add(part.tier)
        self.random_u_j.append(None if part.random_u_j is None else part.random_u_j * share_ratio)
        if part.systematic_u_j is None or self.systematic_u_j is None:
            self.systematic_u_j = None
        else:
            self.systematic_u_j += part.systematic_u_j * share_ratio

    @property
    def measured(self) -> bool:
        return self.tiers == {Tier.MEASURED}

    def chance_ratio(self) -> float | None:
        known = [u_j for u_j in self.random_u_j if u_j is not None]
        if len(known) < len(self.random_u_j) or not self.energy_j:
            return None
        return _gsd_ratio(hypot(*known) / self.energy_j)

    def gain_ratio(self) -> float | None:
        if not self.measured or self.systematic_u_j is None or not self.energy_j:
            return None
        return _gsd_ratio(self.systematic_u_j / self.energy_j)


def _gsd_ratio(relative_ratio: float) -> float:
    """Return the geometric standard deviation of a log-normal with a relative standard deviation."""
    return exp(sqrt(log1p(relative_ratio**2)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where joules of one term were used: a bucket of a strategy, by whom, at which site, by which component.

    Sites go by their number: one may hold a year of hours, and would be hashed anew for every part of every phase.
    """

    strategy: str
    bucket: str
    owner: str
    site: int
    component: str


def spread_model(statements: Sequence[Statement], strategies: Sequence[str], done: Finished) -> SpreadModel:
    """Write the cost of strategies as sums of products: joules by component, times PUE, times intensity.

    A sensor's gain, a PUE and an intensity are one factor each, whoever used them, so they cancel where both sides of
    a ratio share them. What chance adds at the edges of windows belongs to the ledger in which it stands.

    Raises:
        UnknownQuantity: if the energy of a phase is not known.
    """
    named = all(one.site.named for one in statements)
    sites = list(dict.fromkeys(one.site for one in statements))
    numbers = {id(one): sites.index(one.site) for one in statements}
    labels = _labels(sites)
    sums: dict[_Place, _Sum] = defaultdict(_Sum)
    seeds: dict[tuple[str, str], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for strategy in strategies:
        for one in charged(statements, strategy, done):
            for entry in one.entries:
                once = entry.scope == Scope.ONCE
                share_ratio = 1.0 / len(done.seeds) / (1 if once else len(done.scenarios))
                for part in entry.parts:
                    place = _Place(
                        strategy=strategy,
                        bucket=ONCE if once else EACH,
                        owner="shared work" if one.shared else strategy,
                        site=numbers[id(one.statement)],
                        component=part.component,
                    )
                    sums[place].add(part, share_ratio)
                    if not one.shared:
                        site = one.statement.site
                        seeds[strategy, place.bucket][one.seed] += _cost(site, total([part.energy_j]), named=named)
    factors: dict[str, Factor] = {}
    unit = "kg" if named else "J"
    totals: dict[str, list[Term]] = {
        _total_name(strategy, bucket): [Term(value=0.0, unit=unit)]
        for strategy in strategies
        for bucket in (ONCE, EACH)
    }
    for place, spent in sums.items():
        site = sites[place.site]
        mine = dict(_factors(place, spent, sums, site, labels[place.site], named=named))
        if place.owner == place.strategy:
            mine |= _chance(place, list(seeds[place.strategy, place.bucket].values()))
        factors.update(mine)
        value = _cost(site, spent.energy_j, named=named)
        totals[_total_name(place.strategy, place.bucket)].append(Term(value=value, unit=unit, factors=tuple(mine)))
    return SpreadModel(
        model=Model(factors=factors, totals={name: tuple(terms) for name, terms in totals.items()}),
        derived=_derived(
            {strategy: sum(term.value for term in totals[_total_name(strategy, ONCE)]) for strategy in strategies},
            len(done.scenarios),
            unit,
        ),
        unit=unit,
        scenarios=len(done.scenarios),
    )


def _cost(site: Site, energy_j: float, *, named: bool) -> float:
    return site.mass_kg(energy_j, site.grids[0]) if named else site.energy(energy_j).joules


def _chance(place: _Place, costs: Sequence[float]) -> dict[str, Factor]:
    """Return what another seed would have made of it; shared work was done once, and nobody knows for that."""
    gsd_ratio = mean_gsd_ratio(costs)
    origin = (
        f"the mean of {len(costs)} seeds, as they scatter"
        if gsd_ratio is not None
        else f"{'one seed tells' if len(costs) == 1 else 'two seeds tell'} nothing of chance"
    )
    return {f"chance in {place.strategy}, {place.bucket}": Factor(gsd_ratio=gsd_ratio, origin=origin)}


def _total_name(strategy: str, bucket: str) -> str:
    return f"{strategy}, {bucket}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Labels:
    """What a site and its grid are called here."""

    site: str
    grid: str
    alone: bool

    def at(self, words: str) -> str:
        """Return words that tell the site too, where there is more than one."""
        return words if self.alone else f"{words}, {self.site}"


def _labels(sites: Sequence[Site]) -> list[_Labels]:
    # Two sites are two, whatever they are called: what they have in common nobody has said. One grid is one.
    grids = list(dict.fromkeys(site.grids[0] for site in sites))
    names = _numbered([site.place for site in sites])
    powers = dict(zip(grids, _numbered([grid.name for grid in grids]), strict=True))
    alone = len(sites) == 1
    return [
        _Labels(site=name, grid=powers[site.grids[0]], alone=alone) for site, name in zip(sites, names, strict=True)
    ]


def _numbered(names: Sequence[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names, start=1)]


def _factors(
    place: _Place, spent: _Sum, sums: Mapping[_Place, _Sum], site: Site, labels: _Labels, *, named: bool
) -> Iterator[tuple[str, Factor]]:
    # One sensor, one gain: over everything that it metered, for whomever.
    sensor = _Sum()
    for other, its in sums.items():
        if (other.component, other.site) == (place.component, place.site):
            sensor.energy_j += its.energy_j
            sensor.tiers |= its.tiers
            gone = sensor.systematic_u_j is None or its.systematic_u_j is None
            sensor.systematic_u_j = None if gone else (sensor.systematic_u_j or 0.0) + (its.systematic_u_j or 0.0)
    gain_ratio = sensor.gain_ratio()
    yield (
        labels.at(power_name(place.component)),
        Factor(
            gsd_ratio=gain_ratio,
            origin="the gain of its sensor, as its meter states it"
            if gain_ratio is not None
            else "nobody states how accurate its sensor is"
            if sensor.measured
            else "a formula gave it, which has a range and no spread",
        ),
    )
    if spent.measured:
        yield (
            labels.at(f"edges of {place.owner}, {place.bucket}, {place.component}"),
            Factor(gsd_ratio=spent.chance_ratio(), origin="readings at the edges of phases, as the ledger states them"),
        )
    if site.host_ratio or site.idle_ratio:
        yield f"shares at {labels.site}", Factor(gsd_ratio=None, origin="host and idle shares have no stated spread")
    if site.pue is not None:
        stated = "as the site states it" if site.pue_gsd_ratio is not None else "the site states no spread"
        yield f"PUE at {labels.site}", Factor(gsd_ratio=site.pue_gsd_ratio, origin=stated)
    if named:
        grid = site.grids[0]
        stated = "as the site states it" if grid.gsd_ratio is not None else "its source states no spread"
        yield f"intensity of {labels.grid}", Factor(gsd_ratio=grid.gsd_ratio, origin=stated, source=grid.source)


def _derived(once: Mapping[str, float], scenarios: int, unit: str) -> dict[str, Derivation]:
    whole = {strategy: _whole(strategy, scenarios) for strategy in once}
    derived: dict[str, Derivation] = {name: Derived(unit=unit, of=of) for name, of in whole.items()}
    for one, other in combinations(once, 2):
        derived[ratio_name(one, other)] = Derived(unit="", of=_quotient(whole[one], whole[other]))
        # A crossing is looked for from whoever pays more once.
        upfront, rival = (one, other) if once[one] >= once[other] else (other, one)
        derived[break_even_name(upfront, rival)] = crossing(
            upfront=(_total_name(upfront, ONCE), _total_name(upfront, EACH)),
            rival=(_total_name(rival, ONCE), _total_name(rival, EACH)),
        )
    return derived


def _whole(strategy: str, scenarios: int) -> Derivation:
    once, each = _total_name(strategy, ONCE), _total_name(strategy, EACH)
    return lambda totals: totals[once] + scenarios * totals[each]


def _quotient(over: Derivation, under: Derivation) -> Derivation:
    return lambda totals: over(totals) / under(totals)
