"""Latency tables on disk: one JSON file per target."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from carbon_nas.devices.latency_table import DERIVED, LatencyTable
from carbon_nas.errors import UsageError
from carbon_nas.files import name_for_file, write_whole

__all__ = ["find_table", "kept_digests", "read_table", "write_table"]


def read_table(path: Path) -> LatencyTable:
    """Read a table that `write_table` wrote.

    Raises:
        UsageError: if there is none, or it is damaged.
    """
    try:
        table = TypeAdapter(LatencyTable).validate_python(_fields(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"this table cannot be read ({error.strerror or error})", where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _no_table(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}", path) from error
    except ValueError as error:
        raise _no_table(str(error), path) from error
    wrong = next(_impossible(table), None)
    if wrong is not None:
        raise _no_table(wrong, path)
    return table


def find_table(place: Path, target: str) -> LatencyTable:
    """Read the table of a target from a file, or from a folder in which every file is named after its target.

    Raises:
        UsageError: if there is none, it is damaged, or it is of another target.
    """
    path = place / _file_name(target) if place.is_dir() else place
    if not path.is_file():
        raise UsageError(
            f"there is no latency table of {target} here",
            where=str(path),
            cure=f"make one: carbon-nas profile --target {target}",
        )
    table = read_table(path)
    if table.target != target:
        raise UsageError(f"this is a table of {table.target}, not of {target}", where=str(path))
    return table


def kept_digests(place: Path, targets: Iterable[str]) -> dict[str, str]:
    """Return what tells the kept tables of some targets from any others, by target.

    Raises:
        UsageError: if there is none of a target, it is damaged, or it is of another target.
    """
    return {target: find_table(place, target).digest for target in targets}


def write_table(folder: Path, table: LatencyTable) -> Path:
    """Write a table into a folder, in a file named after its target, and return where.

    Raises:
        OutputError: if it cannot be written.
    """
    path = folder / _file_name(table.target)
    write_whole(path, (json.dumps(table.to_json(), indent=1) + "\n").encode())
    return path


def _fields(data: bytes) -> Any:
    found = json.loads(data)
    if not isinstance(found, dict):
        return found
    unknown = sorted(found.keys() - {one.name for one in fields(LatencyTable)} - DERIVED)
    if unknown:
        raise ValueError(f"{unknown[0]}: no such entry is known")
    return {name: value for name, value in found.items() if name not in DERIVED}


def _impossible(table: LatencyTable) -> Iterator[str]:
    """Say of numbers that are none, or below what they can be."""
    for key, entry_ms in table.entries_ms.items():
        if not (math.isfinite(entry_ms) and entry_ms >= 0):
            yield f"entries_ms.{key}: a layer takes 0 ms or more, not {entry_ms}"
    for name in ("scale_ratio", "anchor_ms"):
        value = getattr(table, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            yield f"{name}: must be above 0, not {value}"
    if not math.isfinite(table.offset_ms):  # A fitted line may well begin below zero.
        yield f"offset_ms: {table.offset_ms} is no number"


def _no_table(what: str, path: Path) -> UsageError:
    return UsageError(f"this is no latency table ({what})", where=str(path), cure="make one with carbon-nas profile")


def _file_name(target: str) -> str:
    return f"{name_for_file(target)}.json"
