"""The inputs of a method as they are shown beside its result: name, value, unit, and where each is from."""

from collections.abc import Collection, Iterator

from carbon_nas.accounting.activity import ActivityData, Conditions, Input
from carbon_nas.accounting.usage import busy_s, design_power_w, missing_descriptions
from carbon_nas.sources import Published

__all__ = ["hours", "intensity", "mean_powers", "processors", "published", "pue"]

_S_PER_H = 3_600.0
_TERMS = {"cpu": "p_c", "dram": "p_r", "gpu": "g p_g"}
_PUE_UNIT = "facility energy per IT energy"


def hours(activity: ActivityData) -> Input:
    """Show the wall time."""
    return Input(name="t", value=activity.duration_s / _S_PER_H, unit="h", source="the ledger")


def intensity(conditions: Conditions) -> Input:
    """Show the carbon intensity."""
    value, source = conditions.intensity_g_per_kwh, conditions.intensity_from
    return Input(name="carbon intensity", value=value, unit="g CO2e/kWh", source=source)


def published(name: str, number: Published) -> Input:
    """Show a number that a paper fixes."""
    note = f": {number.note}" if number.note else ""
    source = f"{number.source.key}, {number.source.where}{note}"
    return Input(name=name, value=number.value, unit=number.unit, source=source)


def pue(conditions: Conditions) -> Input:
    """Show the PUE that applies to metered energy, or why there is none."""
    if conditions.facility_metered:
        return Input(name="PUE", value=None, unit=_PUE_UNIT, source="not applied: the metered energy is the building's")
    if conditions.pue is None:
        return Input(name="PUE", value=None, unit=_PUE_UNIT, source="not given: IT energy only")
    return Input(name="PUE", value=conditions.pue, unit=_PUE_UNIT, source="the site")


def mean_powers(activity: ActivityData) -> Iterator[Input]:
    """Show the average power of each kind of component, by the letters of Strubell et al. 2019."""
    for kind in dict.fromkeys((*_TERMS, *activity.energy_j)):
        energy_j = activity.energy_j.get(kind)
        known = energy_j is not None and activity.duration_s > 0
        yield Input(
            name=_TERMS.get(kind, "everything else"),
            value=energy_j / activity.duration_s if energy_j is not None and known else None,
            unit="W",
            source=("metered" if known else "not known") if kind in activity.energy_j else "not metered, so left out",
        )


def processors(activity: ActivityData, kinds: Collection[str]) -> Iterator[Input]:
    """Show what is known of processors of some kinds that were used, as thermal design power and as hours."""
    for piece in activity.processors:
        if piece.kind in kinds:
            source = piece.tdp_source or "not said where from"
            yield Input(name=f"thermal design power of {piece.name}", value=piece.tdp_w, unit="W", source=source)
            if piece.kind == "cpu":
                cores = None if piece.cores is None else float(piece.cores)
                yield Input(name=f"cores of {piece.name}", value=cores, unit="cores", source="the host")
    if any(missing_descriptions(activity, kinds)):
        return
    for kind in kinds:
        unit, piece_name = ("GPU-hours", "GPU") if kind == "gpu" else ("core-hours", "core")
        busy_h, power_w = busy_s(activity, kind) / _S_PER_H, design_power_w(activity, kind)
        yield Input(name=f"{kind} hours", value=busy_h, unit=unit, source="metered busy time")
        yield Input(name=f"P_c of a {piece_name}", value=power_w, unit="W", source="thermal design power, mean of all")
