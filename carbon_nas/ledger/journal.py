"""The ledger as a file: append-only JSON lines, each chained to the one before.

A line is `{..., "prev": "<hash of the line before>", "hash": "<hash>"}` and a newline. The hash is SHA-256 over the raw
bytes before `,"hash":`, so it covers `prev` and can be checked without reading JSON. The first line's `prev` is 64
zeros. Only a last line without a newline is torn (the process died while writing); it is cut off when the ledger is
opened for writing. A whole line that does not fit is damage, and is refused.
"""

import math
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from carbon_nas.errors import LedgerBusy, LedgerCorrupt, LedgerError, OutputError
from carbon_nas.files import lock, sha256, sync_folder
from carbon_nas.ledger.records import Event, event_adapter, to_line

__all__ = ["GENESIS", "Journal", "chain", "head_of", "read_events"]

GENESIS = "0" * 64
_MARK = b',"hash":"'
_TAIL = len(_MARK) + 64 + len(b'"}')


def chain(event: Event, prev: str) -> tuple[bytes, str]:
    """Return the line of an event, newline included, and the line's hash."""
    body = to_line(event)[:-1] + b',"prev":"' + prev.encode() + b'"'
    digest = sha256(body)
    return body + _MARK + digest.encode() + b'"}\n', digest


def _link(line: bytes, prev: str, where: str) -> str:
    body, tail = line[:-_TAIL], line[-_TAIL:]
    cure = "restore this file from a copy; nothing was changed"
    if not (tail.startswith(_MARK) and tail.endswith(b'"}')):
        turned = " (its line ending was changed to CRLF)" if line.endswith(b"\r") else ""
        raise LedgerCorrupt(f"this line is damaged: it does not end in its hash{turned}", where=where, cure=cure)
    digest = tail[len(_MARK) : -2].decode(errors="replace")
    if sha256(body) != digest:
        raise LedgerCorrupt("this line is damaged: its hash does not fit its bytes", where=where, cure=cure)
    if not body.endswith(b',"prev":"' + prev.encode() + b'"'):
        raise LedgerCorrupt("the chain is broken: a line before this one is missing or changed", where=where, cure=cure)
    return digest


def _parse(line: bytes, where: str) -> Event:
    try:
        return event_adapter.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        raise LedgerCorrupt(
            f"this line is whole but not understood ({first['msg']})",
            where=where,
            cure="it may come from a newer carbon_nas; upgrade and try again",
        ) from error


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(file, start=1)
    except OSError as error:
        raise LedgerError(f"cannot be read ({error.strerror or error})", where=str(path)) from error


def read_events(path: Path) -> Iterator[Event]:
    """Stream the events of a ledger and check its chain on the way. A torn last line is left out, never mended.

    Raises:
        LedgerCorrupt: at the first whole line that is damaged, with its number.
    """
    prev = GENESIS
    for number, raw in _lines(path):
        if not raw.endswith(b"\n"):
            return
        where = f"{path}, line {number}"
        prev = _link(raw[:-1], prev, where)
        yield _parse(raw[:-1], where)


def head_of(path: Path) -> str:
    """Return the hash of a ledger's last whole line; check the chain with `read_events`."""
    head = GENESIS
    for _, raw in _lines(path):
        if raw.endswith(b"\n"):
            head = raw[-1 - 2 - 64 : -1 - 2].decode(errors="replace")
    return head


