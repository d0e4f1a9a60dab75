"""What every strategy spent, added up for how sure it is: by component, by hardware held, and by seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import exp, hypot, log1p, sqrt

from carbon_nas.accounting.entry import Entry
from carbon_nas.accounting.site import Site
from carbon_nas.accounting.statement import Part, Statement
from carbon_nas.comparison.charged import charged
from carbon_nas.comparison.finished import Finished
from carbon_nas.ledger.records import Scope
from carbon_nas.sources import Tier
from carbon_nas.units import total

__all__ = ["Bucket", "EACH", "ONCE", "Spending", "Spent", "spending"]

ONCE, EACH = "once", "each"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Where something was spent: by which strategy, once or for each scenario, in whose work, at which site.

    Attributes:
        site: its number: a site may hold a year of hours, and would be hashed anew for every part of every phase.
    """

    strategy: str
    paid: str
    owner: str
    site: int

    @property
    def own(self) -> bool:
        """Whether it is the strategy's own work, and not shared."""
        return self.owner == self.strategy


@dataclass(slots=True)
class Spent:
    """Joules, and what their sensor says about itself."""

    energy_j: float = 0.0
    systematic_u_j: float | None = 0.0
    random_u_j: list[float | None] = field(default_factory=list)
    tiers: set[Tier] = field(default_factory=set)

    def add(self, part: Part, share_ratio: float) -> None:
        """Add a share of what a component used in a phase."""
        self._grow(total([part.energy_j]) * share_ratio, _times(part.systematic_u_j, share_ratio))
        self.tiers.add(part.tier)
        self.random_u_j.append(_times(part.random_u_j, share_ratio))

    def merge(self, other: "Spent") -> None:
        """Add what the same sensor counted elsewhere."""
        self._grow(other.energy_j, other.systematic_u_j)
        self.tiers |= other.tiers
        self.random_u_j += other.random_u_j

    def _grow(self, energy_j: float, systematic_u_j: float | None) -> None:
        self.energy_j += energy_j
        gone = self.systematic_u_j is None or systematic_u_j is None
        self.systematic_u_j = None if gone else (self.systematic_u_j or 0.0) + (systematic_u_j or 0.0)

    @property
    def measured(self) -> bool:
        """Whether a sensor counted all of it."""
        return self.tiers == {Tier.MEASURED}

    @property
    def edges_gsd_ratio(self) -> float | None:
        """What the edges of phases add, which are independent; None: not quantified."""
        known = [u_j for u_j in self.random_u_j if u_j is not None]
        if len(known) < len(self.random_u_j) or not self.energy_j:
            return None
        return _gsd_ratio(hypot(*known) / self.energy_j)

    @property
    def gain_gsd_ratio(self) -> float | None:
        """How sure the gain of the sensor is; None: not quantified."""
        if not self.measured or self.systematic_u_j is None or not self.energy_j:
            return None
        return _gsd_ratio(self.systematic_u_j / self.energy_j)


def _times(value: float | None, ratio: float) -> float | None:
    return None if value is None else value * ratio


def _gsd_ratio(relative_ratio: float) -> float:
    """Return the geometric standard deviation of a log-normal with a relative standard deviation."""
    return exp(sqrt(log1p(relative_ratio**2)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """Everything that strategies are charged with: the mean over seeds, and over scenarios where it is paid for each.

    Attributes:
        sites: by number.
        parts: by bucket and component.
        held_s: for how long hardware was held, by bucket and by the number of the item at its site.
        seeds_j: joules of own work by strategy and by once or each: for each seed those of each site, by its number.
    """

    sites: tuple[Site, ...]
    parts: Mapping[tuple[Bucket, str], Spent]
    held_s: Mapping[tuple[Bucket, int], float]
    seeds_j: Mapping[tuple[str, str], Sequence[Mapping[int, float]]]

    def sites_of(self, strategy: str) -> tuple[Site, ...]:
        """Return where the joules of a strategy were used."""
        return tuple(
            self.sites[number] for number in sorted({at.site for at, _ in self.parts if at.strategy == strategy})
        )

    def sensors(self) -> Mapping[tuple[int, str], Spent]:
        """Add up what each component of each site used for whomever: one sensor has one gain."""
        found: dict[tuple[int, str], Spent] = {}
        for (at, component), spent in self.parts.items():
            found.setdefault((at.site, component), Spent()).merge(spent)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    bucket: Bucket
    seed: int
    share_ratio: float
    entry: Entry


def spending(statements: Sequence[Statement], strategies: Sequence[str], done: Finished) -> Spending:
    """Add up what strategies are charged with.

    Raises:
        UnknownQuantity: if the energy of a phase is not known.
    """
    sites = tuple(dict.fromkeys(one.site for one in statements))
    numbers = {id(one): sites.index(one.site) for one in statements}
    lines = [line for strategy in strategies for line in _lines(statements, numbers, strategy, done)]
    return Spending(
        sites=sites, parts=_parts(lines), held_s=_held_s(lines, sites), seeds_j=_seeds_j(lines, sorted(done.seeds))
    )


def _lines(
    statements: Sequence[Statement], numbers: Mapping[int, int], strategy: str, done: Finished
) -> Iterator[_Line]:
    for one in charged(statements, strategy, done):
        for entry in one.entries:
            once = entry.scope == Scope.ONCE
            yield _Line(
                bucket=Bucket(
                    strategy=strategy,
                    paid=ONCE if once else EACH,
                    owner="shared work" if one.shared else strategy,
                    site=numbers[id(one.statement)],
                ),
                seed=one.seed,
                share_ratio=1.0 / len(done.seeds) / (1 if once else len(done.scenarios)),
                entry=entry,
            )


def _parts(lines: Sequence[_Line]) -> Mapping[tuple[Bucket, str], Spent]:
    found: dict[tuple[Bucket, str], Spent] = {}
    for line in lines:
        for part in line.entry.parts:
            found.setdefault((line.bucket, part.component), Spent()).add(part, line.share_ratio)
    return found


def _held_s(lines: Sequence[_Line], sites: Sequence[Site]) -> Mapping[tuple[Bucket, int], float]:
    found: dict[tuple[Bucket, int], float] = {}
    for line in lines:
        for number, item in enumerate(sites[line.bucket.site].embodied):
            if any(fnmatchcase(part.component, item.component) for part in line.entry.parts):
                key = line.bucket, number
                found[key] = found.get(key, 0.0) + line.entry.own_s * line.share_ratio
    return found


def _seeds_j(lines: Sequence[_Line], seeds: Sequence[int]) -> Mapping[tuple[str, str], Sequence[Mapping[int, float]]]:
    # A seed that paid nothing is one that paid nothing: it is in the mean, and has to be in its scatter.
    found: dict[tuple[str, str], dict[int, dict[int, float]]] = {}
    for line in lines:
        if line.bucket.own:
            by_seed = found.setdefault((line.bucket.strategy, line.bucket.paid), {seed: {} for seed in seeds})
            at = by_seed[line.seed]
            at[line.bucket.site] = at.get(line.bucket.site, 0.0) + total(part.energy_j for part in line.entry.parts)
    return {key: tuple(by_seed.values()) for key, by_seed in found.items()}
