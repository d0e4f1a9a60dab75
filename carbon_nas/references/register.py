"""The register of published numbers. A corrected number cannot be had without its correction."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from carbon_nas.references.formulas import FORMULAS
from carbon_nas.references.library import number
from carbon_nas.sources import Published, Source
from carbon_nas.uncertain import Interval, printed

__all__ = ["Input", "Kind", "REFERENCES", "Reference"]

_FIVE_CARS_LB = 626_155


class Kind(StrEnum):
    """How a published number came about."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    NORMALISED = "normalised"


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A number that a published one is computed from.

    Attributes:
        text: the number as printed.
        exact: a count, or a coefficient of an equation, which is no rounded measurement.
    """

    name: str
    text: str
    unit: str
    source: Source
    exact: bool = False

    @property
    def number(self) -> float:
        """The printed number, in its unit."""
        return number(self.text)

    @property
    def interval(self) -> Interval:
        """Every number that rounds to it, in its unit; one number if it is exact."""
        return Interval.exactly(self.number) if self.exact else printed(self.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A published result, how it was computed, and what became of it.

    Attributes:
        key: its name in this register.
        label: what it is, in words.
        printed: the number as printed, with its source.
        text: its digits as printed, which say how far it was rounded.
        kind: measured, estimated, or normalised to another hardware or unit by somebody else.
        accelerator: whose hours or power it is about; empty if none.
        devices: how many of them; None if it is not about a number of them.
        version: the version of the paper that prints it; empty only if that is not known.
        formula: a name of `FORMULAS`; empty if the paper does not print its inputs.
        inputs: what goes into the formula.
        erratum: what is wrong with the printed number, where it does not follow from its inputs.
        correction: the published correction; None if there is none that we know of.
        verified: it was read where it stands, or in a verbatim copy.
    """

    key: str
    label: str
    printed: Published
    text: str
    kind: Kind
    accelerator: str = ""
    devices: int | None = None
    version: str = ""
    formula: str = ""
    inputs: tuple[Input, ...] = ()
    erratum: str = ""
    correction: "Reference | None" = field(default=None, repr=False)
    verified: bool = True

    def __post_init__(self) -> None:
        # The rule of the house, kept where the number is born: 626,155 is never shown without 7,096.
        if self.printed.value == _FIVE_CARS_LB and self.correction is None:
            raise ValueError("the 626,155 lb of Strubell et al. 2019 must carry its published correction")
        if self.formula:
            missing = set(FORMULAS[self.formula].needs) - {one.name for one in self.inputs}
            if missing:
                raise ValueError(f"{self.key}: {self.formula} needs {', '.join(sorted(missing))}")

    @property
    def chain(self) -> tuple["Reference", ...]:
        """The number and every correction after it, to be shown together."""
        return (self,) if self.correction is None else (self, *self.correction.chain)

    @property
    def rounding(self) -> Interval:
        """Every number that rounds to the printed one, in its unit."""
        return printed(self.text)

    @property
    def recomputed(self) -> Interval | None:
        """What follows from the printed inputs and their rounding, in its unit; None without inputs."""
        return self._computed({one.name: one.interval for one in self.inputs})

    @property
    def recomputed_value(self) -> float | None:
        """What follows from the inputs taken as printed, in its unit; None without inputs."""
        found = self._computed({one.name: Interval.exactly(one.number) for one in self.inputs})
        return None if found is None else (found.low + found.high) / 2.0

    @property
    def agrees(self) -> bool | None:
        """Whether the printed and the recomputed number can be the same one; None without inputs."""
        return None if (found := self.recomputed) is None else self.rounding.meets(found)

    def _computed(self, inputs: Mapping[str, Interval]) -> Interval | None:
        return FORMULAS[self.formula].compute(inputs) if self.formula else None


class _Register(Mapping[str, Reference]):
    """Reads the data files when it is first asked."""

    def __getitem__(self, key: str) -> Reference:
        return self._rows()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows())

    def __len__(self) -> int:
        return len(self._rows())

    def _rows(self) -> Mapping[str, Reference]:
        from carbon_nas.references.reading import references

        return references()


REFERENCES: Mapping[str, Reference] = _Register()
