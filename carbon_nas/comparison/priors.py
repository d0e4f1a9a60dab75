"""Work that was paid for before a run: what it had cost, and a strategy that is charged with it in full.

A run may start from weights that somebody trained before. What was metered then says what is spent on top; what the
whole has taken is a sum of joules of different provenance, which stands in a table of its own and in no headline.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

from carbon_nas.accounting.quantities import ItEnergy
from carbon_nas.comparison.break_even import BreakEven, break_even
from carbon_nas.comparison.cost_curve import CostCurve
from carbon_nas.comparison.family import are_kin
from carbon_nas.comparison.gpu_power import GpuPower, gpu_powers
from carbon_nas.comparison.table import Comparison
from carbon_nas.errors import UnknownQuantity
from carbon_nas.ledger.findings import Prior
from carbon_nas.ledger.run import Run
from carbon_nas.references import REFERENCES, device_hours, nas_costs
from carbon_nas.sources import Source, Tier
from carbon_nas.units import sum_or_none

__all__ = ["InFull", "PriorWork", "charged_in_full", "prior_works"]

_GPU_HOURS = "GPU-hours"
_S_PER_H = 3_600
_POWERED = "V100"
"""Whose hours the published powers per GPU are about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PriorWork:
    """What one run started from, and what that had cost.

    Attributes:
        phase: what was done, in words.
        origin: the row of the register, or the ledger, that says what it had cost.
        gpu_h: published hours of a GPU; None if a ledger metered it, or they cannot be had.
        metered_j: IT energy by that ledger, all components; None if it does not know, or the work is published.
        source: of the hours; None for a ledger.
        note: what is left out, or why its joules cannot be told.
    """

    strategy: str
    seed: int
    phase: str
    weights_hash: str
    origin: str
    gpu_h: float | None
    metered_j: float | None
    tier: Tier
    source: Source | None
    note: str

    @property
    def published(self) -> bool:
        """Whether others have published what it had cost."""
        return self.tier is Tier.PUBLISHED

    @property
    def energy_tier(self) -> Tier:
        """How sure its joules are: published hours times a published power are a model."""
        return Tier.MODELLED if self.published else self.tier

    def energy_j(self, power: GpuPower | None) -> float | None:
        """Return its IT energy, published hours at a power per GPU; None if it cannot be told."""
        if not self.published:
            return self.metered_j
        return None if self.gpu_h is None or power is None else (ItEnergy(power.power_w) * self.gpu_h * _S_PER_H).joules


def prior_works(runs: Sequence[Run]) -> tuple[PriorWork, ...]:
    """Collect what some runs started from, once for each strategy, seed and work."""
    found = (_work(run, prior) for run in runs for prior in run.priors)
    return tuple(dict.fromkeys(found))


def _work(run: Run, prior: Prior) -> PriorWork:
    gpu_h, metered_j, source, note = None, None, None, ""
    if prior.reference is not None:
        tier = Tier.PUBLISHED
        gpu_h, source, note = _published(prior.reference)
    else:
        metered_j = sum_or_none(prior.energy_j.values()) if prior.energy_j else None
        tier = Tier.weakest({Tier(one) for one in prior.tiers.values()}) or Tier.MODELLED
        note = "" if metered_j is not None else "its ledger does not know all of its joules"
    return PriorWork(
        strategy=run.header.strategy,
        seed=run.header.seed,
        phase=prior.phase,
        weights_hash=prior.weights_hash,
        origin=prior.reference or prior.ledger or "nobody says what it had cost",
        gpu_h=gpu_h,
        metered_j=metered_j,
        tier=tier,
        source=source,
        note=note,
    )


def _published(key: str) -> tuple[float | None, Source | None, str]:
    """Return the published hours of a training that is paid once, their source, and what must be known about them."""
    row = nas_costs().get(key)
    if row is not None:
        if row.train_once_gpu_h is None or row.accelerator != _POWERED:
            return None, row.source, f"{row.label} has no published hours of a {_POWERED} for what is trained once"
        search_h = row.search_once_gpu_h
        left_out = f"; the {search_h:,.0f} of search are no part of the weights" if search_h else ""
        return row.train_once_gpu_h, row.source, f"{row.train_once_gpu_h:,.0f} {_GPU_HOURS} of training{left_out}"
    reference = REFERENCES.get(key)
    if reference is None:
        return None, None, "no row of the register has this name"
    source = reference.printed.source
    try:
        hours = device_hours(reference)
    except UnknownQuantity as error:
        return None, source, str(error)
    said = f"{hours.value:,.0f} {hours.unit}"
    if hours.unit != _GPU_HOURS or reference.accelerator != _POWERED:
        whose = reference.accelerator or "accelerator not named"
        note = f"{said} ({whose}): powers are published for a {_POWERED}, and hours of another machine are other hours"
        return None, source, note
    return hours.value, source, said


