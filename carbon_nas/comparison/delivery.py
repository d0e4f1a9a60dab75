"""What the strategies deliver, and whether it is the same: energy says nothing without accuracy beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from carbon_nas.ledger.run import Run

__all__ = ["Delivery", "Gap", "accuracy_gap", "deliveries"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A network for a scenario.

    Attributes:
        accuracy_fraction: on the test split.
        latency_ms: measured end to end on the scenario's device, normalised like its limit.
    """

    strategy: str
    seed: int
    scenario: str
    accuracy_fraction: float | None
    test_size: int | None
    latency_ms: float | None
    latency_limit_ms: float | None
    parameters: int | None
    macs: int | None
    architecture: str

    @property
    def over_limit_fraction(self) -> float | None:
        """By how much it misses its limit; negative if it is within; None if one of them is not known."""
        if self.latency_ms is None or self.latency_limit_ms is None:
            return None
        return self.latency_ms / self.latency_limit_ms - 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """The accuracy of one strategy minus that of another, over the scenarios and seeds that both have.

    Attributes:
        mean_fraction, worst_fraction: None if there is nothing to compare.
        noise_fraction: the standard error of one pair's difference from the size of the test split (binomial, the two
            networks taken as independent), the mean over pairs; None if a size is not known.
    """

    strategy: str
    rival: str
    mean_fraction: float | None
    worst_fraction: float | None
    noise_fraction: float | None


def _written(architecture: object) -> str:
    if not isinstance(architecture, dict) or not {"ks", "e", "d", "r"} <= architecture.keys():
        return str(architecture or "")
    letters = [
        f"{letter}{''.join(map(str, architecture[key]))}" for letter, key in (("d", "d"), ("k", "ks"), ("e", "e"))
    ]
    return f"{' '.join(letters)} @{architecture['r']}px"


def deliveries(runs: Sequence[Run]) -> list[Delivery]:
    """Collect the results of some runs."""
    return [
        Delivery(
            strategy=run.header.strategy,
            seed=run.header.seed,
            scenario=result.scenario,
            accuracy_fraction=result.accuracy_fraction,
            test_size=result.test_size,
            latency_ms=result.latency_ms,
            latency_limit_ms=result.latency_limit_ms,
            parameters=result.parameters,
            macs=result.macs,
            architecture=_written(dict(result.architecture)),
        )
        for run in runs
        for result in run.results.values()
    ]


def accuracy_gap(found: Sequence[Delivery], strategy: str, rival: str) -> Gap:
    """Compare the accuracies of two strategies, pair by pair."""
    rivals = {(item.seed, item.scenario): item for item in found if item.strategy == rival}
    gaps, noises = [], []
    for mine in found:
        theirs = rivals.get((mine.seed, mine.scenario))
        if mine.strategy != strategy or theirs is None:
            continue
        if mine.accuracy_fraction is None or theirs.accuracy_fraction is None:
            continue
        gaps.append(mine.accuracy_fraction - theirs.accuracy_fraction)
        noises.append(_noise_fraction(mine, theirs))
    return Gap(
        strategy=strategy,
        rival=rival,
        mean_fraction=fmean(gaps) if gaps else None,
        worst_fraction=min(gaps) if gaps else None,
        noise_fraction=None if None in noises or not noises else fmean(noise for noise in noises if noise is not None),
    )


def _noise_fraction(*pair: Delivery) -> float | None:
    variance = 0.0
    for item in pair:
        if item.accuracy_fraction is None or not item.test_size:
            return None
        variance += item.accuracy_fraction * (1 - item.accuracy_fraction) / item.test_size
    return sqrt(variance)
