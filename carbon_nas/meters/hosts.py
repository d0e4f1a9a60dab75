"""This host: its meters, and the facts that an energy figure depends on."""

import contextlib
import importlib
import importlib.metadata
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import psutil

from carbon_nas.errors import MeterError, NoDevice
from carbon_nas.meters.base import Component, Meter
from carbon_nas.meters.clock import Clock, SystemClock
from carbon_nas.meters.estimate import CpuEstimateMeter, cpu_model, cpu_s
from carbon_nas.meters.memory import MemoryEstimateMeter
from carbon_nas.meters.nvml import LEAVE_OUT, NvmlMeter
from carbon_nas.meters.rapl import RaplMeter

__all__ = ["Coverage", "host_facts", "not_covered", "open_meters", "package_versions"]

POWERCAP = Path("/sys/class/powercap")


class Coverage(StrEnum):
    """What of the host is metered beside its GPUs."""

    ALL = "all"
    CPU = "cpu"  # Without memory.
    NONE = "none"


def open_meters(
    *,
    clock: Clock | None = None,
    cpu_watts_per_core: float | None = None,
    host: Coverage = Coverage.ALL,
    attribute: bool = True,
    powercap: Path = POWERCAP,
) -> tuple[Meter, ...]:
    """Open every meter that works on this host: CPU, memory, and NVIDIA GPUs where there are any.

    The CPU is measured where RAPL can be read, and else estimated, never both: it would be counted twice. So is memory.

    Args:
        clock: what tells the time; the system's if not given.
        cpu_watts_per_core: overrides the power per core of the CPU estimate, and asks for it where RAPL could be read.
        host: what is metered beside GPUs.
        attribute: estimate this process's part of GPUs that others use as well, where NVML tells it.
        powercap: where Linux shows RAPL.

    Raises:
        MeterError: if `cpu_watts_per_core` is not positive, or an NVIDIA GPU is visible whose energy cannot be read:
            a run on it would look cheaper than it is.
        NoDevice: if nothing is left to meter.
    """
    clock = clock or SystemClock()
    meters: list[Meter] = []
    try:
        if host is not Coverage.NONE:
            meters += _host(clock, cpu_watts_per_core, host, powercap)
        # No NVIDIA driver is the normal case on a laptop, not an error.
        with contextlib.suppress(NoDevice):
            meters.append(_gpus(clock, os.getpid() if attribute else None))
    except BaseException:
        for meter in meters:
            meter.close()
        raise
    if not meters:
        raise NoDevice("there is no GPU, and the host is switched off", cure="let the host be metered")
    return tuple(meters)


def _host(clock: Clock, cpu_watts_per_core: float | None, host: Coverage, powercap: Path) -> Iterator[Meter]:
    if cpu_watts_per_core is not None:
        yield CpuEstimateMeter(cpu_watts_per_core)
        if host is Coverage.ALL:
            yield MemoryEstimateMeter(clock)
        return
    measured, silent = _rapl(clock, powercap)
    if measured is None:
        estimate = CpuEstimateMeter()
        if silent:
            # Why there is an estimate where there could be a measurement, and what to do about it.
            estimate.components = tuple(
                replace(part, note="; ".join(filter(None, (part.note, f"RAPL is there: {silent}"))))
                for part in estimate.components
            )
        yield estimate
    else:
        yield measured
    names = () if measured is None else tuple(part.name for part in measured.components)
    if host is Coverage.ALL and not any(name.startswith("dram") for name in names):
        yield MemoryEstimateMeter(clock)


def _rapl(clock: Clock, powercap: Path) -> tuple[RaplMeter | None, str]:
    """Open RAPL as far as it is whole: a part that is not known would hide in a sum that is."""
    silent: dict[str, str] = {}
    for memory in (True, False):
        try:
            meter = RaplMeter(clock, powercap, device_s=cpu_s, memory=memory)
        except NoDevice:
            return None, ""
        notes = {part.name: part.note for part in meter.components}
        silent = {one.component: notes[one.component] for one in meter.read() if one.energy_j is None}
        if not silent:
            return meter, ""
        meter.close()
        if any(name.startswith("cpu") for name in silent):
            break  # Memory alone can do without: it is estimated instead.
    return None, next(iter(silent.values()))


def not_covered(components: Sequence[Component]) -> tuple[str, ...]:
    """Return what draws power on a host and is not among the components, in words."""
    kinds = {part.name.partition(":")[0] for part in components}
    missing = [
        words
        for kind, words in (("cpu", "CPU"), ("dram", "memory"), ("gpu", "GPUs, if there are any"))
        if kind not in kinds
    ]
    return (*missing, "disks", "network", "fans", "power supply losses", "cooling")


def _gpus(clock: Clock, attribute_to: int | None) -> Meter:
    meter = NvmlMeter(clock, importlib.import_module("pynvml"), attribute_to=attribute_to)
    if meter.blind:
        meter.close()
        raise MeterError(
            "this GPU has no energy counter and does not tell its power", where=", ".join(meter.blind), cure=LEAVE_OUT
        )
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
