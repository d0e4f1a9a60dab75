"""Hours of an accelerator. Hours of different accelerators are different units, and no sum holds both."""

from dataclasses import dataclass

from carbon_nas.errors import MixedQuantities, UnknownQuantity
from carbon_nas.references.register import Reference
from carbon_nas.sources import Source

__all__ = ["Conversion", "DeviceHours", "device_hours"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """A step from the hours of one accelerator to those of another, which stays visible.

    Attributes:
        factor_ratio: hours of `to` that one hour of `before` is taken for.
        source: where the ratio stands; an empty key marks an assumption, in words.
    """

    before: str
    to: str
    factor_ratio: float
    source: Source

    def __post_init__(self) -> None:
        if not 0.0 < self.factor_ratio < float("inf"):
            raise ValueError(f"one hour cannot be taken for {self.factor_ratio:g} hours")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceHours:
    """A number of hours of one kind of accelerator.

    Attributes:
        value: the hours, in `unit`.
        unit: whose hours they are: "GPU-hours", "TPUv2-hours".
        conversions: how they came to this unit, the first step first; empty if they are as published.
    """

    value: float
    unit: str
    conversions: tuple[Conversion, ...] = ()

    def __add__(self, other: "DeviceHours") -> "DeviceHours":
        if not isinstance(other, DeviceHours) or other.unit != self.unit:
            raise MixedQuantities(
                f"{self.unit} and {getattr(other, 'unit', type(other).__name__)} cannot be added",
                cure="convert one by name, with a ratio and its source",
            )
        return DeviceHours(
            value=self.value + other.value,
            unit=self.unit,
            conversions=tuple(dict.fromkeys((*self.conversions, *other.conversions))),
        )

    def __mul__(self, ratio: float) -> "DeviceHours":
        return DeviceHours(value=self.value * ratio, unit=self.unit, conversions=self.conversions)

    __rmul__ = __mul__

    def convert(self, *, to: str, ratio: float, source: Source) -> "DeviceHours":
        """Take one hour for so many hours of another accelerator.

        Args:
            to: the other unit, such as "GPU-hours".
            ratio: hours of `to` for one hour of this unit.
            source: where the ratio stands; `Source(key="", where="assumed: one for one")` for an assumption.
        """
        step = Conversion(before=self.unit, to=to, factor_ratio=ratio, source=source)
        return DeviceHours(value=self.value * ratio, unit=to, conversions=(*self.conversions, step))


def device_hours(reference: Reference) -> DeviceHours:
    """Return the hours of a published row.

    Raises:
        UnknownQuantity: if it does not count hours of an accelerator.
    """
    unit = reference.printed.unit
    if not unit.endswith("-hours"):
        raise UnknownQuantity(f"{reference.key} is in {unit}, which are no hours of an accelerator")
    return DeviceHours(value=reference.printed.value, unit=unit)
