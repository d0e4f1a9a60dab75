"""Names beside names: a ledger for every run and every rank of a job, on whatever machine, and none overwritten."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from pathlib import Path

from carbon_nas.ledger.journal import GENESIS, head_of

__all__ = ["boot", "node", "previous_of", "rank_path", "sibling"]

# Who started several processes, and which of them this is: torchrun, Slurm, Open MPI, and what else speaks PMI.
_LAUNCHERS = (
    ("WORLD_SIZE", "RANK"),
    ("SLURM_NTASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
)
_SALT = b"carbon_nas, so that this hash is of no use elsewhere: "
_DIGITS = 16
# Where a machine has no network address, Python makes one up, with this bit set: another one in every process.
_MADE_UP = 1 << 40


def _members(path: Path) -> dict[int, Path]:
    numbered = re.compile(re.escape(path.stem) + r"\.([2-9]|[1-9]\d+)" + re.escape(path.suffix))
    found = {1: path} if _holds_something(path) else {}
    for other in path.parent.glob("*") if path.parent.is_dir() else ():
        match = numbered.fullmatch(other.name)
        if match is not None:
            found[int(match[1])] = other
    return found


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:  # Not there, or not to be had: opening it will say which.
        return False


def sibling(path: Path) -> Path:
    """Return the path to record to: `my-run.jsonl`, or `my-run.2.jsonl` if that holds something, then `.3`.

    A number that was given is never given again while a higher one is there. An empty file is no ledger: its process
    was killed before it wrote a line.
    """
    taken = _members(path)
    if not taken:
        return path
    return path.with_name(f"{path.stem}.{max(taken) + 1}{path.suffix}")


def previous_of(path: Path) -> tuple[Path, str] | None:
    """Return the latest ledger that is there under this name or a sibling's, and the hash of its last whole line.

    Returns:
        None if there is none with a whole line.

    Raises:
        LedgerError: if one cannot be read.
    """
    for _, member in sorted(_members(path).items(), reverse=True):
        head = head_of(member)
        if head != GENESIS:
            return member, head
    return None


def rank_path(path: Path, environment: Mapping[str, str]) -> tuple[Path, int | None]:
    """Return the path for this process of a job, and its rank: `my-run.rank3.jsonl`, 3.

    Args:
        path: the path for the whole job.
        environment: the variables that a launcher sets, such as `os.environ`.

    Returns:
        The path as it is, and None, if there is one process only.
    """
    for size_name, rank_name in _LAUNCHERS:
        size, rank = environment.get(size_name, ""), environment.get(rank_name, "")
        if size.isdecimal() and rank.isdecimal() and int(size) > 1:
            return path.with_name(f"{path.stem}.rank{int(rank)}{path.suffix}"), int(rank)
    return path, None


def node(machine_id: Path = Path("/etc/machine-id")) -> str:
    """Return a hash that all processes of this machine share, and that tells nothing about it; empty if not known.

    Args:
        machine_id: the file in which Linux keeps the machine's own number.
    """
    number = _text(machine_id)
    if not number:
        address = uuid.getnode()
        number = "" if address & _MADE_UP else f"{address:012x}"
    return _hashed("node", number)


def boot(boot_id: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """Return a hash of this machine's boot; empty where the system does not number them.

    Args:
        boot_id: the file in which Linux keeps the number.
    """
    return _hashed("boot", _text(boot_id))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _hashed(what: str, number: str) -> str:
    if not number:
        return ""
    return hashlib.sha256(_SALT + f"{what} {number}".encode()).hexdigest()[:_DIGITS]
