"""What each published method is, whatever it is applied to: its equation, where it stands, and what it leaves out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from carbon_nas.accounting.activity import ActivityData, Input, MethodResult
from carbon_nas.sources import Source

__all__ = [
    "GREEN_ALGORITHMS",
    "LACOSTE",
    "METERED",
    "PATTERSON",
    "RECIPES",
    "Recipe",
    "SCI",
    "STRUBELL",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A method without what it is applied to."""

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
        """Return what it says of some activity data."""
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

    def not_known(self, why: str) -> MethodResult:
        """Return a result without a number, and why there is none."""
        return MethodResult(
            method=self.method,
            equation=self.equation,
            source=self.source,
            energy_kwh=None,
            energy_boundary="",
            mass_kg=None,
            per_output_kg=None,
            inputs=(),
            missing=(why,),
            differs=self.differs,
        )


STRUBELL = Recipe(
    method="strubell2019",
    equation="p_t = 1.58 x t x (p_c + p_r + g p_g) / 1000 kWh; CO2e = 0.954 x p_t lb",
    source=Source(key="strubell2019", where="section 2, eq. 1 and 2"),
    differs="The PUE of 1.58 and the 0.954 lb/kWh of the United States are fixed by the paper, whatever the site is.",
)
LACOSTE = Recipe(
    method="lacoste2019",
    equation="CO2e = thermal design power x hours x carbon intensity",
    source=Source(key="lacoste2019", where="the Machine Learning Emissions Calculator"),
    differs="GPUs alone where there are any, else CPUs, at their thermal design power while busy; no PUE, no memory, "
    "nothing while idle.",
)
GREEN_ALGORITHMS = Recipe(
    method="green-algorithms",
    equation="E = t x (n_c x P_c x u_c + n_m x P_m) x PUE x 0.001 kWh; CO2e = E x carbon intensity",
    source=Source(key="lannelongue2021", where="energy and carbon footprint of one run (PSF 1)"),
    differs="Power is that of data sheets, scaled by usage, and not what was metered; no storage, no network.",
)
PATTERSON = Recipe(
    method="patterson2021",
    equation="kWh = hours x processors x average W per processor x PUE / 1000; CO2e = kWh x carbon intensity",
    source=Source(key="patterson2021", where="section 2"),
    differs="The metered power of the whole system is shared out over its processors; no making of hardware.",
)
SCI = Recipe(
    method="sci",
    equation="SCI = (E x I + M) per R, R a delivered network",
    source=Source(key="sci2024", where="methodology summary"),
    differs="A rate that includes the making of hardware; no offsets, no contracts for electricity.",
)
METERED = Recipe(
    method="metered",
    equation="CO2e = metered energy x PUE x carbon intensity",
    source=Source(key="ghg2015", where="location-based method"),
    differs="Only what was metered; no making of hardware.",
)

RECIPES: Mapping[str, Recipe] = {
    one.method: one for one in (STRUBELL, LACOSTE, GREEN_ALGORITHMS, PATTERSON, SCI, METERED)
}
"""Every recipe by the name of its method."""
