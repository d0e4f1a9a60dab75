"""How well a model of latencies predicts networks that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_RANK_CORRELATION_RATIO", "MOST_ERROR_FRACTION", "Validation", "rank_correlation", "validate"]

# The gate is a choice. A search among networks that differ by tens of per cent is led by an error of a tenth of that
# size at most, and its own choice is timed whole in any case.
MOST_ERROR_FRACTION = 0.10
LEAST_RANK_CORRELATION_RATIO = 0.90

_FEWEST_FOR_RANKS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """Predictions set beside what was measured.

    Attributes:
        networks: how many were compared.
        error_fraction: the mean absolute error, each as a fraction of what was measured.
        greatest_error_fraction: the greatest of them.
        bias_fraction: their mean with sign; above zero: predictions are too slow.
        rank_correlation_ratio: Spearman's; None below three networks, or where one side is all the same.
    """

    networks: int
    error_fraction: float
    greatest_error_fraction: float
    bias_fraction: float
    rank_correlation_ratio: float | None


def validate(predicted_ms: Sequence[float], measured_ms: Sequence[float]) -> Validation | None:
    """Compare predictions with measurements; None if there are none to compare."""
    if not len(measured_ms):
        return None
    seen = np.asarray(measured_ms, dtype=float)
    errors = np.asarray(predicted_ms, dtype=float) / seen - 1
    return Validation(
        networks=len(seen),
        error_fraction=float(np.abs(errors).mean()),
        greatest_error_fraction=float(np.abs(errors).max()),
        bias_fraction=float(errors.mean()),
        rank_correlation_ratio=rank_correlation(predicted_ms, measured_ms),
    )


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation; equal values share the mean of their ranks."""
    if len(one) < _FEWEST_FOR_RANKS:
        return None
    ranks = [_ranks(np.asarray(values, dtype=float)) for values in (one, other)]
    if any(np.ptp(values) == 0.0 for values in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return means
