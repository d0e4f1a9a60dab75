"""Latency tables on disk: one JSON file per target."""

import json
import math
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.errors import UsageError
from carbon_nas.files import name_for_file, write_whole

__all__ = ["find_table", "read_table", "write_table"]


def read_table(path: Path) -> LatencyTable:
    """Read a table that `write_table` wrote.

    Raises:
        UsageError: if there is none, or it is damaged.
    """
    try:
        table = TypeAdapter(LatencyTable).validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"this table cannot be read ({error.strerror or error})", where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        raise UsageError(
            f"this is no latency table ({what})", where=str(path), cure="make one with carbon-nas profile"
        ) from error
    if not all(map(math.isfinite, (*table.entries_ms.values(), table.scale_ratio, table.offset_ms))):
        raise UsageError("this table holds a latency that is no number", where=str(path))
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


def write_table(folder: Path, table: LatencyTable) -> Path:
    """Write a table into a folder, in a file named after its target, and return where.

    Raises:
        OutputError: if it cannot be written.
    """
    path = folder / _file_name(table.target)
    write_whole(path, (json.dumps(table.to_json(), indent=1) + "\n").encode())
    return path


def _file_name(target: str) -> str:
    return f"{name_for_file(target)}.json"
