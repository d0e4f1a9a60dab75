"""The tables of how well it was measured: energy by component, gaps, incidents, second opinions."""

from collections.abc import Iterator, Sequence

from carbon_nas.comparison.table import Comparison
from carbon_nas.ledger.observations import CrossCheck
from carbon_nas.ledger.run import Run
from carbon_nas.reporting.cells import joules, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import energy, percent, significant
from carbon_nas.sources import Tier

__all__ = ["component_table", "cross_check_table", "disagreements", "gap_table", "incident_table"]

MOST_INCIDENTS = 50
WARN_BEYOND_FRACTION = 0.1
"""Two opinions on one sensor that differ by more are named before anything is quoted."""
_NOISE_J = 0.1


def _maybe(energy_j: float | None, tier: Tier, missing: str) -> Cell:
    return word(missing) if energy_j is None else joules(energy_j, tier)


def component_table(comparison: Comparison) -> Table:
    """Return energy by component: gross, and net of what it would have used anyway."""
    rows = []
    for cost in comparison.components:
        idle = "not measured"
        rows.append(
            (
                word(cost.strategy),
                word(cost.component),
                joules(cost.energy_j, cost.tier),
                _maybe(cost.idle_j, Tier.MODELLED, idle),
                _maybe(cost.net_j, Tier.MODELLED, idle),
                _maybe(cost.random_u_j, Tier.MODELLED, "not quantified"),
                _maybe(cost.systematic_u_j, Tier.MODELLED, "not quantified"),
            )
        )
    return Table(
        key="components",
        title="Energy by component",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="component", title="component", numeric=False),
            Column(key="gross_j", title="gross"),
            Column(key="idle_j", title="idle in that time"),
            Column(key="net_j", title="net"),
            Column(key="random_u_j", title="u, random"),
            Column(key="systematic_u_j", title="u, systematic"),
        ),
        rows=tuple(rows),
        note="Every other table is gross. Idle is the power before the run times the duration, where it was measured. "
        "u is a standard uncertainty (k = 1) of the sensor: the random part differs from phase to phase, the "
        "systematic part is one gain for all and cancels in ratios on one device. The error of an estimate's formula "
        "is not in it.",
    )


def gap_table(comparison: Comparison) -> Table | None:
    """Return the finished phases whose energy is known between bounds only; None if there are none."""
    if not comparison.incomplete:
        return None

    def bound(energy_j: float | None) -> Cell:
        return _maybe(energy_j, Tier.MODELLED, "no bound known")

    rows = [
        (
            word(gap.strategy),
            word(str(gap.seed)),
            word(gap.phase),
            word(", ".join(gap.components)),
            _maybe(gap.energy_j, Tier.MODELLED, "not known"),
            bound(gap.low_j),
            bound(gap.high_j),
        )
        for gap in comparison.incomplete
    ]
    return Table(
        key="gaps",
        title="Phases with gaps",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="seed", title="seed", numeric=False),
            Column(key="phase", title="phase", numeric=False),
            Column(key="components", title="components", numeric=False),
            Column(key="energy_j", title="seen"),
            Column(key="low_j", title="at least"),
            Column(key="high_j", title="at most"),
        ),
        rows=tuple(rows),
        note="A counter did not answer or began anew. What was seen is compared; the truth lies between the bounds.",
    )


def incident_table(runs: Sequence[Run]) -> Table | None:
    """Return what went wrong with the metering; None if nothing did."""
    found = [(run, incident) for run in runs for incident in run.incidents]
    if not found:
        return None
    rows = [
        (
            word(run.path.name),
            word(incident.utc),
            word(incident.what),
            word(incident.component or ""),
            word(incident.detail),
            word("" if incident.duration_s is None else f"{significant(incident.duration_s)} s"),
            word("" if incident.missing_max_j is None else f"up to {energy(incident.missing_max_j)}"),
        )
        for run, incident in found[:MOST_INCIDENTS]
    ]
    titles = {
        "ledger": "ledger",
        "utc": "when",
        "what": "what",
        "component": "component",
        "detail": "detail",
        "duration": "for",
        "missing": "may be missing",
    }
    more = len(found) - len(rows)
    return Table(
        key="incidents",
        title="Incidents",
        columns=tuple(Column(key=key, title=title, numeric=False) for key, title in titles.items()),
        rows=tuple(rows),
        note=f"The runs went on. {f'{more} more are in the ledgers.' if more else ''}".strip(),
    )


def _pairs(check: CrossCheck) -> Iterator[tuple[str, float | None, float | None, float | None]]:
    for kind in check.ours_j.keys() | check.theirs_j.keys():
        ours_j, theirs_j = check.ours_j.get(kind), check.theirs_j.get(kind)
        difference = None if ours_j is None or theirs_j is None or ours_j <= 0 else theirs_j / ours_j - 1.0
        yield kind, ours_j, theirs_j, difference


def cross_check_table(runs: Sequence[Run]) -> Table | None:
    """Return the second opinions; None if nobody asked for one."""
    rows = []
    for run in runs:
        for check in run.cross_checks:
            if check.error:
                blank = [word("")] * 4
                rows.append((word(run.path.name), word(check.tool), *blank, word(f"no second opinion: {check.error}")))
            for kind, ours_j, theirs_j, difference in sorted(_pairs(check)):
                rows.append(
                    (
                        word(run.path.name),
                        word(check.tool),
                        word(kind),
                        _maybe(ours_j, Tier.MODELLED, "not covered"),
                        _maybe(theirs_j, Tier.MODELLED, "not covered"),
                        word("")
                        if difference is None
                        else Cell(text=f"{100 * difference:+.1f} %", tier=Tier.MODELLED, value=difference),
                        word("; ".join(reason for reason in check.reasons if reason.startswith(kind))),
                    )
                )
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


def disagreements(runs: Sequence[Run]) -> Iterator[str]:
    """Say which second opinions differ by more than can be put down to their edges."""
    for run in runs:
        for check in run.cross_checks:
            for kind, ours_j, theirs_j, difference in sorted(_pairs(check)):
                if difference is None or ours_j is None or theirs_j is None:
                    continue
                if abs(difference) > WARN_BEYOND_FRACTION and abs(theirs_j - ours_j) > _NOISE_J:
                    why = next((reason for reason in check.reasons if reason.startswith(kind)), "no reason can be told")
                    yield (
                        f"{check.tool} puts the energy of {kind} in {run.path.name} at {percent(theirs_j / ours_j)} of "
                        f"what stands here: {why}."
                    )
