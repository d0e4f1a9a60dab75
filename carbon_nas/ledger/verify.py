"""Whether ledgers and the files beside them are as they were written. Nothing here heals, writes or locks."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carbon_nas.errors import LedgerCorrupt, LedgerError
from carbon_nas.files import MANIFEST, manifest_of, manifest_text
from carbon_nas.ledger.arithmetic import Arithmetic
from carbon_nas.ledger.journal import EventReader
from carbon_nas.ledger.records import SCHEMA, Header

__all__ = ["ChainReport", "Difference", "check_arithmetic", "verify_chain", "verify_manifest", "verify_previous"]

_DIGITS = 12
_ENTRY = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A place where what is kept is not what follows.

    Attributes:
        where: the file, and the line, key or cell in it.
        what: what stands there and what should, in words.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return " ".join(f"{self.where}: {self.what}".split())


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainReport:
    """What one ledger file holds.

    Attributes:
        lines: whole lines, each chained to the one before.
        head: the hash of the last of them.
        torn_bytes: what stands after it without a newline: its writer died, or its end was changed.
        header: the first line; None for a process that was killed before it wrote one.
        found: of the hashes that were looked for, the lines that have them.
        difference: the first number that does not follow from the readings, or the torn line; None if all is well.
    """

    path: Path
    lines: int
    head: str
    torn_bytes: int
    header: Header | None = None
    found: Mapping[str, int] = field(default_factory=dict)
    difference: Difference | None = None


def verify_chain(path: Path, *, heads: Iterable[str] = ()) -> ChainReport:
    """Read a ledger from end to end: its hashes, its chain, its lines as records, and its arithmetic.

    Args:
        path: the ledger.
        heads: hashes, or their first digits, to look for among the hashes of its lines.

    Raises:
        LedgerCorrupt: at the first whole line that is damaged, or if the first is no header.
        LedgerError: if it cannot be read, or is of a newer schema than this reader knows.
    """
    reader, arithmetic = EventReader(path), Arithmetic()
    wanted, found = tuple(heads), dict[str, int]()
    header: Header | None = None
    difference: Difference | None = None
    for event in reader:
        if header is None:
            header = _first(event, path)
        for head in wanted:
            if reader.head.startswith(head):
                found.setdefault(head, reader.lines)
        words = arithmetic.take(event) if difference is None else None
        if words is not None:
            difference = Difference(where=f"{path}, line {reader.lines}", what=words)
    if difference is None and reader.torn_bytes:
        difference = Difference(
            where=f"{path}, line {reader.lines + 1}",
            what=f"the last line is torn: {reader.torn_bytes} bytes without a line end, because its writer was killed "
            "or the file was changed",
        )
    return ChainReport(
        path=path,
        lines=reader.lines,
        head=reader.head,
        torn_bytes=reader.torn_bytes,
        header=header,
        found=found,
        difference=difference,
    )


def _first(event: object, path: Path) -> Header:
    if not isinstance(event, Header):
        raise LedgerCorrupt("this ledger does not begin with a header", where=str(path))
    if event.schema > SCHEMA:
        raise LedgerError(
            f"written in schema {event.schema}, and this version reads up to {SCHEMA}",
            where=str(path),
            cure="upgrade carbon_nas",
        )
    return event


def check_arithmetic(path: Path) -> Difference | None:
    """Return the first number of a ledger that does not follow from its readings; None if all do.

    Raises:
        LedgerCorrupt: if a line is damaged.
    """
    reader, arithmetic = EventReader(path), Arithmetic()
    for event in reader:
        words = arithmetic.take(event)
        if words is not None:
            return Difference(where=f"{path}, line {reader.lines}", what=words)
    return None


def verify_previous(report: ChainReport) -> Difference | None:
    """Check that the ledger a sibling names as the one before it still holds the line it names.

    A ledger that is not in the folder cannot be checked, and is no difference.

    Raises:
        LedgerCorrupt: if that ledger is damaged.
    """
    header = report.header
    if header is None or header.previous is None or header.previous_head is None:
        return None
    before = report.path.parent / Path(header.previous).name
    if not before.is_file() or verify_chain(before, heads=[header.previous_head]).found:
        return None
    return Difference(
        where=str(report.path),
        what=f"it was begun after line {header.previous_head[:12]} of {before.name}, and no line there has that hash: "
        "that ledger was cut or rewritten",
    )


def verify_manifest(folder: Path) -> Difference | None:
    """Compare a report folder with the list of hashes in it; return the first difference, None if there is none."""
    path = folder / MANIFEST
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return Difference(where=str(path), what="missing: without it no file of the report can be checked")
    except (OSError, UnicodeDecodeError) as error:
        return Difference(where=str(path), what=f"cannot be read ({error})")
    return next(_manifest_differences(path, text, manifest_of(folder)), None)


def _manifest_differences(path: Path, text: str, now: Mapping[str, str]) -> Iterator[Difference]:
    kept: dict[str, str] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            yield Difference(where=f"{path}, line {number}", what="this is no hash with a file name")
            continue
        kept[entry[2]] = entry[1]
    for name in sorted(kept.keys() | now.keys()):
        if name not in now:
            yield Difference(where=name, what=f"listed in {MANIFEST}, and missing")
        elif name not in kept:
            yield Difference(where=name, what=f"not listed in {MANIFEST}: it was added after the report")
        elif kept[name] != now[name]:
            # As many digits as tell the two apart: it may be the list that was changed.
            alike = next(
                place for place, (was, found) in enumerate(zip(kept[name], now[name], strict=True)) if was != found
            )
            digits = max(_DIGITS, alike + 1)
            yield Difference(
                where=name,
                what=f"changed after the report: its hash was {kept[name][:digits]} and is {now[name][:digits]}",
            )
    if text != manifest_text(now):
        yield Difference(where=str(path), what="its lines are not as they were written: repeated, or in another order")
