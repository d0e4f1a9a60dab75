"""Where the numbers come from: meters, latency tables, the recording itself."""

from collections.abc import Sequence

from carbon_nas.ledger.run import Run
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import latency, percent
from carbon_nas.sources import Tier

__all__ = ["latency_table", "meter_table", "recording"]


def meter_table(runs: Sequence[Run]) -> Table:
    """Return what was metered, and how."""
    seen = {component.name: component for run in runs for component in run.components.values()}
    rows = [
        (
            word(component.name),
            word(str(component.tier)),
            word(component.method),
            word(", ".join(f"{key} {value}" for key, value in component.inputs.items() if value is not None)),
            word(component.note),
        )
        for component in seen.values()
    ]
    titles = ("component", "tier", "method", "inputs", "note")
    return Table(
        key="meters",
        title="How energy was found",
        columns=tuple(Column(key=title, title=title, numeric=False) for title in titles),
        rows=tuple(rows),
        note="Not covered: memory, disks, power supplies, cooling, and every component that is not listed.",
    )


def latency_table(runs: Sequence[Run]) -> Table:
    """Return how good the latency tables are."""
    rows = []
    for run in runs:
        for scenario, record in run.tables.items():
            limit, table = run.limits.get(scenario), record.table
            wrong, rank = table["error_fraction"], table["rank_correlation_ratio"]
            rows.append(
                (
                    word(scenario),
                    Cell(
                        text=latency(limit.limit_ms) if limit else "none",
                        tier=Tier.MEASURED,
                        value=limit.limit_ms if limit else None,
                        unit="ms",
                    ),
                    Cell(text="not checked" if wrong is None else percent(wrong), tier=Tier.MEASURED, value=wrong),
                    Cell(text="not checked" if rank is None else f"{rank:.2f}", tier=Tier.MEASURED, value=rank),
                    Cell(
                        text=f"x {table['anchor_spread_ratio']:.2f}",
                        tier=Tier.MEASURED,
                        value=table["anchor_spread_ratio"],
                    ),
                    word(limit.rule if limit else ""),
                )
            )
    return Table(
        key="latency_tables",
        title="Latency tables",
        columns=(
            Column(key="scenario", title="scenario", numeric=False),
            Column(key="limit_ms", title="limit"),
            Column(key="error_fraction", title="error on unseen networks"),
            Column(key="rank_correlation_ratio", title="rank correlation"),
            Column(key="anchor_spread_ratio", title="anchor spread"),
            Column(key="rule", title="rule", numeric=False),
        ),
        rows=tuple(rows),
        note="Both strategies search with these tables. The anchor spread is how much the machine's own speed moved "
        "while they were made (90th over 10th percentile of a fixed kernel).",
    )


def recording(runs: Sequence[Run]) -> str:
    """Say when, on what and with which code the ledgers were recorded."""
    first = runs[0]
    sessions = [session for run in runs for session in run.sessions]
    host, versions = sessions[0].host, sessions[0].versions
    began = min(session.utc for session in sessions)
    return (
        f"Recorded from {began} on {host.get('cpu_model') or 'an unnamed CPU'} "
        f"({host.get('logical_cores')} logical cores, {host.get('system')}), Python {versions.get('python')}, "
        f"torch {versions.get('torch', 'not installed')}, "
        f"carbon_nas {first.header.code_version} with sources {first.header.code_hash[:12]}, "
        f"study hash {first.header.study_hash[:12]}, {len(sessions)} sessions in {len(runs)} ledgers."
    )
