"""The tables of how good what decides is: latency tables, accuracy predictors, and what choices came to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean

from carbon_nas.comparison.quality import Choice, Prediction, TableQuality
from carbon_nas.ledger.findings import LEAST_RANK_CORRELATION_RATIO, MOST_ERROR_FRACTION
from carbon_nas.reporting.cells import counted, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import latency, percent, points, significant
from carbon_nas.sources import Tier

__all__ = ["choice_table", "latency_table", "predictor_table"]


def latency_table(found: Sequence[TableQuality]) -> Table | None:
    """Return how good the latency tables are; None if nobody made any."""
    if not found:
        return None
    told = any(one.made for one in found)
    return Table(
        key="latency_tables",
        title="Latency tables",
        columns=(
            Column(key="scenario", title="scenario", numeric=False),
            Column(key="limit_ms", title="limit"),
            Column(key="made", title="made", numeric=False, shown=told),
            Column(key="error_fraction", title="error on unseen networks"),
            Column(key="rank_correlation_ratio", title="rank correlation"),
            Column(key="trusted", title="trusted", numeric=False),
            Column(key="anchor_spread_ratio", title="anchor spread"),
            Column(key="rule", title="rule", numeric=False),
        ),
        rows=tuple(map(_table_row, found)),
        note="All strategies search with these tables. Error: mean absolute percentage error on whole networks that a "
        f"table was not fitted to. Trusted: an error of {100 * MOST_ERROR_FRACTION:.0f} % or less and a rank "
        f"correlation of {LEAST_RANK_CORRELATION_RATIO:g} or more, a choice of this program. The anchor spread is how "
        "much the machine's own speed moved while they were made (90th over 10th percentile of a fixed kernel).",
    )


def _table_row(one: TableQuality) -> tuple[Cell, ...]:
    spread = one.anchor_spread_ratio
    return (
        word(one.scenario),
        _number(one.limit_ms, latency, Tier.MEASURED, "ms", missing="none"),
        word(one.made),
        _number(one.error_fraction, percent, Tier.MODELLED, missing="not checked"),
        _number(one.rank_correlation_ratio, _rank, Tier.MODELLED, missing="not checked"),
        word(_trust(one)),
        _number(spread, lambda ratio: f"x {ratio:.2f}", Tier.MEASURED, missing="not timed here"),
        word(one.rule),
    )


def _trust(one: TableQuality) -> str:
    if one.trusted:
        return "yes"
    return "no: it proposes, and networks are timed" if one.timed else "no"


def predictor_table(found: Sequence[Prediction]) -> Table | None:
    """Return how good the accuracy predictors are; None if no ledger says so."""
    if not found:
        return None
    rows = [
        (
            word(one.strategy),
            word(str(one.seed)),
            counted(one.trained_on, "architectures"),
            counted(one.held_out, "architectures"),
            _number(one.rank_correlation_ratio, _rank, Tier.MODELLED, missing="too few, or all alike"),
            _number(one.rmse_fraction, _points, Tier.MODELLED),
        )
        for one in found
    ]
    ranks = _by_strategy((one.strategy, one.rank_correlation_ratio) for one in found)
    means = [f"{name} {_over_seeds(values, _rank)}" for name, values in ranks.items() if len(values) > 1]
    return Table(
        key="predictors",
        title="Accuracy predictors",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="seed", title="seed", numeric=False),
            Column(key="trained_on_n", title="trained on"),
            Column(key="held_out_n", title="held out"),
            Column(key="rank_correlation_ratio", title="rank correlation"),
            Column(key="rmse_fraction", title="error (RMSE)"),
        ),
        rows=tuple(rows),
        note="On architectures that the predictor has not seen, scored on the supernet with the validation split, "
        "whose size bounds what any predictor can reach."
        + (f" Rank correlation over seeds: {'; '.join(means)}." if means else ""),
    )


def choice_table(found: Sequence[Choice]) -> Table | None:
    """Return what was known of each network when it was chosen, and what came of it; None if no ledger says so."""
    if not found:
        return None
    places = list(dict.fromkeys(one.scenario for one in found))
    ordered = sorted(found, key=lambda one: (places.index(one.scenario), one.strategy, one.seed))
    predicted = any(one.predicted_accuracy_fraction is not None for one in found)
    return Table(
        key="choices_made",
        title="What was chosen, and what was known of it",
        columns=(
            Column(key="scenario", title="scenario", numeric=False),
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="seed", title="seed", numeric=False),
            Column(key="scored_n", title="scored"),
            Column(key="timed_n", title="timed"),
            Column(key="predicted_ms", title="latency by the table"),
            Column(key="measured_ms", title="measured"),
            Column(key="latency_error_fraction", title="difference"),
            Column(key="predicted_accuracy_fraction", title="accuracy by the predictor", shown=predicted),
            Column(key="validation_accuracy_fraction", title="validation, when chosen"),
            Column(key="test_accuracy_fraction", title="delivered, test"),
        ),
        rows=tuple(map(_choice_row, ordered)),
        note=" ".join(_choice_note(ordered)),
    )


def _choice_row(one: Choice) -> tuple[Cell, ...]:
    return (
        word(one.scenario),
        word(one.strategy),
        word(str(one.seed)),
        counted(one.scored, "architectures"),
        counted(one.timed, "architectures"),
        _number(one.predicted_ms, latency, Tier.MODELLED, "ms"),
        _number(one.measured_ms, latency, Tier.MEASURED, "ms"),
        _number(one.latency_error_fraction, _signed, Tier.MODELLED),
        _number(one.predicted_accuracy_fraction, percent, Tier.MODELLED),
        _number(one.validation_accuracy_fraction, percent, Tier.MEASURED),
        _number(one.test_accuracy_fraction, percent, Tier.MEASURED),
    )


def _choice_note(found: Sequence[Choice]) -> Iterator[str]:
    yield (
        "Scored: distinct architectures that the search looked at. Timed: end to end, from the best on, until enough "
        "met the limit; many of them mean that the table had promised too much. Difference: measured over table."
    )
    validated = dict.fromkeys(
        f"{one.strategy}, {one.validated}" for one in found if one.validation_accuracy_fraction is not None
    )
    if validated:
        yield f"Validation, when chosen: {'; '.join(validated)}."
    for name, values in _by_strategy((one.strategy, one.latency_error_fraction) for one in found).items():
        yield f"{name}: measured latency differs from the table by {_over(values, _signed)}."
    for name, values in _by_strategy((one.strategy, one.accuracy_error_fraction) for one in found).items():
        yield f"{name}: test accuracy differs from the predictor by {_over(values, points)}."
    for name in dict.fromkeys(one.strategy for one in found if one.fine_tuned):
        yield f"{name}: fine-tuned after that, so its test accuracy does not check what was known when it was chosen."


def _by_strategy(pairs: Iterable[tuple[str, float | None]]) -> dict[str, list[float]]:
    """Gather what is known, strategy by strategy."""
    found: dict[str, list[float]] = {}
    for strategy, value in pairs:
        if value is not None:
            found.setdefault(strategy, []).append(value)
    return found


def _over(values: Sequence[float], write: Callable[[float], str]) -> str:
    mean = write(fmean(values))
    return mean if len(values) == 1 else f"{mean} on average ({write(min(values))} to {write(max(values))})"


def _over_seeds(values: Sequence[float], write: Callable[[float], str]) -> str:
    return f"{write(fmean(values))} on average, {write(min(values))} to {write(max(values))}"


def _number(
    value: float | None, write: Callable[[float], str], tier: Tier, unit: str = "", *, missing: str = "not known"
) -> Cell:
    return word(missing) if value is None else Cell(text=write(value), tier=tier, value=value, unit=unit)


def _rank(ratio: float) -> str:
    return f"{ratio:.2f}"


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.1f} %"


def _points(fraction: float) -> str:
    return f"{significant(100 * fraction, 2)} points"
