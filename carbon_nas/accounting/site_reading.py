"""Reading site files: TOML, and what it refers to, taken in at once so that a description travels with a report."""

import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from carbon_nas.accounting.factors import read_factors
from carbon_nas.accounting.grid import Kind
from carbon_nas.accounting.series import Gaps, read_series
from carbon_nas.accounting.site_file import SiteFile
from carbon_nas.errors import CarbonNasError, InvalidSite, UnknownName
from carbon_nas.sources import Source

__all__ = ["read_site_file"]

_ROWS = {"location": Kind.LOCATION, "market": Kind.MARKET, "marginal": Kind.MARGINAL}
_HOURS = {"hourly": Kind.LOCATION, "marginal_hourly": Kind.MARGINAL}
_OF_HOURS = ("file", "name", "basis", "source", "gaps", "flow", "licence")


def read_site_file(path: Path) -> SiteFile:
    """Read a site file, with everything that it refers to.

    Raises:
        InvalidSite: if it is no TOML, or says what cannot be or has no effect.
        UnknownName: if it names a zone or a row that is not there.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidSite(f"this site file cannot be read ({error})", where=str(path)) from error
    try:
        for key, kind in _ROWS.items():
            if isinstance(data.get(key), dict) and "file" in data[key]:
                data[key] = _row(path.parent, data[key], key, kind)
        for key, kind in _HOURS.items():
            if isinstance(data.get(key), dict) and "file" in data[key]:
                data[key] = _hours(path.parent, data[key], key, kind, str(data.get("zone", "")))
        found = SiteFile.model_validate(data)
        found.site()
    except ValidationError as error:
        # A misspelt key leaves another one missing; the misspelt one is what to look for.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidSite(
            f"{place}: {first['msg'].removeprefix('Value error, ')}",
            where=str(path),
            cure=f"the settings are {', '.join(_settings(SiteFile, first['loc']))}",
        ) from error
    except CarbonNasError as error:
        if str(path) in (error.where or ""):
            raise
        where = "zone" if error.where == "--site" else error.where
        raise type(error)(error.what, where=f"{path}, {where}", cure=error.cure) from error
    return found


def _settings(model: type[BaseModel], place: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the settings of the section in which something is wrong."""
    for step in place[:-1]:
        field = model.model_fields.get(str(step))
        inner = [] if field is None else [field.annotation, *get_args(field.annotation)]
        model = next((one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)), model)
    known = tuple(model.model_fields)
    return _OF_HOURS if "series" in known else known


def _row(folder: Path, asked: dict[str, Any], key: str, kind: Kind) -> dict[str, Any]:
    path, name = folder / str(asked["file"]), str(asked.get("name", ""))
    if extra := sorted(asked.keys() - {"file", "name"}):
        raise InvalidSite(
            f"{', '.join(extra)} beside a file has no effect",
            where=f"[{key}]",
            cure="name the file and its row; everything else stands there",
        )
    rows = read_factors(path, kind=kind)
    if name not in rows:
        raise UnknownName(
            f"there is no row {name!r} in {path}", where=f"[{key}]", cure=f"give a name: {', '.join(rows)}"
        )
    row = rows[name]
    if row.kind is not kind:
        raise InvalidSite(
            f"the row {name!r} of {path} is {row.kind}",
            where=f"[{key}]",
            cure=f"name one that is {kind}, or tells no kind",
        )
    return {
        "name": row.name,
        "intensity_g_per_kwh": row.intensity_g_per_kwh,
        "year": row.year,
        "basis": row.basis,
        "source": row.source.where,
        "zone": row.zone,
        "licence": row.licence,
        "gsd_ratio": row.gsd_ratio,
    }


def _hours(folder: Path, asked: dict[str, Any], key: str, kind: Kind, zone: str) -> dict[str, Any]:
    path = folder / str(asked["file"])
    told = {name: value.strip() for name, value in asked.items() if name in _OF_HOURS and isinstance(value, str)}
    if missing := sorted(name for name in ("basis", "source") if not told.get(name)):
        raise InvalidSite(
            f"a series needs {' and '.join(missing)} beside it",
            where=f"[{key}]",
            cure='say what is counted and where it is from: basis = "...", source = "..."',
        )
    series = read_series(
        path,
        name=told.get("name", path.stem),
        zone=zone,
        kind=kind,
        basis=told["basis"],
        source=Source(key="", where=told["source"]),
        flow=told.get("flow", ""),
        licence=told.get("licence", ""),
    )
    # What is no text, or has another name, is refused at the border.
    extra = {name: value for name, value in asked.items() if name not in told}
    return {"series": series.to_json(), "gaps": told.get("gaps", str(Gaps.REFUSE)), **extra}
