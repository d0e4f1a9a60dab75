"""Whether a report follows from its ledgers: every number is derived again and compared with what is kept.

Figures are not compared: the same numbers give other bytes with another version of the drawing library. That they are
there is checked here, that they are unchanged by the manifest, and that the page shows them by comparing the page.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from carbon_nas import ledger
from carbon_nas.errors import CarbonNasError
from carbon_nas.ledger.verify import Difference
from carbon_nas.reporting.document import Document, FigureBlock
from carbon_nas.reporting.figures import FORMATS
from carbon_nas.reporting.published import derive_published, render_published
from carbon_nas.reporting.published_request import PublishedRequest, is_published
from carbon_nas.reporting.rendering import Figures
from carbon_nas.reporting.report import derive, render
from carbon_nas.reporting.request import REQUEST, Request

__all__ = ["verify_report"]

_NOTHING = object()
_SHOWN = 60


def verify_report(folder: Path) -> Difference | None:
    """Derive a report again from what it was asked and the ledgers beside it, and return the first difference.

    The numbers in JSON are compared key by key and those in CSV cell by cell, then the text and the page as bytes. A
    report of the published record has no ledgers: it follows from its request alone.

    Raises:
        LedgerError: if there is no ledger, or nothing finished in it.
        LedgerCorrupt: if one is damaged.
    """
    return next(_differences(folder), None)


def _differences(folder: Path) -> Iterator[Difference]:
    request = _request(folder)
    if isinstance(request, Difference):
        yield request
        return
    document, rendered = _derived(folder, request)
    figures: dict[str, dict[str, bytes]] = {}
    for key in _figures(document):
        for suffix in FORMATS:
            data = _bytes(folder / f"figures/{key}.{suffix}")
            if not data:
                yield Difference(where=f"figures/{key}.{suffix}", what="this figure is missing or empty")
            figures.setdefault(key, {})[suffix] = data or b""
    derived = rendered(figures)
    for path in sorted(derived, key=_order):
        data = _bytes(folder / path)
        if data is None:
            yield Difference(where=path, what="missing, and it follows from the ledgers")
            continue
        if data != derived[path]:
            yield from _inside(path, data, derived[path])
    drawn = {f"figures/{key}.{suffix}" for key in figures for suffix in FORMATS}
    for extra in _beside(folder):
        if extra not in derived.keys() | drawn:
            yield Difference(where=extra, what="this file is no part of what follows")


def _derived(
    folder: Path, request: Request | PublishedRequest
) -> tuple[Document, Callable[[Figures], Mapping[str, bytes]]]:
    if isinstance(request, PublishedRequest):
        document = derive_published(request)
        return document, partial(render_published, document, request)
    findings, document = derive(ledger.read(folder / "ledger"), request)
    return document, partial(render, findings, document, request)


def _request(folder: Path) -> Request | PublishedRequest | Difference:
    # The report says what was asked of it; that it says so truly shows when everything else follows from it.
    try:
        data = (folder / REQUEST).read_bytes()
        if is_published(data):
            return PublishedRequest.model_validate_json(data)
        request = Request.model_validate_json(data)
        request.places()
    except FileNotFoundError:
        return Difference(where=REQUEST, what="missing, and nobody knows for which site the report was drawn")
    except (OSError, ValueError, CarbonNasError) as error:
        return Difference(where=REQUEST, what=f"it does not say for which site the report was drawn ({error!r})")
    return request


def _beside(folder: Path) -> Iterator[str]:
    """Name every file that stands where a reader looks for the report: its data, its figures, its pages."""
    for pattern in ("data/**/*", "figures/**/*", "*.html", "*.md", "*.bib", "*.csv", "*.json"):
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                yield path.relative_to(folder).as_posix()


def _figures(document: Document) -> list[str]:
    return [block.key for section in document.sections for block in section.blocks if isinstance(block, FigureBlock)]


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _order(path: str) -> tuple[int, str]:
    # Numbers before the sentences that quote them: the first difference is then the most telling.
    suffixes = (".json", ".csv", ".md", ".bib", ".html")
    return suffixes.index(Path(path).suffix), path


def _inside(path: str, kept: bytes, derived: bytes) -> Iterator[Difference]:
    found: Iterator[tuple[str, object, object]] = iter(())
    try:
        if path.endswith(".json"):
            found = _keys("", json.loads(kept), json.loads(derived))
        elif path.endswith(".csv"):
            found = _cells(kept.decode(), derived.decode())
    except (ValueError, csv.Error):
        pass  # What cannot be read as what it was is compared line by line, like any text.
    for place, one, other in (*found, *_lines(kept, derived)):
        yield Difference(where=f"{path}, {place}", what=f"{_word(one)} is kept, and {_word(other)} follows")


def _keys(place: str, kept: Any, derived: Any) -> Iterator[tuple[str, object, object]]:
    match kept, derived:
        case dict(), dict():
            for key in sorted(kept.keys() | derived.keys()):
                inner = f"{place}.{key}" if place else key
                yield from _keys(inner, kept.get(key, _NOTHING), derived.get(key, _NOTHING))
        case list(), list():
            for number, (one, other) in enumerate(zip_longest(kept, derived, fillvalue=_NOTHING)):
                yield from _keys(f"{place}[{number}]", one, other)
        case _:
            if kept != derived or type(kept) is not type(derived):
                yield place, kept, derived


def _cells(kept: str, derived: str) -> Iterator[tuple[str, object, object]]:
    rows = [list(csv.reader(text.splitlines())) for text in (kept, derived)]
    names = rows[1][0] if rows[1] else []
    for number, (one, other) in enumerate(zip_longest(*rows, fillvalue=[]), start=1):
        for column, (cell, right) in enumerate(zip_longest(one, other, fillvalue=_NOTHING)):
            if cell != right:
                name = names[column] if column < len(names) else f"column {column + 1}"
                yield f"row {number}, {name}", cell, right


def _lines(kept: bytes, derived: bytes) -> Iterator[tuple[str, object, object]]:
    pairs = zip_longest(kept.split(b"\n"), derived.split(b"\n"), fillvalue=_NOTHING)
    for number, (one, other) in enumerate(pairs, start=1):
        if one != other:
            yield f"line {number}", one, other


def _word(value: object) -> str:
    if value is _NOTHING:
        return "nothing"
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace").strip()
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
