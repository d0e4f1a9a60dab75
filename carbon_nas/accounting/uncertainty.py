"""How sure totals and ratios are: seeded log-normal Monte Carlo beside first-order propagation.

Only parametric spread is treated here. A choice between sources or methods has a range of its own
(`accounting.choices`) and is never noise.

Source: IPCC 2006 Guidelines for National Greenhouse Gas Inventories, Volume 1, Chapter 3: Approach 1 (propagation) and
Approach 2 (Monte Carlo), side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, hypot, log, pi, sqrt

import numpy as np

from carbon_nas.accounting.model import (
    Array,
    Derivation,
    Derived,
    Factor,
    Model,
    Term,
    crossing,
    draw,
    influences,
    outcomes,
    ratio,
    unit_of,
    value_at,
)
from carbon_nas.errors import UsageError
from carbon_nas.uncertain import Z_95, Interval

__all__ = ["Derivation", "Derived", "Factor", "Model", "Spread", "Term", "crossing", "ratio", "simulate"]

_TAILS = (0.025, 0.975)
_FEWEST_DRAWS = 1_000
_LINEAR_SHARE = 0.1
"""By how much of its own half-width, in logarithms, first order may miss and still be said to agree."""
_STANDARD_ERRORS = 4.0
_ROUNDING_RATIO = 1e-12
_STEP = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How sure one quantity is. All intervals are central 95 %, in `unit`, and parametric only.

    Attributes:
        value: with every factor at its median; None if it is no number there.
        interval: by Monte Carlo, over the draws in which the quantity is a number; None if it is a number in none, or
            a factor that matters is not quantified.
        total: whether it is one of the model's own totals, which what is shown is derived from.
        analytic: to first order in logarithms; None if there is no interval, or no logarithm.
        not_quantified: the factors that matter here and have no spread.
        quantified_only: where some are not quantified, the interval from the others alone: narrower than the truth.
        undefined_share: the share of draws in which it is no number: curves that never cross, for instance.
    """

    name: str
    value: float | None
    unit: str
    total: bool
    interval: Interval | None
    analytic: Interval | None
    not_quantified: tuple[str, ...]
    quantified_only: Interval | None
    undefined_share: float
    draws: int
    seed: int

    @property
    def agree(self) -> bool | None:
        """Whether both methods give the same ends, within 4 standard errors of sampling and 10 % for linearity.

        Where they do not, Monte Carlo is the one to quote. None: there are no two intervals to compare.
        """
        if self.interval is None or self.analytic is None:
            return None
        pairs = ((self.interval.low, self.analytic.low), (self.interval.high, self.analytic.high))
        if any(drawn * linear <= 0.0 for drawn, linear in pairs):
            return all(drawn == linear for drawn, linear in pairs)
        reach_ratio = abs(log(self.analytic.high / self.analytic.low)) / 2.0
        numbers = round(self.draws * (1.0 - self.undefined_share))
        # The standard error of a normal quantile, sqrt(p (1 - p) / n) / density, in standard deviations.
        error_ratio = sqrt(_TAILS[0] * _TAILS[1] / numbers) * sqrt(2.0 * pi) * exp(Z_95**2 / 2.0)
        tolerance_ratio = reach_ratio * (_LINEAR_SHARE + _STANDARD_ERRORS * error_ratio / Z_95) + _ROUNDING_RATIO
        return all(abs(log(drawn / linear)) <= tolerance_ratio for drawn, linear in pairs)


def simulate(
    model: Model, derived: Mapping[str, Derivation], *, seed: int = 0, draws: int = 20_000
) -> Mapping[str, Spread]:
    """Say how sure every total and everything derived is, by name.

    Every factor is drawn once per draw. A quantity is computed without the factors that cancel in it, so that its
    interval stays the same to the last bit when one more is shared.

    Raises:
        UnknownName: if a derivation asks for a total that is not there.
        UsageError: if a derived quantity has the name of a total, or the draws are too few for their outer 5 %.
    """
    if twice := sorted(model.totals.keys() & derived.keys()):
        raise UsageError("a total and a derived quantity have one name", where=twice[0], cure="rename one of them")
    if draws < _FEWEST_DRAWS:
        raise UsageError(f"{draws:,} draws are too few for 95 %", where="draws", cure=f"take {_FEWEST_DRAWS:,} or more")
    drawn = draw(model, seed=seed, draws=draws)
    return {name: _spread(model, derived, name, drawn, draws, seed) for name in (*model.totals, *derived)}


def _spread(
    model: Model, derived: Mapping[str, Derivation], name: str, drawn: Mapping[str, Array], draws: int, seed: int
) -> Spread:
    matter = influences(model, derived, name, seed=seed)
    known = [factor for factor in matter if factor in drawn]
    unknown = tuple(factor for factor in matter if factor not in drawn)
    found = outcomes(model, derived, name, {factor: drawn[factor] for factor in known}, draws)
    numbers = found[~np.isnan(found)]
    from_known = _central(numbers) if numbers.size else None
    return Spread(
        name=name,
        value=value_at(model, derived, name),
        unit=unit_of(model, derived, name),
        total=name in model.totals,
        interval=None if unknown else from_known,
        analytic=None if unknown or from_known is None else _analytic(model, derived, name, known),
        not_quantified=unknown,
        # Without any spread at all the rest would be a point, and look as if it were exact.
        quantified_only=from_known if unknown and known else None,
        undefined_share=(draws - numbers.size) / draws,
        draws=draws,
        seed=seed,
    )


def _central(numbers: Array) -> Interval:
    low, high = np.quantile(numbers, _TAILS)
    return Interval(low=float(low), high=float(high))


def _analytic(model: Model, derived: Mapping[str, Derivation], name: str, factors: Sequence[str]) -> Interval | None:
    value = value_at(model, derived, name)
    elasticities = [_elasticity(model, derived, name, factor) for factor in factors]
    sigmas_ratio = [
        elasticity * model.factors[factor].sigma_ratio
        for factor, elasticity in zip(factors, elasticities, strict=True)
        if elasticity is not None
    ]
    if value is None or None in elasticities:
        return None
    reach = exp(Z_95 * hypot(*sigmas_ratio))
    low, high = sorted((value / reach, value * reach))
    return Interval(low=low, high=high)


def _elasticity(model: Model, derived: Mapping[str, Derivation], name: str, factor: str) -> float | None:
    """Return by how many percent a quantity moves with one percent of a factor; None if it has no logarithm."""
    if name in model.totals:
        terms = model.totals[name]
        return sum(term.value * term.factors.count(factor) for term in terms) / sum(term.value for term in terms)
    less, more = (value_at(model, derived, name, {factor: exp(step)}) for step in (-_STEP, _STEP))
    if less is None or more is None or less * more <= 0.0:
        return None
    return log(more / less) / (2.0 * _STEP)
