"""Deployment targets, and the devices that can time a network on them."""

from carbon_nas.devices.device import Device, Subject, Timing, Usage
from carbon_nas.devices.host import HostDevice
from carbon_nas.devices.onnx_device import OnnxDevice
from carbon_nas.devices.simulated import SimulatedDevice
from carbon_nas.devices.targets import TARGETS, Target, target_named

__all__ = [
    "Device",
    "HostDevice",
    "OnnxDevice",
    "SimulatedDevice",
    "Subject",
    "TARGETS",
    "Target",
    "Timing",
    "Usage",
    "device_for",
    "target_named",
]


def device_for(target: Target) -> Device:
    """Return this machine's device for a target. Whether it can be run here, its `check` tells."""
    return OnnxDevice(target) if target.runtime == "onnx" else HostDevice(target)
