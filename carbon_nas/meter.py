"""The door to any command: run it, meter it, write it to a ledger."""

import os
import shlex
import shutil
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from carbon_nas.errors import UsageError

if TYPE_CHECKING:
    from carbon_nas.ledger.records import PhaseEnd
    from carbon_nas.meters.agreement import Agreement, Opinion
    from carbon_nas.meters.base import Meter
    from carbon_nas.meters.child import ChildEnd
    from carbon_nas.meters.estimate import ChildCpuMeter
    from carbon_nas.meters.second_opinion import SecondOpinion
    from carbon_nas.recorder import Recorder

__all__ = ["SETTINGS", "main", "meter"]

# What stands behind the command is the command's, options as well.
SETTINGS: dict[str, Any] = {"allow_interspersed_args": False}

EXIT_NOT_RUN, EXIT_NOT_FOUND = 126, 127

# They start processes on other machines, or under a daemon: neither is a child whose use can be read here.
_LAUNCHERS = frozenset({"aprun", "jsrun", "mpiexec", "mpirun", "orterun", "prun", "srun"})


class _Failed(Exception):
    """The command ended with an error, so that what it used is waste."""


def meter(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.", metavar="COMMAND ...")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The ledger. If there is one already, another is begun beside it.",
            show_default="runs/<name>.jsonl",
            metavar="FILE",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The name under which it is compared.", show_default="by the command", metavar="NAME"),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(help="The deployment scenario it is done for. Without it: once for all of them.", metavar="NAME"),
    ] = None,
    idle: Annotated[
        float | None,
        typer.Option(min=0.1, help="Measure idle power for so long before the command.", metavar="SECONDS"),
    ] = None,
    cross_check: Annotated[
        bool, typer.Option("--cross-check", help="Ask codecarbon as well, and say how far it differs.")
    ] = False,
    no_host: Annotated[bool, typer.Option("--no-host", help="Meter GPUs only, no CPU and no memory.")] = False,
    cpu_watts_per_core: Annotated[
        float | None,
        typer.Option(help="Power per logical core for the CPU estimate.", show_default="by TDP", metavar="WATTS"),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(help="Where the electricity comes from, for CO2e: FR, USA/california, WORLD.", metavar="ZONE"),
    ] = None,
    pue: Annotated[
        float | None,
        typer.Option(help="Facility energy over IT energy, at least 1. Without it: IT energy only.", metavar="RATIO"),
    ] = None,
) -> None:
    """Run a command and write what it used to a ledger.

    GPUs count as whole boards; the CPU by RAPL, or by the CPU time of the command and its children. What was found is
    said on the error stream at the end. The output of the command is left alone and its exit code handed on: 128 and
    the signal if it was killed, 127 if it was not found, 126 if it cannot be run.

    \b
    Examples:
      carbon-nas meter -- python train.py --epochs 10
      carbon-nas meter --name darts --scenario pixel1-25ms -- python search.py
      carbon-nas meter --idle 10 --cross-check --site FR --pue 1.2 -- ./train.sh
      srun -n 4 carbon-nas meter -- python train.py      a launcher comes first
    """  # noqa: D301  In a raw string the mark before the examples would be printed.
    _refuse_launchers(command)
    if shutil.which(command[0]) is None:
        _stop(f"{command[0]}: there is no such command", EXIT_NOT_FOUND)
    # Loaded here so that --help answers at once.
    from carbon_nas.accounting.site import site as describe_site
    from carbon_nas.files import name_for_file
    from carbon_nas.meters.child import signals_held_back
    from carbon_nas.meters.second_opinion import SecondOpinion, gpu_uuids
    from carbon_nas.recorder import Recorder
    from carbon_nas.reporting.receipt import aligned, receipt

    # Looked up before the work: a zone that is not there must not be found out after it.
    place = None if site is None and pue is None else describe_site(site, pue)
    title = _title(command)
    meters, child_cpu = _meters(cpu_watts_per_core, host=not no_host)
    path = out or Path("runs") / f"{name_for_file(name or title)}.jsonl"
    # Its threads must not take the signals that are meant for the command.
    with signals_held_back():
        recorder = Recorder(path, strategy=name or title, meters=meters, site={"zone": site, "pue": pue})
    opinion = SecondOpinion(os.getpid(), gpu_uuids(recorder.components)) if cross_check else None
    with recorder, nullcontext() if opinion is None else closing(opinion):
        baseline = None if idle is None else recorder.baseline(idle)
        if opinion is not None:
            with signals_held_back():
                opinion.start()
        end, found, code = _run(recorder, command, title, scenario, child_cpu, opinion)
        agreement = None if found is None else _write_down(recorder, end, found)
    if end is not None:
        lines = list(receipt(recorder.components, end, place=place, baseline=baseline, agreement=agreement))
        if code:
            lines.append(("exit code", str(code)))
        # After the last line was written: this is the hash to hand over.
        typer.echo(f"\n{aligned([*lines, ('ledger', str(recorder.path)), ('head hash', recorder.head)])}", err=True)
    raise typer.Exit(code)


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def _refuse_launchers(command: Sequence[str]) -> None:
    launcher = Path(command[0]).name
    if launcher not in _LAUNCHERS:
        return
    # Where the launcher's own words end is not known for sure; the first program among them is the best guess.
    start = next((place for place, word in enumerate(command) if place and shutil.which(word)), None)
    words = (
        [f"{launcher} ...", "COMMAND"] if start is None else [shlex.join(command[:start]), shlex.join(command[start:])]
    )
    raise UsageError(
        f"{launcher} starts processes that are no children of this one and cannot be metered from here",
        cure=f"let it start the meter: {words[0]} carbon-nas meter -- {words[1]}",
    )


