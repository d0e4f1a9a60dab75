"""The report of the published record: no run, no measurement, only what others printed and what follows from it."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from carbon_nas.comparison.claims import NUMBERS_OF_SCENARIOS, claim_points, claims
from carbon_nas.comparison.published import PublishedTable, recompute
from carbon_nas.references import REFERENCES, waterfall
from carbon_nas.reporting.document import Document, FigureBlock, Section, Table, Text
from carbon_nas.reporting.figures import Ink, draw
from carbon_nas.reporting.folder import write_files
from carbon_nas.reporting.published_costs import pair_table, published_break_even_table, published_table
from carbon_nas.reporting.published_factors import factor_sources, factor_table
from carbon_nas.reporting.published_request import PublishedRequest
from carbon_nas.reporting.published_verdict import (
    published_cards,
    published_caveats,
    published_method,
    published_verdict,
    setting,
)
from carbon_nas.reporting.record import (
    claim_points_table,
    claim_table,
    claims_table,
    register_table,
    waterfall_table,
)
from carbon_nas.reporting.record_inks import claim_ink, published_curves_ink, waterfall_ink
from carbon_nas.reporting.renderers import render_csv, render_html, render_markdown
from carbon_nas.reporting.request import REQUEST
from carbon_nas.sources import Source, bibtex

__all__ = [
    "build_published",
    "compose_published",
    "derive_published",
    "published_inks",
    "render_published",
    "write_published_report",
]

_DATA = "data/published.json"


def derive_published(request: PublishedRequest) -> Document:
    """Return everything that the report of a request says.

    Raises:
        UnknownName: if a zone or power is not there.
        InvalidSite: if the site cannot be applied to published hours.
        UsageError: if a number cannot be.
    """
    return compose_published(recompute(request.scenario()), request)


def compose_published(table: PublishedTable, request: PublishedRequest) -> Document:
    """Write the published record at a scenario as a document.

    Args:
        table: the published table at the scenario of the request.
        request: what was asked, which says where each factor is from.
    """
    scenario, preset, grid, steps = table.scenario, request.preset(), request.grid(), request.steps()
    points = claim_points(tuple(sorted({*NUMBERS_OF_SCENARIOS, scenario.n})))
    beside = None if preset == scenario else recompute(preset)
    return Document(
        title="What neural architecture search costs: the published record",
        subtitle=f"Recomputed for N = {scenario.n}; {setting(scenario, grid)}",
        verdict=tuple(published_verdict(table, request)),
        caveats=tuple(published_caveats(table, request)),
        cards=tuple(published_cards(table, request)),
        sections=(
            Section(title="The claim", blocks=(claims_table(), claim_points_table(points))),
            Section(
                title="The table, recomputed",
                blocks=(
                    FigureBlock(
                        key="published_curves",
                        title="GPU-hours over the number of deployment scenarios",
                        caption="Once-for-all pays once, the others for every scenario. Diamonds: where they break "
                        "even. Dashed: search or training is not reported, so the line is a lower bound.",
                    ),
                    published_table(table, beside),
                ),
            ),
            Section(title="Break-even", blocks=(published_break_even_table(table), pair_table(table))),
            Section(
                title="Why not 1,300x?",
                blocks=(
                    FigureBlock(
                        key="claim_steps",
                        title="From the published claim, step by step",
                        caption="Each bar leads from the ratio before a step to the ratio after it; thin lines are "
                        "ranges over choices. Left of 1 once-for-all costs more.",
                    ),
                    claim_table(steps),
                ),
            ),
            Section(
                title="The larger record",
                blocks=(
                    FigureBlock(
                        key="waterfall",
                        title="From 626,155 lb to 7,096 lb",
                        caption="From the estimate of 2019 to its correction of 2021: what each correction divides by.",
                    ),
                    waterfall_table(),
                    register_table(),
                ),
            ),
            Section(
                title="Method", blocks=(factor_table(request), *(Text(text=said) for said in published_method(request)))
            ),
        ),
        sources=_sources(request),
        numbers=_DATA,
    )


def _sources(request: PublishedRequest) -> tuple[Source, ...]:
    found = [reference.printed.source for reference in REFERENCES["strubell2019-nas"].chain]
    found += [step.source for step in waterfall()]
    found += [claim.source for claim in claims()]
    found += [step.source for step in request.steps() if step.source is not None]
    found += factor_sources(request)
    register = [one.printed.source for one in REFERENCES.values()]
    register += [part.source for one in REFERENCES.values() for part in one.inputs]
    # A row of the register says where it stands; here its paper is named once.
    found += [Source(key=key, where="rows of the register") for key in sorted({one.key for one in register} - {""})]
    return tuple(dict.fromkeys(found))


def published_inks(request: PublishedRequest) -> Mapping[str, Ink]:
    """Return how the figures of a report are drawn, by key."""
    steps = request.steps()
    return {
        "claim_steps": Ink(partial(claim_ink, steps), (7.0, 0.9 + 0.4 * len(steps))),
        "published_curves": Ink(partial(published_curves_ink, recompute(request.scenario())), (7.0, 4.6)),
        "waterfall": Ink(waterfall_ink, (7.0, 3.4)),
    }


def render_published(
    document: Document, request: PublishedRequest, figures: Mapping[str, Mapping[str, bytes]]
) -> Mapping[str, bytes]:
    """Return every file of a report that is text, by its path within the folder."""
    texts = {
        "index.html": render_html(document, figures),
        "report.md": render_markdown(document),
        "references.bib": bibtex({source.key for source in document.sources if source.key}),
        _DATA: _json({**_numbers(document), "request": request.kept()}),
        REQUEST: _json(request.kept()),
        **{f"data/{table.key}.csv": render_csv(table) for table in document.tables},
    }
    return {path: text.encode() for path, text in texts.items()}


def _json(data: object) -> str:
    return json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _numbers(document: Document) -> dict[str, object]:
    return {
        "tables": {table.key: _rows(table) for table in document.tables},
        "verdict": list(document.verdict),
        "caveats": list(document.caveats),
        "sources": [{"key": source.key, "where": source.where} for source in document.sources],
    }


def _rows(table: Table) -> list[dict[str, object]]:
    return [
        {
            column.key: {"value": cell.value, "unit": cell.unit, "tier": cell.tier} if cell.tier else cell.text
            for column, cell in zip(table.columns, row, strict=True)
        }
        for row in table.rows
    ]


def build_published(request: PublishedRequest) -> tuple[Document, Mapping[str, bytes]]:
    """Return the report of a request as a document, and as files by their paths within the folder."""
    document, figures = derive_published(request), draw(published_inks(request))
    images = {f"figures/{key}.{suffix}": data for key, files in figures.items() for suffix, data in files.items()}
    return document, {**render_published(document, request, figures), **images}


def write_published_report(folder: Path, request: PublishedRequest) -> Document:
    """Write the report of the published record into a folder, and list the hashes of all that is in it.

    Raises:
        UnknownName: if a zone or power is not there.
        InvalidSite: if the site cannot be applied to published hours.
        UsageError: if a number cannot be.
        OutputError: if a file cannot be written.
    """
    document, files = build_published(request)
    write_files(folder, files)
    return document
