"""Idle power: what components draw with nothing to do, from the baselines of ledgers."""

from collections.abc import Iterable
from statistics import fmean

from carbon_nas.ledger.observations import Baseline

__all__ = ["idle_powers_w"]


def idle_powers_w(baselines: Iterable[Baseline]) -> dict[str, float]:
    """Return the idle power of every component that a baseline was taken of: the mean over all baselines."""
    found: dict[str, list[float]] = {}
    for baseline in baselines:
        for part in baseline.measured:
            if part.energy_j is not None and baseline.duration_s > 0:
                found.setdefault(part.component, []).append(part.energy_j / baseline.duration_s)
    return {name: fmean(powers_w) for name, powers_w in found.items()}
