"""Numbers as people read them: three significant digits, and a unit of a fitting size."""

from math import floor, log10

__all__ = ["count", "energy", "kwh", "latency", "mass", "mass_lb", "percent", "points", "scenarios", "significant"]


def significant(value: float, digits: int = 3) -> str:
    """Round to significant digits, without an exponent where a person would not use one."""
    if value == 0:
        return "0"
    # Rounded first: 99.96 has three digits as 100, not as 100.0.
    rounded = float(f"{value:.{digits - 1}e}")
    return f"{rounded:,.{max(0, digits - 1 - floor(log10(abs(rounded))))}f}"


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    for size, unit in units:
        if abs(value) >= size:
            return f"{significant(value / size)} {unit}"
    size, unit = units[-1]
    return f"{significant(value / size)} {unit}"


_BARE = ((1.0, "J"),)


def energy(energy_j: float) -> str:
    """Write joules in a unit of a fitting size, from µJ to GJ."""
    return _scaled(
        energy_j, ((1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")) if energy_j else _BARE
    )


def kwh(energy_kwh: float) -> str:
    """Write kilowatt-hours."""
    return f"{significant(energy_kwh)} kWh"


def mass(mass_kg: float) -> str:
    """Write kilograms of CO2e as mg, g, kg or t."""
    return _scaled(mass_kg, ((1e3, "t"), (1.0, "kg"), (1e-3, "g"), (1e-6, "mg")))


def mass_lb(value_lb: float) -> str:
    """Write pounds of CO2e."""
    return f"{significant(value_lb)} lb" if abs(value_lb) < 1e3 else f"{value_lb:,.0f} lb"


def count(value: float | None) -> str:
    """Write a count, in K, M, G or T above a million."""
    if value is None:
        return "not known"
    if abs(value) < 1e6:
        return f"{value:,.0f}"
    return _scaled(value, ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")))


def latency(latency_ms: float) -> str:
    """Write milliseconds."""
    return f"{significant(latency_ms)} ms"


def percent(fraction: float) -> str:
    """Write a fraction as a percentage with one decimal."""
    return f"{100 * fraction:.1f} %"


def scenarios(number: int) -> str:
    """Write a number of scenarios."""
    return "1 scenario" if number == 1 else f"{number} scenarios"


def points(fraction: float) -> str:
    """Write a difference of two fractions in percentage points, with its sign."""
    return f"{100 * fraction:+.1f} points"
