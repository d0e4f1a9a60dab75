"""The door for whoever was handed a report: is it as it was written, and does it follow from its ledgers?"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from carbon_nas.errors import LedgerCorrupt, LedgerError, UsageError
from carbon_nas.files import MANIFEST

if TYPE_CHECKING:
    from carbon_nas.ledger.verify import ChainReport, Difference
    from carbon_nas.reporting.published_request import PublishedRequest

__all__ = ["verify"]

_HEAD = re.compile(r"[0-9a-f]{8,64}")
_REPORT = (MANIFEST, "index.html", "report.md", "data")


def verify(
    folder: Annotated[
        Path, typer.Argument(help="A report folder, a folder of ledgers, or one .jsonl file.", metavar="FOLDER")
    ],
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="A head hash that was handed over earlier, or at least its first 8 digits: one of the ledgers must "
            "hold the line it belongs to. May be given several times.",
            metavar="HASH",
        ),
    ] = None,
) -> None:
    """Check that a report and its ledgers are as they were written, and that every number follows from them.

    Reads only. Checks the chain of hashes of every ledger, that phases add up from their own readings, the hash of
    every file in manifest.sha256, and derives the report again: every number, the text and the page; figures only by
    their hash. Exit code 0: all is intact. 1: the first difference, in one line. 2: it cannot be checked.

    \b
    What this shows:
      damage, and any later edit: a changed byte, a line that was removed, added or moved
      that the report follows from these ledgers and from nothing else
    What it cannot show by itself:
      lines that were cut off at the end: compare the head hash, or give it with --head
      a team that rewrote everything, ledgers and hashes, before it handed them over:
      ask for the head hash when a run ends, keep it, and give it with --head later

    \b
    Examples:
      carbon-nas verify reports/digits
      carbon-nas verify runs/my-run.jsonl --head 1f3a5c7e
    """  # noqa: D301 (the marks keep lines apart, and only as real characters)
    # Loaded here so that --help answers at once.
    from carbon_nas.ledger.verify import verify_manifest
    from carbon_nas.reporting.verify import verify_report

    heads = tuple(_checked(text) for text in head or ())
    record = _published(folder)
    if record is not None or ((folder / MANIFEST).is_file() and not (folder / "ledger").is_dir()):
        # The published record has no ledgers: it follows from what was asked.
        _stop_at(verify_manifest(folder))
        typer.echo(f"{MANIFEST}: intact, every file is as it was when the report was written")
        _stop_at(verify_report(folder))
        typer.echo("report: intact, every number follows from the register; figures were checked by their hash only")
        if record is not None and record.measured is not None:
            typer.echo(
                "not checked: what was taken from ledgers that are not here, whose heads were "
                + ", ".join(record.measured.heads)
            )
        return
    whole = (folder / "ledger").is_dir()
    paths = _ledgers(folder / "ledger" if whole else folder)
    found: list[ChainReport] = []
    for report in _chains(paths, heads):
        found.append(report)
        name = report.path.relative_to(folder) if report.path != folder else report.path
        typer.echo(f"{report.head}  {name.as_posix()}: intact, {report.lines} lines")
    for text in heads:
        typer.echo(_place_of(text, found))
    if not whole:
        return
    if not any((folder / name).exists() for name in _REPORT):
        typer.echo("no report beside these ledgers")
        return
    _stop_at(verify_manifest(folder))
    typer.echo(f"{MANIFEST}: intact, every file is as it was when the report was written")
    _stop_at(verify_report(folder))
    typer.echo("report: intact, every number follows from the ledgers; figures were checked by their hash only")


def _published(folder: Path) -> "PublishedRequest | None":
    from carbon_nas.reporting.published_request import PublishedRequest, is_published
    from carbon_nas.reporting.request import REQUEST

    try:
        data = (folder / REQUEST).read_bytes()
        return PublishedRequest.model_validate_json(data) if is_published(data) else None
    except (OSError, ValueError):
        return None


def _checked(head: str) -> str:
    if not _HEAD.fullmatch(head.lower()):
        raise UsageError(
            f"{head!r} is no head hash",
            where="--head",
            cure="give the 64 hexadecimal digits that were handed over, or at least the first 8",
        )
    return head.lower()


def _ledgers(place: Path) -> list[Path]:
    paths = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    if not paths or not all(path.is_file() for path in paths):
        raise LedgerError("there is no ledger here", where=str(place), cure="give a report folder or a .jsonl file")
    return paths


def _chains(paths: Sequence[Path], heads: Sequence[str]) -> "Iterator[ChainReport]":
    from carbon_nas.ledger.verify import verify_chain, verify_previous

    for path in paths:
        try:
            report = verify_chain(path, heads=heads)
            _stop_at(report.difference or verify_previous(report))
        except LedgerCorrupt as error:
            _stop(str(error))
        yield report


def _place_of(head: str, reports: "Sequence[ChainReport]") -> str:
    holder = next((report for report in reports if head in report.found), None)
    if holder is None:
        _stop(
            f"--head {head}: no line of these ledgers has this hash: the ledger it was taken from is not here, or "
            "it was cut or rewritten"
        )
    line = holder.found[head]
    since = f"{holder.lines - line} lines were added after it" if line < holder.lines else "the last one"
    return f"{head}: line {line} of {holder.path.name}, {since}"


def _stop_at(difference: "Difference | None") -> None:
    if difference is not None:
        _stop(str(difference))


def _stop(words: str) -> NoReturn:
    typer.echo(f"difference: {words}")
    raise typer.Exit(1)
