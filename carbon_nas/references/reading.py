"""From lines of data files to records of the register."""

from collections.abc import Iterable, Mapping
from functools import cache, partial
from types import MappingProxyType

from carbon_nas.references.formulas import FORMULAS
from carbon_nas.references.library import CostLine, InputLine, Paper, RowLine, number, papers
from carbon_nas.references.nas_costs import nas_costs
from carbon_nas.references.register import Input, Kind, Reference
from carbon_nas.sources import Published, Source

__all__ = ["references"]

_CO2E_INPUTS_FROM = "strubell2019-bert-base"  # The caption of the table names that paper; see the factor of V100s.


@cache
def references() -> Mapping[str, Reference]:
    """Return every row of every data file by its key.

    Raises:
        ValueError: if two rows share a key, or corrections go in a circle.
    """
    lines = {line.key: (sheet, line) for sheet in papers() for line in _rows_of(sheet)}
    if len(lines) != sum(len(list(_rows_of(sheet))) for sheet in papers()):
        raise ValueError("two rows of the register share a key")
    made: dict[str, Reference] = {}

    def make(key: str, above: tuple[str, ...] = ()) -> Reference:
        if key in above:
            raise ValueError(f"corrections go in a circle: {' -> '.join((*above, key))}")
        if key not in made:
            sheet, line = lines[key]
            correction = make(line.correction, (*above, key)) if line.correction else None
            made[key] = _reference(sheet, line, _inputs(lines, key), correction)
        return made[key]

    return MappingProxyType({key: make(key) for key in lines})


def _reference(sheet: Paper, line: RowLine, inputs: Mapping[str, Input], correction: Reference | None) -> Reference:
    formula = FORMULAS.get(line.formula)
    names = (*formula.needs, *formula.optional) if formula else ()
    return Reference(
        key=line.key,
        label=line.label,
        printed=Published(
            value=number(line.text),
            unit=line.unit,
            source=Source(key=sheet.paper, where=line.where),
            note=line.note,
        ),
        text=line.text,
        kind=Kind(line.kind),
        accelerator=line.accelerator,
        devices=line.devices,
        version=line.version or sheet.version,
        formula=line.formula,
        inputs=tuple(inputs[name] for name in names if name in inputs),
        erratum=line.erratum,
        correction=correction,
        verified=line.verified,
    )


def _inputs(lines: Mapping[str, tuple[Paper, RowLine]], key: str) -> dict[str, Input]:
    """Gather what a row could be computed from: another row's inputs, the paper's constants, its own."""
    sheet, line = lines[key]
    found = _inputs(lines, line.inputs_from) if line.inputs_from else {}
    named = {name: sheet.constant[name] for name in line.constants} | line.inputs
    if line.devices is not None:
        named = {"devices": InputLine(text=str(line.devices), unit="devices", exact=True)} | named
    return found | {name: _input(sheet, line, name, one) for name, one in named.items()}


def _input(sheet: Paper, line: RowLine, name: str, given: InputLine) -> Input:
    source = Source(key=given.paper or sheet.paper, where=given.where or line.where)
    return Input(name=name, text=given.text, unit=given.unit, source=source, exact=given.exact)


def _rows_of(sheet: Paper) -> Iterable[RowLine]:
    yield from sheet.row
    for line in sheet.cost:
        yield from _cost_rows(sheet, line)


def _cost_rows(sheet: Paper, line: CostLine) -> Iterable[RowLine]:
    """Turn one row of a table of costs into its three printed numbers: hours, CO2e and dollars."""
    cost = nas_costs()[line.key]
    given = {
        "search_once": cost.search_once_gpu_h,
        "search_each": cost.search_each_gpu_h,
        "train_once": cost.train_once_gpu_h,
        "train_each": cost.train_each_gpu_h,
    }
    hours = {
        name: InputLine(text=f"{one:.0f}", unit="GPU-hours", exact=True)
        for name, one in given.items()
        if one is not None
    }
    total = {"hours": InputLine(text=line.total, unit="GPU-hours")}
    label = f"{line.label} for {sheet.scenarios} scenarios"
    row = partial(RowLine, where=cost.source.where, kind="normalised", accelerator=cost.accelerator)
    yield row(
        key=f"{line.key}-hours",
        label=f"{label}, hours",
        text=line.total,
        unit="GPU-hours",
        formula="scenario-hours",
        inputs=hours | {"scenarios": InputLine(text=str(sheet.scenarios), unit="scenarios", exact=True)},
        note=line.note,
    )
    yield row(
        key=line.key,
        label=f"{label}, CO2e",
        text=line.co2e,
        unit="lb CO2e",
        formula="gpu-hours-mass",
        inputs=total,
        inputs_from=_CO2E_INPUTS_FROM,
        note=line.note,
        erratum=line.erratum,
    )
    yield row(
        key=f"{line.key}-cost",
        label=f"{label}, cloud cost",
        text=line.cost,
        unit="USD",
        formula="gpu-hours-cost",
        inputs=total,
        constants=("price", "gpus"),
        note=line.cost_note,
    )
