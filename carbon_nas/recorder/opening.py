"""Opening a ledger: the one that is continued, a new one, or a sibling of what is there."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from carbon_nas.errors import LedgerBusy, LedgerMismatch
from carbon_nas.ledger.family import boot, node, previous_of, rank_path, sibling
from carbon_nas.ledger.folding import Fold
from carbon_nas.ledger.journal import Journal
from carbon_nas.ledger.records import Header, Repair, Session
from carbon_nas.ledger.run import Run
from carbon_nas.ledger.waste import write_off
from carbon_nas.meters.base import Component
from carbon_nas.meters.clock import Clock, utc
from carbon_nas.meters.hosts import host_facts, not_covered, package_versions

__all__ = ["Opened", "describe_session", "git_commit", "go_on", "open_ledger"]

_TRIES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A ledger that is open for writing.

    Attributes:
        folded: what stood in it already.
        rank: which of several processes of one job this is; None if it is the only one.
        previous: the name of the ledger that was there first; None for the first of its name.
        previous_head: the hash of that ledger's last line.
    """

    journal: Journal
    folded: Fold
    rank: int | None
    previous: str | None
    previous_head: str | None


def open_ledger(path: Path, *, resume: bool, environment: Mapping[str, str] = os.environ) -> Opened:
    """Open a ledger for writing. What is there is continued with `resume`, and otherwise never touched.

    Raises:
        LedgerCorrupt: if it is resumed and damaged.
        LedgerBusy: if another process writes to it.
        OutputError: if it cannot be written.
    """
    path, rank = rank_path(path, environment)
    if resume:
        return _opened(path, rank, None)
    before = previous_of(path)
    for own in _free_names(path):
        try:
            opened = _opened(own, rank, before)
        except LedgerBusy:
            continue  # Somebody else was quicker with this name.
        if not opened.folded.begun:
            return opened
        opened.journal.close()
    raise LedgerBusy("other processes take every name for a new ledger", where=str(path), cure="choose another name")


def _opened(path: Path, rank: int | None, before: tuple[Path, str] | None) -> Opened:
    folded = Fold(path)
    return Opened(
        journal=Journal(path, folded.take),
        folded=folded,
        rank=rank,
        previous=None if before is None else before[0].name,
        previous_head=None if before is None else before[1],
    )


def _free_names(path: Path) -> Iterator[Path]:
    first = sibling(path)
    yield first
    number = 1 if first == path else int(first.stem.rpartition(".")[2])
    for later in range(number + 1, number + _TRIES):
        yield path.with_name(f"{path.stem}.{later}{path.suffix}")


def go_on(opened: Opened, header: Header, clock: Clock) -> Run:
    """Write the header of a new ledger, or see that an old one is of the same run and write off what it left open.

    Raises:
        LedgerMismatch: which names the first difference.
    """
    journal, folded = opened.journal, opened.folded
    if not folded.begun:
        journal.append(header)
        folded.take(header)
    run = folded.run()
    _same(run.header, header, journal.path)
    if journal.bytes_cut:
        journal.append(Repair(utc=utc(clock), bytes_cut=journal.bytes_cut))
    for waste in write_off(run, utc=utc(clock)):
        journal.append(waste, durable=True)
        folded.take(waste)
    return folded.run()


def _same(was: Header, now: Header, path: Path) -> None:
    for name in ("role", "strategy", "seed", "workload", "study_hash", "code_version", "code_hash"):
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            raise LedgerMismatch(
                f"this ledger was begun with {name} {before!r}, not {after!r}",
                where=str(path),
                cure="choose another name",
            )


def describe_session(
    components: tuple[Component, ...],
    clock: Clock,
    *,
    heartbeat_interval_s: float | None,
    sampling_interval_s: float | None,
    locked: bool | None,
) -> Session:
    """Describe this process, its host and what it meters."""
    return Session(
        utc=utc(clock),
        time_s=clock.monotonic_s(),
        boot_s=clock.boot_s(),
        host=host_facts(),
        versions=package_versions(),
        components=components,
        heartbeat_interval_s=heartbeat_interval_s,
        locked=locked,
        node=node(),
        boot=boot(),
        pid=os.getpid(),
        sampling_interval_s=sampling_interval_s,
        not_covered=not_covered(components),
    )


def git_commit() -> str | None:
    """Return the commit of the program in the working folder, with a `+` if it has changes; None if git has none."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):  # No git, no repository, or one that is not ours.
        return None


def _git(*arguments: str) -> str:
    # Asking must not refresh the index of somebody's repository.
    command = ["git", "--no-optional-locks", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
    return done.stdout.strip()
