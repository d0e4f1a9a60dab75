"""A number with what is not known about it: an interval that is certain to hold it, or a spread about it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import exp, inf, isnan, log, sqrt
from statistics import stdev

from carbon_nas.errors import UnknownQuantity
from carbon_nas.sources import Source

__all__ = ["Interval", "Uncertain", "WIDEST_GSD_RATIO", "mean_gsd_ratio", "printed"]

Z_95 = 1.959_963_985
"""The 97.5th percentile of the standard normal distribution."""

WIDEST_GSD_RATIO = 100.0
"""A spread beyond this says nothing, and its draws leave the range of floats."""

_STUDENT_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)

_FEWEST_REPEATS = 3
_SCALES = {"": 0, "k": 3, "M": 6, "G": 9}


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A closed interval. It is a number and has the unit of whoever holds it; arithmetic keeps every possible value.

    Source: interval arithmetic, Moore 1966. Its four operations on independent numbers.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval from {self.low} to {self.high} holds nothing")

    @classmethod
    def exactly(cls, number: float) -> "Interval":
        """Return the interval that holds one number."""
        return cls(low=number, high=number)

    def holds(self, number: float) -> bool:
        """Tell whether a number lies within."""
        return self.low <= number <= self.high

    def meets(self, other: "Interval") -> bool:
        """Tell whether both hold a common number: whether two rounded numbers can be the same one."""
        return self.low <= other.high and other.low <= self.high

    def __add__(self, other: "Interval | float") -> "Interval":
        low, high = _ends(other)
        return Interval(low=self.low + low, high=self.high + high)

    def __sub__(self, other: "Interval | float") -> "Interval":
        low, high = _ends(other)
        return Interval(low=self.low - high, high=self.high - low)

    def __mul__(self, other: "Interval | float") -> "Interval":
        return _hull(mine * theirs for mine in (self.low, self.high) for theirs in _ends(other))

    def __truediv__(self, other: "Interval | float") -> "Interval":
        low, high = _ends(other)
        if low <= 0.0 <= high:
            return Interval(low=-inf, high=inf)
        return _hull(mine / theirs for mine in (self.low, self.high) for theirs in (low, high))

    __radd__, __rmul__ = __add__, __mul__


def _ends(number: Interval | float) -> tuple[float, float]:
    held = number if isinstance(number, Interval) else Interval.exactly(number)
    return held.low, held.high


def _hull(numbers: Iterable[float]) -> Interval:
    # Zero times unbounded, and unbounded by unbounded: the end that the others do not already hold is zero.
    known = [0.0 if isnan(number) else number for number in numbers]
    return Interval(low=min(known), high=max(known))


def printed(text: str) -> Interval:
    """Return every number that rounds to a printed one: `printed("0.34k")` holds 335 to 345.

    A full integer without a suffix is taken to be rounded to its last digit, whatever zeros it ends with.

    Raises:
        ValueError: if it is no number with an optional k, M or G.
    """
    bare = text.strip().replace(",", "").replace("$", "")
    if not (parts := re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+))([kMG]?)", bare, flags=re.ASCII)):
        raise ValueError(f"{text!r} is no printed number")
    digits, suffix = parts.groups()
    # In decimals, since half of a last digit is seldom a float.
    number, half = Decimal(digits), Decimal("0.5").scaleb(-len(digits.partition(".")[2]))
    low, high = ((number + step).scaleb(_SCALES[suffix]) for step in (-half, half))
    return Interval(low=float(low), high=float(high))


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncertain:
    """A positive number with a log-normal spread.

    Attributes:
        gsd_ratio: the geometric standard deviation: 95 % lie within `value / gsd^1.96` and `value x gsd^1.96`. 1.0: no
            spread at all; None: not quantified, which is never the same as none.
        source: where value and spread stand.
    """

    value: float
    unit: str
    gsd_ratio: float | None = None
    source: Source | None = None

    def __post_init__(self) -> None:
        if self.gsd_ratio is not None and not 1.0 <= self.gsd_ratio < inf:
            raise ValueError(f"a geometric standard deviation of {self.gsd_ratio} is not from 1 up")

    @property
    def sigma_ratio(self) -> float:
        """The standard deviation of its logarithm.

        Raises:
            UnknownQuantity: if it is not quantified.
        """
        if self.gsd_ratio is None:
            raise UnknownQuantity("the spread of this number is not quantified", where=f"{self.value:g} {self.unit}")
        return log(self.gsd_ratio)

    @property
    def interval_95(self) -> Interval | None:
        """The central 95 %; None if it is not quantified."""
        if self.gsd_ratio is None:
            return None
        reach = exp(Z_95 * log(self.gsd_ratio))
        return Interval(low=self.value / reach, high=self.value * reach)


def mean_gsd_ratio(values: Sequence[float]) -> float | None:
    """Return how sure the mean of some repeats is, as a geometric standard deviation.

    Its 95 % interval is Student's, so few repeats make it wide. None with fewer than three: two say next to nothing.

    Source: Student 1908; the quantiles of t as tabled in the NIST/SEMATECH e-Handbook, section 1.3.6.7.2, and that for
    30 degrees of freedom for all beyond, which is a little too wide.

    Args:
        values: positive, in any unit.
    """
    if len(values) < _FEWEST_REPEATS or min(values) <= 0.0:
        return None
    freedom = len(values) - 1
    error_ratio = stdev(map(log, values)) / sqrt(len(values))
    return exp(error_ratio * _STUDENT_95[min(freedom, len(_STUDENT_95)) - 1] / Z_95)
