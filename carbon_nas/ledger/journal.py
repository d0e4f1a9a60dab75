"""The ledger as a file: append-only JSON lines, each chained to the one before.

A line is `{..., "prev": "<hash of the line before>", "hash": "<hash>"}` and a newline. The hash is SHA-256 over the raw
bytes before `,"hash":`, so it covers `prev` and can be checked without reading JSON. The first line's `prev` is 64
zeros. Only a last line without a newline is torn (the process died while writing); it is cut off when the ledger is
opened for writing. A whole line that does not fit is damage, and is refused.
"""

import hashlib
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from carbon_nas.errors import LedgerBusy, LedgerCorrupt, LedgerError, OutputError
from carbon_nas.files import lock, sha256, sync_folder
from carbon_nas.ledger.records import Event, event_adapter, to_line

__all__ = ["EventReader", "GENESIS", "Journal", "chain", "head_of", "read_events"]

GENESIS = "0" * 64
_MARK = b',"hash":"'
_TAIL = len(_MARK) + 64 + len(b'"}')
_BLOCK = 1 << 16
_ENDING = b',"prev":"%b"' + _MARK + b'%b"}\n'


def chain(event: Event, prev: str) -> tuple[bytes, str]:
    """Return the line of an event, newline included, and the line's hash."""
    return _seal(to_line(event), prev)


def _seal(record: bytes, prev: str) -> tuple[bytes, str]:
    body = record[:-1] + b',"prev":"' + prev.encode() + b'"'
    digest = sha256(body)
    return body + _MARK + digest.encode() + b'"}\n', digest


def _what_is_wrong(line: bytes, digest: str) -> str:
    tail = line[-_TAIL:]
    if not (tail.startswith(_MARK) and tail.endswith(b'"}')):
        turned = " (its line ending was changed to CRLF)" if line.endswith(b"\r") else ""
        return f"this line is damaged: it does not end in its hash{turned}"
    if tail[len(_MARK) : -2] != digest.encode():
        return "this line is damaged: its hash does not fit its bytes"
    return "the chain is broken: a line before this one is missing or changed"


def _damage(what: str, path: Path, number: int) -> LedgerCorrupt:
    cure = "restore this file from a copy; nothing was changed"
    return LedgerCorrupt(what, where=f"{path}, line {number}", cure=cure)


