"""The door to latency tables: make one, fit one, take one in or hand one out, and check one that was kept."""

import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon_nas.errors import UsageError
from carbon_nas.options import doing_wing, given, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from carbon_nas.devices.latency_table import LatencyTable
    from carbon_nas.devices.profiler import Profile
    from carbon_nas.supernet.space import SearchSpace

__all__ = ["profile"]

_SOURCES = ("pairs", "official", "check")
_TIMING = ("passes", "threads")
_OF_A_STUDY = ("space", "width", "resolutions", "channels", "classes", "threads")
# Which options mean nothing beside which source of a table.
_NEEDLESS = {
    "pairs": _TIMING,
    "official": (*_TIMING, "seed"),
    "check": ("out", "target"),
    "study": _OF_A_STUDY,
}

# By space: the channels of its images, its classes, and the resolutions that are taken if none are named. Those of the
# official space are the ones that tables were released for (the OFA code, `tutorial/latency_table.py`).
_DEFAULTS = {
    "small_image": (1, 10, (8, 12)),
    "thumbnail": (3, 10, (20, 24, 28, 32)),
    "mobilenet_v3": (3, 1_000, (160, 176, 192, 208, 224)),
}


def profile(
    context: typer.Context,
    space: Annotated[
        str, typer.Option(help="What the networks are of: small_image, thumbnail, mobilenet_v3.", metavar="SPACE")
    ] = "small_image",
    width: Annotated[float, typer.Option(help="Width multiplier.", metavar="RATIO")] = 1.0,
    resolutions: Annotated[
        str | None,
        typer.Option(
            help="Sides of the images in pixels, separated by commas.",
            show_default="8,12; for thumbnail 20,24,28,32; for mobilenet_v3 160,176,192,208,224; those of the files "
            "with --official",
            metavar="LIST",
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, help="Channels of the images.", show_default="1 for small_image, else 3")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="Classes of the task.", show_default="10; for mobilenet_v3 1000")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="Take space, images, classes and threads from a study, by its name or its TOML file, in place of "
            "naming them.",
            metavar="STUDY",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="With --study: its images, where only they tell the classes.", metavar="PATH"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="How networks are run: eager-b1, folded-b1, eager-b32 on the CPU in PyTorch, onnx-b1, onnx-b32 under "
            "ONNX Runtime, cuda-b1, cuda-b32 on an NVIDIA GPU; b32 is 32 images a call. With --pairs and --official "
            "any name.",
            show_default="eager-b1, or the first scenario of the study, or the name of the file",
            metavar="NAME",
        ),
    ] = None,
    passes: Annotated[int, typer.Option(min=1, help="Shuffled passes over all layers and networks.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of one call, as in the study that will use it.")] = 1,
    seed: Annotated[int, typer.Option(help="For the random networks and the order of the passes.")] = 0,
    out: Annotated[Path, typer.Option(help="The folder to put the table into.", metavar="DIR")] = Path("tables"),
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Time nothing: fit a table to networks that were measured elsewhere, at least 50, and one for every "
            "two layers of the space; a CSV with columns ks,e,d,r,latency_ms, or architecture,latency_ms.",
            metavar="FILE.csv",
        ),
    ] = None,
    official: Annotated[
        Path | None,
        typer.Option(
            help="Time nothing: read a table in the format of the OFA code, or a folder with one per resolution.",
            metavar="PATH",
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            help="Check a kept table on networks that are timed now; the exit code is 1 if it is not trusted.",
            metavar="TABLE.json",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Also write the table in the format of the OFA code into this folder.", metavar="DIR"),
    ] = None,
    format: Annotated[  # noqa: A002
        str, typer.Option("--format", help="Of --export: yaml, json.", metavar="FORMAT")
    ] = "yaml",
) -> None:
    """Find out what every layer of a search space takes on a device, and keep it as a latency table.

    Times each layer and sixteen random networks on this machine; fits the sums of layers to eight of the networks, and
    checks them on the other eight. A table is trusted if its mean error there is at most 10 % and its rank correlation
    at least 0.9; if not, a search times its candidates instead of believing it. Leave the machine alone meanwhile.

    Writes DIR/<target>.json. In a study, `tables = "DIR"` under [profile] takes it instead of making a new one, on the
    machine, with the threads and versions that it was made with; a few networks are timed to check it.

    With --pairs and --official the device is elsewhere. Such tables are there to be handed on with --export, and for a
    search in Python: evolve(space, Constraint(table=table, limit_ms=20), ...), which believes them. No study takes
    them, for it times what it delivers.

    \b
    Examples:
      carbon-nas profile                                        for the digits study, under a minute
      carbon-nas profile --target folded-b1 --threads 2         another way to run networks
      carbon-nas profile --study my-study.toml --data PICTURES  for a study, as it says
      carbon-nas profile --space mobilenet_v3 --resolutions 224 --passes 3     the official space
      carbon-nas profile --check tables/eager-b1.json           does it still hold?
      carbon-nas profile --space mobilenet_v3 --resolutions 224 --pairs phone.csv --target phone
      carbon-nas profile --space mobilenet_v3 --width 1.2 --official note10/ --target note10
      carbon-nas profile --export official/ --format json       one file per resolution, for the OFA code
    """  # noqa: D301  In a raw string the mark before the examples would be printed.
    there = given(context)
    sources = [name for name in _SOURCES if name in there]
    refuse(set(sources[1:]), there, there[sources[0]] if sources else "", "is one source of a table, and goes without")
    for name in [*sources, *(["study"] if study is not None else [])]:
        refuse(there.keys() & set(_NEEDLESS[name]), there, there[name], "goes without")
    for name, needed in (("data", "study"), ("format", "export")):
        if name in there and needed not in there:
            raise UsageError("goes with another option only", where=there[name], cure=f"give --{needed} as well")
    # Loaded here so that --help answers at once, and without torch.
    from rich.console import Console

    with doing_wing():
        from carbon_nas.devices import official_table
        from carbon_nas.devices.fitted_table import fit_pairs, read_pairs
        from carbon_nas.devices.kept_table import read_table, write_table

    written = next((name for name in official_table.OFFICIAL_FORMATS if name == format), None)
    if written is None:
        raise _no_choice(format, "--format", official_table.OFFICIAL_FORMATS)
    if export is not None:
        official_table.check_format(written)
    if study is not None:
        built, num_classes, threads, timed_on = _of_study(study, data, target)
    else:
        sizes = None if resolutions is None else _whole_numbers(resolutions)
        if sizes is None and official is not None:
            sizes = official_table.official_resolutions(official)
        chosen = _named(space, width, sizes, channels, classes)
        built, num_classes, timed_on = *chosen, target or "eager-b1"
    console, rng = Console(), random.Random(seed)
    limit_ms: float | None = None
    table: LatencyTable
    if pairs is not None:
        table = fit_pairs(built, read_pairs(pairs, built), num_classes, rng=rng, target=target or pairs.stem)
    elif official is not None:
        table = official_table.read_official(official, built, num_classes, target=target or official.stem)
    else:
        kept = None if check is None else read_table(check)
        if kept is not None:
            kept.check_space(built, num_classes)
        found = _timed(console, built, num_classes, kept, timed_on, passes, threads, rng)
        table, limit_ms = found.table, found.limit_ms
    _say(console, table, limit_ms)
    if check is None:
        console.print(f"Written: {write_table(out, table)}", highlight=False, soft_wrap=True)
    if export is not None:
        for path in official_table.write_official(export, table, built, format=written):
            console.print(f"Written: {path}", highlight=False, soft_wrap=True)
    if check is not None and not table.trusted:
        raise typer.Exit(1)


