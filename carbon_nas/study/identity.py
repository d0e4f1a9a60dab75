"""Whether an existing ledger may be continued: same study, same code, same machine."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import carbon_nas
from carbon_nas.errors import LedgerMismatch
from carbon_nas.files import sha256
from carbon_nas.ledger.run import Run
from carbon_nas.meters.base import Meter
from carbon_nas.meters.hosts import host_facts, package_versions

__all__ = ["check_code_and_study", "check_machine", "code_hash", "hash_of"]

# What only reads ledgers may change without making a recorded run another one.
_READING = {
    "__main__.py",
    "accounting",
    "cli.py",
    "compare.py",
    "comparison",
    "doctor.py",
    "importers",
    "importing.py",
    "live.py",
    "meter.py",
    "options.py",
    "planning.py",
    "profile.py",
    "references",
    "report.py",
    "reporting",
    "verify.py",
}


@cache
def code_hash() -> str:
    """Hash the sources of everything that takes part in a recording."""
    package = Path(carbon_nas.__file__).parent
    files = sorted(
        path.relative_to(package)
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in _READING
    )
    listing = "".join(f"{sha256((package / file).read_bytes())}  {file.as_posix()}\n" for file in files)
    return sha256(listing.encode())


def hash_of(study: Mapping[str, Any]) -> str:
    """Return the hash of what makes a recorded run this study."""
    return sha256(json.dumps(study, sort_keys=True).encode())


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    was, now = dict(_flat(old)), dict(_flat(new))
    keys = sorted(was.keys() | now.keys())
    return [f"{key} was {was.get(key)!r} and is {now.get(key)!r}" for key in keys if was.get(key) != now.get(key)]


def _refuse(run: Run, what: str, differences: list[str], cure: str) -> None:
    shown = "; ".join(differences[:3]) + (f"; and {len(differences) - 3} more" if len(differences) > 3 else "")
    raise LedgerMismatch(f"recorded {what}: {shown}", where=str(run.path), cure=cure)


def check_code_and_study(run: Run, study: Mapping[str, Any]) -> None:
    """Refuse a ledger of another study or of other code.

    Raises:
        LedgerMismatch: which names the difference.
    """
    cure = "choose another --out, or redraw what is recorded with --report-only"
    differences = _differences(run.header.study, study)
    if differences:
        _refuse(run, "by a different study", differences, cure)
    now = {"version": carbon_nas.__version__, "sources": code_hash()[:12]}
    was = {"version": run.header.code_version, "sources": run.header.code_hash[:12]}
    if was != now:
        _refuse(run, "by different code", _differences(was, now), cure)


_DECIDING = ("python", "torch", "numpy", "scikit-learn")


def check_machine(run: Run, meters: tuple[Meter, ...]) -> None:
    """Refuse to continue a ledger on another machine, with other libraries, or with meters that mean something else.

    Raises:
        LedgerMismatch: which names the difference.
    """
    if not run.sessions:
        return
    was, versions = run.sessions[-1], package_versions()
    old = {
        "machine": was.host,
        "versions": {name: was.versions.get(name) for name in _DECIDING},
        "meters": {part.name: _meaning(asdict(part)) for part in was.components},
    }
    parts = [component for meter in meters for component in meter.components]
    new = {
        "machine": host_facts(),
        "versions": {name: versions.get(name) for name in _DECIDING},
        "meters": {part.name: _meaning(asdict(part)) for part in parts},
    }
    differences = _differences(old, new)
    if differences:
        cure = "finish it as it was begun, or choose another --out"
        _refuse(run, "on a different machine, with different libraries or meters", differences, cure)


def _meaning(component: Mapping[str, Any]) -> dict[str, Any]:
    return {"tier": str(component["tier"]), "method": component["method"], "inputs": component["inputs"]}
