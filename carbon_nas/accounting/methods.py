"""From energy to mass of CO2e. One function a method, each citing its equation."""

from carbon_nas.units import G_PER_KG, in_kwh

__all__ = ["metered_kg"]


def metered_kg(energy_j: float, *, factor_ratio: float, intensity_g_per_kwh: float) -> float:
    """Return `energy x PUE x intensity`, the operational emissions of metered energy.

    Source: GHG Protocol Scope 2 Guidance (2015), location-based method; the PUE as in Patterson et al. 2021, section 2.

    Args:
        energy_j: metered IT energy.
        factor_ratio: the PUE, or 1 for IT energy only.
        intensity_g_per_kwh: of the grid.
    """
    return in_kwh(energy_j) * factor_ratio * intensity_g_per_kwh / G_PER_KG
