"""The report of the published record: no run, no measurement, only what others printed and what follows from it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from carbon_nas.comparison.claim_points import NUMBERS_OF_SCENARIOS, claim_points
from carbon_nas.comparison.claims import claims
from carbon_nas.comparison.published import PublishedTable, recompute
from carbon_nas.comparison.published_break_even import PublishedBreakEven
from carbon_nas.references import REFERENCES, waterfall
from carbon_nas.reporting.claims import claim_points_table, claim_table, claims_table
from carbon_nas.reporting.document import Document, FigureBlock, Section, Table, Text
from carbon_nas.reporting.figures import Ink, draw
from carbon_nas.reporting.folder import write_files
from carbon_nas.reporting.published_costs import printed_table, published_table
from carbon_nas.reporting.published_crossings import pair_table, published_break_even_table
from carbon_nas.reporting.published_factors import setting_sources, setting_table
from carbon_nas.reporting.published_request import PublishedRequest
from carbon_nas.reporting.published_verdict import (
    published_cards,
    published_caveats,
    published_method,
    published_verdict,
    setting_words,
)
from carbon_nas.reporting.record import errata_table, register_table, waterfall_table
from carbon_nas.reporting.record_inks import claim_ink, published_curves_ink, waterfall_ink
from carbon_nas.reporting.rendering import Figures, files_of, images_of
from carbon_nas.reporting.request import REQUEST
from carbon_nas.sources import Source

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
    return compose_published(recompute(request.setting()), request)


def compose_published(table: PublishedTable, request: PublishedRequest) -> Document:
    """Write the published record at a setting as a document.

    Args:
        table: the published table at the setting of the request.
        request: what was asked, which says where each factor is from.
    """
    setting, preset, steps = table.setting, request.preset(), request.steps()
    points = claim_points(tuple(sorted({*NUMBERS_OF_SCENARIOS, setting.n})))
    beside = None if preset == setting else recompute(preset)
    return Document(
        title="What neural architecture search costs: the published record",
        subtitle=f"Recomputed for N = {setting.n} at {setting_words(setting, request.grid())}",
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
                    printed_table(table),
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
                    errata_table(),
                    register_table(),
                ),
            ),
            Section(
                title="Method",
                blocks=(setting_table(request), *(Text(text=said) for said in published_method(request))),
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
    found += setting_sources(request)
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
        "published_curves": Ink(partial(published_curves_ink, recompute(request.setting())), (7.0, 4.6)),
        "waterfall": Ink(waterfall_ink, (7.0, 3.4)),
    }


def render_published(document: Document, request: PublishedRequest, figures: Figures) -> Mapping[str, bytes]:
    """Return every file of a report that is text, by its path within the folder."""
    pairs = recompute(request.setting()).break_evens
    return files_of(
        document,
        figures,
        numbers={
            _DATA: _json({**_numbers(document), "break_evens": _pairs(pairs), "request": request.kept()}),
            REQUEST: _json(request.kept()),
        },
    )


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
            column.key: {"value": cell.value, "unit": cell.unit, "tier": cell.tier}
            if cell.value is not None
            else cell.text
            for column, cell in zip(table.columns, row, strict=True)
        }
        for row in table.rows
    ]


def _pairs(found: Sequence[PublishedBreakEven]) -> list[dict[str, object]]:
    return [dataclasses.asdict(one) | {"first_n": one.first_n} for one in found]


def build_published(request: PublishedRequest) -> tuple[Document, Mapping[str, bytes]]:
    """Return the report of a request as a document, and as files by their paths within the folder."""
    document, figures = derive_published(request), draw(published_inks(request))
    return document, {**render_published(document, request, figures), **images_of(figures)}


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
