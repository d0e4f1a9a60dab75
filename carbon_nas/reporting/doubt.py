"""The tables of how sure it is: intervals, ranges over scenarios, and what moves a result most."""

from collections.abc import Iterator, Sequence

from carbon_nas.accounting.tornado import Swing
from carbon_nas.accounting.uncertainty import Spread
from carbon_nas.comparison.findings import Findings
from carbon_nas.comparison.spread import ratio_name
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import energy, mass, percent, significant
from carbon_nas.sources import Tier
from carbon_nas.uncertain import Interval

__all__ = ["headline", "range_table", "spread_table", "swing_table"]

NOT_QUANTIFIED = "not quantified"


def headline(findings: Findings) -> str | None:
    """Return the name of the ratio that a report is about; None if only one strategy was compared."""
    order = [cost.strategy for cost in findings.comparison.strategies]
    return ratio_name(order[0], order[1]) if len(order) > 1 else None


def _shown(value: float | None, unit: str) -> Cell:
    if value is None:
        return word("none")
    texts = {"J": energy, "kg": mass}
    return Cell(text=texts.get(unit, significant)(value), tier=Tier.MODELLED, value=value, unit=unit)


def _ends(interval: Interval | None, unit: str, missing: str) -> tuple[Cell, Cell]:
    if interval is None:
        return word(missing), word(missing)
    return _shown(interval.low, unit), _shown(interval.high, unit)


def spread_table(findings: Findings) -> Table:
    """Return how sure each cost, ratio and break-even is."""
    names = [name for name in findings.spreads if not name.endswith((", once", ", each"))]
    partly = any(findings.spreads[name].quantified_only is not None for name in names)
    rows = [_spread_row(findings.spreads[name], partly=partly) for name in names]
    first = findings.spreads[names[0]]
    return Table(
        key="intervals",
        title=f"95 % intervals of {'energy' if first.unit == 'J' else 'location-based CO2e'}",
        columns=(
            Column(key="quantity", title="quantity", numeric=False),
            Column(key="value", title="value"),
            Column(key="low", title="from"),
            Column(key="high", title="to"),
            Column(key="analytic_low", title="first order: from"),
            Column(key="analytic_high", title="to"),
            *(
                (Column(key="known_low", title="what is known alone: from"), Column(key="known_high", title="to"))
                if partly
                else ()
            ),
            Column(key="undefined_share", title="no number in"),
            Column(key="missing", title="not quantified", numeric=False),
        ),
        rows=tuple(rows),
        note=(
            "Without the making of hardware. Each factor is log-normal and drawn once for all, so what both sides of a "
            f"ratio share cancels in it, quantified or not: {first.draws:,} draws, seed {first.seed}. First order: "
            "propagation in logarithms, as a check. What nobody has quantified is not taken to be nothing: there is no "
            "interval then, and what the rest alone gives is narrower than the truth. Chance between seeds is that of "
            "the mean, from three seeds on (Student's t); work that is shared was done once, and has none. Scenarios "
            "differ more than this; see break-even."
        ),
    )


def _spread_row(spread: Spread, *, partly: bool) -> tuple[Cell, ...]:
    return (
        word(spread.name),
        _shown(spread.value, spread.unit),
        *_ends(spread.interval, spread.unit, NOT_QUANTIFIED if spread.not_quantified else "none"),
        *_ends(spread.analytic, spread.unit, NOT_QUANTIFIED if spread.not_quantified else "none"),
        *(_ends(spread.quantified_only, spread.unit, "") if partly else ()),
        Cell(text=percent(spread.undefined_share), tier=Tier.MODELLED, value=spread.undefined_share),
        word("; ".join(spread.not_quantified)),
    )


def range_table(findings: Findings) -> Table | None:
    """Return what another choice would make of each result; None if there is none to make."""
    rows = [
        (
            word(name),
            word(one.name),
            word(one.base),
            _shown(one.low.value, one.unit),
            word(one.low.label),
            _shown(one.high.value, one.unit),
            word(one.high.label),
        )
        for name, switches in findings.ranges.items()
        for one in switches
    ]
    if not rows:
        return None
    return Table(
        key="scenarios",
        title="What another choice would make of it",
        columns=(
            Column(key="quantity", title="quantity", numeric=False),
            Column(key="choice", title="choice", numeric=False),
            Column(key="made", title="made here", numeric=False),
            Column(key="low", title="least"),
            Column(key="low_label", title="with", numeric=False),
            Column(key="high", title="most"),
            Column(key="high_label", title="with", numeric=False),
        ),
        rows=tuple(rows),
        note="Ranges over choices, one at a time. They have no probability, and are no part of the intervals.",
    )


def swing_table(findings: Findings) -> Table | None:
    """Return what moves each result most; None if nothing does."""
    rows = [row for name, swings in findings.swings.items() for row in _swing_rows(name, swings)]
    if not rows:
        return None
    return Table(
        key="tornado",
        title="What moves each result most",
        columns=(
            Column(key="quantity", title="quantity", numeric=False),
            Column(key="factor", title="factor", numeric=False),
            Column(key="kind", title="kind", numeric=False),
            Column(key="low", title="low end"),
            Column(key="high", title="high end"),
            Column(key="note", title="note", numeric=False),
        ),
        rows=tuple(rows),
        note="One at a time, the widest first: a factor from its 2.5th to its 97.5th percentile, a choice from end to "
        "end; last, what is not quantified.",
    )


def _swing_rows(name: str, swings: Sequence[Swing]) -> Iterator[tuple[Cell, ...]]:
    for swing in swings:
        missing = "none" if swing.quantified else NOT_QUANTIFIED
        ends = [word(missing) if end is None else _shown(end.value, end.unit) for end in (swing.low, swing.high)]
        yield (word(name), word(swing.factor), word(str(swing.kind)), *ends, word(swing.note))
