"""How good what decides is: latency tables, accuracy predictors, and the choices that were made with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carbon_nas.comparison.family import FAMILY, FINE_TUNE
from carbon_nas.ledger.findings import LEAST_RANK_CORRELATION_RATIO, MOST_ERROR_FRACTION
from carbon_nas.ledger.run import Run

__all__ = ["Choice", "Prediction", "Quality", "TableQuality", "quality"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableQuality:
    """How well a latency table knows networks that it was not fitted to.

    Attributes:
        limit_ms: of its scenario; None if there is none.
        made: how it came about, in words; empty if it was timed for the run.
        error_fraction: mean absolute percentage error; None: not checked.
        rank_correlation_ratio: Spearman's; None: not checked.
        timed: whether networks were timed one by one before they were chosen; None if the ledgers do not say.
    """

    scenario: str
    limit_ms: float | None
    rule: str
    made: str
    error_fraction: float | None
    rank_correlation_ratio: float | None
    anchor_spread_ratio: float | None
    timed: bool | None

    @property
    def trusted(self) -> bool:
        """Whether it is good enough to be believed; one that was not checked is not."""
        return (
            self.error_fraction is not None
            and self.rank_correlation_ratio is not None
            and self.error_fraction <= MOST_ERROR_FRACTION
            and self.rank_correlation_ratio >= LEAST_RANK_CORRELATION_RATIO
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """How good an accuracy predictor is, on architectures that it was not trained on.

    Attributes:
        trained_on, held_out: how many architectures.
    """

    strategy: str
    seed: int
    trained_on: int
    held_out: int
    rank_correlation_ratio: float | None
    rmse_fraction: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What was known of a network when it was chosen, and what came of it.

    Attributes:
        scored: how many architectures the search scored.
        timed: how many of the best were timed end to end.
        predicted_ms, measured_ms: by the latency table, and end to end.
        predicted_accuracy_fraction: by the predictor.
        validation_accuracy_fraction: of what `validated` says, before it was chosen.
        validated: what was validated, in words.
        fine_tuned: whether it was trained on after it was chosen.
        test_accuracy_fraction: of what was delivered.
    """

    strategy: str
    seed: int
    scenario: str
    scored: int
    timed: int
    predicted_ms: float
    measured_ms: float | None
    predicted_accuracy_fraction: float | None
    validation_accuracy_fraction: float | None
    validated: str
    fine_tuned: bool
    test_accuracy_fraction: float | None

    @property
    def latency_error_fraction(self) -> float | None:
        """By how much it was slower than the table said; negative if it was faster."""
        return None if self.measured_ms is None else self.measured_ms / self.predicted_ms - 1.0

    @property
    def accuracy_error_fraction(self) -> float | None:
        """By how much the test was better than the predictor said; None as well if it was trained on after that."""
        if self.fine_tuned or self.test_accuracy_fraction is None or self.predicted_accuracy_fraction is None:
            return None
        return self.test_accuracy_fraction - self.predicted_accuracy_fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """Everything that is known about what decided; empty where a ledger is older than such records."""

    tables: tuple[TableQuality, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    choices: tuple[Choice, ...] = ()


def quality(runs: Sequence[Run]) -> Quality:
    """Collect what ledgers say about tables, predictors and choices."""
    chosen = {scenario for run in runs for scenario in run.selections}
    return Quality(
        tables=tuple(_table(run, scenario, chosen) for run in runs for scenario in run.tables),
        # A phase that was done again checks its predictor again: the last one is the one that was used.
        predictions=tuple(_prediction(run) for run in runs if run.predictor_checks),
        choices=tuple(_choice(run, scenario) for run in runs for scenario in run.selections),
    )


def _table(run: Run, scenario: str, chosen: set[str]) -> TableQuality:
    table, limit = run.tables[scenario].table, run.limits.get(scenario)
    return TableQuality(
        scenario=scenario,
        limit_ms=None if limit is None else limit.limit_ms,
        rule="" if limit is None else limit.rule,
        made=str(table.get("made") or ""),
        error_fraction=table["error_fraction"],
        rank_correlation_ratio=table["rank_correlation_ratio"],
        anchor_spread_ratio=table.get("anchor_spread_ratio"),
        timed=True if scenario in chosen else None,
    )


def _prediction(run: Run) -> Prediction:
    check = run.predictor_checks[-1]
    return Prediction(
        strategy=run.header.strategy,
        seed=run.header.seed,
        trained_on=check.trained_on,
        held_out=check.held_out,
        rank_correlation_ratio=check.rank_correlation_ratio,
        rmse_fraction=check.rmse_fraction,
    )


def _choice(run: Run, scenario: str) -> Choice:
    selection, result = run.selections[scenario], run.results.get(scenario)
    return Choice(
        strategy=run.header.strategy,
        seed=run.header.seed,
        scenario=scenario,
        scored=selection.scored,
        timed=selection.timed,
        predicted_ms=selection.predicted_ms,
        measured_ms=selection.measured_ms,
        predicted_accuracy_fraction=selection.predicted_accuracy_fraction,
        validation_accuracy_fraction=selection.validation_accuracy_fraction,
        validated=_validated(run),
        fine_tuned=any((one.name, one.scenario) == (FINE_TUNE, scenario) for one in run.done.values()),
        test_accuracy_fraction=None if result is None else result.accuracy_fraction,
    )


def _validated(run: Run) -> str:
    """Say what a strategy validates before it chooses."""
    if run.header.strategy in FAMILY:
        return "the supernet with this architecture"
    plan = run.header.study.get(run.header.strategy)
    epochs = plan.get("proxy_epochs") if isinstance(plan, Mapping) else None
    if epochs is None:
        return "what its search had of it"
    return f"the architecture after {epochs} proxy epoch{'' if epochs == 1 else 's'} of its own"