class Journal:
    """A ledger that is being written. Safe to append to from several threads.

    Attributes:
        head: the hash of the last line.
        events: what stood in the ledger when it was opened.
        bytes_cut: the length of the torn last line that was cut off on opening; 0 if it was whole.
        locked: True if no other process can write to it, None if this system cannot promise that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = GENESIS
        self.events: tuple[Event, ...] = ()
        self.bytes_cut = 0
        self._mutex, self._pid = threading.Lock(), os.getpid()
        self._pending: tuple[int, int, str] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise OutputError(f"cannot be written ({error.strerror or error})", where=str(path)) from error
        _JOURNALS.add(self)
        self.locked = lock(self._file)
        if self.locked is False:
            self._file.close()
            raise LedgerBusy(
                "another process is writing to this ledger",
                where=str(path),
                cure="wait for it, or choose another --out",
            )
        try:
            self._continue()
        except BaseException:
            self._file.close()
            raise

    def _continue(self) -> None:
        whole, events = 0, []
        for number, raw in _lines(self.path):
            if not raw.endswith(b"\n"):
                self.bytes_cut = len(raw)
                break
            where = f"{self.path}, line {number}"
            self.head = _link(raw[:-1], self.head, where)
            events.append(_parse(raw[:-1], where))
            whole += len(raw)
        self.events = tuple(events)
        if self.bytes_cut:
            self._file.truncate(whole)
        os.fsync(self._file.fileno())
        sync_folder(self.path.parent)

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Add one line; with `durable`, do not return before it is on the disk.

        Not flushed lines survive the death of the process (they are in the system's hands), not of the machine.
        In a forked child nothing is written: the ledger belongs to the process that opened it.

        Raises:
            OutputError: if the disk refuses.
            LedgerError: if the ledger is closed, or the event is no JSON.
            ValueError: if the event holds a NaN or an infinity.
        """
        if os.getpid() != self._pid:
            return
        _refuse_nan(event)
        with self._mutex:
            if self._file.closed:
                raise LedgerError("this ledger is closed", where=str(self.path), cure="record inside the with block")
            self._settle()
            line, digest = self._line(event)
            # Noted before it is written: if Ctrl-C or a full disk breaks in, the next call knows what to look for.
            self._pending = (self._file.seek(0, os.SEEK_END), len(line), digest)
            try:
                self._write(line)
                self._settle()
                if durable:
                    os.fsync(self._file.fileno())
            except OSError as error:
                raise OutputError(f"cannot be written ({error.strerror or error})", where=str(self.path)) from error

    def _settle(self) -> None:
        # A line counts if all of it is there. Half a line is taken back, so that nothing is ever chained to it.
        if self._pending is not None:
            start, length, digest = self._pending
            if self._file.seek(0, os.SEEK_END) == start + length:
                self.head = digest
            else:
                self._file.truncate(start)
            self._pending = None

    def _write(self, line: bytes) -> None:
        left = line
        while left:
            left = left[self._file.write(left) :]

    def _line(self, event: Event) -> tuple[bytes, str]:
        try:
            return chain(event, self.head)
        except ValueError as error:
            raise LedgerError(
                f"this event holds something that is no JSON value ({error})",
                where=str(self.path),
                cure="hand over plain numbers, texts, lists and mappings",
            ) from error

    def close(self) -> None:
        """Flush and let go. May be called twice."""
        if os.getpid() != self._pid:
            return  # A forked child may have inherited the mutex locked.
        with self._mutex:
            if not self._file.closed:
                self._settle()
                os.fsync(self._file.fileno())
                self._file.close()

    def let_go(self) -> None:
        """In a forked child: close the copied handle, or a worker that outlives its parent would hold the lock."""
        self._file.close()


def _refuse_nan(value: object) -> None:
    # pydantic writes NaN as null, and null means "not known": a wrong number must not turn into an honest gap.
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a ledger holds no {value}: write None for what is not known")
    elif isinstance(value, dict):
        for part in value.values():
            _refuse_nan(part)
    elif isinstance(value, tuple | list):
        for part in value:
            _refuse_nan(part)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            _refuse_nan(getattr(value, name))


_JOURNALS: "weakref.WeakSet[Journal]" = weakref.WeakSet()


def _let_go_of_all() -> None:
    for journal in list(_JOURNALS):
        journal.let_go()


# Forking exists on POSIX only.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_of_all)
