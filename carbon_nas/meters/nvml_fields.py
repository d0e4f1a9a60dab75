"""The sensor values of one NVIDIA GPU: which of them it offers, and how all of them are read in one driver call.

What is offered is found by calling, never by the name of an architecture. Source: NVML API reference,
`nvmlDeviceGetFieldValues` (each value has its own return code), fields 83, 185 and 186.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

__all__ = ["Sample", "Sensors", "Source", "gone", "probe", "sample"]

_MW_PER_W = 1_000
_FIELDS = "nvmlDeviceGetFieldValues"
# Numbers of NVML's binary interface, spelled out where every microsecond of a reading counts.
_SUCCESS, _GPU_IS_LOST = 0, 15
_MEMBER_OF_TYPE = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")


class Source(Enum):
    """What the joules of a GPU come from, best first."""

    COUNTER = "energy counter"
    INSTANT = "instantaneous power"
    AVERAGE = "average power"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensors:
    """Which calls answer for one GPU.

    Attributes:
        counter: its energy counter, as a field or as a function of its own; empty if there is none.
        instant, average: its power, likewise.
        scope: the boundary of its power fields, as NVML numbers them.
        module: whether power of a whole module (GPU, CPU and memory of a superchip) can be read.
        wanted: number and scope of the fields for counter, instantaneous and average power.
    """

    counter: str = ""
    instant: str = ""
    average: str = ""
    scope: int = 0
    module: bool = False
    wanted: tuple[tuple[int, int], ...] = ()

    @property
    def source(self) -> Source:
        """The best of what is offered."""
        if self.counter:
            return Source.COUNTER
        if self.instant:
            return Source.INSTANT
        return Source.AVERAGE if self.average else Source.NONE


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What one GPU showed at one moment; None for what it does not offer or did not answer.

    Attributes:
        energy_mj: its counter, in whole millijoules.
        stamp_s: when the driver took the values, by the wall clock.
        latency_s: how long the driver says it took.
        lost: whether the GPU, or the handle of it, is gone.
    """

    energy_mj: int | None = None
    instant_w: float | None = None
    average_w: float | None = None
    stamp_s: float | None = None
    latency_s: float | None = None
    lost: bool = False


def _not_offered(nvml: Any, code: int | None) -> bool:
    return code in {
        nvml.NVML_ERROR_NOT_SUPPORTED,
        nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        nvml.NVML_ERROR_NO_PERMISSION,
        nvml.NVML_ERROR_INVALID_ARGUMENT,
        nvml.NVML_ERROR_DEPRECATED,
    }


def gone(nvml: Any, code: int | None) -> bool:
    """Whether a return code means that the GPU or its handle is gone, rather than busy or without that sensor."""
    passing = {
        nvml.NVML_SUCCESS,
        nvml.NVML_ERROR_NOT_SUPPORTED,
        nvml.NVML_ERROR_TIMEOUT,
        nvml.NVML_ERROR_IN_USE,
        nvml.NVML_ERROR_NO_DATA,
        nvml.NVML_ERROR_MEMORY,
        nvml.NVML_ERROR_INSUFFICIENT_RESOURCES,
        nvml.NVML_ERROR_NOT_READY,
    }
    return code not in passing


def _wanted(nvml: Any, scope: int) -> tuple[tuple[int, int], ...]:
    return (
        (nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 0),
        (nvml.NVML_FI_DEV_POWER_INSTANT, scope),
        (nvml.NVML_FI_DEV_POWER_AVERAGE, scope),
    )


def _number(value: Any) -> float | None:
    if value.nvmlReturn != _SUCCESS:
        return None
    number: float = getattr(value.value, _MEMBER_OF_TYPE[value.valueType])
    return number


def _offers(nvml: Any, function: str, handle: Any) -> bool:
    """Whether a function answers. A device that is busy just now offers it none the less."""
    try:
        getattr(nvml, function)(handle)
    except AttributeError:  # A binding that is older than the function.
        return False
    except nvml.NVMLError as error:
        return not _not_offered(nvml, error.value)
    return True


def _fields(nvml: Any, handle: Any, scope: int) -> list[bool]:
    """Which of the three fields answer; empty if fields cannot be read."""
    try:
        values = nvml.nvmlDeviceGetFieldValues(handle, _wanted(nvml, scope))
    except (AttributeError, nvml.NVMLError):
        return []
    return [not _not_offered(nvml, value.nvmlReturn) for value in values]


def probe(nvml: Any, handle: Any) -> Sensors:
    """Find out what a GPU offers, by calling all of it once."""
    board, module = nvml.NVML_POWER_SCOPE_GPU, nvml.NVML_POWER_SCOPE_MODULE
    sensors = Sensors(scope=board)
    if found := _fields(nvml, handle, board):
        of_module = (_fields(nvml, handle, module) or [False] * 3)[1:]
        scope = module if any(of_module) and not any(found[1:]) else board
        instant, average = of_module if scope == module else found[1:]
        sensors = Sensors(
            counter=_FIELDS if found[0] else "",
            instant=_FIELDS if instant else "",
            average=_FIELDS if average else "",
            scope=scope,
            module=any(of_module),
            wanted=_wanted(nvml, scope),
        )
    if not sensors.counter and _offers(nvml, "nvmlDeviceGetTotalEnergyConsumption", handle):
        sensors = replace(sensors, counter="nvmlDeviceGetTotalEnergyConsumption")
    if not sensors.instant and not sensors.average and _offers(nvml, "nvmlDeviceGetPowerUsage", handle):
        # A mean over the last second on most boards, the moment on some: taken for the less certain of the two.
        sensors = replace(sensors, average="nvmlDeviceGetPowerUsage")
    return sensors


def sample(nvml: Any, handle: Any, sensors: Sensors) -> Sample:
    """Read all that a GPU offers. Never raises for what NVML reports: it is then missing in the sample."""
    seen = Sample()
    if _FIELDS in (sensors.counter, sensors.instant, sensors.average):
        try:
            values = nvml.nvmlDeviceGetFieldValues(handle, sensors.wanted)
        except nvml.NVMLError as error:
            return Sample(lost=gone(nvml, error.value))
        energy, instant, average = map(_number, values)
        seen = Sample(
            energy_mj=int(energy) if sensors.counter == _FIELDS and energy is not None else None,
            instant_w=instant / _MW_PER_W if sensors.instant and instant is not None else None,
            average_w=average / _MW_PER_W if sensors.average == _FIELDS and average is not None else None,
            stamp_s=values[0].timestamp / 1e6,
            latency_s=sum(max(0, value.latencyUsec) for value in values) / 1e6,
            lost=any(value.nvmlReturn == _GPU_IS_LOST for value in values),
        )
    try:
        if sensors.counter not in ("", _FIELDS):
            seen = replace(seen, energy_mj=int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)))
        if sensors.average not in ("", _FIELDS):
            seen = replace(seen, average_w=nvml.nvmlDeviceGetPowerUsage(handle) / _MW_PER_W)
    except nvml.NVMLError as error:
        return replace(seen, lost=seen.lost or gone(nvml, error.value))
    return seen
