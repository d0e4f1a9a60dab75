"""How sure a comparison is: its costs as sums of products, and what is known about every factor of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isclose

from carbon_nas.accounting.embodied import embodied_mass
from carbon_nas.accounting.grid import Grid
from carbon_nas.accounting.model import Derivation, Derived, Factor, Model, Term, crossing, unit_of
from carbon_nas.accounting.quantities import MarginalMass, MarketBasedMass
from carbon_nas.accounting.site import Site
from carbon_nas.accounting.statement import Statement
from carbon_nas.accounting.uncertainty import Spread
from carbon_nas.comparison.charged import repeated
from carbon_nas.comparison.doubts import Doubts, doubts, power_name
from carbon_nas.comparison.family import are_kin
from carbon_nas.comparison.finished import Finished
from carbon_nas.comparison.spending import EACH, ONCE, Spending, spending

__all__ = [
    "CO2E",
    "EMBODIED",
    "MARGINAL",
    "MARKET_BASED",
    "SpreadModel",
    "WHOLE",
    "break_even_name",
    "cost_name",
    "power_name",
    "ratio_name",
    "same",
    "spread_model",
]

MARKET_BASED, MARGINAL, EMBODIED, WHOLE = "market-based", "marginal", "embodied", "in operation and embodied"
ENERGY, CO2E = "energy", "CO2e"
_SAME_RATIO = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class SpreadModel:
    """A model and what is derived from it: the cost of each strategy, their ratios, and where their curves cross.

    Attributes:
        unit: of costs: kg of CO2e where the site is named, else joules.
        of: what ratios and crossings are of: "energy", or "CO2e" where sites differ, so that the two are not the same.
        scenarios: for how many scenarios the costs are.
    """

    model: Model
    derived: Mapping[str, Derivation]
    unit: str
    of: str
    scenarios: int

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of what readers are shown; the totals of the model are parts of these."""
        return tuple(self.derived)

    def unit_of(self, name: str) -> str:
        """Return the unit of one of its quantities; a ratio has none."""
        return unit_of(self.model, self.derived, name)


def cost_name(strategy: str, view: str = "") -> str:
    """Return the name of a cost: the location-based one, or energy, if no view is named."""
    return f"{strategy}, {view}" if view else strategy


def ratio_name(strategy: str, rival: str) -> str:
    """Return the name of a ratio of costs."""
    return f"{strategy} / {rival}"


def break_even_name(upfront: str, rival: str, of: str = ENERGY) -> str:
    """Return the name of a break-even: by CO2e it is another one than by energy."""
    return f"N*{'' if of == ENERGY else f' by {of}'}, {upfront} against {rival}"


def same(spread: Spread | None, value: float | None) -> bool:
    """Tell whether a spread is that of a number: nothing is shown with the spread of another quantity."""
    if spread is None or spread.value is None or value is None:
        return False
    return isclose(spread.value, value, rel_tol=_SAME_RATIO)


def spread_model(statements: Sequence[Statement], strategies: Sequence[str], done: Finished) -> SpreadModel:
    """Write the cost of strategies as sums of products: joules by component, times PUE, times intensity.

    A sensor's gain, a PUE and an intensity are one factor each, whoever used them, so they cancel where both sides of
    a ratio share them. What chance adds belongs to the strategy whose seeds scatter. By contract, at the margin, and
    with the making of hardware it is written where every site of a strategy tells of that.

    Raises:
        UnknownQuantity: if the energy of a phase is not known.
    """
    named = all(one.site.named for one in statements)
    unit = "kg" if named else "J"
    spent = spending(statements, strategies, done)
    known = doubts(spent, _scatter(spent))
    written = _Terms(spent=spent, known=known, named=named)
    factors: dict[str, Factor] = {}
    totals: dict[str, tuple[Term, ...]] = {}
    for strategy in strategies:
        for view in _views(spent.sites_of(strategy), named=named):
            for paid in (ONCE, EACH):
                terms = [_Counted(term=Term(value=0.0, unit="kg" if view else unit), factors={})]
                terms += written.of(strategy, view, paid)
                totals[_total_name(strategy, view, paid)] = tuple(one.term for one in terms)
                for one in terms:
                    factors |= one.factors
    model = Model(factors=factors, totals=totals)
    of = CO2E if named and len(spent.sites) > 1 else ENERGY
    return SpreadModel(
        model=model,
        derived=_derived(model, strategies, len(done.scenarios), of, repeated(statements, strategies, done)),
        unit=unit,
        of=of,
        scenarios=len(done.scenarios),
    )


def _scatter(spent: Spending) -> Mapping[tuple[str, str], Sequence[float]]:
    """Return the joules of own work, seed by seed: where each was run is a matter of places, and not of chance."""
    return {key: [sum(by_site.values()) for by_site in seeds] for key, seeds in spent.seeds_j.items()}


def _cost(site: Site, energy_j: float, *, named: bool) -> float:
    return site.mass_kg(energy_j, site.grids[0]) if named else site.energy(energy_j).joules


