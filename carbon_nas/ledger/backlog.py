"""A ledger that outlives a disk that is full or gone: lines wait in memory, in order, and are written later."""

import tempfile
import threading
from collections import deque
from pathlib import Path

from carbon_nas.errors import OutputError
from carbon_nas.files import name_for_file
from carbon_nas.ledger.journal import Journal, chain
from carbon_nas.ledger.observations import Trace, WindowEnd
from carbon_nas.ledger.records import Event, Pulse, TrainerLog

__all__ = ["Backlog"]

# What only observes makes room for what is accounted.
_EXPENDABLE = (Pulse, Trace, TrainerLog, WindowEnd)


class Backlog:
    """Appends to a journal and never raises for the disk's sake.

    Args:
        journal: where the lines go.
        room: how many events may wait; beyond it heartbeats, traces, epochs and windows are dropped, and counted.

    Attributes:
        trouble: why the disk refused last, in words; empty while it takes everything.
        dropped: how many events there was no room for.
    """

    def __init__(self, journal: Journal, *, room: int = 10_000) -> None:
        self._journal, self._room = journal, room
        self._waiting: deque[Event] = deque()
        self._mutex = threading.RLock()
        self.trouble, self.dropped = "", 0

    @property
    def waiting(self) -> int:
        """How many events are not on the disk."""
        return len(self._waiting)

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Add one line now, or later if the disk refuses.

        Raises:
            LedgerError: if the ledger is closed, or the event is no JSON.
            ValueError: if the event holds a NaN or an infinity.
        """
        if self._journal.inert:
            return
        with self._mutex:
            if self._waiting:
                self._journal.encode(event)  # What is no JSON is its writer's error now, and not the disk's later.
                self._keep(event)
                self.retry()
                return
            try:
                self._journal.append(event, durable=durable)
            except OutputError as error:
                self.trouble = str(error)
                if self._journal.wrote_last:  # It is in the file, if not yet safe from a power cut.
                    return
                self._keep(event)

    def _keep(self, event: Event) -> None:
        if len(self._waiting) >= self._room and isinstance(event, _EXPENDABLE):
            self.dropped += 1
            return
        self._waiting.append(event)

    def retry(self) -> bool:
        """Write what waits and make it durable; tell whether nothing waits any more."""
        if self._journal.inert:
            return True
        with self._mutex:
            try:
                while self._waiting:
                    self._journal.append(self._waiting[0])
                    self._waiting.popleft()
                self._journal.flush()
            except OutputError as error:
                self.trouble = str(error)
                return False
            return True

    def spill(self) -> Path | None:
        """Write what still waits to a file of its own in the temporary folder; None if that fails too, or none waits.

        Its lines go on with the chain: appended to the ledger they make it whole.
        """
        with self._mutex:
            if not self._waiting:
                return None
            lines, head = [], self._journal.head
            for event in self._waiting:
                line, head = chain(event, head)
                lines.append(line)
            try:
                with tempfile.NamedTemporaryFile(
                    prefix=f"{name_for_file(self._journal.path.stem)}.", suffix=".rest", delete=False
                ) as file:
                    file.write(b"".join(lines))
            except OSError:
                return None
            self._waiting.clear()
            return Path(file.name)
