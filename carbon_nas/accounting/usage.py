"""What activity data tells, and does not: metered energy, and how busy which processors were."""

from collections.abc import Collection, Iterator

from carbon_nas.accounting.activity import PROCESSORS, ActivityData, Processor
from carbon_nas.units import total

__all__ = [
    "busy_kinds",
    "busy_s",
    "charged_kinds",
    "design_power_w",
    "excess_times",
    "missing_descriptions",
    "missing_energy",
    "missing_time",
    "units",
    "usage_ratio",
]

# Busy time and wall time come from different clocks: a usage a little above 1 is their disagreement, and no mistake.
_USAGE_MAX_RATIO = 1.01


def busy_kinds(activity: ActivityData) -> tuple[str, ...]:
    """Return the kinds of processor that were busy at all, or may have been."""
    return tuple(
        kind
        for kind in PROCESSORS
        if (kind in activity.device_s or _of(activity, kind)) and activity.device_s.get(kind) != 0.0
    )


def charged_kinds(activity: ActivityData) -> tuple[str, ...]:
    """Return the kinds that a method of GPU-hours charges: GPUs alone where any was busy, else the CPUs."""
    kinds = busy_kinds(activity)
    return ("gpu",) if "gpu" in kinds else kinds


def missing_energy(activity: ActivityData) -> Iterator[str]:
    """Say what of the metered energy is not known."""
    if not activity.energy_j:
        yield "no energy was metered"
    for kind, energy_j in activity.energy_j.items():
        if energy_j is None:
            yield f"the energy of {kind} is not known"


def missing_time(activity: ActivityData) -> Iterator[str]:
    """Say so if no time passed."""
    if activity.duration_s <= 0.0:
        yield "no time passed"


def excess_times(activity: ActivityData) -> Iterator[str]:
    """Say which kinds of processor were busy for longer than those that are described can have been.

    Raises:
        UnknownQuantity: if something about them is not known.
    """
    for kind in busy_kinds(activity):
        share = usage_ratio(activity, kind)
        if share > _USAGE_MAX_RATIO:
            yield f"{kind} time is {share:.3g} times what the processors described can have been busy"


def missing_descriptions(activity: ActivityData, kinds: Collection[str]) -> Iterator[str]:
    """Say what has to be known about processors of some kinds that were used, and is not."""
    if not kinds:
        yield "no processor was used, as far as is known"
    for kind in kinds:
        pieces = _of(activity, kind)
        if activity.device_s.get(kind) is None:
            yield f"it is not known for how long a {kind} was busy"
        if not pieces:
            yield f"a {kind} was used, and none is described"
        for piece in pieces:
            if piece.tdp_w is None:
                yield f"the thermal design power of {piece.name} is not known"
            if piece.units is None:
                yield f"the number of cores of {piece.name} is not known"


def busy_s(activity: ActivityData, kind: str) -> float:
    """Return the busy time of a kind.

    Raises:
        UnknownQuantity: if it is not known.
    """
    return total([activity.device_s.get(kind)])


def units(activity: ActivityData, kind: str) -> float:
    """Return how many of a kind can be busy at a time: GPUs, or cores of CPUs.

    Raises:
        UnknownQuantity: if the cores of one are not known.
    """
    return total(piece.units for piece in _of(activity, kind))


def design_power_w(activity: ActivityData, kind: str) -> float:
    """Return the thermal design power of a GPU, or of a core: the mean over those of a kind.

    Raises:
        UnknownQuantity: if that of one is not known.
    """
    whole_w = total(None if piece.tdp_w is None else piece.count * piece.tdp_w for piece in _of(activity, kind))
    return whole_w / units(activity, kind)


def usage_ratio(activity: ActivityData, kind: str) -> float:
    """Return busy time over the time for which everything of a kind could have been busy.

    Raises:
        UnknownQuantity: if something about it is not known.
        ZeroDivisionError: if no time passed.
    """
    return busy_s(activity, kind) / (activity.duration_s * units(activity, kind))


def _of(activity: ActivityData, kind: str) -> tuple[Processor, ...]:
    return tuple(piece for piece in activity.processors if piece.kind == kind)