def _named(
    space: str,
    width: float,
    sizes: tuple[int, ...] | None,
    channels: int | None,
    classes: int | None,
) -> "tuple[SearchSpace, int]":
    """Return the space that the options name, and how many classes there are."""
    if space not in _DEFAULTS:
        raise _no_choice(space, "--space", _DEFAULTS)
    if not (math.isfinite(width) and width > 0):
        raise UsageError(f"a width multiplier of {width} cannot be", where="--width", cure="give one above 0")
    with doing_wing():
        from carbon_nas.study.plan import SpacePlan

    of_images, of_task, usual = _DEFAULTS[space]
    plan = SpacePlan.model_validate({"name": space, "width_mult": width})
    return plan.space(in_channels=channels or of_images, resolutions=sizes or usual), classes or of_task


def _of_study(name: str, data: Path | None, target: str | None) -> "tuple[SearchSpace, int, int, str]":
    """Return the space, the classes, the threads and a target of a study.

    Its images are read only where nothing else tells of them.
    """
    with doing_wing():
        from carbon_nas.study.plan import load_study
        from carbon_nas.training.data import WORKLOADS, load_workload

    study = load_study(name, data=data)
    entry = WORKLOADS[study.workload]
    channels, classes = entry.channels, entry.classes
    if channels is None or classes is None:
        place = None if study.data is None else Path(study.data)
        images = load_workload(study.workload, data=place, resolution=study.resolutions[-1])
        channels, classes = images.in_channels, images.num_classes
    space = study.space.space(in_channels=channels, resolutions=study.resolutions)
    return space, classes, study.threads, target or study.scenarios[0]


