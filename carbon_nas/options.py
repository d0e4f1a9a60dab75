"""What several doors share: options that ask something of a report, and the way into the doing wing."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon_nas.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from rich.console import Console

    from carbon_nas.accounting.site_file import SiteFile
    from carbon_nas.reporting.document import Document
    from carbon_nas.reporting.request import Request

__all__ = [
    "Equivalents",
    "Fleet",
    "LifetimeDays",
    "Methods",
    "OnOverlap",
    "Pue",
    "RequestsPerDay",
    "SiteFiles",
    "Zone",
    "asked",
    "doing_wing",
    "given",
    "refuse",
    "show",
    "site_files",
]

_REQUESTS_PER_DAY, _LIFETIME_DAYS = 1_000, 1_095

Zone = Annotated[
    str | None,
    typer.Option(
        "--site",
        help="Where the electricity comes from: FR, FRA, USA/california, CHN/sichuan, SWE/SE1, gcp/europe-west1, "
        "WORLD. Without it CO2e is shown for three named grids.",
        metavar="ZONE",
    ),
]
Pue = Annotated[
    float | None,
    typer.Option(
        "--pue", help="Facility energy over IT energy, at least 1. Without it: IT energy only.", metavar="RATIO"
    ),
]
SiteFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--site-file",
        help="What a TOML file says about a site: own factors, contracts, hours, shares, hardware. May be given "
        "several times, each for the ledgers that it names.",
        metavar="FILE",
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="A published method to apply to the same work: strubell2019, lacoste2019, green-algorithms, "
        "patterson2021, sci, metered. May be given several times.",
        metavar="NAME",
    ),
]
Fleet = Annotated[
    int | None,
    typer.Option(
        "--fleet", min=1, help="Devices on which a network will work: when has it paid back?", metavar="DEVICES"
    ),
]
RequestsPerDay = Annotated[
    int | None,
    typer.Option(
        "--requests-per-day",
        min=1,
        help="With --fleet: images that each device sees in a day.",
        show_default="1000",
        metavar="IMAGES",
    ),
]
LifetimeDays = Annotated[
    int | None,
    typer.Option(
        "--lifetime-days",
        min=1,
        help="With --fleet: for how long the devices work.",
        show_default="1095, three years",
        metavar="DAYS",
    ),
]
Equivalents = Annotated[
    bool, typer.Option("--equivalents", help="Also say how many cars and flights the CO2e is like.")
]
OnOverlap = Annotated[
    str,
    typer.Option(
        "--on-overlap",
        help="What to do with joules of one device that stand in two ledgers: refuse, split, first.",
        metavar="RULE",
    ),
]


@contextlib.contextmanager
def doing_wing(*, otherwise: str | None = None) -> "Iterator[None]":
    """Import what trains and times networks in here: a package that is missing is named with the command to get it.

    Args:
        otherwise: what can be done without it.

    Raises:
        MissingExtra: if a package of an extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("carbon_nas"):
            raise
        raise MissingExtra.of(error.name, otherwise=otherwise) from error


def given(context: typer.Context) -> dict[str, str]:
    """Return what stands on the command line, by parameter, as it is written there."""
    return {
        parameter.name: parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.name.upper()
        for parameter in context.command.params
        if parameter.name and getattr(context.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
    }


def refuse(names: "Set[str]", there: "Mapping[str, str]", where: str, what: str) -> None:
    """Refuse options that would have no effect, of those that stand on the command line.

    Raises:
        UsageError: if there are any.
    """
    if names:
        raise UsageError(f"{what}: {', '.join(sorted(there[name] for name in names))}", where=where)


def site_files(paths: "Sequence[Path] | None") -> "tuple[SiteFile, ...]":
    """Read the site files that were named."""
    from carbon_nas.accounting.site_reading import read_site_file

    return tuple(map(read_site_file, paths or ()))


def asked(
    zone: str | None,
    pue: float | None,
    *,
    sites: "Sequence[Path] | None",
    methods: "Sequence[str] | None",
    fleet: int | None,
    requests_per_day: int | None,
    lifetime_days: int | None,
    equivalents: bool,
    on_overlap: str,
) -> "Request":
    """Return what the options ask of a report.

    Raises:
        UsageError: if one of them cannot be.
    """
    from carbon_nas.comparison.use_phase import Fleet
    from carbon_nas.ledger.merge import Overlap
    from carbon_nas.reporting.request import ask

    if fleet is None and (requests_per_day is not None or lifetime_days is not None):
        raise UsageError("there are no devices to see images", where="--requests-per-day", cure="give --fleet as well")
    if on_overlap not in set(Overlap):
        raise UsageError(
            f"there is no {on_overlap!r} to choose", where="--on-overlap", cure=f"choose one of {', '.join(Overlap)}"
        )
    return ask(
        zone,
        pue,
        sites=site_files(sites),
        methods=methods or (),
        equivalents=equivalents,
        fleet=None
        if fleet is None
        else Fleet(
            devices=fleet,
            requests_per_day=_REQUESTS_PER_DAY if requests_per_day is None else requests_per_day,
            lifetime_days=_LIFETIME_DAYS if lifetime_days is None else lifetime_days,
        ),
        overlap=Overlap(on_overlap),
    )


def show(console: "Console", document: "Document", folder: Path) -> None:
    """Say on the terminal what was found, what must be known before it is quoted, and where the report is."""
    for heading, sentences in (("", document.verdict), ("Before you quote this:", document.caveats)):
        console.print(heading)
        for sentence in sentences:
            console.print(f"- {sentence}", highlight=False, soft_wrap=not console.is_terminal)
    ledgers = next((table.rows for table in document.tables if table.key == "ledgers"), ())
    if ledgers:
        console.print("\nHead hashes of the ledgers, to be noted down elsewhere:")
    for row in ledgers:
        console.print(f"{row[-1].text}  {row[0].text}", highlight=False, soft_wrap=True)
    console.print(f"\nReport: {folder / 'index.html'}", highlight=False, soft_wrap=True)
