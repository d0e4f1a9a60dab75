"""The user's own factors: suppliers, residual mixes, national inventories. A CSV file with a source in every row."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from carbon_nas.accounting.grid import Grid, Kind
from carbon_nas.accounting.table import place, rows
from carbon_nas.errors import InvalidSite
from carbon_nas.sources import Source

__all__ = ["read_factors"]

_REQUIRED = ("name", "intensity_g_per_kwh", "year", "basis", "source")
_OPTIONAL = ("zone", "kind", "gsd_ratio", "licence")
_KINDS = {word: kind for kind in Kind for word in (kind.value, kind.name.lower())}
_YEARS = range(1950, 2101)


def read_factors(path: Path, *, kind: Kind = Kind.LOCATION) -> Mapping[str, Grid]:
    """Read factors by name, in the order of the file.

    The header is `name,intensity_g_per_kwh,year,basis,source`, and may have `zone`, `kind`, `gsd_ratio` and `licence`.
    A year that is not known is an empty cell. A row that tells no kind is of the one
    that is wanted where it is used.

    Args:
        path: the file.
        kind: of rows that tell none.

    Raises:
        InvalidSite: if the file cannot be read, with the line, the column and the cure.
    """
    factors: dict[str, Grid] = {}
    lines: dict[str, int] = {}
    for line, row in rows(path, required=_REQUIRED, optional=_OPTIONAL):
        name = _text(path, line, row, "name")
        if name in lines:
            raise InvalidSite(
                f"{name!r} stands in line {lines[name]} already",
                where=place(path, line, "name"),
                cure="give each factor a name of its own",
            )
        lines[name] = line
        factors[name] = _factor(path, line, row, kind)
    return factors


def _factor(path: Path, line: int, row: Mapping[str, str], untold: Kind) -> Grid:
    intensity_g_per_kwh = _number(path, line, row, "intensity_g_per_kwh")
    gsd_ratio = _number(path, line, row, "gsd_ratio") if row.get("gsd_ratio") else None
    year, basis, kind = _year(path, line, row), _text(path, line, row, "basis"), _kind(path, line, row, untold)
    # No key: it is the user's, and our bibliography does not know it.
    source = Source(key="", where=_text(path, line, row, "source"))
    try:
        return Grid(
            zone=row.get("zone") or row["name"],
            name=row["name"],
            intensity_g_per_kwh=intensity_g_per_kwh,
            year=year,
            basis=basis,
            source=source,
            kind=kind,
            gsd_ratio=gsd_ratio,
            licence=row.get("licence", ""),
        )
    except InvalidSite as error:
        # What a grid itself refuses knows nothing of lines.
        raise InvalidSite(error.what, where=place(path, line), cure=error.cure) from error


def _text(path: Path, line: int, row: Mapping[str, str], column: str) -> str:
    if not row[column]:
        raise InvalidSite(
            "this cell is empty",
            where=place(path, line, column),
            cure="a factor needs a name, what it counts (basis) and where it is from (source)",
        )
    return row[column]


def _number(path: Path, line: int, row: Mapping[str, str], column: str) -> float:
    try:
        return float(row[column])
    except ValueError:
        raise InvalidSite(
            f"{row[column]!r} is no number",
            where=place(path, line, column),
            cure="write it with a point, such as 56.04",
        ) from None


def _year(path: Path, line: int, row: Mapping[str, str]) -> int | None:
    if not row["year"]:
        return None
    if not (row["year"].isdecimal() and int(row["year"]) in _YEARS):
        raise InvalidSite(
            f"{row['year']!r} is no year of electricity data",
            where=place(path, line, "year"),
            cure="write one year, such as 2023, or leave the cell empty if it is not known",
        )
    return int(row["year"])


def _kind(path: Path, line: int, row: Mapping[str, str], untold: Kind) -> Kind:
    asked = row.get("kind") or untold.value
    if asked.lower() in _KINDS:
        return _KINDS[asked.lower()]
    close = get_close_matches(asked.lower(), _KINDS, n=1)
    raise InvalidSite(
        f"there is no kind {asked!r}" + (f", did you mean {close[0]}?" if close else ""),
        where=place(path, line, "kind"),
        cure=f"write {', '.join(Kind)}",
    )
