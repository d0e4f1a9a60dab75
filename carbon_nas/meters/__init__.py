"""Meters: cumulative joules per component, each with its tier. No torch, no pandas."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carbon_nas.meters.base import Component, Condition, Gaps, Meter, Observant, Reading
    from carbon_nas.meters.clock import Clock, ManualClock, SystemClock
    from carbon_nas.meters.hosts import Coverage, open_meters
    from carbon_nas.meters.measurement import Measurement, measure
    from carbon_nas.meters.metering import Metering, Window
    from carbon_nas.meters.nvml import NvmlMeter
    from carbon_nas.meters.powercap import SimulatedPowercap, SimulatedZone
    from carbon_nas.meters.rapl import RaplMeter
    from carbon_nas.meters.replay import ReplayMeter
    from carbon_nas.meters.simulated import SimulatedMeter
    from carbon_nas.meters.simulated_gpu import Lost, NotReady, Reset, SimulatedGpu, Unsupported
    from carbon_nas.meters.simulated_nvml import SimulatedNvml
    from carbon_nas.meters.waves import Constant, Ramp, Square, Telegraph

__all__ = [
    "Clock",
    "Component",
    "Condition",
    "Constant",
    "Coverage",
    "Gaps",
    "Lost",
    "ManualClock",
    "Measurement",
    "Meter",
    "Metering",
    "NotReady",
    "NvmlMeter",
    "Observant",
    "Ramp",
    "RaplMeter",
    "Reading",
    "ReplayMeter",
    "Reset",
    "SimulatedGpu",
    "SimulatedMeter",
    "SimulatedNvml",
    "SimulatedPowercap",
    "SimulatedZone",
    "Square",
    "SystemClock",
    "Telegraph",
    "Unsupported",
    "Window",
    "measure",
    "open_meters",
]

_HOME = {
    "Clock": "clock",
    "Component": "base",
    "Condition": "base",
    "Constant": "waves",
    "Coverage": "hosts",
    "Gaps": "base",
    "Lost": "simulated_gpu",
    "ManualClock": "clock",
    "Measurement": "measurement",
    "Meter": "base",
    "Metering": "metering",
    "NotReady": "simulated_gpu",
    "NvmlMeter": "nvml",
    "Observant": "base",
    "Ramp": "waves",
    "RaplMeter": "rapl",
    "Reading": "base",
    "ReplayMeter": "replay",
    "Reset": "simulated_gpu",
    "SimulatedGpu": "simulated_gpu",
    "SimulatedMeter": "simulated",
    "SimulatedNvml": "simulated_nvml",
    "SimulatedPowercap": "powercap",
    "SimulatedZone": "powercap",
    "Square": "waves",
    "SystemClock": "clock",
    "Telegraph": "waves",
    "Unsupported": "simulated_gpu",
    "Window": "metering",
    "measure": "measurement",
    "open_meters": "hosts",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: importing the meters costs nothing that is not used.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
