"""Cells of the published record: ratios, ranges, and where a number stands."""

from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell
from carbon_nas.reporting.numbers import significant
from carbon_nas.sources import Source, Tier

__all__ = ["between", "cited", "factor", "ratio"]


def cited(source: Source | None) -> Cell:
    """Return a cell that says where a number stands."""
    if source is None:
        return word("")
    return word(f"{source.key}, {source.where}" if source.key else source.where)


def factor(value: float) -> str:
    """Write a factor; one near 1 is told from 1 by its fourth digit only."""
    return significant(value, 4 if 0.99 < value < 1.01 else 3)


def ratio(value: float | None, tier: Tier = Tier.MODELLED, *, missing: str = "") -> Cell:
    """Return a cell of a ratio, or of words if there is none."""
    if value is None:
        return word(missing)
    return Cell(text=f"{significant(value)}x", tier=tier, value=value, unit="ratio")


def between(low: Cell, high: Cell, over: str = "") -> Cell:
    """Return one cell that shows a range, whose ends have columns of their own in data files.

    Args:
        low: one end; words if there is no range.
        high: the other end.
        over: what the range is over, in words.
    """
    if low.value is None or high.value is None:
        return word("")
    ends = low.text if low.text == high.text else f"{low.text} to {high.text}"
    return Cell(text=f"{ends} {over}".rstrip(), tier=Tier.weakest({one.tier for one in (low, high) if one.tier}))
