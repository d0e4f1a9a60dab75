"""Carbon intensity that changes by the hour, and its mean over the time or the energy of some work.

The power of a stretch is taken as even. Where it is not, cut the work into stretches: their energies weigh their means.
Sums are kept as whole numbers, so a stretch may be cut anywhere and gives the same, however long the series is.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from math import fsum, inf
from pathlib import Path
from typing import Any, Literal, Self

from carbon_nas.accounting.grid import Kind
from carbon_nas.accounting.hours import read_hours
from carbon_nas.accounting.running import RunningSums
from carbon_nas.errors import IncompleteSeries, InvalidSite, MixedQuantities, UnknownQuantity
from carbon_nas.files import sha256
from carbon_nas.sources import Source

__all__ = ["Gaps", "IntensitySeries", "Weighted", "energy_weighted", "read_series"]

_TICK = timedelta(microseconds=1)
_TICKS_PER_S = 1_000_000
_LONGEST_S = 366 * 86_400
_FLOWS = ("production", "consumption", "")


class Gaps(StrEnum):
    """What is done about time that a series has no value for."""

    REFUSE = "refuse"
    FILL = "fill"


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighted:
    """The mean intensity of some stretch of time.

    Attributes:
        intensity_g_per_kwh: the mean, with what was filled in.
        kind: that of the series: a marginal mean stays marginal.
        weight: what it is weighted by.
        filled_share: the part of the weight for which the series had no value.
        fill_g_per_kwh: what was put in its place; None where nothing was.
        began_utc, ended_utc: the first and the last moment.
    """

    intensity_g_per_kwh: float
    kind: Kind
    weight: Literal["time", "energy"]
    filled_share: float
    fill_g_per_kwh: float | None
    began_utc: datetime
    ended_utc: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class IntensitySeries:
    """The electricity of a zone, step by step.

    Attributes:
        zone: as in `Grid`.
        name: in words.
        kind: which question it answers.
        basis: what is counted, such as direct or over the life cycle.
        flow: what the mix is of, "production" or "consumption"; empty if not said.
        start_utc: when the first step begins.
        step_s: seconds from one value to the next, whole microseconds.
        values_g_per_kwh: grams of CO2e per kilowatt-hour; None is a gap.
        source: where the values stand; its key is empty if the user gave them.
        licence: under which they may be passed on; empty if not said.
    """

    name: str
    zone: str
    kind: Kind
    basis: str
    flow: str = ""
    start_utc: datetime
    step_s: float
    values_g_per_kwh: tuple[float | None, ...]
    source: Source
    licence: str = ""
    # Ten thousand stretches of one series need its sums once. They follow from it, so they are no part of its value.
    _sums: RunningSums | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Other time zones have days of 23 hours, and Python adds to their clocks rather than to their time.
        if self.start_utc.tzinfo != UTC:
            raise InvalidSite(
                f"the start {self.start_utc.isoformat()} is not in UTC",
                where=self.name,
                cure="give start.astimezone(datetime.UTC)",
            )
        if self.flow not in _FLOWS:
            raise InvalidSite(
                f"there is no flow {self.flow!r}", where=self.name, cure="say production, consumption or nothing"
            )
        if not 0.0 < self.step_s <= _LONGEST_S or Fraction(self._step, _TICKS_PER_S) != Fraction(str(self.step_s)):
            raise InvalidSite(
                f"a step of {self.step_s} s cannot be",
                where=self.name,
                cure="give whole microseconds, such as 3600 for hours, and no more than a year",
            )
        if all(value is None for value in self.values_g_per_kwh):
            raise InvalidSite("there is not one value", where=self.name, cure="leave the series out")
        for index, value in enumerate(self.values_g_per_kwh):
            if value is not None and not 0.0 <= value < inf:
                raise InvalidSite(
                    f"an intensity of {value:g} g/kWh cannot be",
                    where=f"{self.name}, {self._moment(index).isoformat()}",
                    cure="give grams of CO2e per kilowatt-hour, zero or more, or nothing for a gap",
                )

    @property
    def end_utc(self) -> datetime:
        """When the last step ends."""
        return self._moment(len(self.values_g_per_kwh))

    @property
    def year(self) -> int | None:
        """The year of the data; None if it is more than one. Local years begin up to a day before or after UTC's."""
        half = (self.end_utc - self.start_utc) / 2
        inset = min(half, timedelta(days=1))
        years = {(self.start_utc + inset).year, (self.end_utc - inset).year}
        return years.pop() if len(years) == 1 else None

    @property
    def sha256(self) -> str:
        """The hash of its content, the same wherever the series was read from."""
        return sha256(json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode())

    def intensity(
        self, began: datetime, ended: datetime, *, gaps: Gaps = Gaps.REFUSE, fill_g_per_kwh: float | None = None
    ) -> Weighted:
        """Return the mean over a stretch of time, of even power. A moment has the intensity of the step it lies in.

        Args:
            began: with a time zone.
            ended: with a time zone, not before `began`.
            gaps: what is done about time without a value, within the series or outside.
            fill_g_per_kwh: what fills it; the mean of the known values if not given.

        Raises:
            IncompleteSeries: if a part has no value and gaps are refused; it names the first step that is missing.
            InvalidSite: if a time has no time zone, or the stretch ends before it begins.
        """
        began_utc, ended_utc = self._utc(began), self._utc(ended)
        exact, missing_share, fill = self._stretch(began_utc, ended_utc, gaps, fill_g_per_kwh)
        return Weighted(
            intensity_g_per_kwh=float(exact),
            kind=self.kind,
            weight="time",
            filled_share=float(missing_share),
            fill_g_per_kwh=float(fill) if missing_share else None,
            began_utc=began_utc,
            ended_utc=ended_utc,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain lists, numbers and text, for JSON."""
        return {
            "name": self.name,
            "zone": self.zone,
            "kind": self.kind.value,
            "basis": self.basis,
            "flow": self.flow,
            "start_utc": self.start_utc.isoformat(),
            "step_s": float(self.step_s),
            "values_g_per_kwh": [None if value is None else float(value) for value in self.values_g_per_kwh],
            "source": {"key": self.source.key, "where": self.source.where},
            "licence": self.licence,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Take what `to_json` gave.

        Raises:
            InvalidSite: if it is something else.
        """
        where, cure = "series", "give what to_json() gave"
        wrong = sorted({one.name for one in fields(cls) if one.init} ^ set(data))
        if wrong:
            raise InvalidSite(f"{', '.join(wrong)}: missing or not known", where=where, cure=cure)
        try:
            return cls(
                name=str(data["name"]),
                zone=str(data["zone"]),
                kind=Kind(data["kind"]),
                basis=str(data["basis"]),
                flow=str(data["flow"]),
                start_utc=datetime.fromisoformat(data["start_utc"]),
                step_s=float(data["step_s"]),
                values_g_per_kwh=tuple(None if value is None else float(value) for value in data["values_g_per_kwh"]),
                source=Source(**data["source"]),
                licence=str(data["licence"]),
            )
        except (TypeError, ValueError) as error:
            raise InvalidSite(f"this is no series ({error})", where=where, cure=cure) from error

    @property
    def _step(self) -> int:
        return round(self.step_s * _TICKS_PER_S)

    def _moment(self, index: int) -> datetime:
        return self.start_utc + index * self._step * _TICK

    def _utc(self, moment: datetime) -> datetime:
        if moment.utcoffset() is None:
            raise InvalidSite(
                f"the time {moment.isoformat()} has no time zone", where=self.name, cure="say which, as in +00:00"
            )
        return moment.astimezone(UTC)

    def _running(self) -> RunningSums:
        sums = self._sums
        if sums is None:
            sums = RunningSums.of(self.values_g_per_kwh, self._step)
            object.__setattr__(self, "_sums", sums)
        return sums

    def _stretch(
        self, began_utc: datetime, ended_utc: datetime, gaps: Gaps, fill_g_per_kwh: float | None
    ) -> tuple[Fraction, Fraction, Fraction]:
        """Return the mean, the share of the time that has no value, and what fills it."""
        if ended_utc < began_utc:
            raise InvalidSite(
                f"a stretch ends at {ended_utc.isoformat()}, before it begins at {began_utc.isoformat()}",
                where=self.name,
                cure="give when it began first",
            )
        if fill_g_per_kwh is not None and not 0.0 <= fill_g_per_kwh < inf:
            raise InvalidSite(f"an intensity of {fill_g_per_kwh:g} g/kWh cannot be", where=self.name)
        sums = self._running()
        first = (began_utc - self.start_utc) // _TICK
        last = max((ended_utc - self.start_utc) // _TICK, first + 1)
        part, known = sums.between(first, last)
        missing = last - first - known
        if missing and gaps is Gaps.REFUSE:
            raise IncompleteSeries(
                f"there is no value for {self._moment(sums.next_gap(first // self._step)).isoformat()}, "
                f"and it is asked for {began_utc.isoformat()} to {ended_utc.isoformat()}",
                where=f"{self.name}, {self.start_utc.isoformat()} to {self.end_utc.isoformat()}",
                cure='add the rows that are missing, or say gaps = "fill" to put a mean there, visibly',
            )
        fill = sums.mean if fill_g_per_kwh is None else Fraction(fill_g_per_kwh)
        return (part + fill * missing) / (last - first), Fraction(missing, last - first), fill


def energy_weighted(parts: Iterable[tuple[Weighted, float]]) -> Weighted:
    """Return the mean over stretches of work, each of which weighs as much as its energy.

    Args:
        parts: the mean of each stretch by one series, and its energy in joules, in any order; they may overlap.

    Raises:
        InvalidSite: if an energy is negative or no number.
        MixedQuantities: if one is marginal and another is not.
        UnknownQuantity: if there is no energy at all.
    """
    held = list(parts)
    for _, energy_j in held:
        if not 0.0 <= energy_j < inf:
            raise InvalidSite(f"an energy of {energy_j:g} J cannot be", where="mean intensity")
    whole_j = fsum(energy_j for _, energy_j in held)
    if not whole_j:
        raise UnknownQuantity(
            "there is no energy to weigh by", where="mean intensity", cure="ask for the mean over time"
        )
    if len(kinds := {mean.kind for mean, _ in held}) > 1:
        raise MixedQuantities(f"{' and '.join(sorted(kinds))} intensities have no mean", where="mean intensity")
    fills = {mean.fill_g_per_kwh for mean, _ in held if mean.fill_g_per_kwh is not None}
    return Weighted(
        intensity_g_per_kwh=fsum(mean.intensity_g_per_kwh * energy_j for mean, energy_j in held) / whole_j,
        kind=kinds.pop(),
        weight="energy",
        filled_share=fsum(mean.filled_share * energy_j for mean, energy_j in held) / whole_j,
        fill_g_per_kwh=min(fills, default=None),
        began_utc=min(mean.began_utc for mean, _ in held),
        ended_utc=max(mean.ended_utc for mean, _ in held),
    )


def read_series(
    path: Path,
    *,
    name: str,
    zone: str,
    kind: Kind,
    basis: str,
    source: Source,
    flow: str = "",
    licence: str = "",
    step_s: float | None = None,
) -> IntensitySeries:
    """Read a series from a CSV file with the header `utc,intensity_g_per_kwh`.

    Each time is when a step begins: ISO 8601 with its offset from UTC, in ascending order. The step is the most common
    distance if it is not given. Rows that are missing and cells that are empty become gaps.

    Raises:
        InvalidSite: if the file cannot be read, a time has no offset, stands there twice or goes back, or the steps are
            uneven.
    """
    hours = read_hours(path, step_s)
    return IntensitySeries(
        name=name,
        zone=zone,
        kind=kind,
        basis=basis,
        flow=flow,
        start_utc=hours.start_utc,
        step_s=hours.step_s,
        values_g_per_kwh=hours.values_g_per_kwh,
        source=source,
        licence=licence,
    )
