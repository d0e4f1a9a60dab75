"""From a document to text: HTML for people, Markdown for repositories, CSV and JSON for programs."""

import base64
import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from math import isfinite
from typing import Any

import jinja2
import pandas as pd

from carbon_nas.accounting.series import IntensitySeries
from carbon_nas.comparison.findings import Findings
from carbon_nas.reporting.document import Cell, Document, FigureBlock, Table, Text
from carbon_nas.sources import Tier

__all__ = ["render_csv", "render_html", "render_json", "render_markdown"]

_MARKS = {Tier.MEASURED: "ᵐ", Tier.ESTIMATED: "ᵉ", Tier.MODELLED: "ᵈ", Tier.PUBLISHED: "ᵖ"}
TIER_WORDS = {
    Tier.MEASURED: "measured: read from a counter or a clock, or counted",
    Tier.ESTIMATED: "estimated: a formula fed with something measured",
    Tier.MODELLED: "modelled: computed from other numbers, or extrapolated",
    Tier.PUBLISHED: "published: printed by somebody else",
}


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("carbon_nas.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_html(document: Document, figures: Mapping[str, Mapping[str, bytes]]) -> str:
    """Render a page that stands alone: style and figures are inside, nothing is fetched."""
    images = {key: base64.b64encode(files["svg"]).decode() for key, files in figures.items()}
    return (
        _environment()
        .get_template("report.html.j2")
        .render(document=document, images=images, kind=_kind, tier_words=TIER_WORDS)
    )


def _kind(block: object) -> str:
    return {Text: "text", Table: "table", FigureBlock: "figure"}[type(block)]


def _markdown_cell(cell: Cell) -> str:
    text = cell.text.replace("|", "\\|").replace("\n", " ")
    if cell.link:
        text = f"[{text}]({cell.link})"
    return text + (_MARKS[cell.tier] if cell.tier is not None else "")


def _markdown_table(table: Table) -> list[str]:
    columns = table.shown_columns
    lines = [f"**{table.title}**", "", "| " + " | ".join(column.title for column in columns) + " |"]
    lines.append("|" + "|".join("---:" if column.numeric else "---" for column in columns) + "|")
    lines += ["| " + " | ".join(map(_markdown_cell, row)) + " |" for row in table.shown_rows]
    return [*lines, "", table.note, ""] if table.note else [*lines, ""]


def render_markdown(document: Document) -> str:
    """Render Markdown; a small letter after each number is its tier."""
    legend = "; ".join(f"{_MARKS[tier]} {words}" for tier, words in TIER_WORDS.items())
    lines = [f"# {document.title}", "", document.subtitle, ""]
    lines += [f"- {sentence}" for sentence in document.verdict]
    lines += ["", "Before you quote this:", "", *(f"- {sentence}" for sentence in document.caveats)]
    lines += ["", f"Small letters say how sure a number is: {legend}.", ""]
    for section in document.sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            match block:
                case Text():
                    lines += [block.text, ""]
                case Table():
                    lines += _markdown_table(block)
                case FigureBlock():
                    lines += [
                        f"![{block.title}](figures/{block.key}.png)",
                        "",
                        f"*{block.sentence}* {block.caption}",
                        "",
                    ]
    lines += ["## Sources", "", "The entries are in [references.bib](references.bib).", ""]
    lines += [f"- [{source.key or 'given by the user'}] {source.where}" for source in document.sources]
    return "\n".join(lines) + "\n"


def render_csv(table: Table) -> str:
    """Render a table as CSV: numbers unrounded, each with a column that holds its tier."""
    rows = []
    for row in table.rows:
        line: dict[str, Any] = {}
        for column, cell in zip(table.columns, row, strict=True):
            line[column.key] = cell.value if column.numeric else cell.text
            if column.numeric:
                line[f"{column.key}_tier"] = str(cell.tier) if cell.tier is not None else None
        rows.append(line)
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def _plain(value: object) -> object:
    if isinstance(value, IntensitySeries):
        # Its thousands of values stand in the request already.
        return {"name": value.name, "kind": str(value.kind), "sha256": value.sha256}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        # What follows from the fields is what readers come for: slopes, totals, the first N.
        derived = {
            name: _plain(getattr(value, name))
            for name, member in vars(type(value)).items()
            if isinstance(member, property)
        }
        return fields | derived
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not isfinite(value):
        return None  # An interval without an end.
    return value


def render_json(findings: Findings, document: Document) -> str:
    """Render every number of a report, with the sentences and sources that belong to it."""
    data = {
        **{field.name: _plain(getattr(findings, field.name)) for field in dataclasses.fields(findings)},
        "verdict": list(document.verdict),
        "caveats": list(document.caveats),
        "ledgers": _plain(next(table.rows for table in document.tables if table.key == "ledgers")),
        "scale": _plain(next(table.rows for table in document.tables if table.key == "scale")),
        "sources": _plain(document.sources),
    }
    return json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n"