def _views(sites: Sequence[Site], *, named: bool) -> Iterator[str]:
    yield ""
    if named and all(site.market is not None for site in sites):
        yield MARKET_BASED
    if all(isinstance(site.marginal, Grid) for site in sites):
        yield MARGINAL
    if all(site.embodied for site in sites):
        yield EMBODIED


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counted:
    """A term with the factors that it names."""

    term: Term
    factors: Mapping[str, Factor]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Terms:
    """Writes what was spent as terms."""

    spent: Spending
    known: Doubts
    named: bool

    def of(self, strategy: str, view: str, paid: str) -> Iterator[_Counted]:
        """Yield the terms of one strategy by one view."""
        if view == EMBODIED:
            yield from self._made(strategy, paid)
            return
        for (at, component), spent in self.spent.parts.items():
            if (at.strategy, at.paid) == (strategy, paid):
                site = self.spent.sites[at.site]
                factors = dict(self.known.of(at, component, spent))
                grid = {"": site.grids[0], MARKET_BASED: site.market, MARGINAL: site.marginal}[view]
                if isinstance(grid, Grid) and (view or self.named):
                    factors |= [self.known.intensities[grid]]
                yield _counted(self._value(site, spent.energy_j, view), "kg" if view or self.named else "J", factors)

    def _value(self, site: Site, energy_j: float, view: str) -> float:
        if view == MARKET_BASED and site.market is not None:
            return MarketBasedMass.emitted(site.energy(energy_j), site.market.intensity_g_per_kwh).kg
        if view == MARGINAL and isinstance(site.marginal, Grid):
            return MarginalMass.emitted(site.energy(energy_j), site.marginal.intensity_g_per_kwh).kg
        return _cost(site, energy_j, named=self.named)

    def _made(self, strategy: str, paid: str) -> Iterator[_Counted]:
        for (at, number), held_s in self.spent.held_s.items():
            if (at.strategy, at.paid) == (strategy, paid):
                item = self.spent.sites[at.site].embodied[number]
                factors = dict([self.known.makings[item]])
                # A seed that takes longer uses more and holds its hardware for longer: one chance for both.
                if (chance := self.known.chance(at)) is not None:
                    factors |= [chance]
                yield _counted(embodied_mass(item, held_s).kg, "kg", factors)


def _counted(value: float, unit: str, factors: Mapping[str, Factor]) -> _Counted:
    return _Counted(term=Term(value=value, unit=unit, factors=tuple(factors)), factors=factors)


def _total_name(strategy: str, view: str, paid: str) -> str:
    return f"{cost_name(strategy, view)}, {paid}"


def _derived(
    model: Model, strategies: Sequence[str], scenarios: int, of: str, each: Mapping[str, frozenset[str]]
) -> dict[str, Derivation]:
    derived: dict[str, Derivation] = {}
    for view in ("", MARKET_BASED, MARGINAL, EMBODIED):
        for strategy in strategies:
            if (name := _total_name(strategy, view, ONCE)) in model.totals:
                unit = model.totals[name][0].unit
                derived[cost_name(strategy, view)] = Derived(unit=unit, of=_whole(strategy, view, scenarios))
    for strategy in strategies:
        parts = derived[strategy], derived.get(cost_name(strategy, EMBODIED))
        # As the Software Carbon Intensity adds them. Without a named site there are joules, and nothing to add.
        if parts[1] is not None and model.totals[_total_name(strategy, "", ONCE)][0].unit == "kg":
            derived[cost_name(strategy, WHOLE)] = Derived(unit="kg", of=_sum(parts[0], parts[1]))
    for one, other in combinations(strategies, 2):
        derived[ratio_name(one, other)] = Derived(unit="", of=_quotient(derived[one], derived[other]))
        if are_kin(one, other, each):
            continue  # Their lines run side by side: where they cross is chance, and no result.
        # A crossing is looked for from whoever pays more once.
        upfront, rival = (one, other) if _once(model, one) >= _once(model, other) else (other, one)
        derived[break_even_name(upfront, rival, of)] = crossing(
            upfront=(_total_name(upfront, "", ONCE), _total_name(upfront, "", EACH)),
            rival=(_total_name(rival, "", ONCE), _total_name(rival, "", EACH)),
        )
    return derived


def _once(model: Model, strategy: str) -> float:
    return sum(term.value for term in model.totals[_total_name(strategy, "", ONCE)])


def _whole(strategy: str, view: str, scenarios: int) -> Derivation:
    once, each = (_total_name(strategy, view, paid) for paid in (ONCE, EACH))
    return lambda totals: totals[once] + scenarios * totals[each]


def _sum(one: Derivation, other: Derivation) -> Derivation:
    return lambda totals: one(totals) + other(totals)


def _quotient(over: Derivation, under: Derivation) -> Derivation:
    return lambda totals: over(totals) / under(totals)
