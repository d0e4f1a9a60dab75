"""A CSV file of intensities by the hour, or by any other step: one row for each, in universal time."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf, nan
from pathlib import Path

from carbon_nas.accounting.table import place, rows
from carbon_nas.errors import InvalidSite

__all__ = ["Hours", "read_hours"]

_TICK = timedelta(microseconds=1)
_TICKS_PER_S = 1_000_000
_MOST_STEPS = 10_000_000  # Nineteen years of minutes: beyond that, a year was mistyped.


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """What stands in such a file.

    Attributes:
        start_utc: when the first step begins.
        step_s: seconds from one value to the next.
        values_g_per_kwh: None where a row is missing or a cell is empty.
    """

    start_utc: datetime
    step_s: float
    values_g_per_kwh: tuple[float | None, ...]


def read_hours(path: Path, step_s: float | None = None) -> Hours:
    """Read intensities from a CSV file with the header `utc,intensity_g_per_kwh`, in ascending order.

    Args:
        path: of the file.
        step_s: seconds from one row to the next; the most common distance if not given.

    Raises:
        InvalidSite: if the file cannot be read, a time has no offset, stands there twice or goes back, or the steps are
            uneven.
    """
    moments: list[datetime] = []
    lines: list[int] = []
    values_g_per_kwh: list[float | None] = []
    for line, row in rows(path, required=("utc", "intensity_g_per_kwh")):
        moment = _time(path, line, row["utc"])
        if moments and moment <= moments[-1]:
            raise InvalidSite(
                f"{moment.isoformat()} stands in line {lines[-1]} already"
                if moment == moments[-1]
                else f"{moment.isoformat()} is before line {lines[-1]}",
                where=place(path, line, "utc"),
                cure="sort the rows by time and write UTC: local clocks show one hour twice in autumn",
            )
        moments.append(moment)
        lines.append(line)
        values_g_per_kwh.append(_value(path, line, row["intensity_g_per_kwh"]))
    ticks = [(moment - moments[0]) // _TICK for moment in moments]
    step = _common_step(path, ticks) if step_s is None else round(step_s * _TICKS_PER_S)
    for line, tick in zip(lines, ticks, strict=True):
        if step < 1 or tick % step:
            raise InvalidSite(
                f"this row does not lie on steps of {step / _TICKS_PER_S:g} s from the first",
                where=place(path, line, "utc"),
                cure="give one row for each step, all equally long",
            )
    if ticks[-1] // step >= _MOST_STEPS:
        raise InvalidSite(
            f"from {moments[0].isoformat()} to {moments[-1].isoformat()} there are more than {_MOST_STEPS:,} steps",
            where=place(path, lines[-1], "utc"),
            cure="look for a year that was mistyped",
        )
    found = dict(zip((tick // step for tick in ticks), values_g_per_kwh, strict=True))
    return Hours(
        start_utc=moments[0],
        step_s=step / _TICKS_PER_S,
        values_g_per_kwh=tuple(found.get(index) for index in range(ticks[-1] // step + 1)),
    )


def _common_step(path: Path, ticks: list[int]) -> int:
    if len(ticks) == 1:
        raise InvalidSite("one row has no step", where=str(path), cure="give at least two rows, or say step_s")
    counts = Counter(late - early for early, late in pairwise(ticks))
    return min(counts, key=lambda step: (-counts[step], step))


def _time(path: Path, line: int, text: str) -> datetime:
    cure = "write ISO 8601 with the offset from UTC, such as 2023-01-01T00:00Z"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidSite(f"{text!r} is no time", where=place(path, line, "utc"), cure=cure) from None
    if moment.utcoffset() is None:
        raise InvalidSite(f"the time {text!r} has no offset from UTC", where=place(path, line, "utc"), cure=cure)
    return moment.astimezone(UTC)


def _value(path: Path, line: int, text: str) -> float | None:
    if not text:
        return None
    try:
        value_g_per_kwh = float(text)
    except ValueError:
        value_g_per_kwh = nan
    if not 0.0 <= value_g_per_kwh < inf:
        raise InvalidSite(
            f"{text!r} is no intensity",
            where=place(path, line, "intensity_g_per_kwh"),
            cure="write grams of CO2e per kilowatt-hour, zero or more, with a point; leave a gap empty",
        )
    return value_g_per_kwh
