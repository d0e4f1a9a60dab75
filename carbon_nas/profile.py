"""The door to latency tables: make one, fit one, take one in or hand one out, and check one that was kept."""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon_nas.errors import UsageError
from carbon_nas.options import doing_wing, given, refuse

if TYPE_CHECKING:
    from rich.console import Console

    from carbon_nas.devices.latency_table import LatencyTable
    from carbon_nas.devices.profiler import Profile
    from carbon_nas.supernet.space import SearchSpace

__all__ = ["profile"]

_SOURCES = ("pairs", "official", "check")
_TIMING = ("passes", "threads")
# Which options mean nothing beside which source of a table.
_NEEDLESS = {
    "pairs": _TIMING,
    "official": (*_TIMING, "seed"),
    "check": ("out", "target"),
}

# By space: the channels of its images, its classes, and the resolutions that are taken if none are named. Those of the
# official space are the ones that tables were released for (the OFA code, `tutorial/latency_table.py`).
_DEFAULTS = {
    "small_image": (1, 10, (8, 12)),
    "mobilenet_v3": (3, 1_000, (160, 176, 192, 208, 224)),
}


def profile(
    context: typer.Context,
    space: Annotated[
        str, typer.Option(help="What the networks are of: small_image, mobilenet_v3.", metavar="SPACE")
    ] = "small_image",
    width: Annotated[float, typer.Option(help="Width multiplier; for mobilenet_v3 only.", metavar="RATIO")] = 1.0,
    resolutions: Annotated[
        str | None,
        typer.Option(
            help="Sides of the images in pixels, separated by commas.",
            show_default="8,12; for mobilenet_v3 160,176,192,208,224; those of the files with --official",
            metavar="LIST",
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, help="Channels of the images.", show_default="1; for mobilenet_v3 3")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="Classes of the task.", show_default="10; for mobilenet_v3 1000")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="How networks are run: eager-b1, folded-b1, eager-b32, ... With --pairs and --official any name.",
            show_default="eager-b1, or the name of the file",
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
            help="Time nothing: fit a table to networks that were measured elsewhere, at least 50; a CSV with columns "
            "ks,e,d,r,latency_ms, or architecture,latency_ms.",
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
) -> None:
    """Find out what every layer of a search space takes on a device, and keep it as a latency table.

    Times each layer and sixteen random networks on this machine; fits the sums of layers to eight of the networks, and
    checks them on the other eight. A table is trusted if its mean error there is at most 10 % and its rank correlation
    at least 0.9; if not, a search times its candidates instead of believing it. Leave the machine alone meanwhile.

    Writes DIR/<target>.json. In a study, `tables = "DIR"` under [profile] takes it instead of making a new one, on the
    machine, with the threads and versions that it was made with; a few networks are timed to check it.

    \b
    Examples:
      carbon-nas profile                                        for the digits study, under a minute
      carbon-nas profile --target folded-b1 --threads 2         another way to run networks
      carbon-nas profile --space mobilenet_v3 --resolutions 224 --passes 3     the official space
      carbon-nas profile --check tables/eager-b1.json           does it still hold?
      carbon-nas profile --space mobilenet_v3 --resolutions 224 --pairs phone.csv --target phone
      carbon-nas profile --space mobilenet_v3 --width 1.2 --official note10/ --target note10
      carbon-nas profile --export official/                     one file per resolution, for the OFA code
    """  # noqa: D301  In a raw string the mark before the examples would be printed.
    there = given(context)
    sources = [name for name in _SOURCES if name in there]
    refuse(set(sources[1:]), there, there[sources[0]] if sources else "", "is one source of a table, and goes without")
    for name in sources:
        refuse(there.keys() & set(_NEEDLESS[name]), there, there[name], "goes without")
    if space not in _DEFAULTS:
        raise UsageError(
            f"there is no {space!r} to choose", where="--space", cure=f"choose one of {', '.join(_DEFAULTS)}"
        )
    if "width" in there and space != "mobilenet_v3":
        raise UsageError(f"the space {space} has one width", where="--width", cure="leave it out")
    # Loaded here so that --help answers at once, and without torch.
    from rich.console import Console

    with doing_wing():
        from carbon_nas.devices.fitted_table import fit_pairs, read_pairs
        from carbon_nas.devices.kept_table import read_table, write_table
        from carbon_nas.devices.official_table import official_resolutions, read_official, write_official
        from carbon_nas.supernet.spaces import mobilenet_v3_space, small_image_space

    of_images, of_task, sizes = _DEFAULTS[space]
    if official is not None:
        sizes = official_resolutions(official)
    if resolutions is not None:
        sizes = _whole_numbers(resolutions)
    num_classes = of_task if classes is None else classes
    in_channels = of_images if channels is None else channels
    built: SearchSpace = (
        mobilenet_v3_space(width, in_channels=in_channels, resolutions=sizes)
        if space == "mobilenet_v3"
        else small_image_space(in_channels=in_channels, resolutions=sizes)
    )
    console, rng = Console(), random.Random(seed)
    limit_ms: float | None = None
    table: LatencyTable
    if pairs is not None:
        table = fit_pairs(built, read_pairs(pairs, built), num_classes, rng=rng, target=target or pairs.stem)
    elif official is not None:
        table = read_official(official, built, num_classes, target=target or official.stem)
    else:
        kept = None if check is None else read_table(check)
        if kept is not None:
            kept.check_space(built, num_classes)
        found = _timed(console, built, num_classes, kept, target or "eager-b1", passes, threads, rng)
        table, limit_ms = found.table, found.limit_ms
    _say(console, table, limit_ms)
    if check is None:
        console.print(f"Written: {write_table(out, table)}", highlight=False, soft_wrap=True)
    if export is not None:
        for path in write_official(export, table, built):
            console.print(f"Written: {path}", highlight=False, soft_wrap=True)
    if check is not None and not table.trusted:
        raise typer.Exit(1)


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

    from carbon_nas.devices.catalog import check_runnable, device_for, target_named
    from carbon_nas.devices.latency_table import layer_specs
    from carbon_nas.devices.profiler import ProfilePlan, check_table, profile, settings

    plan, chosen = ProfilePlan(passes=passes), target_named(target if kept is None else kept.target)
    check_runnable(chosen)
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
            return profile(device_for(chosen), space, num_classes, plan, rng)
        return check_table(device_for(chosen), kept, space, plan, rng)


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
