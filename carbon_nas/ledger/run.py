"""The state of a run, folded from the events of its ledger."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from carbon_nas.errors import LedgerCorrupt, LedgerError
from carbon_nas.ledger.journal import head_of, read_events
from carbon_nas.ledger.records import (
    SCHEMA,
    Event,
    Header,
    LatencyLimit,
    LatencyTableRecord,
    Outcome,
    PhaseBegin,
    PhaseEnd,
    Pulse,
    Result,
    Scope,
    Session,
    TrainerLog,
    Waste,
)
from carbon_nas.meters.base import Component, Reading, spent

__all__ = ["Activity", "OpenPhase", "Run", "begun", "fold", "read", "read_run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One metered stretch of work: a finished phase, or an attempt that was lost.

    Attributes:
        energy_j: joules per component; None is not known.
        wasted: True for an attempt that had to be done again.
        rest_max_j: for a killed attempt, the most that can be missing from `energy_j`; None per component if no bound
            is known; empty if nothing is missing.
    """

    phase: str
    name: str
    scope: Scope
    scenario: str | None
    duration_s: float
    energy_j: Mapping[str, float | None]
    device_s: Mapping[str, float | None]
    steps: int | None = None
    macs: int | None = None
    wasted: bool = False
    rest_max_j: Mapping[str, float | None] = field(default_factory=dict)
    artefact_hash: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenPhase:
    """A phase that has begun and has no end: it is running, or it was killed."""

    begin: PhaseBegin
    last_readings: tuple[Reading, ...]
    last_time_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Everything one ledger says, in the order in which it happened. `head` is the hash of its last line."""

    path: Path
    header: Header
    sessions: tuple[Session, ...]
    activities: tuple[Activity, ...]
    epochs: tuple[TrainerLog, ...]
    tables: Mapping[str, LatencyTableRecord]
    limits: Mapping[str, LatencyLimit]
    results: Mapping[str, Result]
    open_phase: OpenPhase | None
    longest_gap_s: float
    head: str = ""

    @property
    def done(self) -> Mapping[str, Activity]:
        """The finished phases by key."""
        return {activity.phase: activity for activity in self.activities if not activity.wasted}

    @property
    def components(self) -> Mapping[str, Component]:
        """Every component that any session metered, by name."""
        return {component.name: component for session in self.sessions for component in session.components}

    def attempts(self, phase: str) -> int:
        """Count how often a phase was begun and ended, one way or the other."""
        return sum(activity.phase == phase for activity in self.activities)


def fold(events: Iterable[Event], path: Path) -> Run:
    """Fold events into the state they add up to.

    Raises:
        LedgerError: if the first event is no header, or it is of a newer schema than this reader knows.
    """
    stream = iter(events)
    header = next(stream, None)
    if not isinstance(header, Header):
        raise LedgerError("this ledger is empty or does not begin with a header", where=str(path))
    if header.schema > SCHEMA:
        raise LedgerError(
            f"written in schema {header.schema}, and this version reads up to {SCHEMA}",
            where=str(path),
            cure="upgrade carbon_nas",
        )
    return _Fold(header, path).over(stream)


class _Fold:
    def __init__(self, header: Header, path: Path) -> None:
        self.header, self.path = header, path
        self.sessions: list[Session] = []
        self.activities: list[Activity] = []
        self.epochs: list[tuple[TrainerLog, PhaseBegin | None]] = []
        self.finished: list[PhaseBegin | None] = []
        self.tables: dict[str, LatencyTableRecord] = {}
        self.limits: dict[str, LatencyLimit] = {}
        self.results: dict[str, Result] = {}
        self.open: OpenPhase | None = None
        self.longest_gap_s = 0.0

    def over(self, events: Iterator[Event]) -> Run:
        for event in events:
            self.take(event)
        # What a lost attempt logged is done again, and logged again.
        kept = [log for log, attempt in self.epochs if attempt in self.finished]
        return Run(
            path=self.path,
            header=self.header,
            sessions=tuple(self.sessions),
            activities=tuple(self.activities),
            epochs=tuple(kept),
            tables=self.tables,
            limits=self.limits,
            results=self.results,
            open_phase=self.open,
            longest_gap_s=self.longest_gap_s,
        )

    def take(self, event: Event) -> None:
        match event:
            case Session():
                self.sessions.append(event)
            case PhaseBegin():
                self._abandon()
                self.open = OpenPhase(begin=event, last_readings=event.readings, last_time_s=event.time_s)
            # A heartbeat that an earlier attempt or phase sent late is not this one's.
            case Pulse() if self.open and self._belongs(event, self.open):
                self._beat(event.time_s)
                self.open = OpenPhase(begin=self.open.begin, last_readings=event.readings, last_time_s=event.time_s)
            case PhaseEnd():
                begin = self._begin_of(event.phase)
                if event.outcome is Outcome.DONE:
                    self.finished.append(begin)
                self._beat(event.time_s)
                self._close(
                    begin,
                    duration_s=event.duration_s,
                    energy_j=event.energy_j,
                    device_s=event.device_s,
                    steps=event.steps,
                    macs=event.macs,
                    wasted=event.outcome is not Outcome.DONE,
                    artefact_hash=event.artefact_hash,
                )
            case Waste():
                self._close(
                    self._begin_of(event.phase),
                    duration_s=event.seen_duration_s,
                    energy_j=event.seen_energy_j,
                    device_s=event.seen_device_s,
                    wasted=True,
                    rest_max_j=event.rest_max_j,
                )
            case TrainerLog():
                self.epochs.append((event, self.open.begin if self.open else None))
            case LatencyTableRecord():
                self.tables[event.scenario] = event
            case LatencyLimit():
                self.limits[event.scenario] = event
            case Result():
                self.results[event.scenario] = event
            case _:
                pass

    @staticmethod
    def _belongs(event: Pulse, running: OpenPhase) -> bool:
        return running.begin.phase == event.phase and event.time_s >= running.last_time_s

    def _abandon(self) -> None:
        # A phase that was neither ended nor written off, because the writer failed: used energy must not vanish.
        if self.open is not None:
            begin, last = self.open.begin, self.open.last_readings
            self._close(
                begin,
                duration_s=self.open.last_time_s - begin.time_s,
                energy_j=spent(begin.readings, last, "energy_j"),
                device_s=spent(begin.readings, last, "device_s"),
                wasted=True,
                rest_max_j={reading.component: None for reading in last},
            )

    def _close(self, begin: PhaseBegin, **facts: Any) -> None:
        self.open = None
        self.activities.append(
            Activity(phase=begin.phase, name=begin.name, scope=begin.scope, scenario=begin.scenario, **facts)
        )

    def _beat(self, time_s: float) -> None:
        if self.open is not None:
            self.longest_gap_s = max(self.longest_gap_s, time_s - self.open.last_time_s)

    def _begin_of(self, phase: str) -> PhaseBegin:
        if self.open is None or self.open.begin.phase != phase:
            raise LedgerCorrupt(f"phase {phase!r} ends without having begun", where=str(self.path))
        return self.open.begin


def read_run(path: Path) -> Run:
    """Read one ledger file, with its chain checked."""
    return replace(fold(read_events(path), path), head=head_of(path))


def begun(path: Path) -> bool:
    """Tell whether a ledger has a whole line: a process that is killed at once leaves an empty file, or half a line."""
    return path.is_file() and next(read_events(path), None) is not None


def read(folder: Path) -> list[Run]:
    """Read every ledger of a folder, in the order of their names, but for those that were killed before their header.

    Raises:
        LedgerError: if there is none.
    """
    paths = [path for path in sorted(folder.glob("*.jsonl")) if begun(path)]
    if not paths:
        raise LedgerError("there is no ledger here", where=str(folder), cure="record one with: carbon-nas compare")
    return [read_run(path) for path in paths]
