"""How the headline ratios of once-for-all move: with N, with fine-tuning, with the published costs of a rival."""

from collections.abc import Sequence
from dataclasses import dataclass

from carbon_nas.comparison.claims import claims
from carbon_nas.comparison.published_hours import MNASNET, FineTuning, MnasNetHours, published_hours

__all__ = ["ClaimPoint", "NUMBERS_OF_SCENARIOS", "claim_points"]

NUMBERS_OF_SCENARIOS = (1, 2, 3, 5, 10, 20, 40, 100, 1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimPoint:
    """A headline ratio somewhere else: another N, fine-tuning, or another published cost of the rival.

    Attributes:
        mnasnet: None for a rival that has one published cost only.
        assumption: what was assumed beyond what is published; empty if nothing was.
    """

    rival: str
    n: int
    fine_tuning: FineTuning
    mnasnet: MnasNetHours | None
    unrounded_ratio: float
    assumption: str


def claim_points(numbers: Sequence[int] = NUMBERS_OF_SCENARIOS) -> tuple[ClaimPoint, ...]:
    """Return the headline ratios for several N, every fine-tuning, and every published cost of MnasNet."""
    return tuple(
        _point(claim.rival_key, n, fine_tuning, mnasnet)
        for claim in claims()
        for mnasnet in (tuple(MnasNetHours) if claim.rival_key == MNASNET else (None,))
        for fine_tuning in FineTuning
        for n in numbers
    )


def _point(rival_key: str, n: int, fine_tuning: FineTuning, mnasnet: MnasNetHours | None) -> ClaimPoint:
    hours = published_hours(mnasnet or MnasNetHours.TABLE)
    rival = hours[rival_key]
    return ClaimPoint(
        rival=rival.label,
        n=n,
        fine_tuning=fine_tuning,
        mnasnet=mnasnet,
        unrounded_ratio=rival.gpu_h(n) / hours[fine_tuning.row_key].gpu_h(n),
        assumption=mnasnet.assumption if mnasnet else "",
    )
