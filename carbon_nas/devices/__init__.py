"""Deployment targets and their latencies."""

from carbon_nas.devices.catalog import TARGETS, Device, HostDevice, SimulatedDevice, Target, target_named
from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.devices.profiler import Profile, ProfilePlan, profile

__all__ = [
    "Device",
    "HostDevice",
    "LatencyTable",
    "Profile",
    "ProfilePlan",
    "SimulatedDevice",
    "TARGETS",
    "Target",
    "profile",
    "target_named",
]
