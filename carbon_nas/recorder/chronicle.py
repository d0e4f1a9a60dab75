"""The ledger as a program that must not stop writes it: patient with disks, and telling of what went wrong."""

import warnings
from collections.abc import Iterable
from pathlib import Path

from carbon_nas.ledger.backlog import Backlog
from carbon_nas.ledger.journal import Journal
from carbon_nas.ledger.observations import Incident
from carbon_nas.ledger.records import Event
from carbon_nas.meters.clock import Clock, utc

__all__ = ["Chronicle"]


class Chronicle:
    """Writes events, and incidents about what was in the way of writing them.

    Args:
        journal: the ledger; closed with this.
        clock: what tells when and how long.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal, self._lines, self._clock = journal, Backlog(journal), clock
        self._refused_since_s: float | None = None
        self._dropped = 0

    @property
    def path(self) -> Path:
        """Where it is written."""
        return self._journal.path

    @property
    def head(self) -> str:
        """The hash of the last line."""
        return self._journal.head

    @property
    def inert(self) -> bool:
        """Whether this is a forked child, in which nothing is written."""
        return self._journal.inert

    @property
    def waiting(self) -> int:
        """How many lines the disk has not taken yet."""
        return self._lines.waiting

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Write one event, or keep it until the disk takes it."""
        fine = self._lines.append(event, durable=durable)
        if durable:
            self._weigh(fine)

    def note(self, incidents: Iterable[Incident]) -> None:
        """Write what went wrong."""
        for incident in incidents:
            self.append(incident)

    def incident(
        self,
        what: str,
        detail: str,
        *,
        component: str | None = None,
        duration_s: float | None = None,
        missing_max_j: float | None = None,
    ) -> Incident:
        """Describe something that happened now."""
        return Incident(
            utc=utc(self._clock),
            time_s=self._clock.monotonic_s(),
            what=what,
            detail=detail,
            component=component,
            duration_s=duration_s,
            missing_max_j=missing_max_j,
        )

    def flush(self) -> None:
        """Make everything durable that was appended so far, once for all of it."""
        self._weigh(self._lines.retry())

    def _weigh(self, fine: bool) -> None:
        now_s = self._clock.monotonic_s()
        if not fine and self._refused_since_s is None:
            self._refused_since_s = now_s
            _warn(f"{self._lines.trouble}; lines wait in memory and are tried again")
        elif fine and self._refused_since_s is not None:
            duration_s, self._refused_since_s = now_s - self._refused_since_s, None
            lost, self._dropped = self._lines.dropped - self._dropped, self._lines.dropped
            dropped = f"; {lost} lines that only observe were dropped" if lost else ""
            detail = f"{self._lines.trouble}; lines waited in memory{dropped}"
            self.append(self.incident("disk", detail, duration_s=duration_s))

    def close(self) -> None:
        """Write what waits, or say where it is; then let go of the ledger."""
        self.flush()
        if self._lines.waiting:
            count, beside = self._lines.waiting, self._lines.spill()
            rest = f"they are in {beside}: append that file to the ledger" if beside else "they are lost"
            _warn(f"{count} lines could not be written ({self._lines.trouble}); {rest}")
        try:
            self._journal.close()
        except OSError as error:
            _warn(f"{self.path}: the last lines may not survive a power cut ({error})")


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=4)
