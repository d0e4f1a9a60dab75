"""Deployment targets, and the devices that can time a network on them."""

from carbon_nas.devices.device import Device, Subject, Timing, Usage
from carbon_nas.devices.host import HostDevice, check_processor
from carbon_nas.devices.onnx_device import OnnxDevice, onnx_runtime
from carbon_nas.devices.simulated import SimulatedDevice
from carbon_nas.devices.targets import TARGETS, Target, target_named
from carbon_nas.supernet.onnx_graph import onnx_package

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
    "check_runnable",
    "device_for",
    "target_named",
]


def device_for(target: Target) -> Device:
    """Return this machine's device for a target. Whether it can be run here shows when it is."""
    return OnnxDevice(target) if target.runtime == "onnx" else HostDevice(target)


def check_runnable(target: Target) -> None:
    """Make sure that a target can be run on this machine, before anything is paid for.

    Raises:
        UsageError: if its processor is not here.
        MissingExtra: if its runtime is not installed.
    """
    check_processor(target)
    if target.runtime == "onnx":
        onnx_package()
        onnx_runtime()
