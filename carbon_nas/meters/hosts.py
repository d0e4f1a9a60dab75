"""Opening what this host offers."""

import contextlib
import importlib

from carbon_nas.errors import MeterError
from carbon_nas.meters.base import Meter
from carbon_nas.meters.clock import Clock, SystemClock
from carbon_nas.meters.estimate import CpuEstimateMeter
from carbon_nas.meters.nvml import NvmlMeter

__all__ = ["open_meters"]


def open_meters(*, clock: Clock | None = None, cpu_watts_per_core: float | None = None) -> tuple[Meter, ...]:
    """Open every meter that works on this host: the CPU estimate, and NVIDIA GPUs where there are any.

    Args:
        clock: what tells the time; the system's if not given.
        cpu_watts_per_core: overrides the power per core of the CPU estimate.

    Raises:
        MeterError: if `cpu_watts_per_core` is not positive.
    """
    clock = clock or SystemClock()
    meters: list[Meter] = [CpuEstimateMeter(cpu_watts_per_core)]
    # No NVIDIA driver is the normal case on a laptop, not an error.
    with contextlib.suppress(MeterError):
        meters.append(NvmlMeter(clock, importlib.import_module("pynvml")))
    return tuple(meters)
