"""Where the numbers come from: meters, latency tables, the recording itself."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from carbon_nas.ledger.run import Run
from carbon_nas.meters.base import Component
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Column, Table

__all__ = ["ledger_table", "meter_table", "plan_table", "recording"]


def meter_table(runs: Sequence[Run]) -> Table:
    """Return what was metered, and how."""
    seen = {component.name: component for run in runs for component in run.components.values()}
    rows = [
        (
            word(component.name),
            word(str(component.tier)),
            word(component.method),
            word(", ".join(f"{key} {_short(value)}" for key, value in component.inputs.items() if value is not None)),
            word(component.note),
        )
        for component in seen.values()
    ]
    titles = ("component", "tier", "method", "inputs", "note")
    return Table(
        key="meters",
        title="How energy was found",
        columns=tuple(Column(key=title, title=title, numeric=False) for title in titles),
        rows=tuple(rows),
        note=_coverage(runs, seen),
    )


def _short(value: object) -> str:
    # The ledger has all the digits.
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _coverage(runs: Sequence[Run], seen: Mapping[str, Component]) -> str:
    # The first schema of the ledger did not say what it left out.
    said = dict.fromkeys(words for run in runs for session in run.sessions for words in session.not_covered)
    missing = ", ".join(said) or "memory, disks, power supplies, cooling"
    ranges = [
        f"{part.name}: the truth is between {part.low_ratio:.2g} and {part.high_ratio:.2g} times the estimate"
        for part in seen.values()
        if part.low_ratio is not None and part.high_ratio is not None
    ]
    covered = f"Covered: {', '.join(seen)}. Not covered: {missing}, and every component that is not listed."
    return f"{covered} Ranges, as far as they are quantified: {'; '.join(ranges)}." if ranges else covered


def plan_table(runs: Sequence[Run]) -> Table | None:
    """Return everything the study file set, defaults included; None for ledgers that no study file stands behind."""
    rows = [(word(key), word(str(value))) for key, value in _flat(runs[0].header.study)]
    if len(rows) < 2:
        return None
    return Table(
        key="plan",
        title="The plan",
        columns=(
            Column(key="setting", title="setting", numeric=False),
            Column(key="value", title="value", numeric=False),
        ),
        rows=tuple(rows),
        note=" ".join(_habits({run.header.strategy for run in runs})),
    )


_HABITS = {
    "once_for_all": "once_for_all is taught by a teacher, whose training it pays for.",
    "sandwich": "sandwich is taught by its own largest network, within every step.",
    "evolution": "evolution shares nothing between scenarios, as in the papers it stands for; sharing accuracies "
    "between devices would make it cheaper.",
}


def _habits(strategies: Collection[str]) -> Iterator[str]:
    yield "Every trained network is validated after each epoch, and that is charged like everything else."
    yield from (words for strategy, words in _HABITS.items() if strategy in strategies)


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def ledger_table(runs: Sequence[Run]) -> Table:
    """Return the ledgers with the hashes of their last lines: what a copy can be checked against."""
    rows = [
        (
            word(run.path.name),
            word(f"{run.header.strategy}, seed {run.header.seed}"),
            word(str(len(run.sessions))),
            word(run.sessions[0].utc if run.sessions else ""),
            word(run.head),
        )
        for run in runs
    ]
    titles = {"ledger": "ledger", "run": "run", "sessions": "sessions", "begun_utc": "begun", "head": "head hash"}
    return Table(
        key="ledgers",
        title="Ledgers",
        columns=tuple(Column(key=key, title=title, numeric=False) for key, title in titles.items()),
        rows=tuple(rows),
        note="A head hash that was noted down elsewhere shows later edits. It does not show who wrote the file.",
    )


def recording(runs: Sequence[Run]) -> str:
    """Say on what and with which code the ledgers were recorded."""
    first = runs[0]
    session = next((session for run in runs for session in run.sessions), None)
    if session is None:
        return "Recorded by a process that said nothing about itself."
    host, versions = session.host, session.versions
    machine = f"{host.get('logical_cores')} logical cores, {host.get('system')}"
    parts = [
        f"Recorded on {host.get('cpu_model') or 'an unnamed CPU'} ({machine})",
        f"Python {versions.get('python')}",
        *(f"{name} {versions[name]}" for name in ("torch", "numpy", "scikit-learn") if name in versions),
    ]
    if first.header.code_version:
        parts.append(f"carbon_nas {first.header.code_version} with sources {first.header.code_hash[:12]}")
    if first.header.study_hash:
        parts.append(f"study {first.header.study_hash[:12]}")
    return ", ".join(parts) + "."
