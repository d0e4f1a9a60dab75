"""Totals that are sums of products, the factors they share, and what is derived from them.

A total is a sum of terms, each a number times factors such as power, PUE or intensity. A factor has a log-normal spread
about its own value, and is the same wherever it is named, so that what two strategies share cancels in their ratio.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import inf

import numpy as np
from numpy.typing import NDArray

from carbon_nas.errors import MixedQuantities, UnknownName, UnknownQuantity
from carbon_nas.sources import Source
from carbon_nas.uncertain import Interval, Uncertain

__all__ = [
    "Array",
    "Derivation",
    "Derived",
    "Factor",
    "Model",
    "Term",
    "crossing",
    "draw",
    "influences",
    "named",
    "outcomes",
    "ratio",
    "unit_of",
    "value_at",
]

Array = NDArray[np.float64]
Derivation = Callable[[Mapping[str, Array]], Array]
"""What is computed from totals, draw by draw; a draw in which it is no number is NaN or infinite."""

_PROBED_DRAWS = 256
_PROBES = (2.0**-10, 0.5, 2.0, 2.0**10)
"""Powers of two: floats are scaled by them without rounding, so that what cancels, cancels to the last bit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """What terms are multiplied by, as a spread about its own value, which the terms already hold.

    Attributes:
        gsd_ratio: its geometric standard deviation; None: not quantified, which is never the same as none.
        origin: a sentence: where the spread is from, or why there is none.
        moving_ratio: the part of it that the spread is one of, from 0 to 1; the rest is certain, and its floor.
    """

    gsd_ratio: float | None
    origin: str
    source: Source | None = None
    moving_ratio: float = 1.0

    def __post_init__(self) -> None:
        if not self.origin.strip():
            raise ValueError("a factor needs a sentence that says where its spread is from")
        if not 0.0 <= self.moving_ratio <= 1.0:
            raise ValueError(f"{self.moving_ratio} is no part of a factor")
        _ = self.spread  # Refuses a spread that cannot be.

    @property
    def spread(self) -> Uncertain:
        """The spread about one of the part that moves."""
        return Uncertain(value=1.0, unit="", gsd_ratio=self.gsd_ratio, source=self.source)

    @property
    def sigma_ratio(self) -> float:
        """The standard deviation of its logarithm, to first order where a part of it is certain.

        Raises:
            UnknownQuantity: if it is not quantified.
        """
        return self.moving_ratio * self.spread.sigma_ratio

    @property
    def interval_95(self) -> Interval | None:
        """The central 95 %; None if it is not quantified."""
        moving = self.spread.interval_95
        return None if moving is None else moving * self.moving_ratio + (1.0 - self.moving_ratio)

    def drawn(self, normal: Array) -> Array:
        """Return it for draws from the standard normal distribution.

        Raises:
            UnknownQuantity: if it is not quantified.
        """
        return (1.0 - self.moving_ratio) + self.moving_ratio * np.exp(self.spread.sigma_ratio * normal)


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A number times factors of median one, each by name.

    Raises:
        UnknownQuantity: if the number is None.
    """

    value: float
    unit: str
    factors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.value is None:
            raise UnknownQuantity(
                "a term is not known", cure="leave out the total that it belongs to; None is not zero"
            )
        if not 0.0 <= self.value < inf:
            raise ValueError(f"a term of {self.value} {self.unit} has no logarithm to spread")


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """Totals by name, and every factor that their terms name.

    Raises:
        MixedQuantities: if the terms of a total have different units.
        UnknownName: if a term names a factor that is not there.
        UnknownQuantity: if a total has no terms.
    """

    factors: Mapping[str, Factor]
    totals: Mapping[str, tuple[Term, ...]]

    def __post_init__(self) -> None:
        for name, terms in self.totals.items():
            if not terms:
                raise UnknownQuantity("a total without terms is not known", where=name, cure="give its terms")
            if len(units := sorted({term.unit for term in terms})) > 1:
                raise MixedQuantities(
                    f"terms in {' and in '.join(units)} have no sum", where=name, cure="convert them to one unit first"
                )
            if missing := sorted({factor for term in terms for factor in term.factors} - self.factors.keys()):
                raise UnknownName(f"no factor is called {missing[0]!r}", where=name, cure="add it to the factors")


@dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """A derivation with the unit of what it gives; a bare function's result has none."""

    unit: str
    of: Derivation

    def __call__(self, totals: Mapping[str, Array]) -> Array:
        """Compute it from totals."""
        return self.of(totals)


def ratio(over: str, under: str) -> Derived:
    """Divide one total by another of the same unit."""
    return Derived(unit="", of=lambda totals: totals[over] / totals[under])


