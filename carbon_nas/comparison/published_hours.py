"""The hours of the published cost table: which of its variants is meant, and where methods break even.

Whatever turns hours into energy, CO2e or dollars is the same for every row, so it cancels here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations
from math import floor

from carbon_nas.references import REFERENCES, DeviceHours, NasCost, device_hours, nas_costs
from carbon_nas.sources import Source

__all__ = [
    "BreakEvenRow",
    "FineTuning",
    "MNASNET",
    "MnasNetHours",
    "PublishedBreakEven",
    "break_evens",
    "break_evens_of_upfront",
    "published_hours",
]

MNASNET = "cai2020-mnasnet"
_GPU_HOURS = "GPU-hours"
_ONE_FOR_ONE = Source(key="", where="one for one: an assumption, since no conversion is published here")


class FineTuning(StrEnum):
    """For how many epochs every network that is cut out of the supernet is trained on."""

    NONE = "none"
    EPOCHS_25 = "#25"
    EPOCHS_75 = "#75"

    @property
    def row_key(self) -> str:
        """The key of its row in the published table."""
        return {"none": "cai2020-ofa", "#25": "cai2020-ofa-25", "#75": "cai2020-ofa-75"}[self.value]


class MnasNetHours(StrEnum):
    """The three published costs of one MnasNet search, in device-hours."""

    TABLE = "40,000"
    OWN_PAPER = "6,912"
    FBNET_PAPER = "90,720"

    @property
    def reference_key(self) -> str:
        """The key of its row in the register."""
        return {"40,000": "cai2019-mnasnet", "6,912": "tan2019-mnasnet", "90,720": "wu2019-mnasnet"}[self.value]

    @property
    def hours(self) -> DeviceHours:
        """The cost as GPU-hours of the table; hours of another accelerator keep the conversion that was assumed."""
        found = device_hours(REFERENCES[self.reference_key])
        return found if found.unit == _GPU_HOURS else found.convert(to=_GPU_HOURS, ratio=1.0, source=_ONE_FOR_ONE)

    @property
    def assumption(self) -> str:
        """What is assumed beyond what is published; empty if nothing is."""
        steps = [f"{one.before} are taken for {one.to}, {one.source.where}" for one in self.hours.conversions]
        return "; ".join(steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedBreakEven:
    """Where the hours of two published methods cross; power, PUE, intensity and price cancel.

    Attributes:
        upfront: the label of the method that pays more once, or of two that pay the same once, less each time.
        n_ratio: N*; None if they never cross.
        partial: the labels of those that do not report everything, so that N* may lie elsewhere.
    """

    upfront: str
    rival: str
    n_ratio: float | None
    partial: tuple[str, ...]

    @property
    def first_n(self) -> int | None:
        """The first whole number of scenarios for which `upfront` takes fewer hours."""
        return None if self.n_ratio is None else floor(self.n_ratio) + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakEvenRow:
    """When once-for-all takes fewer hours than a rival, for every kind of fine-tuning."""

    rival: str
    once_gpu_h: float
    each_gpu_h: float
    crossings: Mapping[FineTuning, PublishedBreakEven]


def published_hours(mnasnet: MnasNetHours = MnasNetHours.TABLE) -> Mapping[str, NasCost]:
    """Return the rows of the table, with one of its published costs for MnasNet."""
    rows = dict(nas_costs())
    if mnasnet is not MnasNetHours.TABLE:
        rows[MNASNET] = replace(rows[MNASNET], search_each_gpu_h=mnasnet.hours.value)
    return rows


def break_evens(mnasnet: MnasNetHours = MnasNetHours.TABLE) -> tuple[PublishedBreakEven, ...]:
    """Return where every pair of rows breaks even, in the order of the table."""
    return tuple(_break_even(one, other) for one, other in combinations(published_hours(mnasnet).values(), 2))


def break_evens_of_upfront(mnasnet: MnasNetHours = MnasNetHours.TABLE) -> tuple[BreakEvenRow, ...]:
    """Return where once-for-all breaks even with every other method, a row for each."""
    hours = published_hours(mnasnet)
    return tuple(
        BreakEvenRow(
            rival=rival.label,
            once_gpu_h=rival.once_gpu_h,
            each_gpu_h=rival.each_gpu_h,
            crossings={kind: _break_even(hours[kind.row_key], rival) for kind in FineTuning},
        )
        for rival in hours.values()
        if not rival.key.startswith(FineTuning.NONE.row_key)
    )


def _break_even(one: NasCost, other: NasCost) -> PublishedBreakEven:
    upfront, rival = sorted((one, other), key=lambda cost: (-cost.once_gpu_h, cost.each_gpu_h))
    once_gpu_h, saved_gpu_h = upfront.once_gpu_h - rival.once_gpu_h, rival.each_gpu_h - upfront.each_gpu_h
    return PublishedBreakEven(
        upfront=upfront.label,
        rival=rival.label,
        n_ratio=once_gpu_h / saved_gpu_h if saved_gpu_h > 0 else None,
        partial=tuple(cost.label for cost in (upfront, rival) if cost.unreported),
    )
