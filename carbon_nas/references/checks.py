"""Every published number that prints its inputs, computed again from them."""

from dataclasses import dataclass

from carbon_nas.references.formulas import FORMULAS
from carbon_nas.references.register import REFERENCES, Reference
from carbon_nas.sources import Source
from carbon_nas.uncertain import Interval

__all__ = ["Check", "Span", "checks"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """An interval with its unit."""

    value: Interval
    unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One published number beside what follows from its inputs.

    Attributes:
        text: the number as printed.
        value: what follows from the inputs taken as printed, in `unit`.
        printed: every number that rounds to the printed one.
        recomputed: every number that follows from inputs that round to the printed ones.
        agrees: the two have a number in common.
        equation: how it was computed, in words.
        inputs: what went in, in words.
        erratum: what is wrong, where they do not agree.
    """

    key: str
    label: str
    text: str
    value: float
    unit: str
    printed: Span
    recomputed: Span
    agrees: bool
    equation: str
    inputs: tuple[str, ...]
    erratum: str
    version: str
    source: Source


def checks() -> tuple[Check, ...]:
    """Return one check for every row of the register that has inputs, in its order."""
    return tuple(_check(reference) for reference in REFERENCES.values() if reference.formula)


def _check(reference: Reference) -> Check:
    recomputed, value = reference.recomputed, reference.recomputed_value
    if recomputed is None or value is None:
        raise ValueError(f"{reference.key} names a formula and computes nothing")
    unit = reference.printed.unit
    return Check(
        key=reference.key,
        label=reference.label,
        text=reference.text,
        value=value,
        unit=unit,
        printed=Span(value=reference.rounding, unit=unit),
        recomputed=Span(value=recomputed, unit=unit),
        agrees=reference.rounding.meets(recomputed),
        equation=FORMULAS[reference.formula].equation,
        inputs=tuple(f"{one.name.replace('_', ' ')} {one.text} {one.unit}" for one in reference.inputs),
        erratum=reference.erratum,
        version=reference.version,
        source=reference.printed.source,
    )
