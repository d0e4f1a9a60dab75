"""A tornado: what moves a quantity most, one thing at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from carbon_nas.accounting.choices import ChoiceRange, End
from carbon_nas.accounting.model import Derivation, Model, influences, named, unit_of, value_at
from carbon_nas.errors import MixedQuantities, UnknownQuantity

__all__ = ["Swing", "SwingKind", "drawn", "tornado"]

_LEAST_VISIBLE_RATIO = 1e-3
"""Ends that lie closer together, in parts of the greater one, are one number in three digits and one point on paper."""


class SwingKind(StrEnum):
    """Whether it is a spread or a choice that moves a quantity; the two are drawn apart."""

    PARAMETRIC = "parametric"
    CHOICE = "choice"


@dataclass(frozen=True, kw_only=True, slots=True)
class Swing:
    """What one factor or switch makes of a quantity while everything else stays.

    Attributes:
        low, high: with a factor at its 2.5th and 97.5th percentile, so that `low` holds the greater value where the
            quantity falls as the factor rises; for a switch, the least and the most. None: not quantified, or there the
            quantity is no number.
        quantified: False for a factor that matters and has no spread: its bar would not be short but is not known.
        note: where the spread is from, or why there is none.
    """

    factor: str
    kind: SwingKind
    low: End | None
    high: End | None
    quantified: bool
    note: str

    @property
    def visible(self) -> bool:
        """Whether it has a width that a reader can see; what makes the quantity no number at an end has any."""
        if not self.quantified:
            return False
        if self.low is None or self.high is None:
            return True
        low, high = self.low.value, self.high.value
        return abs(high - low) >= _LEAST_VISIBLE_RATIO * max(abs(low), abs(high)) > 0.0


def drawn(swings: Iterable[Swing]) -> tuple[Swing, ...]:
    """Return the swings that have a width to show; where there are none, there is no tornado to draw."""
    return tuple(swing for swing in swings if swing.visible)


def tornado(
    model: Model, derived: Mapping[str, Derivation], name: str, *, choices: Iterable[ChoiceRange] = ()
) -> tuple[Swing, ...]:
    """Move one factor or switch at a time and list the widest first, and last what is not quantified.

    A factor that cancels has both ends where the quantity is, whether it has a spread or not. One that makes the
    quantity no number stands first: no bar is long enough for it.

    Raises:
        MixedQuantities: if the range of a choice is in another unit than the quantity.
        UnknownName: if there is no such quantity.
        UnknownQuantity: if it is no number to begin with.
    """
    value, unit, matter = (
        value_at(model, derived, name),
        unit_of(model, derived, name),
        influences(model, derived, name),
    )
    if value is None:
        raise UnknownQuantity("nothing moves what is no number", where=name, cure="show its undefined share instead")
    middle = End(label="whatever it is", value=value, unit=unit)

    def end(factor: str, at: float, percentile: str) -> End | None:
        moved = value_at(model, derived, name, {factor: at})
        return None if moved is None else End(label=f"{percentile} percentile, {at:.3g} times", value=moved, unit=unit)

    def swing(factor: str) -> Swing:
        about = model.factors[factor]
        at, low, high, note = about.interval_95, None, None, about.origin
        if factor not in matter:
            low, high, note = middle, middle, "cancels"
        elif at is not None:
            low, high = end(factor, at.low, "2.5th"), end(factor, at.high, "97.5th")
        return Swing(
            factor=factor,
            kind=SwingKind.PARAMETRIC,
            low=low,
            high=high,
            quantified=factor not in matter or at is not None,
            note=note,
        )

    swings = [swing(factor) for factor in named(model, derived, name)]
    swings += [_turned(choice, name, unit) for choice in choices]
    return tuple(sorted(swings, key=_width, reverse=True))


def _turned(choice: ChoiceRange, name: str, unit: str) -> Swing:
    if choice.unit != unit:
        raise MixedQuantities(
            f"a range in {choice.unit!r} is no swing of a quantity in {unit!r}",
            where=choice.name,
            cure=f"give the range of {name}",
        )
    undefined = f"; no number for {', '.join(choice.undefined)}" if choice.undefined else ""
    return Swing(
        factor=choice.name,
        kind=SwingKind.CHOICE,
        low=choice.low,
        high=choice.high,
        quantified=True,
        note=f"a choice: {choice.base} was made{undefined}",
    )


def _width(swing: Swing) -> float:
    if not swing.quantified:
        return -1.0
    return inf if swing.low is None or swing.high is None else abs(swing.high.value - swing.low.value)
