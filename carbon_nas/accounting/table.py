"""A CSV file that a user wrote: its header, its rows, and where in it something stands."""

import csv
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from carbon_nas.errors import InvalidSite

__all__ = ["place", "rows"]


def rows(
    path: Path, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows of a CSV file by column, each with the line that it begins in, blank ones left out.

    Raises:
        InvalidSite: if it cannot be read, has another header, a row of another length, or no row at all.
    """
    expected = ",".join(required)
    found = False
    try:
        # Spreadsheets like to begin with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            _check_header(path, header, required, optional)
            while True:
                line = reader.line_num + 1
                cells = next(reader, None)
                if cells is None:
                    break
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise InvalidSite(
                        f"{len(cells)} cells under {len(header)} columns",
                        where=place(path, line),
                        cure=f'the header is {",".join(header)}; put text that holds a comma in "quotation marks"',
                    )
                found = True
                yield line, {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    except OSError as error:
        raise InvalidSite(
            f"this file cannot be read ({error.strerror or error})",
            where=str(path),
            cure=f"give a CSV file with the header {expected}",
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidSite(
            f"this is no CSV text ({error})",
            where=str(path),
            cure=f"save it as UTF-8, separated by commas, with the header {expected}",
        ) from error
    if not found:
        raise InvalidSite("there is no row under the header", where=str(path), cure="add a row, or leave the file out")


def place(path: Path, line: int, column: str = "") -> str:
    """Say where in a file something stands."""
    return f"{path}, line {line}" + (f", column {column}" if column else "")


def _check_header(path: Path, header: list[str], required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    columns = (*required, *optional)
    strange = [column for column in header if column not in columns]
    missing = [column for column in required if column not in header]
    repeated = sorted({column for column in header if header.count(column) > 1})
    if not (strange or missing or repeated):
        return
    close = {column: get_close_matches(column, columns, n=1) for column in strange}
    what = "; ".join(
        [f"there is no column {column}" for column in missing]
        + [
            f"the column {column!r} is not known" + (f", did you mean {close[column][0]}?" if close[column] else "")
            for column in strange
        ]
        + [f"the column {column} stands there more than once" for column in repeated]
    )
    more = f"; {', '.join(optional)} may follow" if optional else ""
    raise InvalidSite(what, where=place(path, 1), cure=f"the header is {','.join(required)}{more}, separated by commas")