def crossing(*, upfront: tuple[str, str], rival: tuple[str, str]) -> Derived:
    """Find N*, where `once + N x each` of both cost the same, from the names of these totals.

    Where `upfront` does not pay less for each, the two never cross, and N* is no number.
    """

    def of(totals: Mapping[str, Array]) -> Array:
        once_more, saved = totals[upfront[0]] - totals[rival[0]], totals[rival[1]] - totals[upfront[1]]
        return np.where(saved > 0.0, np.maximum(once_more, 0.0) / saved, np.nan)

    return Derived(unit="scenarios", of=of)


class _Totals(Mapping[str, Array]):
    """Totals that are summed when they are asked for."""

    def __init__(self, model: Model, factors: Mapping[str, Array], size: int) -> None:
        self._model, self._factors, self._size = model, factors, size
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        if name not in self._model.totals:
            raise UnknownName(f"there is no total {name!r}", cure=f"there are {', '.join(self._model.totals)}")
        self.read.add(name)
        total = np.zeros(self._size)
        for term in self._model.totals[name]:
            product = np.full(self._size, term.value)
            for factor in term.factors:
                if factor in self._factors:
                    product *= self._factors[factor]
            total += product
        return total

    def __contains__(self, name: object) -> bool:
        return name in self._model.totals

    def __iter__(self) -> Iterator[str]:
        return iter(self._model.totals)

    def __len__(self) -> int:
        return len(self._model.totals)


def outcomes(
    model: Model, derived: Mapping[str, Derivation], name: str, factors: Mapping[str, Array], size: int
) -> Array:
    """Compute one quantity in every draw; a factor that is not given is one, and what is no number is NaN.

    Raises:
        UnknownName: if there is no such quantity, or no such total for it.
    """
    return _outcomes(_Totals(model, factors, size), derived, name, size)


def _outcomes(totals: _Totals, derived: Mapping[str, Derivation], name: str, size: int) -> Array:
    if name in totals or name not in derived:
        return totals[name]
    with np.errstate(all="ignore"):
        found = np.broadcast_to(np.asarray(derived[name](totals), dtype=np.float64), (size,))
    return np.where(np.isfinite(found), found, np.nan)


def unit_of(model: Model, derived: Mapping[str, Derivation], name: str) -> str:
    """Return the unit of one quantity."""
    if name in model.totals:
        return model.totals[name][0].unit
    derivation = derived.get(name)
    return derivation.unit if isinstance(derivation, Derived) else ""


def value_at(
    model: Model, derived: Mapping[str, Derivation], name: str, moved: Mapping[str, float] | None = None
) -> float | None:
    """Return one quantity with some factors moved from one; None if it is no number there."""
    found = outcomes(model, derived, name, {factor: np.array([at]) for factor, at in (moved or {}).items()}, 1)
    return None if np.isnan(found[0]) else float(found[0])


def draw(model: Model, *, seed: int, draws: int) -> dict[str, Array]:
    """Draw every factor that has a spread. Its draws follow from the seed and its own name alone."""
    drawn = {}
    for name, factor in model.factors.items():
        if factor.gsd_ratio is not None:
            own = int.from_bytes(sha256(name.encode()).digest()[:16], "big")
            normal = np.random.Generator(np.random.PCG64([seed, own])).standard_normal(draws)
            drawn[name] = factor.drawn(normal)
    return drawn


def named(model: Model, derived: Mapping[str, Derivation], name: str) -> tuple[str, ...]:
    """Name the factors of all totals that one quantity is computed from, in the model's order."""
    totals = _Totals(model, {}, 1)
    _outcomes(totals, derived, name, 1)
    found = {factor for total in totals.read for term in model.totals[total] for factor in term.factors}
    return tuple(factor for factor in model.factors if factor in found)


def influences(model: Model, derived: Mapping[str, Derivation], name: str, *, seed: int = 0) -> tuple[str, ...]:
    """Name those that matter to the quantity: all but the ones that cancel exactly, or stand in terms of zero only.

    For something derived, each factor is scaled up and down in many draws. One that changes the last bit matters, so
    that rounding within a derivation can only add to this list.
    """
    if name in model.totals:
        found = {factor for term in model.totals[name] if term.value for factor in term.factors}
        return tuple(factor for factor in model.factors if factor in found)
    base = {factor: np.ones(_PROBED_DRAWS) for factor in model.factors}
    base |= draw(model, seed=seed, draws=_PROBED_DRAWS)
    before = outcomes(model, derived, name, base, _PROBED_DRAWS)

    def moves(factor: str, scale: float) -> bool:
        after = outcomes(model, derived, name, base | {factor: base[factor] * scale}, _PROBED_DRAWS)
        return not np.array_equal(before, after, equal_nan=True)

    return tuple(factor for factor in named(model, derived, name) if any(moves(factor, scale) for scale in _PROBES))