def _title(command: Sequence[str]) -> str:
    """Name a command by its program and script, without arguments: they may hold what is nobody's business."""
    program, words = Path(command[0]).name, list(command[1:])
    if len(words) > 1 and words[0] == "-m":
        return f"{program} -m {words[1]}"
    return f"{program} {Path(words[0]).name}" if words and Path(words[0]).is_file() else program


def _meters(cpu_watts_per_core: float | None, *, host: bool) -> "tuple[list[Meter], ChildCpuMeter | None]":
    from carbon_nas.meters.estimate import ChildCpuMeter, CpuEstimateMeter
    from carbon_nas.meters.hosts import Coverage, open_meters

    meters: list[Meter] = []
    child_cpu: ChildCpuMeter | None = None
    coverage = Coverage.ALL if host else Coverage.NONE
    # The command's processes use the GPUs, and this one does not.
    for one in open_meters(cpu_watts_per_core=cpu_watts_per_core, host=coverage, attribute=False):
        if isinstance(one, CpuEstimateMeter):
            # The command's CPU time, and not that of this process, which does the metering.
            one.close()
            child_cpu = ChildCpuMeter(cpu_watts_per_core)
            meters.append(child_cpu)
        else:
            meters.append(one)
    return meters, child_cpu


def _run(
    recorder: "Recorder",
    command: Sequence[str],
    title: str,
    scenario: str | None,
    child_cpu: "ChildCpuMeter | None",
    opinion: "SecondOpinion | None",
) -> "tuple[PhaseEnd | None, Opinion | None, int]":
    from carbon_nas.ledger.records import Scope

    phase, ended = None, None
    scope = Scope.ONCE if scenario is None else Scope.PER_SCENARIO
    try:
        with recorder.phase(title, scope=scope, scenario=scenario) as phase:
            ended = _attend(command, child_cpu, opinion)
            _judge(ended)
    except (_Failed, KeyboardInterrupt):
        pass
    found = None if opinion is None else opinion.finish()
    code = EXIT_NOT_RUN if ended is None else ended.exit_code
    return None if phase is None else phase.end, found, code


def _attend(command: Sequence[str], child_cpu: "ChildCpuMeter | None", opinion: "SecondOpinion | None") -> "ChildEnd":
    from carbon_nas.meters.child import Child

    try:
        child = Child(command)
    except OSError as error:
        typer.echo(f"error: {command[0]}: it cannot be run ({error.strerror or error})", err=True)
        raise _Failed from error
    if child_cpu is not None:
        child_cpu.watch(child.pid)
    # The other one looks at the process itself, so it is asked while there still is one.
    ended = child.wait(None if opinion is None else lambda: _ask(opinion))
    if child_cpu is not None:
        child_cpu.settle(ended.usage)
    return ended


def _judge(ended: "ChildEnd") -> None:
    """Let the phase end as the command did."""
    if ended.interrupted:
        raise KeyboardInterrupt
    if ended.exit_code:
        raise _Failed


def _ask(opinion: "SecondOpinion") -> None:
    opinion.finish()


def _write_down(recorder: "Recorder", end: "PhaseEnd | None", found: "Opinion") -> "Agreement":
    from carbon_nas.ledger.records import CrossCheck
    from carbon_nas.meters.agreement import agree

    measured, duration_s = ((), 0.0) if end is None else (end.measured, end.duration_s)
    agreement = agree(recorder.components, measured, duration_s, found)
    recorder.append(CrossCheck(**asdict(agreement)), durable=True)
    return agreement


def main() -> None:
    """Run `python -m carbon_nas.meter`."""
    from carbon_nas.cli import run_command

    run_command(meter, SETTINGS)


if __name__ == "__main__":
    main()
