"""The report of a folder: ledgers in, files out. It runs anywhere, without torch and without a GPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from carbon_nas import ledger
from carbon_nas.comparison.findings import Findings, find
from carbon_nas.errors import LedgerError
from carbon_nas.references.register import REFERENCES
from carbon_nas.reporting.compose import compose
from carbon_nas.reporting.document import Document
from carbon_nas.reporting.figures import draw
from carbon_nas.reporting.folder import write_files
from carbon_nas.reporting.inks import inks
from carbon_nas.reporting.renderers import render_json
from carbon_nas.reporting.rendering import Figures, files_of, images_of
from carbon_nas.reporting.request import REQUEST, Request

__all__ = ["build", "derive", "render", "write_report"]


def derive(runs: Sequence[ledger.Run], request: Request) -> tuple[Findings, Document]:
    """Return everything that a report of some runs says, as numbers and as a document."""
    findings = find(runs, request.places(), methods=request.methods, fleet=request.fleet, overlap=request.overlap)
    return findings, compose(findings, runs, REFERENCES, equivalents=request.equivalents)


def render(findings: Findings, document: Document, request: Request, figures: Figures) -> Mapping[str, bytes]:
    """Return every file of a report that is text, by its path within the folder."""
    asked = request.model_dump_json(indent=2, exclude_defaults=True) + "\n"
    numbers = {document.numbers: render_json(findings, document), REQUEST: asked}
    return files_of(document, figures, numbers=numbers)


def build(runs: Sequence[ledger.Run], request: Request) -> tuple[Document, Mapping[str, bytes]]:
    """Return the report of some runs as a document, and as files by their paths within the folder."""
    findings, document = derive(runs, request)
    figures = draw(inks(findings))
    return document, {**render(findings, document, request, figures), **images_of(figures)}


def write_report(folder: Path, request: Request) -> Document:
    """Draw the report of the ledgers in `folder/ledger` into the folder, and list the hashes of all that is in it.

    Raises:
        LedgerError: if there is no ledger, or nothing finished in it.
        LedgerCorrupt: if one is damaged.
        InvalidSite: if a site does not fit what was recorded.
        LedgerOverlap: if two of them metered one device at the same time, and no rule was asked for.
        OutputError: if a file cannot be written.
    """
    if not (folder / "ledger").is_dir() and any(folder.glob("*.jsonl")):
        raise LedgerError(
            "a report is drawn from the ledgers in a folder named ledger, and here they lie loose",
            where=str(folder),
            cure=f"move those that belong together to {folder / 'ledger'}",
        )
    document, files = build(ledger.read(folder / "ledger"), request)
    write_files(folder, files)
    return document
