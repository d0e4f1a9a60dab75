"""Quantities that cannot be mixed up: what a type is in the sense of a type checker, it is at run time as well.

Energy of computers and energy of the building around them, CO2e by the grid's average and by contract, marginal and
embodied: each is a class of its own. Adding two of different kinds is an error for mypy, and raises. Numbers are kept
as exact fractions in SI, so that a conversion there and back gives the number that came in, and a sum does not depend
on its order.

Source: GHG Protocol Scope 2 Guidance (2015), chapter 7: location-based and market-based totals are both disclosed, and
never added.
"""

from fractions import Fraction
from typing import Any, Literal, Self, final

from carbon_nas.errors import InvalidSite, MixedQuantities, UnknownQuantity
from carbon_nas.units import G_PER_KG, J_PER_KWH, KG_PER_LB

__all__ = [
    "EmbodiedMass",
    "FacilityEnergy",
    "ItEnergy",
    "LocationBasedMass",
    "MarginalMass",
    "MarketBasedMass",
]

_J_PER_KWH, _G_PER_KG = Fraction(J_PER_KWH), Fraction(G_PER_KG)
_KG_PER_LB = Fraction(str(KG_PER_LB))  # The decimal number that defines the pound, which no float holds.


def _exact(number: float | Fraction, what: str) -> Fraction:
    try:
        return Fraction(number)
    except (ValueError, OverflowError):
        raise UnknownQuantity(
            f"{what} of {number} is not known", cure="give a number that is finite, or None where there is none"
        ) from None


class _Quantity:
    """A number of SI units of one kind. Final classes below give it a name and its units.

    Raises:
        UnknownQuantity: for None, and for what is no finite number.
    """

    __slots__ = ("_exact",)

    def __init__(self, number: float | Fraction | None) -> None:
        if number is None:
            raise UnknownQuantity(
                f"{type(self).__name__} of a number that is not known", cure="absent is None and stays so; never zero"
            )
        self._exact = _exact(number, type(self).__name__)

    def __add__(self, other: Self) -> Self:
        return type(self)(self._exact + self._of_the_same_kind(other))

    def __sub__(self, other: Self) -> Self:
        return type(self)(self._exact - self._of_the_same_kind(other))

    def __mul__(self, ratio: float | Fraction) -> Self:
        return type(self)(self._exact * _exact(ratio, "a ratio"))

    __rmul__ = __mul__

    def __radd__(self, other: Literal[0]) -> Self:
        # Python's sum() begins with a plain zero, which belongs to no kind.
        return self if type(other) is int and other == 0 else type(self)(self._of_the_same_kind(other))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._exact == other._exact

    def __lt__(self, other: Self) -> bool:
        return self._exact < self._of_the_same_kind(other)

    def __hash__(self) -> int:
        return hash((type(self), self._exact))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({float(self._exact)!r})"

    def _of_the_same_kind(self, other: Any) -> Fraction:
        if type(other) is not type(self):
            raise MixedQuantities(
                f"{type(self).__name__} and {type(other).__name__} cannot be added or compared",
                cure="keep them side by side; turn one into the other by name where that is possible",
            )
        exact: Fraction = other._exact
        return exact


class _Energy(_Quantity):
    __slots__ = ()

    @classmethod
    def of_kwh(cls, energy_kwh: float) -> Self:
        """Take kilowatt-hours."""
        return cls(_exact(energy_kwh, cls.__name__) * _J_PER_KWH)

    @property
    def joules(self) -> float:
        """In joules."""
        return float(self._exact)

    @property
    def kwh(self) -> float:
        """In kilowatt-hours."""
        return float(self._exact / _J_PER_KWH)


@final
class ItEnergy(_Energy):
    """What computers used, in joules. Raises `UnknownQuantity` for None."""

    __slots__ = ()

    def through(self, pue: float) -> "FacilityEnergy":
        """Return what the building used for it.

        Raises:
            InvalidSite: if the PUE is below 1 or no number.
        """
        if not 1.0 <= pue < 100.0:
            raise InvalidSite(
                f"a PUE of {pue:g} cannot be: a building uses at least what its computers use",
                where="PUE",
                cure="give facility energy divided by IT energy, such as 1.2",
            )
        return FacilityEnergy(self._exact * Fraction(pue))


@final
class FacilityEnergy(_Energy):
    """What the building used, in joules: IT energy, cooling and distribution. No PUE applies to it any more."""

    __slots__ = ()


class _Mass(_Quantity):
    __slots__ = ()

    @classmethod
    def of_lb(cls, mass_lb: float) -> Self:
        """Take avoirdupois pounds."""
        return cls(_exact(mass_lb, cls.__name__) * _KG_PER_LB)

    @classmethod
    def of_g(cls, mass_g: float) -> Self:
        """Take grams."""
        return cls(_exact(mass_g, cls.__name__) / _G_PER_KG)

    @classmethod
    def emitted(cls, energy: ItEnergy | FacilityEnergy, intensity_g_per_kwh: float) -> Self:
        """Return the CO2e of energy at an intensity."""
        intensity = _exact(intensity_g_per_kwh, "an intensity")
        return cls(energy._exact / _J_PER_KWH * intensity / _G_PER_KG)

    @property
    def kg(self) -> float:
        """In kilograms."""
        return float(self._exact)

    @property
    def g(self) -> float:
        """In grams."""
        return float(self._exact * _G_PER_KG)

    @property
    def lb(self) -> float:
        """In avoirdupois pounds."""
        return float(self._exact / _KG_PER_LB)


@final
class LocationBasedMass(_Mass):
    """CO2e by the average intensity of the grid where it was used, in kilograms."""

    __slots__ = ()


@final
class MarketBasedMass(_Mass):
    """CO2e by contract, supplier or residual mix, in kilograms."""

    __slots__ = ()


@final
class MarginalMass(_Mass):
    """CO2e of the plants that would answer to a little more or less load, in kilograms: no part of an inventory."""

    __slots__ = ()


@final
class EmbodiedMass(_Mass):
    """CO2e of making the hardware, as far as its life was used up, in kilograms."""

    __slots__ = ()
