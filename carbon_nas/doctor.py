"""The door to what works on this host: every meter with its rate and accuracy, and every lack with its cure."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carbon_nas.meters.polling import Part
    from carbon_nas.meters.prospect import Prospect

__all__ = ["doctor", "main"]

Line = tuple[str, str]

_MS_PER_S = 1_000.0
_SHORT_UUID = 12


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as one JSON object, for programs.")] = False,
) -> None:
    """Say what can be metered on this machine, how well, and what would help where it cannot.

    GPUs are watched for two seconds to see how often their sensors change. Nothing is written and no work is done.
    The exit code is 0 if the energy of a GPU or of the CPU can be had, at least as an estimate, and else 1.
    """
    # Loaded here so that --help answers at once.
    from carbon_nas.meters.prospect import look

    found = look()
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"sufficient": found.sufficient}, indent=2))
    else:
        _print(found)
    raise typer.Exit(0 if found.sufficient else 1)


def _print(found: "Prospect") -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table

    console = Console(highlight=False, markup=False, no_color=True)
    sections = {
        "GPUs": _gpus(found),
        "CPU": _host(found, "cpu"),
        "Memory": _host(found, "dram"),
        "Clocks and locks": _clocks_and_locks(found),
        "Packages": found.versions.items(),
        "What would help": _lacks(found),
    }
    with console.capture() as said:
        for title, lines in sections.items():
            grid = Table.grid(padding=(0, 2))
            # Labels fold rather than push the text off a narrow terminal.
            grid.add_column(max_width=24, overflow="fold")
            grid.add_column(overflow="fold")
            for label, text in lines:
                grid.add_row(label, text)
            console.print(title)
            console.print(Padding(grid, (0, 0, 1, 2)))
        verdict = "Energy can be had here" if found.sufficient else "No energy can be had here"
        console.print(f"{verdict}: {_covered(found)}.")
    # The grid fills its cells with blanks, which a pipe would keep.
    for line in said.get().splitlines():
        typer.echo(line.rstrip())


def _covered(found: "Prospect") -> str:
    parts = [part for part in found.parts if part.answers]
    names = {"gpu": "GPU", "cpu": "CPU", "dram": "memory"}
    told = [
        f"{words} {'/'.join(dict.fromkeys(str(part.component.tier) for part in found.of(kind) if part.answers))}"
        for kind, words in names.items()
        if any(part in found.of(kind) for part in parts)
    ]
    return ", ".join(told) or "see what would help"


def _gpus(found: "Prospect") -> Iterator[Line]:
    for part in found.of("gpu"):
        facts = part.component.inputs
        yield f"{facts['name']}", f"{_short(str(facts['uuid']))}, driver {facts['driver']}"
        mig = "" if facts["mig"] is None else f", MIG {facts['mig']}"
        yield "  source", f"{facts['source']} of the {facts['scope']}{mig}"
        yield from _sensor(part)
    if found.selection is not None:
        yield "CUDA_VISIBLE_DEVICES", found.selection or "(empty: none)"
    for gpu in found.hidden_gpus:
        yield gpu.name, f"{_short(gpu.uuid)}, not visible to this process and not metered"
    if not found.of("gpu") and not found.hidden_gpus:
        yield "none", "see what would help"


def _host(found: "Prospect", kind: str) -> Iterator[Line]:
    for part in found.of(kind):
        component = part.component
        yield component.name, f"{component.tier}: {component.method}"
        for name, unit in (("watts_per_core", "W per core"), ("power_w", "W")):
            value, origin = component.inputs.get(name), component.inputs.get(f"{name}_from")
            if isinstance(value, int | float):
                yield "  power", f"{value:.3g} {unit}" + (f", {origin}" if origin else "")
        yield from _sensor(part)


def _sensor(part: "Part") -> Iterator[Line]:
    component = part.component
    if not part.answers:
        yield "  energy", "not known"
        return
    rate = [] if part.update_s is None else [f"changes every {_ms(part.update_s)}"]
    if part.latency_s is not None:
        rate.append(f"a look takes {_ms(part.latency_s)}")
    if component.sampling_s is not None:
        rate.append(f"is read every {component.sampling_s:g} s")
    if rate:
        yield "  rate", ", ".join(rate)
    yield "  accuracy", _accuracy(part)
    if component.note:
        yield "  note", component.note


def _accuracy(part: "Part") -> str:
    component = part.component
    if component.low_ratio is not None and component.high_ratio is not None:
        origin = component.inputs.get("range_from")
        told = f"the truth lies between {component.low_ratio:.2g} and {component.high_ratio:.2g} times the estimate"
        return f"{told} ({origin})" if origin else told
    if component.gain_fraction is not None:
        return f"± {component.gain_fraction:.0%} (k = 1) by the gain of the sensor"
    return "not quantified"


def _clocks_and_locks(found: "Prospect") -> Iterator[Line]:
    yield "suspension", "noticed" if found.suspend_noticed else "not noticed"
    yield "two writers", "told apart by a file lock" if found.locks else "not told apart in this folder"
    noticed = "noticed, in one network namespace" if found.recorders_noticed else "not noticed on this system"
    yield "two recorders", noticed
    for name in found.recorded_now:
        yield "recorded now", f"{name}, by another process"


def _lacks(found: "Prospect") -> Iterator[Line]:
    if not found.lacks:
        yield "nothing", "everything works"
    for lack in found.lacks:
        yield lack.what, lack.why
        if lack.cure:
            yield "  cure", lack.cure


def _short(uuid: str) -> str:
    return uuid if len(uuid) <= _SHORT_UUID else f"{uuid[:_SHORT_UUID]}..."


def _ms(duration_s: float) -> str:
    return f"{_MS_PER_S * duration_s:.3g} ms"


def main() -> None:
    """Run `python -m carbon_nas.doctor`."""
    from carbon_nas.cli import run_command

    run_command(doctor)


if __name__ == "__main__":
    main()
