"""Meter and ledger in one hand: the only place where they meet."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carbon_nas.errors import LedgerExists, LedgerMismatch
from carbon_nas.ledger.journal import Journal
from carbon_nas.ledger.records import (
    Event,
    Header,
    Outcome,
    PhaseBegin,
    PhaseEnd,
    Pulse,
    Repair,
    Result,
    Role,
    Scope,
    Session,
    phase_key,
)
from carbon_nas.ledger.run import Run, fold
from carbon_nas.ledger.waste import write_off
from carbon_nas.ledger.window import PhaseWindow
from carbon_nas.meters.base import Component, Meter, Reading, spent
from carbon_nas.meters.clock import Clock, SystemClock
from carbon_nas.meters.hosts import host_facts, open_meters, package_versions
from carbon_nas.meters.sampler import Heartbeat

__all__ = ["HEARTBEAT_S", "Recorder"]

# Half a second, so that a late beat still leaves no more than one second of a killed phase unseen.
HEARTBEAT_S = 0.5


class Recorder:
    """Meters phases of any program and writes them to a ledger.

        with Recorder("runs/my-run.jsonl", strategy="my-nas") as recorder:
            with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario="pixel1-25ms"):
                ...
            recorder.result(scenario="pixel1-25ms", accuracy=0.761, latency_ms=24.2)

    Args:
        path: the ledger file; its folder is made.
        strategy: the name under which the cost is compared.
        seed: the seed of the run.
        workload: the task that is learnt.
        role: `Role.SHARED` for work that every strategy needs and that is done once.
        study: what is run, as JSON values; kept in the header.
        study_hash, code_version, code_hash: what a later call must match to continue.
        meters: open meters; every meter of this host if not given. They are closed with the recorder.
        clock: what tells the time.
        synchronize: called before each edge is read, so that queued GPU work is inside its window.
        on_heartbeat: called with every heartbeat of a phase, with its joules so far.
        heartbeat_interval_s: seconds between heartbeats; None for no thread at all.
        resume: continue an existing ledger instead of refusing it.

    Raises:
        LedgerExists: if the file exists and `resume` is not asked for.
        LedgerMismatch: if it was begun with another strategy, seed, workload, role, study or code.
        LedgerCorrupt: if it exists and is damaged.
        LedgerBusy: if another process writes to it.
        OutputError: if it cannot be written.
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
        meters: Sequence[Meter] | None = None,
        clock: Clock | None = None,
        synchronize: Callable[[], None] | None = None,
        on_heartbeat: Callable[[float | None], None] | None = None,
        heartbeat_interval_s: float | None = HEARTBEAT_S,
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        if not resume and _holds_something(self.path):
            raise LedgerExists(
                "this ledger exists already",
                where=str(path),
                cure="choose another name, or go on with it by resume=True; none is overwritten",
            )
        self._clock: Clock = clock or SystemClock()
        self._synchronize, self._on_heartbeat = synchronize, on_heartbeat
        self._journal = Journal(self.path)
        self._meters: tuple[Meter, ...] = ()
        self._heartbeat: Heartbeat | None = None
        self._phase: PhaseWindow | None = None
        self._attempts: dict[str, int] = {}
        try:
            self._meters = tuple(meters) if meters is not None else open_meters(clock=self._clock)
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
            )
            self._start(header, heartbeat_interval_s)
        except BaseException:
            self.close()
            raise

    def _start(self, header: Header, heartbeat_interval_s: float | None) -> None:
        events: tuple[Event, ...] = self._journal.events
        if not events:
            self.append(header)
            events = (header,)
        self.run: Run = fold(events, self.path)
        self._same(self.run.header, header)
        if self._journal.bytes_cut:
            self.append(Repair(utc=self._clock.utc(), bytes_cut=self._journal.bytes_cut))
        self._write_off()
        self.append(
            Session(
                utc=self._clock.utc(),
                time_s=self._clock.monotonic_s(),
                boot_s=self._clock.boot_s(),
                host=host_facts(),
                versions=package_versions(),
                components=self.components,
                heartbeat_interval_s=heartbeat_interval_s,
                locked=self._journal.locked,
            ),
            durable=True,
        )
        if heartbeat_interval_s is not None:
            self._heartbeat = Heartbeat(self.beat, interval_s=heartbeat_interval_s)
            self._heartbeat.start()

    @property
    def components(self) -> tuple[Component, ...]:
        """What is metered."""
        return tuple(component for meter in self._meters for component in meter.components)

    @property
    def head(self) -> str:
        """The hash of the ledger's last line."""
        return self._journal.head

    @property
    def heartbeat_errors(self) -> int:
        """How many heartbeats failed; the run itself went on."""
        return self._heartbeat.errors if self._heartbeat else 0

    def readings(self) -> tuple[Reading, ...]:
        """Read every component once."""
        return tuple(reading for meter in self._meters for reading in meter.read())

    def now_s(self) -> float:
        """Read the monotonic clock of this recorder."""
        return self._clock.monotonic_s()

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Add an event to the ledger."""
        self._journal.append(event, durable=durable)

    def beat(self) -> None:
        """Write a heartbeat if a phase is running."""
        window = self._phase
        if window is None:
            return
        # Durable, so that the bound on what is lost holds for a power cut as well.
        pulse = Pulse(phase=window.phase, time_s=self._clock.monotonic_s(), readings=self.readings())
        self.append(pulse, durable=True)
        if self._on_heartbeat is not None:
            self._on_heartbeat(window.energy_j())

    def _same(self, was: Header, now: Header) -> None:
        for name in ("role", "strategy", "seed", "workload", "study_hash", "code_version", "code_hash"):
            before, after = getattr(was, name), getattr(now, name)
            if before != after:
                raise LedgerMismatch(
                    f"this ledger was begun with {name} {before!r}, not {after!r}",
                    where=str(self.path),
                    cure="choose another name",
                )

    def _write_off(self) -> None:
        waste = write_off(self.run, utc=self._clock.utc())
        if waste is not None:
            self.append(waste, durable=True)
            self.run = fold((*self._journal.events, waste), self.path)

    @contextmanager
    def phase(self, name: str, *, scope: Scope = Scope.ONCE, scenario: str | None = None) -> Iterator[PhaseWindow]:
        """Meter a stretch of work. If it raises, what it used is kept as waste and the error goes on.

        Args:
            name: what is done, in words.
            scope: whether it is paid once or again for every scenario.
            scenario: the deployment scenario it is done for.

        Raises:
            ValueError: if another phase is running, or scope and scenario do not fit together.
        """
        if self._phase is not None:
            raise ValueError(f"phase {self._phase.phase!r} is still running")
        if (scope is Scope.PER_SCENARIO) != (scenario is not None):
            raise ValueError(f"phase {name!r}: a scenario is named exactly when the scope is 'per scenario'")
        key = phase_key(name, scenario)
        self._sync()
        began_s, readings = self._clock.monotonic_s(), self.readings()
        window = PhaseWindow(self, key, began_s, readings)
        self._attempts[key] = self._attempts.get(key, self.run.attempts(key)) + 1
        begin = PhaseBegin(
            phase=key,
            name=name,
            scope=scope,
            scenario=scenario,
            attempt=self._attempts[key],
            utc=self._clock.utc(),
            time_s=began_s,
            readings=readings,
        )
        self.append(begin, durable=True)
        self._phase = window
        outcome = Outcome.FAILED
        try:
            yield window
            outcome = Outcome.DONE
        except KeyboardInterrupt:
            outcome = Outcome.INTERRUPTED
            raise
        finally:
            self._phase = None
            failure = self._sync_failure()
            if failure is not None:
                outcome = Outcome.FAILED
            ended_s, last = self._clock.monotonic_s(), self.readings()
            window.end = PhaseEnd(
                phase=key,
                outcome=outcome,
                utc=self._clock.utc(),
                time_s=ended_s,
                duration_s=ended_s - began_s,
                readings=last,
                energy_j=spent(readings, last, "energy_j"),
                device_s=spent(readings, last, "device_s"),
                steps=window.steps,
                macs=window.macs,
                artefact_hash=window.artefact_hash,
            )
            self.append(window.end, durable=True)
        if failure is not None:
            raise failure

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

    def _sync_failure(self) -> Exception | None:
        # A GPU that failed must not keep the end of the phase out of the ledger.
        try:
            self._sync()
        except Exception as error:
            return error
        return None

    def _sync(self) -> None:
        if self._synchronize is not None:
            self._synchronize()

    def close(self) -> None:
        """Stop the heartbeat, close the meters and the ledger. May be called twice."""
        if self._heartbeat is not None:
            self._heartbeat.close()
        for meter in self._meters:
            meter.close()
        self._journal.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:  # Not there, or not to be had: opening it will say which.
        return False
