"""What a choice between sources or methods moves: the least and the most over named alternatives.

A range over choices has no probability. It stands beside a parametric interval and is never merged with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from carbon_nas.errors import UnknownName, UnknownQuantity

__all__ = ["ChoiceRange", "End", "choice_range"]


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """A value of a quantity, and what it belongs to in words."""

    label: str
    value: float
    unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChoiceRange:
    """From the least to the most that one switch makes of a quantity.

    Attributes:
        name: of the switch, such as "source of the intensity".
        base: the label of the choice that was made.
        undefined: the labels for which the quantity is no number.
    """

    name: str
    unit: str
    base: str
    low: End
    high: End
    undefined: tuple[str, ...] = ()


def choice_range(name: str, values: Mapping[str, float | None], *, unit: str, base: str) -> ChoiceRange:
    """Find the least and the most of a quantity over the alternatives of one switch, by label; the first of equals.

    Raises:
        UnknownName: if the base is none of the alternatives.
        UnknownQuantity: if the quantity is a number for none of them.
    """
    if base not in values:
        raise UnknownName(f"the base {base!r} is no alternative", where=name, cure=f"there are {', '.join(values)}")
    known = {label: value for label, value in values.items() if value is not None and isfinite(value)}
    if not known:
        raise UnknownQuantity("no alternative gives a number", where=name, cure="give one that does, or leave it out")
    low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    return ChoiceRange(
        name=name,
        unit=unit,
        base=base,
        low=End(label=low, value=known[low], unit=unit),
        high=End(label=high, value=known[high], unit=unit),
        undefined=tuple(label for label in values if label not in known),
    )