@dataclass(frozen=True, kw_only=True, slots=True)
class InFull:
    """A strategy that started from earlier work, beside a rival: as spent here, and charged with that work as well.

    Attributes:
        rival: None if nothing else was compared.
        power: the name of the published power per GPU that turns hours into joules; empty if no known hours are in it.
        n: for how many scenarios.
        prior_j, rival_prior_j: the earlier work, the mean over seeds; None if its joules cannot be told.
        spent_j, rival_spent_j: what was metered here.
        spent, full: the break-even of both, without the earlier work and with it.
        kin: whether both differ in how one network is trained, and in nothing that is done per scenario.
        tier: of the sum.
        spent_tier: of what was metered here.
    """

    strategy: str
    rival: str | None
    power: str
    n: int
    prior_j: float | None
    spent_j: float
    rival_prior_j: float | None
    rival_spent_j: float | None
    spent: BreakEven | None
    full: BreakEven | None
    kin: bool
    tier: Tier
    spent_tier: Tier

    @property
    def full_j(self) -> float | None:
        """Both together; None if the earlier work cannot be told."""
        return None if self.prior_j is None else self.spent_j + self.prior_j

    @property
    def rival_full_j(self) -> float | None:
        """The same of the rival."""
        return sum_or_none([self.rival_spent_j, self.rival_prior_j])

    @property
    def spent_ratio(self) -> float | None:
        """Its energy over the rival's, as spent here."""
        return self.spent_j / self.rival_spent_j if self.rival_spent_j else None

    @property
    def full_ratio(self) -> float | None:
        """Its energy over the rival's, both charged in full."""
        return self.full_j / self.rival_full_j if self.full_j is not None and self.rival_full_j else None


def charged_in_full(comparison: Comparison, works: Sequence[PriorWork]) -> tuple[InFull, ...]:
    """Charge every strategy with what it started from, and set it beside every other one.

    Where published hours are known, there is an answer for each published power per GPU: a range of choices.
    """
    curves = {curve.strategy: curve for curve in comparison.curves}
    found = []
    for one, other in _pairs(list(curves), {work.strategy for work in works} & curves.keys()):
        timed = any(work.gpu_h is not None for work in works if work.strategy in (one, other))
        powers: Mapping[str, GpuPower | None] = gpu_powers() if timed else {"": None}
        for name, power in powers.items():
            side = _side(curves[one], works, power)
            rival = None if other is None else _side(curves[other], works, power)
            found.append(_in_full(side, rival, name, comparison, works))
    return tuple(found)


def _pairs(strategies: Sequence[str], started: set[str]) -> Iterator[tuple[str, str | None]]:
    if len(strategies) == 1 and started:
        yield strategies[0], None
    for one, other in combinations(strategies, 2):
        if one in started:
            yield one, other
        elif other in started:
            yield other, one


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """A curve, and its earlier work seed by seed; None if that cannot be told."""

    curve: CostCurve
    prior_j: Mapping[int, float] | None

    @property
    def mean_j(self) -> float | None:
        return None if self.prior_j is None else fmean(self.prior_j.values())

    @property
    def full(self) -> CostCurve | None:
        if self.prior_j is None:
            return None
        seeds = (replace(seed, once_j=seed.once_j + self.prior_j[seed.seed]) for seed in self.curve.seeds)
        return replace(self.curve, seeds=tuple(seeds))


def _side(curve: CostCurve, works: Sequence[PriorWork], power: GpuPower | None) -> _Side:
    prior_j = {
        seed.seed: sum_or_none(
            work.energy_j(power) for work in works if (work.strategy, work.seed) == (curve.strategy, seed.seed)
        )
        for seed in curve.seeds
    }
    known = {seed: joules for seed, joules in prior_j.items() if joules is not None}
    return _Side(curve=curve, prior_j=known if len(known) == len(prior_j) else None)


def _in_full(own: _Side, rival: _Side | None, power: str, comparison: Comparison, works: Sequence[PriorWork]) -> InFull:
    full, rival_full = own.full, None if rival is None else rival.full
    mine, theirs = own.curve.strategy, None if rival is None else rival.curve.strategy
    spent = {cost.tier for cost in comparison.strategies if cost.strategy in (mine, theirs)}
    before = {work.energy_tier for work in works if work.strategy in (mine, theirs)}
    return InFull(
        strategy=mine,
        rival=theirs,
        power=power,
        n=len(comparison.scenarios),
        prior_j=own.mean_j,
        spent_j=own.curve.total_j,
        rival_prior_j=None if rival is None else rival.mean_j,
        rival_spent_j=None if rival is None else rival.curve.total_j,
        spent=None if rival is None else break_even(own.curve, rival.curve),
        full=None if full is None or rival_full is None else break_even(full, rival_full),
        kin=theirs is not None and are_kin(mine, theirs, comparison.repeated()),
        tier=Tier.weakest(spent | before) or Tier.MODELLED,
        spent_tier=Tier.weakest(spent) or Tier.MODELLED,
    )
