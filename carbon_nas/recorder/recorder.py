"""The recorder: phases, windows and results of any program, metered and written to a ledger."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from carbon_nas.errors import LedgerError
from carbon_nas.ledger.observations import Baseline
from carbon_nas.ledger.records import Event, Header, Outcome, PhaseBegin, Result, Role, Scope, phase_key
from carbon_nas.ledger.run import Run
from carbon_nas.meters.base import Component, Meter
from carbon_nas.meters.clock import Clock, SystemClock, utc
from carbon_nas.meters.hosts import open_meters
from carbon_nas.meters.metering import Metering, Window
from carbon_nas.recorder.chronicle import Chronicle
from carbon_nas.recorder.opening import describe_session, git_commit, go_on, open_ledger
from carbon_nas.recorder.phase import PhaseWindow, window_end
from carbon_nas.recorder.watch import Watch

__all__ = ["HEARTBEAT_S", "Recorder"]

HEARTBEAT_S = 1.0
"""How often the counters are written down while a phase runs: what a killed process can lose."""


class Recorder:
    """Meters phases of any program and writes them to a ledger. Whatever meters or disks do, the program goes on.

        with Recorder("runs/my-run.jsonl", strategy="my-nas") as recorder:
            with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario="pixel1-25ms"):
                ...
            recorder.result(scenario="pixel1-25ms", accuracy=0.761, latency_ms=24.2)

    Phases and windows nest, and may run in several threads. One daemon thread samples; a forked child records nothing.

    Args:
        path: the ledger file; its folder is made. If it is there already, a sibling is begun that names it
            (`my-run.2.jsonl`). One of several ranks of a job writes to a file of its own (`my-run.rank3.jsonl`).
        strategy: the name under which the cost is compared.
        seed: the seed of the run.
        workload: the task that is learnt.
        role: `Role.SHARED` for work that every strategy needs and that is done once.
        study: what is run, as JSON values; kept in the header.
        study_hash, code_version, code_hash: what a later call must match to continue.
        site: where it runs, as far as it is known: `zone`, `pue`.
        meters: open meters; every meter of this host if not given. They are closed with the recorder.
        clock: what tells the time.
        synchronize: called before each edge is read, so that queued GPU work is inside its window.
        on_heartbeat: called with every heartbeat of a phase, with its joules so far.
        heartbeat_interval_s: seconds between heartbeats; None for no thread at all.
        resume: continue an existing ledger, the same file, instead of beginning a sibling.

    Raises:
        LedgerMismatch: if it is resumed and was begun with another strategy, seed, workload, role, study or code.
        LedgerCorrupt: if it is resumed and damaged.
        LedgerBusy: if it is resumed and another process writes to it.
        OutputError: if it cannot be written at all. Once it is open, the disk is never an error.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        strategy: str,
        seed: int = 0,
        workload: str | None = None,
        role: Role = Role.STRATEGY,
        study: Mapping[str, Any] | None = None,
        study_hash: str = "",
        code_version: str = "",
        code_hash: str = "",
        site: Mapping[str, str | float | None] | None = None,
        meters: Sequence[Meter] | None = None,
        clock: Clock | None = None,
        synchronize: Callable[[], None] | None = None,
        on_heartbeat: Callable[[float | None], None] | None = None,
        heartbeat_interval_s: float | None = HEARTBEAT_S,
        resume: bool = False,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._on_heartbeat = on_heartbeat
        self._phases: dict[str, PhaseWindow] = {}
        self._attempts: dict[str, int] = {}
        self._mutex, self._closed = threading.RLock(), False
        opened = open_ledger(Path(path), resume=resume)
        self._chronicle = Chronicle(opened.journal, self._clock)
        with ExitStack() as undo:
            undo.callback(self._chronicle.close)
            meters = meters if meters is not None else open_meters(clock=self._clock)
            self._metering = undo.enter_context(Metering(meters, self._clock, synchronize))
            self._watch = Watch(
                self._metering,
                self._chronicle,
                self._clock,
                running=self._innermost,
                on_heartbeat=self._tell,
                heartbeat_interval_s=heartbeat_interval_s,
            )
            undo.callback(self._watch.close)
            header = Header(
                run=self.path.stem,
                role=role,
                strategy=strategy,
                seed=seed,
                workload=workload,
                study=dict(study or {}),
                study_hash=study_hash,
                code_version=code_version,
                code_hash=code_hash,
                utc=utc(self._clock),
                time_s=self._clock.monotonic_s(),
                git_commit=git_commit(),
                site=dict(site or {}),
                rank=opened.rank,
                previous=opened.previous,
                previous_head=opened.previous_head,
            )
            self.run: Run = go_on(opened, header, self._clock)
            session = describe_session(
                self.components,
                self._clock,
                heartbeat_interval_s=heartbeat_interval_s,
                sampling_interval_s=self._watch.sampling_interval_s,
                locked=opened.journal.locked,
            )
            opened.journal.append(session, durable=True)
            self._watch.start()
            self._undo = undo.pop_all()

    @property
    def path(self) -> Path:
        """Where the ledger is; a sibling of what was asked for if that was there already."""
        return self._chronicle.path

    @property
    def components(self) -> tuple[Component, ...]:
        """What is metered."""
        return self._metering.components

    @property
    def head(self) -> str:
        """The hash of the ledger's last line."""
        return self._chronicle.head

    @property
    def heartbeat_errors(self) -> int:
        """How many samples failed; the run itself went on."""
        return self._watch.errors

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Add an event to the ledger."""
        self._chronicle.append(event, durable=durable)

    def sample(self) -> None:
        """Take one sample, as the sampler does by itself."""
        self._watch.sample()

    def beat(self) -> None:
        """Write a heartbeat now if a phase is running, and make everything durable."""
        self._watch.beat()

    def _innermost(self) -> str | None:
        # A copy in one step: phases begin and end in other threads.
        return next(reversed(list(self._phases)), None)

    def _tell(self) -> None:
        phase = self._phases.get(self._innermost() or "")
        if phase is not None and self._on_heartbeat is not None:
            self._on_heartbeat(phase.energy_j())

    @contextmanager
    def phase(
        self, name: str, *, scope: Scope = Scope.ONCE, scenario: str | None = None, resumes: str | None = None
    ) -> Iterator[PhaseWindow]:
        """Meter a stretch of work that is accounted. If it raises, what it used is kept as waste and the error goes on.

        A phase within a phase is charged to itself, and the outer one is charged the rest.

        Args:
            name: what is done, in words.
            scope: whether it is paid once or again for every scenario, or is a delivered network's use: no cost at all.
            scenario: the deployment scenario it is done for.
            resumes: the hash of the state that an earlier attempt saved and this one goes on from; what that attempt
                used up to there is then a part of the phase, and no waste. None: it begins at the beginning.

        Raises:
            ValueError: if this very phase is running already, or scope and scenario do not fit together.
        """
        if (scope is Scope.ONCE) != (scenario is None):
            raise ValueError(f"phase {name!r}: a scenario is named exactly when the scope is 'per scenario' or 'use'")
        outcome = Outcome.FAILED
        phase = self._begin_phase(name, scope, scenario, resumes)
        try:
            # The begin is made durable in here: Ctrl-C while the disk works is an interrupted phase like any other.
            self._chronicle.flush()
            yield phase
            outcome = Outcome.DONE
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
            raise
        finally:
            try:
                failure = self._end_phase(phase, outcome)
            except BaseException:
                # Ctrl-C while the end was measured or written: what is left to do is done now.
                self._end_phase(phase, Outcome.INTERRUPTED)
                raise
        if failure is not None:
            raise failure

    def _begin_phase(self, name: str, scope: Scope, scenario: str | None, resumes: str | None) -> PhaseWindow:
        key = phase_key(name, scenario)
        window: Window | None = None
        begin: PhaseBegin | None = None
        try:
            # A forked child may have inherited the mutex locked; it records nothing.
            with nullcontext() if self._chronicle.inert else self._mutex:
                self._refuse_running(key)
                window = self._metering.begin(key, accounted=True)
                phase = PhaseWindow(key, window, metering=self._metering, append=self.append, clock=self._clock)
                self._attempts[key] = self._attempts.get(key, self.run.attempts(key)) + 1
                begin = phase.began(name, scope, scenario, self._attempts[key], resumes=resumes)
                self.append(begin)
                # After its begin is written, so that no heartbeat comes before it.
                self._phases[key] = phase
                return phase
        except BaseException:
            if window is not None:
                self._phases.pop(key, None)
                self._metering.abandon(window)
            if begin is not None:
                # Perhaps it was written before Ctrl-C: what has begun has an end.
                self._kept(begin)
                self._kept(phase.ended(Outcome.INTERRUPTED))
            raise

    def _refuse_running(self, key: str) -> None:
        if key in self._phases:
            raise ValueError(f"phase {key!r} is still running")

    def _end_phase(self, phase: PhaseWindow, outcome: Outcome) -> Exception | None:
        failure = self._closed_window(phase.window)
        self._phases.pop(phase.phase, None)
        if phase.window.end is not None:
            self._watch.look(phase.window.end)
        if phase.end is None:
            # A device that failed must not keep the end of the phase out of the ledger.
            phase.end = phase.ended(outcome if failure is None else Outcome.FAILED)
        return self._kept(phase.end, durable=True) or failure

    def _closed_window(self, window: Window) -> Exception | None:
        try:
            self._metering.end(window)
        except Exception as error:
            return error
        return None

    def _kept(self, event: Event, *, durable: bool = False) -> Exception | None:
        try:
            self.append(event, durable=durable)
        except (LedgerError, ValueError) as error:
            # Closed meanwhile, or not to be written: it must not hide an error of the work itself.
            return error
        return None

    @contextmanager
    def window(self, name: str) -> Iterator[Window]:
        """Look at a stretch of work within a phase, or outside of all; cheap enough for every candidate of a search.

        It is not accounted by itself, and its line is made durable with the next heartbeat. What stands before the last
        `/` of its name is its family (`evaluate/123`): families are summed up.
        """
        window = self._metering.begin(name)
        try:
            yield window
        finally:
            try:
                failure = self._closed_window(window)
            finally:
                unwritten = self._kept(window_end(window))
        failure = failure or unwritten
        if failure is not None:
            raise failure

    def baseline(self, duration_s: float = 10.0, *, wait: Callable[[float], None] = time.sleep) -> Baseline:
        """Measure what this machine draws while nothing is done, for showing net beside gross.

        Raises:
            ValueError: if a phase is running.
        """
        if self._phases:
            raise ValueError(f"phase {next(iter(self._phases))!r} is running: idle power is measured before the work")
        window = self._metering.begin("idle baseline")
        try:
            wait(duration_s)
        finally:
            self._metering.end(window)
        found = Baseline(utc=utc(self._clock), duration_s=window.duration_s, measured=window.measured)
        self.append(found, durable=True)
        return found

    def result(
        self,
        *,
        scenario: str,
        accuracy: float | None = None,
        latency_ms: float | None = None,
        architecture: Mapping[str, Any] | None = None,
        workload: str | None = None,
    ) -> None:
        """Write down what was found for a scenario. `accuracy` is a fraction between 0 and 1.

        Raises:
            ValueError: if the accuracy is no fraction.
        """
        if accuracy is not None and not 0.0 <= accuracy <= 1.0:
            raise ValueError(f"accuracy is a fraction between 0 and 1, not {accuracy}")
        self.append(
            Result(
                scenario=scenario,
                # Numbers of numpy and torch become plain ones here, at the border.
                accuracy_fraction=None if accuracy is None else float(accuracy),
                latency_ms=None if latency_ms is None else float(latency_ms),
                architecture=dict(architecture or {}),
                workload=workload,
            ),
            durable=True,
        )

    def close(self) -> None:
        """Stop the sampler, close the meters and the ledger. May be called twice; does nothing in a forked child."""
        if not self._closed and not self._chronicle.inert:
            self._closed = True
            self._undo.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
