"""The tables of how sure it is: intervals, ranges over choices, and what moves a result most."""

from collections.abc import Iterator, Sequence

from carbon_nas.accounting.tornado import Swing, drawn
from carbon_nas.accounting.uncertainty import Spread
from carbon_nas.comparison.family import protagonists
from carbon_nas.comparison.findings import Findings
from carbon_nas.comparison.spread import ratio_name
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import energy, mass, percent, significant
from carbon_nas.sources import Tier
from carbon_nas.uncertain import Interval

__all__ = ["headline", "range_table", "spread_table", "swing_table"]

_CROSSING = "scenarios"


def headline(findings: Findings) -> str | None:
    """Return the name of the ratio that a report is about; None if only one strategy was compared."""
    pair = protagonists(findings.comparison)
    return None if pair is None else ratio_name(pair[0].strategy, pair[1].strategy)


def _shown(value: float | None, unit: str) -> Cell:
    if value is None:
        return word("none")
    texts = {"J": energy, "kg": mass}
    return Cell(text=texts.get(unit, significant)(value), tier=Tier.MODELLED, value=value, unit=unit)


def _span(interval: Interval | None, unit: str, missing: str) -> tuple[Cell, Cell, Cell]:
    """Return both ends as one cell for readers, and each for data files."""
    if interval is None:
        return word(missing), word(""), word("")
    low, high = _shown(interval.low, unit), _shown(interval.high, unit)
    return Cell(text=f"{low.text} to {high.text}", tier=Tier.MODELLED), low, high


def spread_table(findings: Findings) -> Table:
    """Return how sure each cost, ratio and break-even is."""
    spreads = [spread for spread in findings.spreads.values() if not spread.total]
    partly = any(spread.quantified_only is not None for spread in spreads)
    undefined = any(spread.undefined_share for spread in spreads if spread.unit == _CROSSING)
    rows = [_spread_row(spread, partly=partly, undefined=undefined) for spread in spreads]
    return Table(
        key="intervals",
        title="95 % intervals",
        columns=(
            Column(key="quantity", title="quantity", numeric=False),
            Column(key="value", title="value"),
            Column(key="interval", title="95 % interval", numeric=False),
            Column(key="low", title="from", shown=False),
            Column(key="high", title="to", shown=False),
            *(
                (
                    Column(key="known", title="from what is known alone", numeric=False),
                    Column(key="known_low", title="from", shown=False),
                    Column(key="known_high", title="to", shown=False),
                )
                if partly
                else ()
            ),
            *((Column(key="undefined_share", title="draws without a crossing"),) if undefined else ()),
            Column(key="missing", title="not quantified", numeric=False),
        ),
        rows=tuple(rows),
        note=(
            "CO2e is location-based, without the making of hardware, unless its name says so. Each factor is "
            "log-normal and drawn once for all, so what both sides of a ratio share cancels in it, quantified or not: "
            f"{spreads[0].draws:,} draws, seed {spreads[0].seed}. {_agreement(spreads)} What nobody has quantified is "
            "not taken to be nothing: there is no interval then, and what the rest alone gives is narrower than the "
            "truth. Chance between seeds is that of the mean, from three seeds on (Student's t); work that is shared "
            "was done once, and has none. Scenarios differ as well; see break-even."
        ),
    )


def _agreement(spreads: Sequence[Spread]) -> str:
    compared = {spread.name: spread.agree for spread in spreads if spread.agree is not None}
    apart = [name for name, agree in compared.items() if not agree]
    if not compared:
        return "There is no interval to check by propagation to first order."
    if not apart:
        return "Propagation to first order, in logarithms, agrees with every interval."
    return (
        f"Propagation to first order, in logarithms, does not agree for {'; '.join(apart)}: there the draws are right."
    )


def _spread_row(spread: Spread, *, partly: bool, undefined: bool) -> tuple[Cell, ...]:
    share = spread.undefined_share if spread.unit == _CROSSING else None
    return (
        word(spread.name),
        _shown(spread.value, spread.unit),
        *_span(spread.interval, spread.unit, "not quantified" if spread.not_quantified else "none"),
        *(_span(spread.quantified_only, spread.unit, "") if partly else ()),
        *((_share(share),) if undefined else ()),
        word("; ".join(spread.not_quantified)),
    )


def _share(share: float | None) -> Cell:
    return word("") if share is None else Cell(text=percent(share), tier=Tier.MODELLED, value=share)


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
        # What reads the same at both ends makes no difference.
        if _shown(one.low.value, one.unit).text != _shown(one.high.value, one.unit).text
    ]
    if not rows:
        return None
    return Table(
        key="choices",
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
    """Return what moves each result most, the headline first; None if nothing moves any that a reader could see."""
    first = headline(findings)
    order = sorted(findings.swings, key=lambda name: name != first)
    rows = [row for name in order for row in _swing_rows(name, drawn(findings.swings[name]))]
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
        "end. What moves it by less than a thousandth is left out; what is not quantified stands with the intervals.",
    )


def _swing_rows(name: str, swings: Sequence[Swing]) -> Iterator[tuple[Cell, ...]]:
    for swing in swings:
        ends = [word("no number") if end is None else _shown(end.value, end.unit) for end in (swing.low, swing.high)]
        yield (word(name), word(swing.factor), word(str(swing.kind)), *ends, word(swing.note))
