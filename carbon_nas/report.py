"""The door to a report: redraw what was recorded, with other factors or other methods. Needs no torch."""

from pathlib import Path
from typing import Annotated

import typer

from carbon_nas.options import (
    Equivalents,
    Fleet,
    LifetimeDays,
    Methods,
    OnOverlap,
    Pue,
    RequestsPerDay,
    SiteFiles,
    Zone,
    asked,
    show,
)

__all__ = ["report"]


def report(
    folder: Annotated[Path, typer.Argument(help="A folder with ledgers in a folder named ledger.", metavar="FOLDER")],
    site: Zone = None,
    pue: Pue = None,
    site_file: SiteFiles = None,
    method: Methods = None,
    fleet: Fleet = None,
    requests_per_day: RequestsPerDay = None,
    lifetime_days: LifetimeDays = None,
    equivalents: Equivalents = False,
    on_overlap: OnOverlap = "refuse",
) -> None:
    """Draw the report of recorded ledgers again; nothing is run, and no ledger is touched.

    \b
    Examples:
      carbon-nas report reports/digits-cpu --site FR --pue 1.2
      carbon-nas report reports/digits-cpu --site-file site.toml --method strubell2019 --method sci
      carbon-nas report runs/ours --fleet 100000 --requests-per-day 500
    """  # noqa: D301  In a raw string the mark before the examples would be printed.
    # Loaded here so that --help answers at once.
    from rich.console import Console

    from carbon_nas.reporting.report import write_report

    request = asked(
        site,
        pue,
        sites=site_file,
        methods=method,
        fleet=fleet,
        requests_per_day=requests_per_day,
        lifetime_days=lifetime_days,
        equivalents=equivalents,
        on_overlap=on_overlap,
    )
    show(Console(), write_report(folder, request), folder)
