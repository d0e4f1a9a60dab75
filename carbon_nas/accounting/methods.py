"""From activity data to the mass of CO2e by published methods: one function a method, each citing its equation.

All take the same activity data under the same conditions, so that they can stand side by side. What a method needs and
nobody knows leaves it without a number, and it says so; nothing is taken to be zero.
"""

from collections.abc import Callable, Mapping

from carbon_nas.accounting.activity import ActivityData, Conditions, Input, MethodResult, Processor
from carbon_nas.accounting.inputs import hours, intensity, mean_powers, processors, published, pue
from carbon_nas.accounting.quantities import FacilityEnergy, ItEnergy, LocationBasedMass
from carbon_nas.accounting.recipes import GREEN_ALGORITHMS, LACOSTE, METERED, PATTERSON, SCI, STRUBELL
from carbon_nas.accounting.usage import (
    busy_kinds,
    busy_s,
    charged_kinds,
    design_power_w,
    excess_times,
    missing_descriptions,
    missing_energy,
    missing_time,
    units,
    usage_ratio,
)
from carbon_nas.sources import Published, Source
from carbon_nas.units import KG_PER_LB, in_kwh, total

__all__ = [
    "ActivityData",
    "Conditions",
    "GREEN_ALGORITHMS_MEMORY",
    "GREEN_ALGORITHMS_PUE",
    "Input",
    "METHODS",
    "Method",
    "MethodResult",
    "Processor",
    "STRUBELL_FACTOR",
    "STRUBELL_PUE",
    "metered_kg",
]

Method = Callable[[ActivityData, Conditions], MethodResult]

STRUBELL_PUE = Published(
    value=1.58,
    unit="facility energy per IT energy",
    source=Source(key="strubell2019", where="section 2, eq. 1"),
    note="the average of the world's data centres in 2018",
)
STRUBELL_FACTOR = Published(
    value=0.954,
    unit="lb CO2e per kWh",
    source=Source(key="strubell2019", where="section 2, eq. 2"),
    note="the average of the United States, EPA 2018",
)
GREEN_ALGORITHMS_PUE = Published(
    value=1.67,
    unit="facility energy per IT energy",
    source=Source(key="lannelongue2021", where="default of the tool of 2021 for a data centre that is not known"),
)
GREEN_ALGORITHMS_MEMORY = Published(
    value=0.3725,
    unit="W per GiB",
    source=Source(key="lannelongue2021", where="power draw of memory"),
    note="printed per GB: a module that is sold as 8 GB holds 8 GiB, so a GB of memory is taken for a GiB",
)


def metered_kg(energy_j: float, *, factor_ratio: float, intensity_g_per_kwh: float) -> float:
    """Return `energy x PUE x intensity`, the operational emissions of metered energy.

    Source: GHG Protocol Scope 2 Guidance (2015), location-based method; the PUE as in Patterson et al. 2021, section 2.

    Args:
        energy_j: metered IT energy.
        factor_ratio: the PUE, or 1 for IT energy only.
        intensity_g_per_kwh: of the grid.
    """
    return LocationBasedMass.emitted(ItEnergy(energy_j) * factor_ratio, intensity_g_per_kwh).kg


def _mass_kg(energy_kwh: float | None, conditions: Conditions) -> float | None:
    if energy_kwh is None:
        return None
    return LocationBasedMass.emitted(FacilityEnergy.of_kwh(energy_kwh), conditions.intensity_g_per_kwh).kg


def _strubell2019(activity: ActivityData, conditions: Conditions) -> MethodResult:
    """Strubell et al. 2019, section 2, eq. 1 and 2, with the average power that was metered."""
    missing = [*missing_energy(activity), *missing_time(activity)]
    if conditions.facility_metered:
        missing.append("the metered energy is the building's, and the PUE that eq. 1 fixes would count it twice")
    energy_kwh = None if missing else STRUBELL_PUE.value * in_kwh(total(activity.energy_j.values()))
    return STRUBELL.result(
        activity,
        boundary="facility",
        inputs=(
            hours(activity),
            *mean_powers(activity),
            published("PUE", STRUBELL_PUE),
            published("CO2e per kWh", STRUBELL_FACTOR),
        ),
        missing=missing,
        energy_kwh=energy_kwh,
        mass_kg=None if energy_kwh is None else energy_kwh * STRUBELL_FACTOR.value * KG_PER_LB,
    )


def _lacoste2019(activity: ActivityData, conditions: Conditions) -> MethodResult:
    """Lacoste et al. 2019, the Machine Learning Emissions Calculator."""
    kinds = charged_kinds(activity)
    missing = tuple(missing_descriptions(activity, kinds))
    energy_kwh: float | None = None
    if not missing:
        # A CPU is not held as a whole: its hours are CPU seconds over its cores, half of the cores for an hour half an
        # hour. Busy time is taken to be spread evenly over the processors of a kind.
        energy_kwh = in_kwh(sum(design_power_w(activity, kind) * busy_s(activity, kind) for kind in kinds))
    return LACOSTE.result(
        activity,
        boundary="IT",
        inputs=(*processors(activity, kinds), intensity(conditions)),
        missing=missing,
        energy_kwh=energy_kwh,
        mass_kg=_mass_kg(energy_kwh, conditions),
    )


