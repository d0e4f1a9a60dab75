"""The door to a comparison: run what is missing, then draw the report."""

import shlex
import sys
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from carbon_nas.errors import InvalidStudy, UsageError
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
    doing_wing,
    given,
    refuse,
    show,
    site_files,
)
from carbon_nas.planning import check_references, show_plan

if TYPE_CHECKING:
    from rich.console import Console

    from carbon_nas.accounting.site import Site
    from carbon_nas.accounting.site_file import SiteFile
    from carbon_nas.reporting.request import Request
    from carbon_nas.study import Study

__all__ = ["compare", "main"]

Choice = TypeVar("Choice", bound=StrEnum)


_RECORDING = ("seeds", "data", "device", "plan", "cpu_watts_per_core", "host", "idle", "cross_check")
_OF_THE_PLAN = ("study", "seeds", "data", "quick", "plan")
_OF_THE_RECORD = ("scenarios", "gpu_power", "gpu_price", "fine_tuning", "mnasnet", "measured")
_WITH_THE_RECORD = (*_OF_THE_RECORD, "published", "out", "site", "pue", "site_file")


def compare(
    context: typer.Context,
    study: Annotated[
        str, typer.Argument(help="A built-in study or the path of a TOML file.", metavar="STUDY")
    ] = "digits",
    out: Annotated[
        Path | None, typer.Option(help="Folder of ledgers and report.", show_default="reports/<study>", metavar="DIR")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds; more can be added later.", show_default="the study's")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Where the images are; a wrong path is told what it should hold.", metavar="PATH"),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="What networks are trained on: cpu, cuda, cuda:1.",
            show_default="a GPU if there is one",
            metavar="DEVICE",
        ),
    ] = None,
    site: Zone = None,
    pue: Pue = None,
    site_file: SiteFiles = None,
    method: Methods = None,
    fleet: Fleet = None,
    requests_per_day: RequestsPerDay = None,
    lifetime_days: LifetimeDays = None,
    equivalents: Equivalents = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="A very short run of the same phases, to try things out.")
    ] = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Run nothing: list the phases, and model what they will compute."),
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Only redraw the report from the ledgers; needs no torch.")
    ] = False,
    cpu_watts_per_core: Annotated[
        float | None,
        typer.Option(help="Power per logical core for the CPU estimate.", show_default="by TDP", metavar="WATTS"),
    ] = None,
    host: Annotated[
        str, typer.Option(help="What is metered beside GPUs: all, cpu (without memory), none.", metavar="PART")
    ] = "all",
    idle: Annotated[
        float | None,
        typer.Option(min=0.1, help="First measure idle power for so long; shown as net beside gross.", metavar="S"),
    ] = None,
    on_overlap: OnOverlap = "refuse",
    cross_check: Annotated[
        bool, typer.Option("--cross-check", help="Ask codecarbon as well, in a process of its own, and compare.")
    ] = False,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Run nothing: recompute the cost table of the once-for-all paper, for the options below and --site, "
            "--pue, --site-file.",
        ),
    ] = False,
    scenarios: Annotated[
        int, typer.Option(min=1, help="With --published: the number of deployment scenarios.", metavar="N")
    ] = 40,
    gpu_power: Annotated[
        str | None,
        typer.Option(
            help="With --published: power per GPU: strubell2019 (188 W), patterson2021 (325 W), or watts.",
            show_default="188 W, with 325 W beside it",
            metavar="WATTS",
        ),
    ] = None,
    gpu_price: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With --published: US dollars per GPU-hour.",
            show_default="3.06, as in the paper",
            metavar="USD",
        ),
    ] = None,
    fine_tuning: Annotated[
        str,
        typer.Option(help="With --published: epochs of fine-tuning per scenario: none, 25, 75.", metavar="EPOCHS"),
    ] = "none",
    mnasnet: Annotated[
        str,
        typer.Option(help="With --published: hours of one MnasNet search: 40000, 6912, 90720.", metavar="HOURS"),
    ] = "40,000",
    measured: Annotated[
        Path | None,
        typer.Option(
            help="With --published: take the power per GPU-hour from the ledgers of this folder, and lead from the "
            "published claim to its ratio.",
            metavar="RUN",
        ),
    ] = None,
) -> None:
    """Compare what NAS strategies cost in energy and CO2e, and write a report.

    Trains a once-for-all network and, beside it, searches and trains again for every device; meters each phase; finds
    the number of devices from which once-for-all costs less. Everything is kept in DIR: run the same command again
    after an interruption and only what is missing is done. A changed site or PUE only redraws the report.

    \b
    Examples:
      python -m carbon_nas.compare                       the default study, some minutes on two cores
      python -m carbon_nas.compare --quick               the same phases, about a minute
      python -m carbon_nas.compare --site FR --pue 1.2   with the CO2e of a place
      python -m carbon_nas.compare --seeds 3             two more seeds, with ranges
      python -m carbon_nas.compare folder --data PICTURES   your own images, a folder for each class
      python -m carbon_nas.compare imagenet --plan       what the paper's recipe would compute; runs nothing
      python -m carbon_nas.compare --idle 10 --cross-check   net beside gross, and a second opinion
      python -m carbon_nas.compare --site-file site.toml --method strubell2019 --method sci   other ways to account
      python -m carbon_nas.compare --published --scenarios 5 --site FR   what the literature says, for 5 devices
    """  # noqa: D301  In a raw string the mark before the examples would be printed.
    # Loaded here so that --help answers at once.
    from rich.console import Console

    from carbon_nas.reporting.published import write_published_report
    from carbon_nas.reporting.published_request import ask_published
    from carbon_nas.reporting.report import write_report

    console = Console()
    there = given(context)
    if published:
        refuse(there.keys() - set(_WITH_THE_RECORD), there, "--published", "goes without what is about a run")
        record = ask_published(
            scenarios,
            zone=site,
            pue=pue,
            site=_only(site_files(site_file)),
            power=gpu_power,
            usd_per_gpu_h=gpu_price,
            fine_tuning=fine_tuning,
            mnasnet=mnasnet,
            measured=measured,
        )
        folder = _without_ledgers(out or Path("reports/published"))
        show(console, write_published_report(folder, record), folder)
        return
    refuse(there.keys() & set(_OF_THE_RECORD), there, "--published", "is missing; it alone goes with")
    if plan:
        refuse(there.keys() - set(_OF_THE_PLAN), there, "--plan", "goes without what is about a run or its report")
        show_plan(console, _study(study, seeds, data, None, quick=quick))
        return
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
    if report_only:
        refuse(there.keys() & set(_RECORDING), there, "--report-only", "goes without what says how to record")
        folder = out or Path("reports") / _recorded_name(study, quick=quick)
    else:
        how = _Recording(cpu_w_per_core=cpu_watts_per_core, host=host, idle_s=idle, cross_check=cross_check)
        wanted = _study(study, seeds, data, device, quick=quick)
        folder = _record(console, wanted, out, _only_place(request), how)
    show(console, write_report(folder, request), folder)


