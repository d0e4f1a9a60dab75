"""Deployment targets and their latencies."""

from carbon_nas.devices.catalog import (
    TARGETS,
    Device,
    HostDevice,
    OnnxDevice,
    SimulatedDevice,
    Target,
    device_for,
    target_named,
)
from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.devices.profiler import Profile, ProfilePlan, profile

__all__ = [
    "Device",
    "HostDevice",
    "LatencyTable",
    "OnnxDevice",
    "Profile",
    "ProfilePlan",
    "SimulatedDevice",
    "TARGETS",
    "Target",
    "device_for",
    "profile",
    "target_named",
]