def _green_algorithms(activity: ActivityData, conditions: Conditions) -> MethodResult:
    """Lannelongue et al. 2021, the energy of one run, with the usage of processors that was observed."""
    kinds = busy_kinds(activity)
    missing = [*missing_descriptions(activity, kinds), *missing_time(activity)]
    if activity.memory_gib is None:
        missing.append("the size of the memory is not known")
    if conditions.facility_metered:
        missing.append("no PUE applies where the building is metered, and this equation cannot do without one")
    missing += [] if missing else excess_times(activity)
    energy_kwh: float | None = None
    if not missing:
        cores_w = sum(
            units(activity, kind) * design_power_w(activity, kind) * usage_ratio(activity, kind) for kind in kinds
        )
        memory_w = total([activity.memory_gib]) * GREEN_ALGORITHMS_MEMORY.value
        pue_ratio = GREEN_ALGORITHMS_PUE.value if conditions.pue is None else conditions.pue
        energy_kwh = in_kwh(activity.duration_s * (cores_w + memory_w)) * pue_ratio
    return GREEN_ALGORITHMS.result(
        activity,
        boundary="facility",
        inputs=(
            hours(activity),
            *processors(activity, kinds),
            Input(name="n_m", value=activity.memory_gib, unit="GiB", source="the host"),
            published("P_m", GREEN_ALGORITHMS_MEMORY),
            published("PUE", GREEN_ALGORITHMS_PUE) if conditions.pue is None else pue(conditions),
            intensity(conditions),
        ),
        missing=missing,
        energy_kwh=energy_kwh,
        mass_kg=_mass_kg(energy_kwh, conditions),
    )


def _patterson2021(activity: ActivityData, conditions: Conditions) -> MethodResult:
    """Patterson et al. 2021, section 2, with the average power that was metered."""
    missing = [*missing_energy(activity), *missing_time(activity)]
    # Where there are GPUs, they are the processors, and the host's share is in the power of each.
    kind = "gpu" if any(piece.kind == "gpu" for piece in activity.processors) else "cpu"
    count = sum(piece.count for piece in activity.processors if piece.kind == kind)
    if not count:
        missing.append("no processor is described")
    if conditions.pue is None and not conditions.facility_metered:
        missing.append("the PUE of the site is not given, and this equation cannot do without one")
    metered_j = None if missing else total(activity.energy_j.values())
    power_w = None if metered_j is None else metered_j / (activity.duration_s * count)
    energy_kwh: float | None = None
    if power_w is not None:
        energy_kwh = in_kwh(activity.duration_s * count * power_w) * conditions.factor_ratio
    return PATTERSON.result(
        activity,
        boundary="facility",
        inputs=(
            hours(activity),
            Input(name=f"{kind}s", value=float(count) if count else None, unit="pieces", source="the host"),
            Input(name=f"power of the system per {kind}", value=power_w, unit="W", source="metered"),
            pue(conditions),
            intensity(conditions),
        ),
        missing=missing,
        energy_kwh=energy_kwh,
        mass_kg=_mass_kg(energy_kwh, conditions),
    )


def _sci(activity: ActivityData, conditions: Conditions) -> MethodResult:
    """SCI (ISO/IEC 21031:2024), methodology summary; a PUE where one is known, as its software boundary asks."""
    missing = list(missing_energy(activity))
    energy_kwh = None if missing else in_kwh(total(activity.energy_j.values())) * conditions.factor_ratio
    if activity.embodied_kg is None:
        missing.append("M, the share of making the hardware, is not quantified")
    if not activity.outputs:
        missing.append("no network was delivered, and the score is a rate per network")
    operational_kg = None if missing else _mass_kg(energy_kwh, conditions)
    return SCI.result(
        activity,
        boundary=conditions.boundary,
        inputs=(
            Input(name="E", value=energy_kwh, unit="kWh", source="metered"),
            pue(conditions),
            intensity(conditions),
            Input(name="M", value=activity.embodied_kg, unit="kg CO2e", source="the hardware of the site"),
            Input(name="R", value=float(activity.outputs), unit="networks", source="the ledger"),
        ),
        missing=missing,
        energy_kwh=energy_kwh,
        mass_kg=None if operational_kg is None else operational_kg + total([activity.embodied_kg]),
    )


def _metered(activity: ActivityData, conditions: Conditions) -> MethodResult:
    """GHG Protocol Scope 2 Guidance (2015), location-based method; the PUE as in Patterson et al. 2021."""
    missing = tuple(missing_energy(activity))
    energy_j = None if missing else total(activity.energy_j.values())
    factor_ratio, grid_g_per_kwh = conditions.factor_ratio, conditions.intensity_g_per_kwh
    return METERED.result(
        activity,
        boundary=conditions.boundary,
        inputs=(
            Input(name="energy", value=None if energy_j is None else in_kwh(energy_j), unit="kWh", source="metered"),
            pue(conditions),
            intensity(conditions),
        ),
        missing=missing,
        energy_kwh=None if energy_j is None else in_kwh(energy_j) * factor_ratio,
        mass_kg=None
        if energy_j is None
        else metered_kg(energy_j, factor_ratio=factor_ratio, intensity_g_per_kwh=grid_g_per_kwh),
    )


METHODS: Mapping[str, Method] = {
    "strubell2019": _strubell2019,
    "lacoste2019": _lacoste2019,
    "green-algorithms": _green_algorithms,
    "patterson2021": _patterson2021,
    "sci": _sci,
    "metered": _metered,
}
"""Every method by the name that `--method` takes."""
