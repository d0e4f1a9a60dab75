"""What the sampler does with every sample: traces, incidents, and the check that nothing went unnoticed."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import inf

from carbon_nas.ledger.observations import Incident, Trace
from carbon_nas.meters.base import WHOLE, Component, Condition, Gaps
from carbon_nas.meters.clock import Clock, ClockWatch
from carbon_nas.meters.metering import Edge

__all__ = ["Monitor"]

_MOST_INCIDENTS = 200


class Monitor:
    """Turns samples into traces, and changes between them into incidents. Its memory is bounded by a batch.

    Args:
        components: what is sampled.
        clock: whose clocks are compared with each other.
        incident: describes what happens, as `Chronicle.incident` does.
    """

    def __init__(self, components: Sequence[Component], clock: Clock, incident: Callable[..., Incident]) -> None:
        self._components = {part.name: part for part in components}
        self._incident, self._watch = incident, ClockWatch(clock)
        self._gaps: dict[str, Gaps] = {}
        self._samples: list[Edge] = []
        self._failures: dict[str, str] = {}
        self._told: dict[str, int] = {}
        # Phases that end are looked at as well as samples: incidents come from several threads.
        self._mutex, self._noticed_s = threading.Lock(), -inf

    def notice(self, edge: Edge) -> Sequence[Incident]:
        """Compare a reading with the one before: counters that stopped, came back or began anew; clocks that jumped."""
        with self._mutex:
            if edge.time_s < self._noticed_s:
                return ()  # Another thread has read later and was quicker to tell.
            self._noticed_s = edge.time_s
            return tuple(self._few(chain(self._of_gaps(edge), self._of_clocks())))

    def _of_gaps(self, edge: Edge) -> Iterator[Incident]:
        for reading in edge.readings:
            name, now = reading.component, reading.gaps or WHOLE
            was = self._gaps.get(name, WHOLE)
            self._gaps[name] = now
            if now is not was and now != was:
                yield from self._changes(name, was, now)

    def _of_clocks(self) -> Iterator[Incident]:
        disturbed = self._watch.check()
        if disturbed is not None and disturbed.suspended_s:
            yield self._incident(
                "suspended",
                "the machine slept; durations do not contain it, counters may",
                duration_s=disturbed.suspended_s,
            )
        if disturbed is not None and disturbed.wall_step_s:
            step_s = disturbed.wall_step_s
            yield self._incident(
                "clock step", f"the wall clock was set by {step_s:+.3f} s; durations do not depend on it"
            )

    def _few(self, incidents: Iterable[Incident]) -> Iterator[Incident]:
        # A device that flaps for days, or a clock that is set every second, must not fill the disk.
        for incident in incidents:
            about = incident.component or incident.what
            self._told[about] = self._told.get(about, 0) + 1
            if self._told[about] <= _MOST_INCIDENTS:
                yield incident
            if self._told[about] == _MOST_INCIDENTS:
                detail = f"further incidents of {about!r} are not written down"
                yield self._incident("silenced", detail, component=incident.component)

    def _changes(self, name: str, was: Gaps, now: Gaps) -> Iterator[Incident]:
        limit_w = self._components[name].power_max_w if name in self._components else None

        def most_j(duration_s: float) -> float | None:
            return None if limit_w is None else limit_w * duration_s

        if now.segments > was.segments:
            missing_s = now.unseen_s - was.unseen_s
            detail = "its counter began anew; between the last good reading and this one it was not seen"
            yield self._incident("reset", detail, component=name, duration_s=missing_s, missing_max_j=most_j(missing_s))
        if now.pending_s and not was.pending_s:
            yield self._incident("lost", "it does not answer; it is asked again", component=name)
        if was.pending_s and not now.pending_s:
            known = "nothing was lost" if now.segments == was.segments else "it began anew"
            yield self._incident("back", f"it answers again; {known}", component=name, duration_s=was.pending_s)

    def failed(self, failures: Mapping[str, str]) -> Sequence[Incident]:
        """Tell of meters that failed, once for each way in which they did."""
        with self._mutex:
            fresh = {parts: error for parts, error in failures.items() if self._failures.get(parts) != error}
            self._failures.update(fresh)
            return tuple(
                self._few(
                    self._incident("meter failed", f"{error}; it is asked again", component=components)
                    for components, error in fresh.items()
                )
            )

    def contested(self, components: Iterable[str], detail: str) -> Sequence[Incident]:
        """Tell of components that another recorder meters, too."""
        with self._mutex:
            return tuple(self._few(self._incident("contested", detail, component=name) for name in sorted(components)))

    def sample(self, edge: Edge) -> None:
        """Keep a sample for the next trace."""
        self._samples.append(edge)

    def traces(self, conditions: Sequence[Condition] = ()) -> Iterator[Trace]:
        """Return the samples kept so far, one line per component, and forget them."""
        samples, self._samples = self._samples, []
        if not samples:
            return
        told = {condition.component: condition for condition in conditions}
        for place, reading in enumerate(samples[0].readings):
            condition = told.get(reading.component)
            mine = [sample.readings[place] for sample in samples]
            powers_w = tuple(one.power_w for one in mine)
            yield Trace(
                component=reading.component,
                times_s=tuple(sample.time_s for sample in samples),
                energies_j=tuple(one.energy_j for one in mine),
                powers_w=powers_w if any(power_w is not None for power_w in powers_w) else (),
                temperature_c=None if condition is None else condition.temperature_c,
                throttled_by=() if condition is None else condition.throttled_by,
            )
