"""Meters: cumulative joules per component, each with its tier. No torch, no pandas."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carbon_nas.meters.base import Component, Meter, Reading
    from carbon_nas.meters.clock import Clock, ManualClock, SystemClock
    from carbon_nas.meters.hosts import open_meters
    from carbon_nas.meters.simulated import SimulatedMeter

__all__ = ["Clock", "Component", "ManualClock", "Meter", "Reading", "SimulatedMeter", "SystemClock", "open_meters"]

_HOME = {
    "Clock": "clock",
    "Component": "base",
    "ManualClock": "clock",
    "Meter": "base",
    "Reading": "base",
    "SimulatedMeter": "simulated",
    "SystemClock": "clock",
    "open_meters": "hosts",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: importing the meters costs nothing that is not used.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
