"""The report of a folder: ledgers in, files out. It runs anywhere, without torch and without a GPU."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from carbon_nas import ledger
from carbon_nas.accounting.site import Site
from carbon_nas.accounting.statement import account
from carbon_nas.comparison.delivery import deliveries
from carbon_nas.comparison.table import Comparison, compare
from carbon_nas.errors import LedgerError
from carbon_nas.files import MANIFEST, manifest_of, manifest_text, output_folder, write_whole
from carbon_nas.ledger.idle import idle_powers_w
from carbon_nas.ledger.merge import Overlap, merge
from carbon_nas.references.register import REFERENCES
from carbon_nas.reporting.compose import compose
from carbon_nas.reporting.document import Document
from carbon_nas.reporting.figures import draw
from carbon_nas.reporting.renderers import render_csv, render_html, render_json, render_markdown
from carbon_nas.sources import bibtex

__all__ = ["build", "derive", "render", "write_report"]


def derive(runs: list[ledger.Run], site: Site, *, overlap: Overlap = Overlap.REFUSE) -> tuple[Comparison, Document]:
    """Return everything that a report of some runs says, as numbers and as a document."""
    merged = merge(runs, overlap=overlap)
    idle_w = idle_powers_w(baseline for run in runs for baseline in run.baselines)
    comparison = replace(
        compare([account(run, site) for run in merged.runs], deliveries(runs), idle_w),
        overlap=str(overlap),
        attributed=tuple(map(str, merged.attributions)),
    )
    return comparison, compose(comparison, runs, REFERENCES)


def render(
    comparison: Comparison, document: Document, figures: Mapping[str, Mapping[str, bytes]]
) -> Mapping[str, bytes]:
    """Return every file of a report that is text, by its path within the folder."""
    texts = {
        "index.html": render_html(document, figures),
        "report.md": render_markdown(document),
        "references.bib": bibtex({source.key for source in document.sources}),
        "data/comparison.json": render_json(comparison, document),
        **{f"data/{table.key}.csv": render_csv(table) for table in document.tables},
    }
    return {path: text.encode() for path, text in texts.items()}


def build(
    runs: list[ledger.Run], site: Site, *, overlap: Overlap = Overlap.REFUSE
) -> tuple[Document, Mapping[str, bytes]]:
    """Return the report of some runs as a document, and as files by their paths within the folder."""
    comparison, document = derive(runs, site, overlap=overlap)
    figures = draw(comparison)
    images = {f"figures/{key}.{suffix}": data for key, files in figures.items() for suffix, data in files.items()}
    return document, {**render(comparison, document, figures), **images}


def write_report(folder: Path, site: Site, *, overlap: Overlap = Overlap.REFUSE) -> Document:
    """Draw the report of the ledgers in `folder/ledger` into the folder, and list the hashes of all that is in it.

    Raises:
        LedgerError: if there is no ledger, or nothing finished in it.
        LedgerCorrupt: if one is damaged.
        LedgerOverlap: if two of them metered one device at the same time, and no rule was asked for.
        OutputError: if a file cannot be written.
    """
    if not (folder / "ledger").is_dir() and any(folder.glob("*.jsonl")):
        raise LedgerError(
            "a report is drawn from the ledgers in a folder named ledger, and here they lie loose",
            where=str(folder),
            cure=f"move those that belong together to {folder / 'ledger'}",
        )
    document, files = build(ledger.read(folder / "ledger"), site, overlap=overlap)
    output_folder(folder)
    for path, data in files.items():
        write_whole(folder / path, data)
    write_whole(folder / MANIFEST, manifest_text(manifest_of(folder)).encode())
    return document
