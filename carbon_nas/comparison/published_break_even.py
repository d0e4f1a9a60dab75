"""Where the methods of the published cost table break even.

Whatever turns hours into energy, CO2e or dollars is the same for every row, so it cancels here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import floor

from carbon_nas.comparison.published_hours import MNASNET, FineTuning, MnasNetHours, is_once_for_all, published_hours
from carbon_nas.references import NasCost

__all__ = ["PublishedBreakEven", "UpfrontBreakEven", "break_evens", "break_evens_of_upfront"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedBreakEven:
    """Where the hours of two published methods cross; power, PUE, intensity and price cancel.

    Attributes:
        methods: both labels, that of the method that pays more once first; as in the table if they pay the same once.
        n_ratio: N*, above 0: from there on the first method takes fewer hours. None if they never cross.
        cheaper: the label of the one that takes fewer hours for every N from 1 on; None if that depends on N, or if
            both always take the same.
        at_most: the second method leaves something out, so that N* can only be lower.
        partial: the labels of those that leave something out.
    """

    methods: tuple[str, str]
    n_ratio: float | None
    cheaper: str | None
    at_most: bool
    partial: tuple[str, ...]

    @property
    def first_n(self) -> int | None:
        """The first whole number of scenarios for which the first method takes fewer hours."""
        return None if self.n_ratio is None else floor(self.n_ratio) + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class UpfrontBreakEven:
    """When once-for-all takes fewer hours than a rival, for every kind of fine-tuning."""

    rival: str
    once_gpu_h: float
    each_gpu_h: float
    crossings: Mapping[FineTuning, PublishedBreakEven]


def break_evens(mnasnet: MnasNetHours = MnasNetHours.TABLE) -> tuple[PublishedBreakEven, ...]:
    """Return where every pair of rows breaks even, in the order of the table."""
    rows = published_hours(mnasnet).values()
    return tuple(_break_even(one, other, mnasnet) for one, other in combinations(rows, 2))


def break_evens_of_upfront(mnasnet: MnasNetHours = MnasNetHours.TABLE) -> tuple[UpfrontBreakEven, ...]:
    """Return where once-for-all breaks even with every other method, a row for each."""
    hours = published_hours(mnasnet)
    return tuple(
        UpfrontBreakEven(
            rival=rival.label,
            once_gpu_h=rival.once_gpu_h,
            each_gpu_h=rival.each_gpu_h,
            crossings={kind: _break_even(hours[kind.row_key], rival, mnasnet) for kind in FineTuning},
        )
        for rival in hours.values()
        if not is_once_for_all(rival.key)
    )


def _break_even(one: NasCost, other: NasCost, mnasnet: MnasNetHours) -> PublishedBreakEven:
    # Sorting keeps the order of what is equal.
    upfront, rival = sorted((one, other), key=lambda cost: -cost.once_gpu_h)
    once_gpu_h, saved_gpu_h = upfront.once_gpu_h - rival.once_gpu_h, rival.each_gpu_h - upfront.each_gpu_h
    n_ratio = once_gpu_h / saved_gpu_h if once_gpu_h > 0 and saved_gpu_h > 0 else None
    assumed = {cost.key for cost in (upfront, rival) if cost.key == MNASNET and mnasnet.assumption}
    return PublishedBreakEven(
        methods=(upfront.label, rival.label),
        n_ratio=n_ratio,
        cheaper=_cheaper(upfront, rival, n_ratio),
        # With an assumption beyond the table, it is no bound either.
        at_most=n_ratio is not None and bool(rival.unreported) and not upfront.unreported and not assumed,
        partial=tuple(cost.label for cost in (upfront, rival) if cost.unreported),
    )


def _cheaper(upfront: NasCost, rival: NasCost, n_ratio: float | None) -> str | None:
    if n_ratio is not None:
        return upfront.label if n_ratio < 1.0 else None
    first_gpu_h, other_gpu_h = upfront.gpu_h(1), rival.gpu_h(1)
    if first_gpu_h == other_gpu_h:
        return None
    return upfront.label if first_gpu_h < other_gpu_h else rival.label
