"""The ledger as a file: append-only JSON lines, each chained to the one before.

A line is `{..., "prev": "<hash of the line before>", "hash": "<hash>"}` and a newline. The hash is SHA-256 over the raw
bytes before `,"hash":`, so it covers `prev` and can be checked without reading JSON. The first line's `prev` is 64
zeros. Only a last line without a newline is torn (the process died while writing); it is cut off when the ledger is
opened for writing. A whole line that does not fit is damage, and is refused.
"""

import contextlib
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from carbon_nas.errors import LedgerBusy, LedgerCorrupt, LedgerError, OutputError
from carbon_nas.files import lock, sha256, sync_folder
from carbon_nas.ledger.records import Event, event_adapter, to_line

__all__ = ["GENESIS", "Journal", "chain", "read_events"]

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
        raise LedgerCorrupt("this line is damaged: it does not end in its hash", where=where, cure=cure)
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


class Journal:
    """A ledger that is being written. Made by `Journal.open`; safe to append to from several threads.

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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise OutputError(f"cannot be written ({error.strerror or error})", where=str(path)) from error
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
            ValueError: if the event holds a NaN or an infinity.
        """
        if os.getpid() != self._pid:
            return
        _refuse_nan(event)
        with self._mutex:
            if self._file.closed:
                return
            line, digest = chain(event, self.head)
            try:
                self._write(line)
                if durable:
                    os.fsync(self._file.fileno())
            except OSError as error:
                raise OutputError(f"cannot be written ({error.strerror or error})", where=str(self.path)) from error
            self.head = digest

    def _write(self, line: bytes) -> None:
        whole, left = self._file.seek(0, os.SEEK_END), line
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            # A full disk may have taken half a line; the next one must not be glued to it.
            with contextlib.suppress(OSError):
                self._file.truncate(whole)
            raise

    def close(self) -> None:
        """Flush and let go. May be called twice."""
        with self._mutex:
            if not self._file.closed:
                if os.getpid() == self._pid:
                    os.fsync(self._file.fileno())
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
