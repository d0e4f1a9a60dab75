"""SI inside; every conversion of the package stands here and is exact."""

from collections.abc import Iterable

from carbon_nas.errors import UnknownQuantity

__all__ = [
    "G_PER_KG",
    "J_PER_KWH",
    "KG_PER_LB",
    "MS_PER_S",
    "S_PER_H",
    "in_kwh",
    "in_lb",
    "sum_or_none",
    "total",
    "total_known",
]

J_PER_KWH = 3.6e6
KG_PER_LB = 0.453_592_37
G_PER_KG = 1_000.0
MS_PER_S = 1_000.0
S_PER_H = 3_600.0


def in_kwh(energy_j: float) -> float:
    """Convert joules to kilowatt-hours."""
    return energy_j / J_PER_KWH


def in_lb(mass_kg: float) -> float:
    """Convert kilograms to avoirdupois pounds (exact by definition, 1959)."""
    return mass_kg / KG_PER_LB


def total(values: Iterable[float | None]) -> float:
    """Add values that are all known.

    Raises:
        UnknownQuantity: if one of them is `None`; absent is not zero.
    """
    known = list(values)
    if any(value is None for value in known):
        raise UnknownQuantity(
            f"{sum(value is None for value in known)} of {len(known)} values are not known, so their sum is not",
            cure="ask for total_known() if a partial sum is what you want",
        )
    return float(sum(value for value in known if value is not None))


def total_known(values: Iterable[float | None]) -> float | None:
    """Add the values that are known: a partial sum, asked for by name; `None` if none is."""
    known = [value for value in values if value is not None]
    return float(sum(known)) if known else None


def sum_or_none(values: Iterable[float | None]) -> float | None:
    """Add values; `None` if one of them is not known, for a sum with a gap is a gap."""
    known = list(values)
    return None if any(value is None for value in known) else total(known)
