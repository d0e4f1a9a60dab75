"""Second opinions beside our own totals: the table, and the sentences about those that differ."""

from collections.abc import Iterator, Sequence

from carbon_nas.ledger.run import Run
from carbon_nas.meters.agreement import Agreement
from carbon_nas.reporting.cells import maybe, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.sources import Tier

__all__ = ["cross_check_table", "disagreements"]


def _agreements(run: Run) -> Iterator[Agreement]:
    for check in run.cross_checks:
        yield Agreement(
            tool=check.tool,
            duration_s=check.duration_s,
            ours_j=check.ours_j,
            theirs_j=check.theirs_j,
            reasons=check.reasons,
            error=check.error,
        )


def _tier(run: Run, kind: str) -> Tier:
    parts = run.components.values()
    return Tier.weakest({part.tier for part in parts if part.name.partition(":")[0] == kind}) or Tier.MODELLED


def cross_check_table(runs: Sequence[Run]) -> Table | None:
    """Return the second opinions; None if nobody asked for one."""
    rows = [row for run in runs for found in _agreements(run) for row in _opinion_rows(run, found)]
    if not rows:
        return None
    return Table(
        key="cross_checks",
        title="Second opinion",
        columns=(
            Column(key="ledger", title="ledger", numeric=False),
            Column(key="tool", title="tool", numeric=False),
            Column(key="component", title="component", numeric=False),
            Column(key="ours_j", title="ours"),
            Column(key="theirs_j", title="theirs"),
            Column(key="difference_fraction", title="difference"),
            Column(key="reason", title="why", numeric=False),
        ),
        rows=tuple(rows),
        note="Same sensors, another program: agreement shows that both read them alike, and is no validation. Only an "
        "external meter would be one.",
    )


def _opinion_rows(run: Run, found: Agreement) -> Iterator[tuple[Cell, ...]]:
    head = (word(run.path.name), word(found.tool))
    if found.error:
        yield (*head, *[word("")] * 4, word(f"no second opinion: {found.error}"))
        return
    for kind in sorted(found.ours_j.keys() | found.theirs_j.keys()):
        ours_j, theirs_j, ratio = found.ours_j.get(kind), found.theirs_j.get(kind), found.ratio(kind)
        if ours_j is None and theirs_j is None:
            continue
        difference = (
            word("") if ratio is None else Cell(text=f"{100 * (ratio - 1):+.1f} %", tier=Tier.MODELLED, value=ratio - 1)
        )
        yield (
            *head,
            word(kind),
            maybe(ours_j, _tier(run, kind), "not covered"),
            maybe(theirs_j, Tier.MODELLED, "not covered"),
            difference,
            word(found.why(kind)),
        )


def disagreements(runs: Sequence[Run]) -> Iterator[str]:
    """Say which second opinions differ by more than is tolerated, once for each tool, component and reason."""
    ratios: dict[tuple[str, str, str], list[float]] = {}
    for run in runs:
        for found in _agreements(run):
            for kind in sorted(found.theirs_j):
                ratio = found.ratio(kind)
                if ratio is not None and found.differs(kind):
                    ratios.setdefault((found.tool, kind, found.why(kind)), []).append(ratio)
    for (tool, kind, why), values in ratios.items():
        low, high = (f"{value:.0%}".replace("%", " %") for value in (min(values), max(values)))
        spread = low if low == high else f"{low} to {high}"
        where = "one ledger" if len(values) == 1 else f"{len(values)} ledgers"
        told = why or "why cannot be told"
        yield f"{tool} puts the energy of {kind} at {spread} of what stands here, in {where}: {told}."
