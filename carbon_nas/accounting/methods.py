"""From activity data to the mass of CO2e by published methods: one function a method, each citing its equation.

All take the same activity data under the same conditions, so that they can stand side by side. What a method needs and
nobody knows leaves it without a number, and it says so; nothing is taken to be zero.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from carbon_nas.accounting.activity import ActivityData, Conditions, Input, MethodResult, Processor
from carbon_nas.accounting.inputs import hours, intensity, mean_powers, processors, published, pue
from carbon_nas.accounting.usage import (
    busy_s,
    design_power_w,
    overfull,
    timeless,
    undescribed,
    units,
    unmetered,
    usage_ratio,
    used,
)
from carbon_nas.sources import Published, Source
from carbon_nas.units import G_PER_KG, KG_PER_LB, in_kwh, total

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
    return in_kwh(energy_j) * factor_ratio * intensity_g_per_kwh / G_PER_KG


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recipe:
    """What a method is, whatever it is applied to."""

    method: str
    equation: str
    source: Source
    differs: str

    def result(
        self,
        activity: ActivityData,
        *,
        boundary: str,
        inputs: Iterable[Input],
        missing: Iterable[str],
        energy_kwh: float | None,
        mass_kg: float | None,
    ) -> MethodResult:
        return MethodResult(
            method=self.method,
            equation=self.equation,
            source=self.source,
            energy_kwh=energy_kwh,
            energy_boundary=boundary,
            mass_kg=mass_kg,
            per_output_kg=None if mass_kg is None or not activity.outputs else mass_kg / activity.outputs,
            inputs=tuple(inputs),
            missing=tuple(missing),
            differs=self.differs,
        )


def _mass_kg(energy_kwh: float | None, conditions: Conditions) -> float | None:
    return None if energy_kwh is None else energy_kwh * conditions.intensity_g_per_kwh / G_PER_KG


_STRUBELL = _Recipe(
    method="strubell2019",
    equation="p_t = 1.58 x t x (p_c + p_r + g p_g) / 1000 kWh; CO2e = 0.954 x p_t lb",
    source=Source(key="strubell2019", where="section 2, eq. 1 and 2"),
    differs="The PUE of 1.58 and the 0.954 lb/kWh of the United States are fixed by the paper, whatever the site is.",
)
_LACOSTE = _Recipe(
    method="lacoste2019",
    equation="CO2e = thermal design power x hours x carbon intensity",
    source=Source(key="lacoste2019", where="the Machine Learning Emissions Calculator"),
    differs="Processors draw their thermal design power while they are busy; no PUE, no memory, nothing while idle.",
)
_GREEN_ALGORITHMS = _Recipe(
    method="green-algorithms",
    equation="E = t x (n_c x P_c x u_c + n_m x P_m) x PUE x 0.001 kWh; CO2e = E x carbon intensity",
    source=Source(key="lannelongue2021", where="energy and carbon footprint of one run (PSF 1)"),
    differs="Power is that of data sheets, scaled by usage, and not what was metered; no storage, no network.",
)
_PATTERSON = _Recipe(
    method="patterson2021",
    equation="kWh = hours x processors x average W per processor x PUE / 1000; CO2e = kWh x carbon intensity",
    source=Source(key="patterson2021", where="section 2"),
    differs="The metered power of the whole system is shared out over its processors; no making of hardware.",
)
_SCI = _Recipe(
    method="sci",
    equation="SCI = (E x I + M) per R, R a delivered network",
    source=Source(key="sci2024", where="methodology summary"),
    differs="A rate that includes the making of hardware; no offsets, no contracts for electricity.",
)
_METERED = _Recipe(
    method="metered",
    equation="CO2e = metered energy x PUE x carbon intensity",
    source=Source(key="ghg2015", where="location-based method"),
    differs="Only what was metered; no making of hardware.",
)


def _strubell2019(activity: ActivityData, conditions: Conditions) -> MethodResult:
    """Strubell et al. 2019, section 2, eq. 1 and 2, with the average power that was metered."""
    missing = [*unmetered(activity), *timeless(activity)]
    if conditions.facility_metered:
        missing.append("the metered energy is the building's, and the PUE that eq. 1 fixes would count it twice")
    energy_kwh = None if missing else STRUBELL_PUE.value * in_kwh(total(activity.energy_j.values()))
    return _STRUBELL.result(
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
    missing = tuple(undescribed(activity))
    energy_kwh: float | None = None
    if not missing:
        # A CPU is not held as a whole: its hours are CPU seconds over its cores, half of the cores for an hour half an
        # hour. Busy time is taken to be spread evenly over the processors of a kind.
        energy_kwh = in_kwh(sum(design_power_w(activity, kind) * busy_s(activity, kind) for kind in used(activity)))
    return _LACOSTE.result(
        activity,
        boundary="IT",
        inputs=(*processors(activity), intensity(conditions)),
        missing=missing,
        energy_kwh=energy_kwh,
        mass_kg=_mass_kg(energy_kwh, conditions),
    )


def _green_algorithms(activity: ActivityData, conditions: Conditions) -> MethodResult:
    """Lannelongue et al. 2021, the energy of one run, with the usage of processors that was observed."""
    missing = [*undescribed(activity), *timeless(activity)]
    if activity.memory_gib is None:
        missing.append("the size of the memory is not known")
    if conditions.facility_metered:
        missing.append("no PUE applies where the building is metered, and this equation cannot do without one")
    missing += [] if missing else overfull(activity)
    energy_kwh: float | None = None
    if not missing:
        cores_w = sum(
            units(activity, kind) * design_power_w(activity, kind) * usage_ratio(activity, kind)
            for kind in used(activity)
        )
        memory_w = total([activity.memory_gib]) * GREEN_ALGORITHMS_MEMORY.value
        pue_ratio = GREEN_ALGORITHMS_PUE.value if conditions.pue is None else conditions.pue
        energy_kwh = in_kwh(activity.duration_s * (cores_w + memory_w)) * pue_ratio
    return _GREEN_ALGORITHMS.result(
        activity,
        boundary="facility",
        inputs=(
            hours(activity),
            *processors(activity),
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
    missing = [*unmetered(activity), *timeless(activity)]
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
    return _PATTERSON.result(
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
    missing = list(unmetered(activity))
    energy_kwh = None if missing else in_kwh(total(activity.energy_j.values())) * conditions.factor_ratio
    if activity.embodied_kg is None:
        missing.append("M, the share of making the hardware, is not quantified")
    if not activity.outputs:
        missing.append("no network was delivered, and the score is a rate per network")
    operational_kg = None if missing else _mass_kg(energy_kwh, conditions)
    return _SCI.result(
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
    missing = tuple(unmetered(activity))
    energy_j = None if missing else total(activity.energy_j.values())
    factor_ratio, grid_g_per_kwh = conditions.factor_ratio, conditions.intensity_g_per_kwh
    return _METERED.result(
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
