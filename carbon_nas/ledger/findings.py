"""Lines of a ledger that say what came of the work, and what it started from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "LEAST_RANK_CORRELATION_RATIO",
    "LatencyLimit",
    "LatencyTableRecord",
    "MOST_ERROR_FRACTION",
    "PredictorCheck",
    "Prior",
    "Result",
    "Selection",
]

MOST_ERROR_FRACTION = 0.10
"""The mean absolute error up to which a latency table is trusted, on networks it was not fitted to: beyond it, a limit
is met or missed by chance. A choice of this program; `LEAST_RANK_CORRELATION_RATIO` belongs to it."""

LEAST_RANK_CORRELATION_RATIO = 0.9
"""Spearman's rank correlation from which on a latency table is trusted, on the same networks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """Work that was paid for before this run began, and that it starts from: not metered here, and not forgotten.

    Attributes:
        phase: what was done, in words.
        weights_hash: of the weights that this run starts from.
        reference: the key of a published number in the register that says what it had cost; None if a ledger does.
        ledger, head: the ledger that metered it, as it was named, and the hash of its last line.
        energy_j, device_s: per component, added up over the phases of that ledger; empty with a reference.
        tiers: the tier of each component's energy.
    """

    kind: Literal["prior"] = "prior"
    phase: str
    weights_hash: str
    reference: str | None = None
    ledger: str | None = None
    head: str | None = None
    energy_j: Mapping[str, float | None] = field(default_factory=dict)
    device_s: Mapping[str, float | None] = field(default_factory=dict)
    tiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictorCheck:
    """How good an accuracy predictor is, on architectures that it was not trained on.

    Attributes:
        trained_on, held_out: how many architectures.
        rank_correlation_ratio: Spearman's on those held out; None if there are fewer than three, or all are alike.
        rmse_fraction: the root of the mean squared error, as a fraction of 1.
    """

    kind: Literal["predictor"] = "predictor"
    trained_on: int
    held_out: int
    rank_correlation_ratio: float | None
    rmse_fraction: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """How a search came to the network that it delivers for a scenario.

    Attributes:
        scored: how many distinct architectures the search scored.
        timed: how many of the best were timed end to end until enough met the limit; more than was planned means that
            the table had promised too much, and the choice was repaired.
        predicted_ms, measured_ms: the latency of the one that was chosen, by the table and end to end.
        predicted_accuracy_fraction: by the predictor; None without one.
        validation_accuracy_fraction: measured on the supernet before it was chosen; None if it was not.
    """

    kind: Literal["selection"] = "selection"
    scenario: str
    scored: int
    timed: int
    predicted_ms: float
    measured_ms: float | None
    predicted_accuracy_fraction: float | None = None
    validation_accuracy_fraction: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyTableRecord:
    """A latency table of one scenario, as its own JSON."""

    kind: Literal["latency_table"] = "latency_table"
    scenario: str
    table: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyLimit:
    """The latency limit of one scenario, and the sample it was taken from."""

    kind: Literal["latency_limit"] = "latency_limit"
    scenario: str
    limit_ms: float
    rule: str
    sample_ms: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a strategy delivers for a scenario: its accuracy on the test split and its latency end to end."""

    kind: Literal["result"] = "result"
    scenario: str
    accuracy_fraction: float | None
    latency_ms: float | None
    latency_limit_ms: float | None = None
    architecture: Mapping[str, Any] = field(default_factory=dict)
    workload: str | None = None
    test_size: int | None = None
    parameters: int | None = None
    macs: int | None = None
