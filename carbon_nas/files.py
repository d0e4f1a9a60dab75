"""Writing that survives a crash, and the few calls that not every operating system has."""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from carbon_nas.errors import OutputError

fcntl: ModuleType | None
try:  # Absent on Windows: then two writers are not told apart, and the caller says so.
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None

_LONGEST = 100
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)

__all__ = [
    "MANIFEST",
    "lock",
    "manifest_of",
    "manifest_text",
    "name_for_file",
    "output_folder",
    "sha256",
    "sync_folder",
    "write_whole",
]

MANIFEST = "manifest.sha256"
"""Lists the hash of every file of a report, as `sha256sum -c` reads it."""

_PASSING = "checkpoints"


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def manifest_of(folder: Path) -> Mapping[str, str]:
    """Hash every file of a folder but its manifest and its checkpoints, by POSIX paths within it, sorted.

    Raises:
        OutputError: if one cannot be read.
    """
    found = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in {MANIFEST, _PASSING}
    }
    hashes = {}
    for name in sorted(found):
        try:
            with found[name].open("rb") as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise OutputError(f"cannot be read ({error.strerror or error})", where=str(found[name])) from error
    return hashes


def manifest_text(hashes: Mapping[str, str]) -> str:
    """Write hashes by file name as `sha256sum -c` reads them."""
    return "".join(f"{digest}  {name}\n" for name, digest in hashes.items())


def name_for_file(name: str) -> str:
    """Turn a phase or scenario name into a file name that every file system takes."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "unnamed"
    if len(plain) > _LONGEST:
        plain = f"{plain[:_LONGEST]}-{sha256(name.encode())[:8]}"
    # Windows keeps these names for devices, with any ending.
    return f"_{plain}" if _DEVICE.match(plain) else plain


def output_folder(path: Path) -> Path:
    """Make a folder and prove that it can be written to.

    Raises:
        OutputError: if it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(
            f"this folder cannot be written to ({error.strerror or error})",
            where=str(path),
            cure="choose another --out",
        ) from error
    return path


def sync_folder(folder: Path) -> None:
    """Make a new directory entry durable, where the system can (Windows cannot open folders)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees either all of it or the old one, even after a crash.

    Raises:
        OutputError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            beside = Path(file.name)
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                file.close()  # Windows does not move a file that is open.
                # Temporary files are private; what a report holds is meant to be read.
                beside.chmod(0o644)
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror or error})", where=str(path)) from error
    sync_folder(path.parent)


def lock(file: BinaryIO) -> bool | None:
    """Claim an open file for this process.

    Returns:
        True if it is ours now, False if another process holds it, None if this system has no such lock.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # A file system without locks, such as some network mounts.
        return None
    return True
