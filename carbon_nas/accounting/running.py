"""Running sums of a series, so that the mean over any stretch costs the same, however long series and stretch are."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import lcm
from typing import Self

__all__ = ["RunningSums"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningSums:
    """Exact sums of values that each hold for one step, some of which are not known.

    Attributes:
        step: ticks of a clock from one value to the next.
        parts: of the first i values, each times `scale`.
        known: how many of the first i values are known.
        gaps: which values are not.
        scale: what makes all values whole numbers.
    """

    step: int
    parts: tuple[int, ...]
    known: tuple[int, ...]
    gaps: tuple[int, ...]
    scale: int

    @classmethod
    def of(cls, values: Iterable[float | None], step: int) -> Self:
        """Add up values, None for those that are not known."""
        # A float is a whole number over a power of two, so a common scale makes whole numbers of them all.
        ratios = [None if value is None else float(value).as_integer_ratio() for value in values]
        scale = lcm(*(ratio[1] for ratio in ratios if ratio is not None))
        return cls(
            step=step,
            parts=tuple(accumulate((0 if one is None else one[0] * (scale // one[1]) for one in ratios), initial=0)),
            known=tuple(accumulate((one is not None for one in ratios), initial=0)),
            gaps=tuple(index for index, one in enumerate(ratios) if one is None),
            scale=scale,
        )

    @property
    def mean(self) -> Fraction:
        """The mean of the values that are known."""
        return Fraction(self.parts[-1], self.known[-1] * self.scale)

    def between(self, first: int, last: int) -> tuple[Fraction, int]:
        """Return the sum over time from one tick to another, and for how many of these ticks a value is known."""
        part = self._until(self.parts, last) - self._until(self.parts, first)
        return Fraction(part, self.scale), self._until(self.known, last) - self._until(self.known, first)

    def next_gap(self, index: int) -> int:
        """Return the first value from an index on that is not known, which may lie outside."""
        length = len(self.parts) - 1
        if not 0 <= index < length:
            return index
        position = bisect_left(self.gaps, index)
        return self.gaps[position] if position < len(self.gaps) else length

    def _until(self, sums: tuple[int, ...], tick: int) -> int:
        index, beyond = divmod(min(max(tick, 0), (len(sums) - 1) * self.step), self.step)
        return sums[index] * self.step + ((sums[index + 1] - sums[index]) * beyond if beyond else 0)
