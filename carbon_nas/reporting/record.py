"""The tables of the larger record: what was printed, what follows from it, and what became of it."""

from carbon_nas.references import REFERENCES, Check, Reference, Step, checks, waterfall
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import mass_lb, significant
from carbon_nas.reporting.record_cells import between, cited, factor
from carbon_nas.sources import Tier
from carbon_nas.uncertain import Interval

__all__ = ["errata_table", "register_table", "waterfall_table"]


def waterfall_table() -> Table:
    """Return what became of 626,155 lb, step by step."""
    steps = waterfall()
    whole = REFERENCES["patterson2021-nas-ratio"]
    return Table(
        key="waterfall",
        title="From 626,155 lb to 7,096 lb",
        columns=(
            Column(key="step", title="step", numeric=False),
            Column(key="factor_ratio", title="divided by"),
            Column(key="co2e_lb", title="CO2e after it"),
            Column(key="kind", title="how", numeric=False),
            Column(key="note", title="note", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(_step_row(step, printed=step in (steps[0], steps[-1])) for step in steps),
        note=f"All steps together divide by {significant(steps[0].mass_lb / steps[-1].mass_lb)}; the correction prints "
        f"{whole.text}. The first estimate is about one search of another task, machine translation; neither end is a "
        "cost of anything else here.",
    )


def _step_row(step: Step, *, printed: bool) -> tuple[Cell, ...]:
    start = step.factor_ratio == 1.0
    kind = "residual: not computed, but what is left to the published end" if step.residual else "computed"
    return (
        word(step.label),
        word("") if start else Cell(text=factor(step.factor_ratio), tier=Tier.MODELLED, value=step.factor_ratio),
        Cell(
            text=mass_lb(step.mass_lb), tier=Tier.PUBLISHED if printed else Tier.MODELLED, value=step.mass_lb, unit="lb"
        ),
        word("as published" if start else kind),
        word(step.note),
        cited(step.source),
    )


def errata_table() -> Table:
    """Return the published numbers that cannot be what follows from the inputs printed with them."""
    wrong = [check for check in checks() if not check.agrees]
    return Table(
        key="errata",
        title="Rows that do not follow from their inputs",
        columns=(
            Column(key="what", title="what", numeric=False),
            Column(key="printed_value", title="printed"),
            Column(key="unit", title="unit", numeric=False),
            Column(key="recomputed", title="computed again", numeric=False),
            Column(key="recomputed_low_value", title="computed again, from", shown=False),
            Column(key="recomputed_high_value", title="to", shown=False),
            Column(key="erratum", title="erratum", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(map(_erratum_row, wrong)),
        note=f"Of {len(checks())} published numbers that print their inputs, {len(checks()) - len(wrong)} can be what "
        f"follows from them. All {len(REFERENCES)} rows of the register stand below.",
    )


def _erratum_row(check: Check) -> tuple[Cell, ...]:
    reference = REFERENCES[check.key]
    low, high = _ends(check.recomputed.value, check.unit, _digits(check.text))
    return (
        word(check.label),
        Cell(text=check.text, tier=Tier.PUBLISHED, value=reference.printed.value, unit=check.unit),
        word(check.unit),
        between(low, high),
        low,
        high,
        word(check.erratum or "it does not follow from its inputs"),
        cited(check.source),
    )


def register_table() -> Table:
    """Return every published number of the register, beside what follows from the inputs that were printed with it."""
    recomputed = {check.key: check for check in checks()}
    return Table(
        key="register",
        title="The register: published numbers, computed again",
        columns=(
            Column(key="key", title="row", numeric=False, shown=False),
            Column(key="what", title="what", numeric=False),
            Column(key="printed_value", title="printed"),
            Column(key="unit", title="unit", numeric=False),
            Column(key="printed_low_value", title="rounded from", shown=False),
            Column(key="printed_high_value", title="to", shown=False),
            Column(key="recomputed_value", title="computed again"),
            Column(key="recomputed", title="range of that", numeric=False),
            Column(key="recomputed_low_value", title="from", shown=False),
            Column(key="recomputed_high_value", title="to", shown=False),
            Column(key="finding", title="finding", numeric=False),
            Column(key="correction", title="superseded by", numeric=False),
            Column(key="computed_from", title="computed from", numeric=False),
            Column(key="accelerator", title="accelerator", numeric=False),
            Column(key="kind", title="kind", numeric=False),
            Column(key="version", title="version", numeric=False),
            Column(key="source", title="source", numeric=False),
            Column(key="note", title="note", numeric=False),
        ),
        rows=tuple(_register_row(reference, recomputed.get(reference.key)) for reference in REFERENCES.values()),
        note="Every number was rounded before it was printed, and so were its inputs. The printed and the computed "
        "number agree if they can be the same one before rounding. Kind: measured, estimated, or normalised to another "
        "hardware or unit.",
        folded=True,
    )


def _register_row(reference: Reference, check: Check | None) -> tuple[Cell, ...]:
    unit, digits = reference.printed.unit, _digits(reference.text)
    printed = Cell(text=reference.text, tier=Tier.PUBLISHED, value=reference.printed.value, unit=unit)
    return (
        word(reference.key),
        word(reference.label),
        printed,
        word(unit),
        *_ends(reference.rounding, unit, digits),
        *_recomputed(check, digits),
        word(_finding(reference, check)),
        word(_corrected(reference)),
        word("" if check is None else f"{check.equation}: {', '.join(check.inputs)}"),
        word(f"{reference.devices:,} {reference.accelerator}" if reference.devices else reference.accelerator),
        word(reference.kind.value),
        word(reference.version or "not known"),
        cited(reference.printed.source),
        word(reference.printed.note),
    )


def _digits(text: str) -> int:
    # One digit more than was printed shows where within the rounding a number lies.
    bare = text.replace(",", "").replace(".", "").lstrip("0")
    return max(4, 1 + sum(letter.isdecimal() for letter in bare))


def _ends(interval: Interval, unit: str, digits: int) -> tuple[Cell, Cell]:
    low, high = (
        Cell(text=significant(end, digits), tier=Tier.MODELLED, value=end, unit=unit)
        for end in (interval.low, interval.high)
    )
    return low, high


def _recomputed(check: Check | None, digits: int) -> tuple[Cell, ...]:
    if check is None:
        return (word(""),) * 4
    value = Cell(text=significant(check.value, digits), tier=Tier.MODELLED, value=check.value, unit=check.unit)
    low, high = _ends(check.recomputed.value, check.unit, digits)
    return value, between(low, high), low, high


def _finding(reference: Reference, check: Check | None) -> str:
    if check is None:
        found = "no inputs are printed"
    elif check.agrees:
        found = "agrees"
    else:
        found = f"erratum: {check.erratum or 'it does not follow from its inputs'}"
    return found if reference.verified else f"{found}; not verified"


def _corrected(reference: Reference) -> str:
    # Every correction after the number itself, so that no row stands alone.
    return "; then ".join(f"{one.text} {one.printed.unit} ({one.printed.source.key})" for one in reference.chain[1:])
