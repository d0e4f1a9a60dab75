"""The tables of how well it was measured: energy by component, windows, gaps, incidents."""

from collections.abc import Iterator, Sequence

from carbon_nas.comparison.components import ComponentCost
from carbon_nas.comparison.table import Comparison
from carbon_nas.ledger.run import Run
from carbon_nas.meters.agreement import WINDOW
from carbon_nas.meters.base import Component
from carbon_nas.reporting.cells import counted, joules, maybe, seconds, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import energy, significant
from carbon_nas.sources import Tier

__all__ = [
    "component_table",
    "disturbances",
    "gap_table",
    "incident_table",
    "window_table",
]

MOST_INCIDENTS = 50
CONTESTED = "contested"
"""The incident of a second recorder on one component."""
_MOST_NAMED = 3
_NOTHING_RATIO = 0.005  # A net that is so little of the gross is the noise of the baseline.


def component_table(comparison: Comparison, runs: Sequence[Run]) -> Table:
    """Return energy by component: gross, how far off an estimate may be, and net of what it would have used anyway."""
    metered = {name: component for run in runs for name, component in run.components.items()}
    ranged = any(cost.tier is not Tier.MEASURED for cost in comparison.components)
    shared = any(cost.attributed_j is not None for cost in comparison.components)
    own = [name for name, component in metered.items() if component.own]
    rows = [
        _component_row(cost, metered.get(cost.component), ranged=ranged)
        + ((maybe(cost.attributed_j, Tier.ESTIMATED, "not known"),) if shared else ())
        for cost in comparison.components
    ]
    notes = [
        "Every other table is gross.",
        "From and to: the range in which the truth is taken to lie where a formula gave the joules." if ranged else "",
        "Idle: the power before the run times the duration; net: gross without it.",
        f"Of {', '.join(own)} only the program's own work is counted, so nothing of it is idle." if own else "",
        "The program's part of a GPU: energy times its share of the busy multiprocessors, an estimate."
        if shared
        else "",
        "u: standard uncertainty of a sensor (k = 1).",
        "The random part differs from phase to phase; the systematic part is one gain for all, and cancels in ratios.",
    ]
    return Table(
        key="components",
        title="Energy by component",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="component", title="component", numeric=False),
            Column(key="gross_j", title="gross"),
            *(_RANGE if ranged else ()),
            Column(key="idle_j", title="idle"),
            Column(key="net_j", title="net"),
            Column(key="random_u_j", title="u, random"),
            Column(key="systematic_u_j", title="u, systematic"),
            *((Column(key="attributed_j", title="of it the program's"),) if shared else ()),
        ),
        rows=tuple(rows),
        note=" ".join(filter(None, notes)),
    )


_RANGE = (Column(key="estimate_low_j", title="estimate: from"), Column(key="estimate_high_j", title="to"))


def _component_row(cost: ComponentCost, component: Component | None, *, ranged: bool) -> tuple[Cell, ...]:
    low, high = (None, None) if component is None else (component.low_ratio, component.high_ratio)
    own = component is not None and component.own
    idle = "own work only" if own else "not measured"
    # What a formula gives has no sensor behind it, and a tick of zero would read as if it were exact.
    no_sensor = cost.tier is not Tier.MEASURED
    missing = "no sensor" if no_sensor else "not quantified"
    unbounded = "not quantified" if no_sensor else ""
    bounds = [maybe(None if one is None else one * cost.energy_j, Tier.MODELLED, unbounded) for one in (low, high)]
    return (
        word(cost.strategy),
        word(cost.component),
        joules(cost.energy_j, cost.tier),
        *(bounds if ranged else ()),
        maybe(None if own else cost.idle_j, Tier.MODELLED, idle),
        _net(None if own else cost.net_j, cost.energy_j, idle if cost.complete else "not known, for a gap"),
        maybe(None if no_sensor else cost.random_u_j, Tier.MODELLED, missing),
        maybe(None if no_sensor else cost.systematic_u_j, Tier.MODELLED, missing),
    )


def _net(net_j: float | None, gross_j: float, missing: str) -> Cell:
    if net_j is not None and abs(net_j) < _NOTHING_RATIO * gross_j:
        return Cell(text="about 0 J", tier=Tier.MODELLED, value=net_j, unit="J")
    return maybe(net_j, Tier.MODELLED, missing)


def window_table(runs: Sequence[Run]) -> Table | None:
    """Return what was looked at within phases, by family; None if nobody opened a window."""
    rows = []
    for run in runs:
        tier = Tier.weakest({component.tier for component in run.components.values()}) or Tier.MODELLED
        for family, found in run.windows.items():
            if family == WINDOW:  # It is no work, and what it found stands beside the second opinion.
                continue
            each_j = None if found.energy_j is None else found.energy_j / found.count
            rows.append(
                (
                    word(run.path.name),
                    word(family),
                    counted(found.count, "windows"),
                    seconds(found.duration_s),
                    maybe(found.energy_j, tier, "not known"),
                    maybe(each_j, Tier.MODELLED, "not known"),
                    counted(found.below_resolution, "windows"),
                    counted(found.incomplete, "windows"),
                )
            )
    if not rows:
        return None
    return Table(
        key="windows",
        title="Windows",
        columns=(
            Column(key="ledger", title="ledger", numeric=False),
            Column(key="family", title="what", numeric=False),
            Column(key="windows_n", title="how many"),
            Column(key="duration_s", title="duration"),
            Column(key="energy_j", title="energy"),
            Column(key="mean_j", title="mean"),
            Column(key="below_resolution_n", title="below resolution"),
            Column(key="incomplete_n", title="with gaps"),
        ),
        rows=tuple(rows),
        note="A closer look, summed up by family: what windows within phases used stands in the phases already, what "
        "others used in no other table; a window within a window counts in both. Below resolution: too short, or too "
        "little, to be told from zero.",
    )


def gap_table(comparison: Comparison) -> Table | None:
    """Return the finished phases whose energy is known between bounds only; None if there are none."""
    if not comparison.incomplete:
        return None

    def bound(energy_j: float | None) -> Cell:
        return maybe(energy_j, Tier.MODELLED, "no bound known")

    rows = [
        (
            word(gap.strategy),
            word(str(gap.seed)),
            word(gap.phase),
            word(", ".join(gap.components)),
            maybe(gap.energy_j, Tier.MODELLED, "not known"),
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


def disturbances(runs: Sequence[Run]) -> Iterator[str]:
    """Say what else ran on the metered devices, and which ledgers repeat one another."""
    contested = [(run, incident.component) for run in runs for incident in run.incidents if incident.what == CONTESTED]
    if contested:
        names = ", ".join(dict.fromkeys(run.path.name for run, _ in contested))
        devices = ", ".join(sorted({component for _, component in contested if component}))
        yield (
            f"Another recorder metered {devices} of the same machine at the same time ({names}): what ran there is in "
            "these joules as well."
        )
    pairs: dict[tuple[str, str, int], list[Run]] = {}
    for run in runs:
        pairs.setdefault((str(run.header.role), run.header.strategy, run.header.seed), []).append(run)
    for (_, strategy, seed), same in pairs.items():
        if len(same) > 1:
            names = " and ".join(run.path.name for run in same)
            again = sorted(set.intersection(*(set(run.done) for run in same)))
            repeated = f" {', '.join(again[:_MOST_NAMED])}: done in each of them." if again else ""
            yield (
                f"{names} are of one run, {strategy}, seed {seed}, and are added up.{repeated} If they repeat one "
                "another, leave only one of them in the folder, or record each with a seed of its own."
            )