def _without_ledgers(folder: Path) -> Path:
    if (folder / "ledger").is_dir():
        raise UsageError(
            "this folder has ledgers, and the published record would stand in place of their report",
            where=str(folder),
            cure="give another --out",
        )
    return folder


def _only_place(request: "Request") -> "Site":
    """Return the site if there is one: of several nobody knows which a study that runs now is at."""
    from carbon_nas.accounting.site import site

    return request.places().only or site()


def _only(files: "tuple[SiteFile, ...]") -> "SiteFile | None":
    if len(files) > 1:
        raise UsageError("the published record has one site", where="--site-file", cure="give one site file")
    return files[0] if files else None


def _chosen(choices: type[Choice], word: str, option: str) -> Choice:
    try:
        return choices(word)
    except ValueError:
        raise UsageError(
            f"there is no {word!r} to choose", where=option, cure=f"choose one of {', '.join(choices)}"
        ) from None


def _recorded_name(study: str, *, quick: bool) -> str:
    # Without the doing wing a study is not checked; only its name is needed here.
    name, path = study, Path(study)
    if path.suffix == ".toml" and path.is_file():
        try:
            name = str(tomllib.loads(path.read_text(encoding="utf-8")).get("name", path.stem))
        except (OSError, ValueError) as error:
            raise InvalidStudy(f"this is no study file ({error})", where=study) from error
    return f"{name}-quick" if quick else name


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recording:
    """How a study is recorded, as the command line says it."""

    cpu_w_per_core: float | None
    host: str
    idle_s: float | None
    cross_check: bool


def _study(study: str, seeds: int | None, data: Path | None, device: str | None, *, quick: bool) -> "Study":
    with doing_wing(otherwise="or redraw a recorded study with --report-only"):
        from carbon_nas.study import load_study
    wanted = load_study(study, quick=quick, seeds=seeds, data=data, device=device)
    check_references(wanted)
    return wanted


def _record(console: "Console", plan: "Study", out: Path | None, place: "Site", how: _Recording) -> Path:
    from carbon_nas.files import output_folder
    from carbon_nas.live import LiveView
    from carbon_nas.meters.hosts import Coverage, open_meters

    coverage = _chosen(Coverage, how.host, "--host")

    from carbon_nas.study import Host, Runner

    folder = output_folder(out or Path("reports") / plan.name)
    host = Host(
        meters=partial(open_meters, cpu_watts_per_core=how.cpu_w_per_core, host=coverage),
        meters_chosen=how.cpu_w_per_core is not None or coverage is not Coverage.ALL,
        site={"zone": place.grids[0].zone if place.named else None, "pue": place.pue},
        idle_s=how.idle_s,
        second_opinion=how.cross_check,
    )
    if plan.note is not None:
        console.print(f"Note: {plan.note}", highlight=False, soft_wrap=True)
    try:
        with LiveView(console, place) as view:
            Runner(plan, folder, observer=view, host=host).run()
    except KeyboardInterrupt:
        arguments = sys.argv[2:] if sys.argv[1:2] == ["compare"] else sys.argv[1:]
        again = f"python -m carbon_nas.compare {shlex.join(arguments)}".strip()
        console.print(
            f"\nStopped. Finished phases are kept in {folder}; go on with: {again}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(130) from None
    return folder


def main() -> None:
    """Run `python -m carbon_nas.compare`."""
    from carbon_nas.cli import run_command

    run_command(compare)


if __name__ == "__main__":
    main()
