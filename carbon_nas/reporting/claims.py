"""The tables of the claims: the headline ratios, how they move, and the way from 1,300x to a run's own ratio."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from carbon_nas.comparison.claim_points import ClaimPoint, claim_points
from carbon_nas.comparison.claims import Claim, ClaimStep, claims
from carbon_nas.comparison.published_hours import FineTuning
from carbon_nas.references import nas_costs
from carbon_nas.references.library import number
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.record_cells import between, cited, factor, ratio
from carbon_nas.sources import Tier

__all__ = ["claim_points_table", "claim_table", "claims_table"]


def claims_table() -> Table:
    """Return the headline ratios as printed, from the printed cells, and without any rounding."""
    found, upfront = claims(), nas_costs()[FineTuning.NONE.row_key]
    return Table(
        key="claims",
        title=f"The claims, for {found[0].scenarios} scenarios",
        columns=(
            Column(key="rival", title="against", numeric=False),
            Column(key="printed_ratio", title="printed"),
            Column(key="from_co2e", title="from the printed CO2e", numeric=False),
            Column(key="co2e_low_ratio", title="from the printed CO2e: from", shown=False),
            Column(key="co2e_high_ratio", title="to", shown=False),
            Column(key="from_hours", title="from the printed hours", numeric=False),
            Column(key="hours_low_ratio", title="from the printed hours: from", shown=False),
            Column(key="hours_high_ratio", title="to", shown=False),
            Column(key="without_search_ratio", title="unrounded, without search"),
            Column(key="unrounded_ratio", title="unrounded"),
            Column(key="finding", title="finding", numeric=False),
            Column(key="source", title="source", numeric=False),
        ),
        rows=tuple(map(_claim_row, found)),
        note="Cost of the other method over that of once-for-all. A ratio of CO2e is one of GPU-hours here: power, "
        "PUE, intensity and price are the same in every row, and cancel. Without search: rounding drops the "
        f"{upfront.search_once_gpu_h:,.0f} GPU-hours of search that {upfront.label} takes.",
    )


def _claim_row(claim: Claim) -> tuple[Cell, ...]:
    agrees = "follows from the printed CO2e" if claim.agrees else "does not follow from the printed CO2e"
    left_out = f"; {', '.join(claim.unreported)} of {claim.rival} is not reported" if claim.unreported else ""
    co2e, hours = ((ratio(found.low), ratio(found.high)) for found in (claim.from_co2e_ratio, claim.from_hours_ratio))
    return (
        word(claim.rival),
        Cell(text=f"{claim.text}x", tier=Tier.PUBLISHED, value=number(claim.text), unit="ratio"),
        between(*co2e),
        *co2e,
        between(*hours),
        *hours,
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
            Column(key="range", title="range", numeric=False),
            Column(key="low_ratio", title="range: from", shown=False),
            Column(key="high_ratio", title="to", shown=False),
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
    ends = ratio(step.low_ratio), ratio(step.high_ratio)
    return (
        word(step.label),
        multiplied,
        ratio(step.after_ratio, Tier.PUBLISHED if first else Tier.MODELLED),
        between(*ends, step.over),
        *ends,
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
    assumed = {f"MnasNet at {one.mnasnet} hours: {one.assumption}." for one in found if one.assumption}
    return Table(
        key="claim_points",
        title="How the claims move",
        columns=(
            Column(key="claim", title="ratio", numeric=False),
            Column(key="rival", title="against", numeric=False, shown=False),
            Column(key="mnasnet", title="hours of one search of it", numeric=False, shown=False),
            Column(key="fine_tuning", title="fine-tuning of once-for-all", numeric=False, shown=False),
            *(Column(key=f"n{n}_ratio", title=f"N = {n:,}") for n in numbers),
            Column(key="assumption", title="assumed", numeric=False, shown=False),
        ),
        rows=tuple(_point_rows(found, numbers)),
        note="Unrounded GPU-hours over unrounded GPU-hours. Below 1, once-for-all (OFA) costs more. In brackets: hours "
        "of one search, where several are published. #25 and #75: epochs of fine-tuning for each scenario."
        + "".join(f" {words}" for words in sorted(assumed)),
    )


def _point_rows(points: Sequence[ClaimPoint], numbers: Sequence[int]) -> Iterator[tuple[Cell, ...]]:
    for (rival, mnasnet, fine_tuning), group in groupby(points, lambda one: (one.rival, one.mnasnet, one.fine_tuning)):
        line = list(group)
        by_n: Mapping[int, ClaimPoint] = {point.n: point for point in line}
        searched = "" if mnasnet is None else f" ({mnasnet} h)"
        yield (
            word(f"{rival}{searched} over {nas_costs()[fine_tuning.row_key].label}"),
            word(rival),
            word("" if mnasnet is None else str(mnasnet)),
            word(str(fine_tuning)),
            *(ratio(by_n[n].unrounded_ratio if n in by_n else None, missing="not asked") for n in numbers),
            word(line[0].assumption),
        )
