"""Deployment targets and their latencies."""

from carbon_nas.devices.catalog import TARGETS, Device, HostDevice, SimulatedDevice, Target, target_named
from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.devices.profiler import Profile, ProfilePlan, profile

__all__ = [
    "TARGETS",
    "Device",
    "HostDevice",
    "LatencyTable",
    "Profile",
    "ProfilePlan",
    "SimulatedDevice",
    "Target",
    "profile",
    "target_named",
]
