"""Tables of results: printed for people, and kept as JSON for programs."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Cell", "Table", "quantile"]

Cell = str | float | int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One table of one run.

    Attributes:
        columns: their names, with the unit.
        notes: what a reader must know beside the numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Draw it with aligned columns: words to the left, numbers to the right."""
        grid = [self.columns, *(tuple(map(_shown, row)) for row in self.rows)]
        widths = [max(len(line[place]) for line in grid) for place in range(len(self.columns))]
        numeric = [
            all(not isinstance(row[place], str) for row in self.rows) and bool(self.rows)
            for place in range(len(self.columns))
        ]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, numeric, strict=True)
            ).rstrip()
            for line in grid
        ]
        return "\n".join([self.title, "-" * len(self.title), *lines, *(f"  {note}" for note in self.notes)])

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies: the nearest rank, nothing between two of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.4g}" if abs(cell) < 1e4 else f"{cell:.0f}"
    return str(cell)
