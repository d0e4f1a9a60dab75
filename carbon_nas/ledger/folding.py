"""From the lines of a ledger to the state they add up to."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from carbon_nas.errors import LedgerCorrupt, LedgerError
from carbon_nas.ledger.attempts import Attempts
from carbon_nas.ledger.findings import PredictorCheck, Prior, Selection
from carbon_nas.ledger.journal import EventReader, read_events
from carbon_nas.ledger.observations import Baseline, CrossCheck, Incident, WindowEnd
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
    Saved,
    Session,
    TrainerLog,
    Waste,
)
from carbon_nas.ledger.run import Activity, Run, WindowSum
from carbon_nas.ledger.underway import OpenPhase

__all__ = ["Fold", "begun", "fold", "read", "read_run"]


def fold(events: Iterable[Event], path: Path) -> Run:
    """Fold events into the state they add up to.

    Raises:
        LedgerError: if the first event is no header, or it is of a newer schema than this reader knows.
    """
    folded = Fold(path)
    for event in events:
        folded.take(event)
    return folded.run()


class _Family:
    """Windows that are being added up. A value per window would cost as much as reading it."""

    def __init__(self) -> None:
        self.count = self.below_resolution = self.incomplete = 0
        self.duration_s, self.energy_j, self.known = 0.0, 0.0, True

    def add(self, window: WindowEnd) -> None:
        self.count += 1
        self.duration_s += window.duration_s
        below = gap = False
        for part in window.measured:
            if part.energy_j is None:
                self.known = False
            else:
                self.energy_j += part.energy_j
            below, gap = below or part.below_resolution, gap or not part.complete
        self.below_resolution += below
        self.incomplete += gap

    def sum(self) -> WindowSum:
        return WindowSum(
            count=self.count,
            duration_s=self.duration_s,
            energy_j=self.energy_j if self.known else None,
            below_resolution=self.below_resolution,
            incomplete=self.incomplete,
        )


class Fold:
    """A run that takes shape event by event, in memory that does not grow with heartbeats, traces and windows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._header: Header | None = None
        self._sessions: list[Session] = []
        self._attempts = Attempts()
        self._tables: dict[str, LatencyTableRecord] = {}
        self._limits: dict[str, LatencyLimit] = {}
        self._results: dict[str, Result] = {}
        self._windows: dict[str, _Family] = {}
        self._incidents: list[Incident] = []
        self._baselines: list[Baseline] = []
        self._cross_checks: list[CrossCheck] = []
        self._priors: list[Prior] = []
        self._predictor_checks: list[PredictorCheck] = []
        self._selections: dict[str, Selection] = {}
        self._open: dict[str, OpenPhase] = {}
        self._last: Pulse | PhaseBegin | Saved | PhaseEnd
        self._longest_gap_s = 0.0

    @property
    def begun(self) -> bool:
        """Whether a header was taken."""
        return self._header is not None

    def run(self, head: str = "") -> Run:
        """Return what the events so far add up to.

        Raises:
            LedgerError: if there was no header.
        """
        if self._header is None:
            raise self._headless()
        return Run(
            path=self._path,
            header=self._header,
            sessions=tuple(self._sessions),
            activities=self._attempts.activities,
            epochs=self._attempts.epochs,
            tables=dict(self._tables),
            limits=dict(self._limits),
            results=dict(self._results),
            open_phases=tuple(map(self._running, self._open)),
            longest_gap_s=self._longest_gap_s,
            windows={name: family.sum() for name, family in self._windows.items()},
            incidents=tuple(self._incidents),
            baselines=tuple(self._baselines),
            cross_checks=tuple(self._cross_checks),
            priors=tuple(self._priors),
            predictor_checks=tuple(self._predictor_checks),
            selections=dict(self._selections),
            saved=self._attempts.saved(self._open.values()),
            head=head,
        )

    def _headless(self) -> LedgerError:
        return LedgerError("this ledger is empty or does not begin with a header", where=str(self._path))

    def take(self, event: Event) -> None:
        """Add one event.

        Raises:
            LedgerError: if the first one is no header, or of a newer schema than this reader knows.
            LedgerCorrupt: if a phase ends that has not begun.
        """
        if self._header is None:
            self._begin(event)
            return
        match event:
            case Pulse():
                self._see(event)
            case WindowEnd():
                family = event.name.rpartition("/")[0] or event.name
                if family not in self._windows:
                    self._windows[family] = _Family()
                self._windows[family].add(event)
            case TrainerLog():
                self._attempts.log(event, self._open.get(event.phase))
            case Saved():
                self._see(event)
                self._open[event.phase] = self._running(event.phase, "keeps its state").keeping(event)
            case PhaseBegin():
                self._begin_phase(event)
            case PhaseEnd():
                self._end_phase(event)
            case Waste():
                self._write_off(event)
            case _:
                self._keep(event)

    def _keep(self, event: Event) -> None:
        match event:
            case Session():
                # Whoever wrote before is gone, and so are counters to go on with.
                self._abandon(*self._open)
                self._sessions.append(event)
            case LatencyTableRecord():
                self._tables[event.scenario] = event
            case LatencyLimit():
                self._limits[event.scenario] = event
            case Result():
                self._results[event.scenario] = event
            case Incident():
                self._incidents.append(event)
            case Baseline():
                self._baselines.append(event)
            case CrossCheck():
                self._cross_checks.append(event)
            case Prior():
                # A run that is resumed may say again where it started.
                if event not in self._priors:
                    self._priors.append(event)
            case PredictorCheck():
                self._predictor_checks.append(event)
            case Selection():
                self._selections[event.scenario] = event
            case _:
                pass

    def _begin(self, event: Event) -> None:
        if not isinstance(event, Header):
            raise self._headless()
        if event.schema > SCHEMA:
            raise LedgerError(
                f"written in schema {event.schema}, and this version reads up to {SCHEMA}",
                where=str(self._path),
                cure="upgrade carbon_nas",
            )
        self._header = event

    def _see(self, event: Pulse | PhaseBegin | Saved | PhaseEnd) -> None:
        # Readings are good for every phase that is running, whoever took them and why. A heartbeat that was sent late,
        # for an earlier attempt or phase, is not this one's.
        if self._open and event.time_s >= self._last.time_s:
            self._longest_gap_s = max(self._longest_gap_s, event.time_s - self._last.time_s)
            self._last = event

    def _begin_phase(self, event: PhaseBegin) -> None:
        # A phase that was neither ended nor written off, because the writer failed: used energy must not vanish. The
        # first schema knew no phases within phases, so there every open one was left behind.
        nests = self._header is not None and self._header.schema > 1
        self._abandon(*(key for key in self._open if key == event.phase or not nests))
        if self._open:
            self._see(event)
        else:
            self._last = event
        self._attempts.begin(event)
        self._open[event.phase] = OpenPhase(begin=event, last_readings=event.readings, last_time_s=event.time_s)

    def _end_phase(self, event: PhaseEnd) -> None:
        self._see(event)
        self._close(
            self._running(event.phase).seen(event),
            gross_j=event.energy_j,
            gross_device_s=event.device_s,
            ended_s=event.time_s,
            duration_s=event.duration_s,
            energy_j=event.own_j or event.energy_j,
            device_s=event.own_device_s or event.device_s,
            steps=event.steps,
            macs=event.macs,
            images=event.images,
            wasted=event.outcome is not Outcome.DONE,
            artefact_hash=event.artefact_hash,
            measured=event.measured,
            foreign_j=event.foreign_j,
        )

    def _write_off(self, event: Waste) -> None:
        running = self._running(event.phase)
        self._close(
            running,
            gross_j=running.gross("energy_j"),
            gross_device_s=running.gross("device_s"),
            ended_s=running.last_time_s,
            duration_s=event.seen_duration_s,
            energy_j=event.seen_energy_j,
            device_s=event.seen_device_s,
            wasted=True,
            rest_max_j=event.rest_max_j,
        )

    def _abandon(self, *keys: str) -> None:
        for key in reversed(keys):
            running = self._running(key)
            self._close(
                running,
                gross_j=running.gross("energy_j"),
                gross_device_s=running.gross("device_s"),
                ended_s=running.last_time_s,
                duration_s=running.last_time_s - running.begin.time_s,
                energy_j=running.own("energy_j"),
                device_s=running.own("device_s"),
                wasted=True,
                rest_max_j=dict.fromkeys((reading.component for reading in running.last_readings), None),
            )

    def _close(
        self,
        running: OpenPhase,
        *,
        gross_j: Mapping[str, float | None],
        gross_device_s: Mapping[str, float | None],
        foreign_j: Mapping[str, float] = MappingProxyType({}),
        **facts: Any,
    ) -> None:
        begin = running.begin
        self._open.pop(begin.phase)
        around = self._open.get(begin.parent or "")
        if around is not None:
            self._open[around.begin.phase] = around.enclosing(gross_j, gross_device_s)
        whole = Activity(
            phase=begin.phase,
            name=begin.name,
            scope=begin.scope,
            scenario=begin.scenario,
            began_s=begin.time_s,
            session=max(0, len(self._sessions) - 1),
            nested=bool(running.inner_j),
            shared_with_threads=bool(foreign_j),
            **facts,
        )
        components = self._sessions[-1].components if self._sessions else ()
        self._attempts.end(running, whole, foreign_j, components)

    def _running(self, phase: str, does: str = "ends") -> OpenPhase:
        if phase not in self._open:
            raise LedgerCorrupt(f"phase {phase!r} {does} without having begun", where=str(self._path))
        running = self._open[phase]
        return running.seen(self._last) if self._last.time_s >= running.last_time_s else running


def read_run(path: Path) -> Run:
    """Read one ledger file, with its chain checked."""
    reader, folded = EventReader(path), Fold(path)
    for event in reader:
        folded.take(event)
    return folded.run(reader.head)


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
