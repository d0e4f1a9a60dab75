"""The data files of published numbers, one for each paper, checked line by line when they are first read."""

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from carbon_nas.sources import BIBLIOGRAPHY
from carbon_nas.uncertain import printed

__all__ = ["CostLine", "EquivalentLine", "InputLine", "Paper", "RowLine", "number", "paper", "papers"]


def number(text: str) -> float:
    """Return the number that a text prints: 340 for "0.34k". Whole numbers stay whole.

    Raises:
        ValueError: if it is no number with an optional k, M or G.
    """
    held = printed(text)
    # Twelve digits: no paper prints more, and the midpoint of two floats carries noise beyond.
    middle = float(f"{(held.low + held.high) / 2.0:.12g}")
    return int(middle) if middle.is_integer() else middle


def _printed_number(text: str) -> str:
    number(text)
    return text


def _in_bibliography(key: str) -> str:
    if key not in BIBLIOGRAPHY:
        raise ValueError(f"{key!r} is not in the bibliography")
    return key


Number = Annotated[str, AfterValidator(_printed_number)]
"""A number as a paper prints it, which is also the interval of everything that rounds to it."""


_STRICT = ConfigDict(frozen=True, extra="forbid")


class InputLine(BaseModel):
    """A number that another one is computed from.

    Attributes:
        exact: a count, or a coefficient of an equation, which is no rounded measurement.
        where: where it stands; empty for the place of the row it belongs to.
        paper: whose number it is; empty for the paper of the file.
    """

    model_config = _STRICT

    text: Number
    unit: str
    exact: bool = False
    where: str = ""
    paper: str = ""


class RowLine(BaseModel):
    """A printed number and how it came about.

    Attributes:
        devices: how many accelerators it is about.
        inputs_from: another row whose inputs it shares.
        constants: names of constants of the file.
        correction: the row that corrects it.
        verified: it was read where it stands, or in a verbatim copy.
    """

    model_config = _STRICT

    key: str
    label: str
    where: str
    text: Number
    unit: str
    kind: Literal["measured", "estimated", "normalised"]
    accelerator: str = ""
    devices: int | None = None
    formula: str = ""
    inputs: dict[str, InputLine] = {}
    inputs_from: str = ""
    constants: tuple[str, ...] = ()
    version: str = ""
    note: str = ""
    erratum: str = ""
    correction: str = ""
    verified: bool = True


class CostLine(BaseModel):
    """A row of a table of costs for N scenarios.

    Attributes:
        search: hours as printed: "288+24N", or "-" for a dash.
        co2e: pounds of CO2e as printed.
        cost: dollars as printed.
        erratum: what is wrong with the pounds of CO2e.
        cost_note: what a reader must know about the dollars.
    """

    model_config = _STRICT

    key: str
    label: str
    accuracy_fraction: float | None = None
    accuracy_verified: bool = True
    search: str
    train: str
    total: Number
    co2e: Number
    cost: Number
    note: str = ""
    erratum: str = ""
    cost_note: str = ""


class EquivalentLine(BaseModel):
    """A row that can stand for a mass of CO2e.

    Attributes:
        row: the row of the register that holds its mass.
        label: one of it, in words.
        year: the year its paper or page gives; None if it is not known.
        includes_manufacture: whether making it is counted; None if the source does not say.
    """

    model_config = _STRICT

    key: str
    row: str
    label: str
    year: int | None = None
    includes_manufacture: bool | None = None


class Paper(BaseModel):
    """What one paper prints.

    Attributes:
        version: which version of it was read; papers change their numbers.
        scenarios: the N of a table of costs; 0 if there is none.
    """

    model_config = _STRICT

    paper: Annotated[str, AfterValidator(_in_bibliography)]
    version: str
    where: str = ""
    scenarios: int = 0
    accelerator: str = ""
    constant: dict[str, InputLine] = {}
    row: tuple[RowLine, ...] = ()
    cost: tuple[CostLine, ...] = ()
    equivalent: tuple[EquivalentLine, ...] = ()


@cache
def papers() -> tuple[Paper, ...]:
    """Read every data file."""
    folder = resources.files(__package__) / "data"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return tuple(Paper.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files)


def paper(key: str) -> Paper:
    """Return one paper.

    Raises:
        KeyError: if there is no data file for it.
    """
    return {one.paper: one for one in papers()}[key]
