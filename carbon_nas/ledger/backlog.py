"""A ledger that outlives a disk that is full or gone: lines wait in memory, in order, and are written later."""

import contextlib
import tempfile
import threading
from collections import deque
from pathlib import Path

from carbon_nas.errors import LedgerError, OutputError
from carbon_nas.files import name_for_file
from carbon_nas.ledger.journal import Journal, chain, head_of
from carbon_nas.ledger.observations import Trace, WindowEnd
from carbon_nas.ledger.records import Event, Pulse, TrainerLog

__all__ = ["Backlog"]

# What only observes makes room for what is accounted.
_EXPENDABLE = (Pulse, Trace, TrainerLog, WindowEnd)

# Events that other threads hand over while one that was interrupted takes a breath.
_RECENT = 16


class Backlog:
    """Appends to a journal and never raises for the disk's sake. What it has taken is written once, also after Ctrl-C.

    Args:
        journal: where the lines go.
        room: how many events may wait; beyond it heartbeats, traces, epochs and windows are dropped, and counted.

    Attributes:
        trouble: why the disk refused last, in words; empty if it never did.
        dropped: how many events there was no room for, or the ledger was closed before.
    """

    def __init__(self, journal: Journal, *, room: int = 10_000) -> None:
        self._journal, self._room = journal, room
        self._waiting: deque[Event] = deque()
        self._recent: deque[Event] = deque(maxlen=_RECENT)
        self._tried: tuple[Event | None, str] = None, journal.head
        self._mutex = threading.RLock()
        self.trouble, self.dropped = "", 0

    @property
    def waiting(self) -> int:
        """How many events are not on the disk."""
        return len(self._waiting)

    def append(self, event: Event, *, durable: bool = False) -> bool:
        """Add one line now, or later if the disk refuses; tell whether the disk took all that was asked of it.

        Who was interrupted may hand the same event over again: it is written once.

        Raises:
            LedgerError: if the ledger is closed, or the event is no JSON.
            ValueError: if the event holds a NaN or an infinity.
        """
        if self._journal.inert:
            return True
        with self._mutex:
            if self._waiting:
                self._journal.encode(event)  # Who hands over what can never be written is told now.
            if any(taken is event for taken in (*self._waiting, *self._recent)):
                pass
            elif len(self._waiting) >= self._room and isinstance(event, _EXPENDABLE):
                self.dropped += 1
            else:
                self._waiting.append(event)
                self._recent.append(event)
            return self._drain(event, durable=durable)

    def retry(self) -> bool:
        """Write what waits and make it durable; tell whether nothing waits any more."""
        if self._journal.inert:
            return True
        with self._mutex:
            return self._drain(None, durable=True)

    def _drain(self, mine: Event | None, *, durable: bool) -> bool:
        try:
            self._strike_off()
            while self._waiting:
                self._write(self._waiting[0], mine)
            if durable:
                self._journal.flush()
        except OutputError as error:
            self.trouble = str(error)
            return False
        return True

    def _write(self, event: Event, mine: Event | None) -> None:
        self._tried = event, self._head()
        try:
            self._journal.append(event)
        except (LedgerError, ValueError):
            # It will never be written, and must not keep the others from it.
            self._waiting.popleft()
            if event is mine:
                raise
            self.dropped += 1
        except OutputError:
            self._strike_off()
            raise
        self._strike_off()

    def _strike_off(self) -> None:
        # Ctrl-C may come between a line and the note that it was written; then this is done later.
        event, before = self._tried
        if self._waiting and self._waiting[0] is event and self._head() != before:
            self._waiting.popleft()

    def _head(self) -> str:
        # After a line that was broken off, the journal does not know yet what stands in the file.
        if not self._journal.wrote_last:
            with contextlib.suppress(LedgerError):
                return head_of(self._journal.path)
        return self._journal.head

    def spill(self) -> Path | None:
        """Write what still waits to a file of its own in the temporary folder; None if that fails too, or none waits.

        Its lines go on with the chain: appended to the ledger they make it whole.
        """
        with self._mutex:
            self._strike_off()
            if not self._waiting:
                return None
            lines, head = [], self._head()
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
