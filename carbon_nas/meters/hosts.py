"""This host: its meters, and the facts that an energy figure depends on."""

import contextlib
import importlib
import importlib.metadata
import platform

import psutil

from carbon_nas.errors import MeterError, NoDevice
from carbon_nas.meters.base import Meter
from carbon_nas.meters.clock import Clock, SystemClock
from carbon_nas.meters.estimate import CpuEstimateMeter, cpu_model
from carbon_nas.meters.nvml import LEAVE_OUT, NvmlMeter

__all__ = ["host_facts", "open_meters", "package_versions"]


def open_meters(*, clock: Clock | None = None, cpu_watts_per_core: float | None = None) -> tuple[Meter, ...]:
    """Open every meter that works on this host: the CPU estimate, and NVIDIA GPUs where there are any.

    Args:
        clock: what tells the time; the system's if not given.
        cpu_watts_per_core: overrides the power per core of the CPU estimate.

    Raises:
        MeterError: if `cpu_watts_per_core` is not positive, or an NVIDIA GPU is visible whose energy cannot be read:
            a run on it would look cheaper than it is.
    """
    clock = clock or SystemClock()
    meters: list[Meter] = [CpuEstimateMeter(cpu_watts_per_core)]
    # No NVIDIA driver is the normal case on a laptop, not an error.
    with contextlib.suppress(NoDevice):
        meters.append(_gpus(clock))
    return tuple(meters)


def _gpus(clock: Clock) -> Meter:
    meter = NvmlMeter(clock, importlib.import_module("pynvml"))
    blind = [reading.component for reading in meter.read() if reading.energy_j is None]
    if blind:
        meter.close()
        raise MeterError("this GPU has no energy counter that answers", where=", ".join(blind), cure=LEAVE_OUT)
    return meter


def host_facts() -> dict[str, str | int | None]:
    """Describe this machine by what an energy figure depends on, without naming it."""
    return {
        "cpu_model": cpu_model() or None,
        "logical_cores": psutil.cpu_count(logical=True),
        "system": platform.system(),
        "machine": platform.machine(),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of everything that takes part in a recording, as far as it is installed."""
    found = {"python": platform.python_version()}
    for package in ("carbon-nas", "codecarbon", "nvidia-ml-py", "numpy", "torch", "scikit-learn"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