def _no_choice(name: str, where: str, choices: "Iterable[str]") -> UsageError:
    return UsageError(f"there is no {name!r} to choose", where=where, cure=f"choose one of {', '.join(choices)}")


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(word) for word in text.split(",")}))
    except ValueError:
        raise UsageError(
            f"{text!r} is no list of whole numbers", where="--resolutions", cure="write it as 160,192,224"
        ) from None


def _timed(
    console: "Console",
    space: "SearchSpace",
    num_classes: int,
    kept: "LatencyTable | None",
    target: str,
    passes: int,
    threads: int,
    rng: random.Random,
) -> "Profile":
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from carbon_nas.devices.catalog import device_for, target_named
    from carbon_nas.devices.latency_table import layer_specs
    from carbon_nas.devices.profiler import ProfilePlan, check_table, profile, settings

    plan, chosen = ProfilePlan(passes=passes), target_named(target if kept is None else kept.target)
    device = device_for(chosen)
    device.check()
    networks = plan.check_networks
    what = f"{networks} networks"
    if kept is None:
        what = f"{len(layer_specs(space, num_classes))} layers and {plan.fit_networks + networks} networks"
    told = f"Timing {what} of {space.name} on {chosen.name}, in {passes} shuffled passes"
    console.print(told, highlight=False, soft_wrap=True)
    waiting = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        refresh_per_second=2,  # Drawing uses the CPU that is timed.
        disable=not console.is_terminal,
    )
    with settings(threads), waiting:
        waiting.add_task("timing", total=None)
        if kept is None:
            return profile(device, space, num_classes, plan, rng)
        return check_table(device, kept, space, plan, rng)


def _say(console: "Console", table: "LatencyTable", limit_ms: float | None) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(f"{len(table.entries_ms):,} layers, {table.made}")
    if table.unseen_layers:
        say(f"{table.unseen_layers:,} of them are in no network that was measured: they follow from their MACs alone")
    if table.anchor_spread_ratio is not None and table.unseen_layers is None:
        say(f"The machine's own speed moved by a factor of {table.anchor_spread_ratio:.2f} while the table was made")
    if limit_ms is not None:
        say(f"Half of the random networks take {limit_ms:.3g} ms or less")
    say(f"{table.verdict[0].upper()}{table.verdict[1:]}")
