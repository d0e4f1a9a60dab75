"""Ledgers written by hand, line by line, so that a test can write what no recorder would."""

from collections.abc import Iterable
from pathlib import Path

from carbon_nas.ledger.journal import GENESIS, chain
from carbon_nas.ledger.records import Event

__all__ = ["hashes", "write"]


def write(path: Path, events: Iterable[Event]) -> Path:
    """Write a chained ledger and return its path."""
    lines, prev = [], GENESIS
    for event in events:
        line, prev = chain(event, prev)
        lines.append(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def hashes(path: Path) -> list[str]:
    """Return the hash of every line."""
    return [line[-66:-2].decode() for line in path.read_bytes().splitlines()]
