"""The tables of the published record: what was printed, what follows from it, and what became of it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from carbon_nas.comparison.claims import Claim, ClaimPoint, ClaimStep, claim_points, claims
from carbon_nas.comparison.published_hours import FineTuning
from carbon_nas.references import REFERENCES, Check, Reference, Step, checks, nas_costs, waterfall
from carbon_nas.references.library import number
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import mass_lb, significant
from carbon_nas.sources import Source, Tier
from carbon_nas.uncertain import Interval

__all__ = [
    "cited",
    "claim_points_table",
    "claim_table",
    "claims_table",
    "factor",
    "ratio",
    "register_table",
    "waterfall_table",
]


def cited(source: Source | None) -> Cell:
    """Return a cell that says where a number stands."""
    if source is None:
        return word("")
    return word(f"{source.key}, {source.where}" if source.key else source.where)


def factor(value: float) -> str:
    """Write a factor; one near 1 is told from 1 by its fourth digit only."""
    return significant(value, 4 if 0.99 < value < 1.01 else 3)


def ratio(value: float | None, tier: Tier = Tier.MODELLED, *, missing: str = "") -> Cell:
    """Return a cell of a ratio, or of words if there is none."""
    if value is None:
        return word(missing)
    return Cell(text=f"{significant(value)}x", tier=tier, value=value, unit="ratio")


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


def register_table() -> Table:
    """Return every published number of the register, beside what follows from the inputs that were printed with it."""
    recomputed = {check.key: check for check in checks()}
    return Table(
        key="register",
        title="The register: published numbers, computed again",
        columns=(
            Column(key="key", title="row", numeric=False),
            Column(key="what", title="what", numeric=False),
            Column(key="printed_value", title="printed"),
            Column(key="unit", title="unit", numeric=False),
            Column(key="printed_low_value", title="rounded from"),
            Column(key="printed_high_value", title="to"),
            Column(key="recomputed_value", title="computed again"),
            Column(key="recomputed_low_value", title="from"),
            Column(key="recomputed_high_value", title="to"),
            Column(key="finding", title="finding", numeric=False),
            Column(key="correction", title="corrected to", numeric=False),
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
    )


def _register_row(reference: Reference, check: Check | None) -> tuple[Cell, ...]:
    unit, digits = reference.printed.unit, _digits(reference.text)
    printed = Cell(text=reference.text, tier=Tier.PUBLISHED, value=reference.printed.value, unit=unit)
    rounding = reference.rounding
    return (
        word(reference.key),
        word(reference.label),
        printed,
        word(unit),
        *_ends(rounding, unit, digits),
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
        return word(""), word(""), word("")
    value = Cell(text=significant(check.value, digits), tier=Tier.MODELLED, value=check.value, unit=check.unit)
    return value, *_ends(check.recomputed.value, check.unit, digits)


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


def claims_table() -> Table:
    """Return the headline ratios as printed, from the printed cells, and without any rounding."""
    found, upfront = claims(), nas_costs()[FineTuning.NONE.row_key]
    return Table(
        key="claims",
        title=f"The claims, for {found[0].scenarios} scenarios",
        columns=(
            Column(key="rival", title="once-for-all against", numeric=False),
            Column(key="printed_ratio", title="printed"),
            Column(key="co2e_low_ratio", title="from the printed CO2e: from"),
            Column(key="co2e_high_ratio", title="to"),
            Column(key="hours_low_ratio", title="from the printed hours: from"),
            Column(key="hours_high_ratio", title="to"),
            Column(key="without_search_ratio", title="unrounded, search of once-for-all dropped"),
            Column(key="unrounded_ratio", title="unrounded, all hours"),
            Column(key="finding", title="finding", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(map(_claim_row, found)),
        note="A ratio of CO2e is one of GPU-hours here: power, PUE, intensity and price are the same in every row, and "
        f"cancel. Rounding drops the {upfront.search_once_gpu_h:,.0f} GPU-hours of search that {upfront.label} takes.",
    )


def _claim_row(claim: Claim) -> tuple[Cell, ...]:
    agrees = "follows from the printed CO2e" if claim.agrees else "does not follow from the printed CO2e"
    left_out = f"; {', '.join(claim.unreported)} of {claim.rival} is not reported" if claim.unreported else ""
    return (
        word(claim.rival),
        Cell(text=f"{claim.text}x", tier=Tier.PUBLISHED, value=number(claim.text), unit="ratio"),
        ratio(claim.from_co2e_ratio.low),
        ratio(claim.from_co2e_ratio.high),
        ratio(claim.from_hours_ratio.low),
        ratio(claim.from_hours_ratio.high),
        ratio(claim.without_search_ratio),
        ratio(claim.unrounded_ratio),
        word(f"{agrees}{left_out}"),
        cited(claim.source),
    )


def claim_table(steps: Sequence[ClaimStep]) -> Table:
    """Return the way from the published 1,300x to where some steps lead."""
    return Table(
        key="claim_steps",
        title="Why not 1,300x?",
        columns=(
            Column(key="step", title="step", numeric=False),
            Column(key="factor_ratio", title="factor"),
            Column(key="after_ratio", title="ratio after it"),
            Column(key="low_ratio", title="range: from"),
            Column(key="high_ratio", title="to"),
            Column(key="note", title="note", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(_claim_step(step, first=index == 0) for index, step in enumerate(steps)),
        note="Every step begins where the one before it ended, so the factors multiply to the last ratio. The size of "
        "a step depends on their order; where they lead does not. Ranges are over choices, and have no probability.",
    )


def _claim_step(step: ClaimStep, *, first: bool) -> tuple[Cell, ...]:
    if first:
        multiplied = word("")
    elif step.applies:
        multiplied = Cell(text=f"x {factor(step.factor_ratio)}", tier=Tier.MODELLED, value=step.factor_ratio)
    else:
        multiplied = word("does not apply")
    return (
        word(step.label),
        multiplied,
        ratio(step.after_ratio, Tier.PUBLISHED if first else Tier.MODELLED),
        ratio(step.low_ratio),
        ratio(step.high_ratio),
        word(step.note),
        word("own run") if step.source is None and step.applies else cited(step.source),
    )


def claim_points_table(points: Sequence[ClaimPoint] = ()) -> Table:
    """Return how the headline ratios move with N, with fine-tuning, and with the published costs of MnasNet.

    Args:
        points: what `claim_points` returned; empty for the numbers of scenarios that it takes by itself.
    """
    found = list(points) or list(claim_points())
    numbers = tuple(dict.fromkeys(point.n for point in found))
    return Table(
        key="claim_points",
        title="How the claims move",
        columns=(
            Column(key="rival", title="once-for-all against", numeric=False),
            Column(key="mnasnet", title="hours of one MnasNet search", numeric=False),
            Column(key="fine_tuning", title="fine-tuning of once-for-all", numeric=False),
            *(Column(key=f"n{n}_ratio", title=f"N = {n:,}") for n in numbers),
            Column(key="assumption", title="assumed", numeric=False),
        ),
        rows=tuple(_point_rows(found, numbers)),
        note="GPU-hours of the rival over those of once-for-all, unrounded. Below 1, once-for-all costs more.",
    )


def _point_rows(points: Sequence[ClaimPoint], numbers: Sequence[int]) -> Iterator[tuple[Cell, ...]]:
    for (rival, mnasnet, fine_tuning), group in groupby(points, lambda one: (one.rival, one.mnasnet, one.fine_tuning)):
        line = list(group)
        by_n: Mapping[int, ClaimPoint] = {point.n: point for point in line}
        yield (
            word(rival),
            word("" if mnasnet is None else str(mnasnet)),
            word(str(fine_tuning)),
            *(ratio(by_n[n].unrounded_ratio if n in by_n else None, missing="not asked") for n in numbers),
            word(line[0].assumption),
        )
