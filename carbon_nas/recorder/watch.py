"""The sampler at work: one thread that reads, traces, beats, and tells what it sees."""

import threading
from collections.abc import Callable

from carbon_nas.ledger.records import Pulse
from carbon_nas.meters.clock import Clock
from carbon_nas.meters.metering import Edge, Metering
from carbon_nas.meters.occupancy import Occupancy
from carbon_nas.meters.sampler import Sampler
from carbon_nas.recorder.chronicle import Chronicle
from carbon_nas.recorder.monitor import Monitor

__all__ = ["Watch"]

# Temperature, throttling and the use by process are slow to ask for, and change slowly; with each answer the samples
# since the last are written. What a heartbeat says is in the ledger at once.
_BEATS_PER_TRACE = 10


class Watch:
    """Samples all meters while a run goes on.

    Args:
        metering: what is sampled.
        chronicle: where traces, heartbeats and incidents go.
        clock: what tells the time.
        running: returns the key of the innermost running phase; None if there is none.
        on_heartbeat: called after every heartbeat of a phase.
        heartbeat_interval_s: seconds between heartbeats; None for no thread at all.

    Attributes:
        sampling_interval_s: seconds between samples: a heartbeat's, or less if a component needs it; None for none.
    """

    def __init__(
        self,
        metering: Metering,
        chronicle: Chronicle,
        clock: Clock,
        *,
        running: Callable[[], str | None],
        on_heartbeat: Callable[[], None],
        heartbeat_interval_s: float | None,
    ) -> None:
        self._metering, self._chronicle = metering, chronicle
        self._running, self._on_heartbeat = running, on_heartbeat
        self._mutex = threading.Lock()
        rates_s = [part.sampling_s for part in metering.components if part.sampling_s is not None]
        self.sampling_interval_s = None if heartbeat_interval_s is None else min([heartbeat_interval_s, *rates_s])
        interval_s = 1.0 if self.sampling_interval_s is None else self.sampling_interval_s
        self._sampler = Sampler(self.sample, interval_s=interval_s)
        # Rounded down: a heartbeat may come early, never late. What division leaves of a whole number is none the less.
        self._samples, self._samples_per_beat = 0, max(1, int((heartbeat_interval_s or 0.0) / interval_s + 1e-6))
        self._monitor = Monitor(metering.components, clock, chronicle.incident)
        self._occupancy = Occupancy([part.name for part in metering.components if not part.own])

    @property
    def errors(self) -> int:
        """How many samples failed."""
        return self._sampler.errors

    def start(self) -> None:
        """Begin to sample, and say who else meters here."""
        self._contested(self._occupancy.others, "another recorder on this host was metering it already")
        if self.sampling_interval_s is not None:
            self._sampler.start()

    def look(self, edge: Edge) -> None:
        """Tell what has changed since the last reading."""
        if not self._chronicle.inert:  # A forked child may have inherited the monitor's mutex locked.
            self._chronicle.note(self._monitor.notice(edge))

    def sample(self) -> None:
        """Take one sample; when it is time, with a heartbeat."""
        if self._chronicle.inert:
            return  # A forked child may have inherited the mutex locked.
        with self._mutex:
            edge = self._metering.read()
            self.look(edge)
            self._monitor.sample(edge)
            self._samples += 1
            if self._samples % (_BEATS_PER_TRACE * self._samples_per_beat) == 0:
                self._trace()
            phase = self._beat(edge) if self._samples % self._samples_per_beat == 0 else None
        self._tell(phase)

    def beat(self) -> None:
        """Write a heartbeat now, if a phase is running."""
        if self._chronicle.inert:
            return
        with self._mutex:
            edge = self._metering.read()
            self.look(edge)
            phase = self._beat(edge)
        self._tell(phase)

    def _beat(self, edge: Edge) -> str | None:
        self._contested(self._occupancy.check(), "another recorder on this host has begun to meter it")
        self._chronicle.note(self._monitor.failed(self._metering.failures()))
        phase = self._running()
        if phase is not None:
            self._chronicle.append(Pulse(phase=phase, time_s=edge.time_s, readings=edge.readings))
        # One flush for all that was appended since the last: no more than that is lost in a power cut.
        self._chronicle.flush()
        return phase

    def _tell(self, phase: str | None) -> None:
        # Without the mutex: who is told may take long, or ask for a heartbeat.
        if phase is not None:
            self._on_heartbeat()

    def _contested(self, components: frozenset[str], detail: str) -> None:
        self._chronicle.note(self._monitor.contested(components, detail))

    def _trace(self) -> None:
        for trace in self._monitor.traces(self._metering.conditions()):
            self._chronicle.append(trace)

    def close(self) -> None:
        """Stop, and write what was sampled and not written yet."""
        self._sampler.close()
        if self._sampler.errors:
            detail = f"{self._sampler.errors} samples failed, the last with {self._sampler.last_error}"
            self._chronicle.append(self._chronicle.incident("sampler failed", detail))
        self._chronicle.note(self._monitor.failed(self._metering.failures()))
        self._trace()
        self._occupancy.close()
