"""From a document and its figures to the files of a folder."""

from collections.abc import Mapping

from carbon_nas.reporting.document import Document
from carbon_nas.reporting.renderers import render_csv, render_html, render_markdown
from carbon_nas.sources import bibtex

__all__ = ["Figures", "files_of", "images_of"]

Figures = Mapping[str, Mapping[str, bytes]]
"""The bytes of every figure by its key and by its format, as `carbon_nas.reporting.figures.draw` returns them."""


def files_of(document: Document, figures: Figures, *, numbers: Mapping[str, str]) -> Mapping[str, bytes]:
    """Return every file of a report that is text, by its path within the folder.

    Args:
        document: what the report says.
        figures: what the page shows; their own files are those of `images_of`.
        numbers: the JSON files by their paths, which each kind of report writes for itself.
    """
    texts = {
        "index.html": render_html(document, figures),
        "report.md": render_markdown(document),
        "references.bib": bibtex({source.key for source in document.sources if source.key}),
        **numbers,
        **{f"data/{table.key}.csv": render_csv(table) for table in document.tables},
    }
    return {path: text.encode() for path, text in texts.items()}


def images_of(figures: Figures) -> Mapping[str, bytes]:
    """Return every file of the figures, by its path within the folder."""
    return {f"figures/{key}.{suffix}": data for key, files in figures.items() for suffix, data in files.items()}