def _strange(error: ValidationError, path: Path, number: int) -> LedgerCorrupt:
    return LedgerCorrupt(
        f"this line is whole but not understood ({error.errors()[0]['msg']})",
        where=f"{path}, line {number}",
        cure="it may come from a newer carbon_nas; upgrade and try again",
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(file, start=1)
    except OSError as error:
        raise LedgerError(f"cannot be read ({error.strerror or error})", where=str(path)) from error


class EventReader:
    """Streams the events of a ledger and checks its chain on the way. A torn last line is left out, never mended.

    Attributes:
        head: the hash of the line that was read last.
        lines: how many whole lines were read so far.
        torn_bytes: once all is read, the length of a last line without its newline; 0 if there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head, self.lines, self.torn_bytes = GENESIS, 0, 0

    def __iter__(self) -> Iterator[Event]:
        """Read from the beginning.

        Raises:
            LedgerCorrupt: at the first whole line that is damaged, with its number.
            LedgerError: if the file cannot be read.
        """
        self.head, self.lines, self.torn_bytes = GENESIS, 0, 0
        typed = event_adapter.validator.validate_json
        for number, raw in _lines(self.path):
            # One comparison covers the chain, the hash, and the end of the line; what failed is looked for afterwards.
            digest = hashlib.sha256(raw[: -_TAIL - 1]).hexdigest()
            if not raw.endswith(_ENDING % (self.head.encode(), digest.encode())):
                if not raw.endswith(b"\n"):
                    self.torn_bytes = len(raw)
                    return
                raise _damage(_what_is_wrong(raw[:-1], digest), self.path, number)
            try:
                event: Event = typed(raw)
            except ValidationError as error:
                raise _strange(error, self.path, number) from error
            self.head, self.lines = digest, number
            yield event


def read_events(path: Path) -> Iterator[Event]:
    """Stream the events of a ledger, as `EventReader` does."""
    return iter(EventReader(path))


def head_of(path: Path) -> str:
    """Return the hash of a ledger's last whole line; whoever reads the events too gets it from `EventReader`."""
    try:
        with path.open("rb") as file:
            begin, tail, place = file.seek(0, os.SEEK_END), b"", -1
            while begin and place < _TAIL:
                begin, end = max(0, begin - _BLOCK), begin
                file.seek(begin)
                tail = file.read(end - begin) + tail
                place = tail.rfind(b"\n")
    except OSError as error:
        raise LedgerError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    return GENESIS if place < _TAIL else tail[place - 2 - 64 : place - 2].decode(errors="replace")


class Journal:
    """A ledger that is being written. Safe to append to from several threads.

    Args:
        path: the file; its folder is made.
        replay: is handed every event that stands in the ledger already, one after the other.

    Attributes:
        head: the hash of the last line.
        bytes_cut: the length of the torn last line that was cut off on opening; 0 if it was whole.
        locked: True if no other process can write to it, None if this system cannot promise that.
    """

    def __init__(self, path: Path, replay: Callable[[Event], None] | None = None) -> None:
        self.path = path
        self.head = GENESIS
        self.bytes_cut = 0
        self._mutex, self._pid = threading.Lock(), os.getpid()
        self._pending: tuple[int, int, str] | None = None
        self._fresh = False
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
            self._continue(replay)
        except BaseException:
            self._file.close()
            raise

    def _continue(self, replay: Callable[[Event], None] | None) -> None:
        reader = EventReader(self.path)
        for event in reader:
            if replay is not None:
                replay(event)
        self.head, self.bytes_cut = reader.head, reader.torn_bytes
        if self.bytes_cut:
            self._file.truncate(self._file.seek(0, os.SEEK_END) - self.bytes_cut)
        os.fsync(self._file.fileno())
        sync_folder(self.path.parent)

    @property
    def inert(self) -> bool:
        """Whether this is a forked child, in which nothing is written."""
        return os.getpid() != self._pid

    @property
    def wrote_last(self) -> bool:
        """Whether the last event that was appended stands in the file, even if making it durable failed."""
        return self._pending is None

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Add one line; with `durable`, do not return before it is on the disk.

        Not flushed lines survive the death of the process (they are in the system's hands), not of the machine.
        In a forked child nothing is written: the ledger belongs to the process that opened it.

        Raises:
            OutputError: if the disk refuses.
            LedgerError: if the ledger is closed, or the event is no JSON.
            ValueError: if the event holds a NaN or an infinity.
        """
        if self.inert:
            return
        record = self.encode(event)
        with self._mutex:
            if self._file.closed:
                raise LedgerError("this ledger is closed", where=str(self.path), cure="record inside the with block")
            try:
                self._settle()
                line, digest = _seal(record, self.head)
                # Noted before it is written: if Ctrl-C or a full disk breaks in, the next call knows what to look for.
                self._pending = (self._file.seek(0, os.SEEK_END), len(line), digest)
                self._write(line)
                # All of it is there. In this order: between the two, the next call finds it settled.
                self.head = digest
                self._pending = None
                self._fresh = True
                if durable:
                    self._sync()
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

    def encode(self, event: Event) -> bytes:
        """Return an event as the JSON that its line begins with.

        Raises:
            LedgerError: if it is no JSON.
            ValueError: if it holds a NaN or an infinity.
        """
        try:
            record = to_line(event)
        except ValueError as error:
            raise LedgerError(
                f"this event holds something that is no JSON value ({error})",
                where=str(self.path),
                cure="hand over plain numbers, texts, lists and mappings",
            ) from error
        if b"NaN" in record or b"Infinity" in record:  # As a number, or only as a word in a text.
            _refuse_nan(event)
        return record

    def flush(self) -> None:
        """Make every line durable that was appended so far; nothing if there is none.

        Raises:
            OutputError: if the disk refuses.
        """
        if self.inert or not self._fresh:
            return
        with self._mutex:
            if not self._file.closed:
                self._sync()

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"cannot be written ({error.strerror or error})", where=str(self.path)) from error
        self._fresh = False

    def close(self) -> None:
        """Flush and let go. May be called twice."""
        if self.inert:
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
