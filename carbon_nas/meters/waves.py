"""Power over time with exact integrals: the truth that a simulated sensor is compared with.

Every integral is a closed form, so `energy_j(a, b) + energy_j(b, c)` is `energy_j(a, c)` to the last digits.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from math import floor
from random import Random
from typing import Protocol

__all__ = ["Constant", "Ramp", "Square", "Sum", "Telegraph", "Wave"]


class Wave(Protocol):
    """Power as a function of time, and its integral."""

    def power_w(self, time_s: float) -> float:
        """Return the power at one moment."""
        ...

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Return the integral of the power from one moment to a later one."""
        ...


def _positive(wave: object, **values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{type(wave).__name__} needs {name} above 0, not {value}")


def _no_less_than_zero(wave: object, **values: float) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{type(wave).__name__} needs {name} of at least 0, not {value}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant:
    """The same power for ever."""

    level_w: float

    def __post_init__(self) -> None:
        _no_less_than_zero(self, level_w=self.level_w)

    def power_w(self, time_s: float) -> float:  # noqa: ARG002
        """Return the level."""
        return self.level_w

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Return power times time."""
        return self.level_w * (end_s - begin_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Square:
    """Two levels in turn, the high one first.

    Attributes:
        high_ratio: for which part of a period the power is high.
        phase_s: when one of the high parts begins.
    """

    low_w: float
    high_w: float
    period_s: float
    high_ratio: float = 0.5
    phase_s: float = 0.0

    def __post_init__(self) -> None:
        _no_less_than_zero(self, low_w=self.low_w, high_w=self.high_w, high_ratio=self.high_ratio)
        _positive(self, period_s=self.period_s)

    def power_w(self, time_s: float) -> float:
        """Return one of the two levels."""
        periods = (time_s - self.phase_s) / self.period_s
        return self.high_w if periods - floor(periods) < self.high_ratio else self.low_w

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Return the low level throughout, and what the high parts add to it."""
        high_s = self._high_s(end_s) - self._high_s(begin_s)
        return self.low_w * (end_s - begin_s) + (self.high_w - self.low_w) * high_s

    def _high_s(self, time_s: float) -> float:
        periods = (time_s - self.phase_s) / self.period_s
        whole = floor(periods)
        return self.period_s * (whole * self.high_ratio + min(periods - whole, self.high_ratio))


@dataclass(frozen=True, kw_only=True, slots=True)
class Ramp:
    """A straight line from one power to another, level before and after."""

    from_w: float
    to_w: float
    begin_s: float
    end_s: float

    def __post_init__(self) -> None:
        _no_less_than_zero(self, from_w=self.from_w, to_w=self.to_w)
        _positive(self, length_s=self.end_s - self.begin_s)

    def power_w(self, time_s: float) -> float:
        """Return the power on the line."""
        passed_ratio = (time_s - self.begin_s) / (self.end_s - self.begin_s)
        return self.from_w + (self.to_w - self.from_w) * min(1.0, max(0.0, passed_ratio))

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Return the integral of the three straight pieces."""
        return self._since_begin_j(end_s) - self._since_begin_j(begin_s)

    def _since_begin_j(self, time_s: float) -> float:
        if time_s <= self.begin_s:
            return self.from_w * (time_s - self.begin_s)
        on_line_s = min(time_s, self.end_s) - self.begin_s
        level_s = max(0.0, time_s - self.end_s)
        return (self.from_w + self.power_w(time_s)) / 2 * on_line_s + self.to_w * level_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Telegraph:
    """Two levels that change at random moments, as drawn from a seed; the last level stays after the horizon.

    Attributes:
        mean_s: how long a level lasts on average; the lengths are exponential.
        horizon_s: until when it changes.
    """

    low_w: float
    high_w: float
    mean_s: float
    seed: int
    horizon_s: float = 200.0
    _switches_s: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _until_j: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _no_less_than_zero(self, low_w=self.low_w, high_w=self.high_w)
        _positive(self, mean_s=self.mean_s, horizon_s=self.horizon_s)
        chance, time_s, switches_s = Random(self.seed), 0.0, [0.0]
        while (time_s := time_s + chance.expovariate(1 / self.mean_s)) < self.horizon_s:
            switches_s.append(time_s)
        until_j = [0.0]
        for number, (begin_s, end_s) in enumerate(pairwise(switches_s)):
            until_j.append(until_j[-1] + self._level_w(number) * (end_s - begin_s))
        # The record is frozen for its users; what follows from its fields is worked out once.
        object.__setattr__(self, "_switches_s", tuple(switches_s))
        object.__setattr__(self, "_until_j", tuple(until_j))

    def _level_w(self, number: int) -> float:
        return self.low_w if (number + self.seed) % 2 else self.high_w

    def _number(self, time_s: float) -> int:
        return max(0, bisect_right(self._switches_s, time_s) - 1)

    def power_w(self, time_s: float) -> float:
        """Return one of the two levels."""
        return self._level_w(self._number(time_s))

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Return the sum over the levels in between."""
        return self._since_zero_j(end_s) - self._since_zero_j(begin_s)

    def _since_zero_j(self, time_s: float) -> float:
        number = self._number(time_s)
        return self._until_j[number] + self._level_w(number) * (time_s - self._switches_s[number])


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum:
    """Several waves at once."""

    waves: tuple[Wave, ...]

    def power_w(self, time_s: float) -> float:
        """Return the sum of their powers."""
        return sum(wave.power_w(time_s) for wave in self.waves)

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Return the sum of their integrals."""
        return sum(wave.energy_j(begin_s, end_s) for wave in self.waves)
