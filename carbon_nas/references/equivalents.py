"""What a mass of CO2e is like: cars, flights, phones. Off by default, and never without year and scope."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from carbon_nas.references.library import EquivalentLine, papers
from carbon_nas.references.register import REFERENCES
from carbon_nas.sources import Source
from carbon_nas.units import KG_PER_LB

__all__ = ["Equivalent", "Likeness", "equivalents"]

_KG_PER_UNIT = {"lb CO2e": KG_PER_LB, "t CO2e": 1_000.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Equivalent:
    """Something with a published mass of CO2e. A year of a vehicle and the lifetime of a car are two different ones.

    Attributes:
        label: one of it, in words.
        mass_kg: the CO2e of one.
        year: the year of the paper; None if it is not known.
        includes_manufacture: whether making it is counted; None if the source does not say.
        verified: the mass was read where it stands, or in a verbatim copy.
    """

    key: str
    label: str
    mass_kg: float
    year: int | None
    includes_manufacture: bool | None
    source: Source
    verified: bool
    note: str = ""

    @property
    def scope(self) -> str:
        """Year, manufacture and standing, in words, to be printed wherever it is named."""
        made = {True: "manufacture included", False: "manufacture not included", None: "manufacture not stated"}
        parts = [f"{self.year}" if self.year else "year not stated", made[self.includes_manufacture]]
        return ", ".join(parts if self.verified else [*parts, "not verified"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Likeness:
    """How many of an equivalent a mass is.

    Attributes:
        value: the number of them.
        unit: what one of them is.
    """

    value: float
    unit: str
    equivalent: Equivalent


@cache
def _all() -> Mapping[str, Equivalent]:
    lines = [line for sheet in papers() for line in sheet.equivalent]
    return MappingProxyType({line.key: _equivalent(line) for line in lines})


def _equivalent(line: EquivalentLine) -> Equivalent:
    row = REFERENCES[line.row]
    return Equivalent(
        key=line.key,
        label=line.label,
        mass_kg=row.printed.value * _KG_PER_UNIT[row.printed.unit],
        year=line.year,
        includes_manufacture=line.includes_manufacture,
        source=row.printed.source,
        verified=row.verified,
        note=row.printed.note,
    )


def equivalents(mass_kg: float) -> tuple[Likeness, ...]:
    """Return how many of each a mass of CO2e is.

    Raises:
        ValueError: if it is negative.
    """
    if not mass_kg >= 0.0:
        raise ValueError(f"a mass of {mass_kg:g} kg is like nothing")
    return tuple(Likeness(value=mass_kg / one.mass_kg, unit=one.label, equivalent=one) for one in _all().values())
