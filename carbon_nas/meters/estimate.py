"""CPU energy as an estimate: CPU seconds times a constant power per core. Never called a measurement.

Boundary: the CPU time of this process, of its threads and of the children it has waited for; or that of one command
and its children. Memory, disks, power supply losses and other processes are outside.

Every estimate says how far off it may be, as a range and not as an interval of some confidence. What a busy core
draws depends on how many others are busy and on what it computes, and neither is known here.

Source:
    Processors with a TDP: the curve of package power over load by Teads (Davy, Building an AWS EC2 Carbon Emissions
    Dataset, 2021; RAPL on bare metal under turbostress), as the Green Software Foundation's Impact Framework prints it.
    From a core that draws no more than its share of an idle package, to the first cores of a package to be busy.
    Others, virtual machines included: Cloud Carbon Footprint, cloud-carbon-coefficients, coefficients-gcp-use.csv
    (SPECpower_ssj2008; whole servers, per hardware thread). From the least of all idle to the most of all under full
    load. These are servers: what is said of a laptop that is in no table is not better founded than that.
"""

import contextlib
import csv
import importlib.util
import math
import os
import platform
import re
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import psutil

from carbon_nas.errors import MeterError
from carbon_nas.meters.base import Component, Reading
from carbon_nas.sources import Tier

__all__ = [
    "ChildCpuMeter",
    "CpuEstimateMeter",
    "FALLBACK_W_PER_CORE",
    "SERVER_THREAD_W",
    "TDP_CURVE",
    "cpu_model",
    "cpu_s",
    "tdp_w",
]

# codecarbon 3.3, core/cpu.py: what it takes per thread when the CPU model is not in its table.
FALLBACK_W_PER_CORE = 4.0

TDP_CURVE = ((0.0, 0.12), (0.1, 0.32), (0.5, 0.75), (1.0, 1.02))
"""Share of all cores that is busy, and package power over TDP (Teads, see above)."""

SERVER_THREAD_W = (0.445, 8.55)
"""Watts per hardware thread (Cloud Carbon Footprint, see above): EPYC 3rd Gen idle, Sandy Bridge under full load."""


def cpu_s() -> float:
    """Return the CPU seconds of this process and of the children it has waited for; never falls."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _cpuinfo(path: Path = Path("/proc/cpuinfo")) -> dict[str, set[str]]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:  # Not Linux.
        return {}
    facts: dict[str, set[str]] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            facts.setdefault(key.strip(), set()).add(value.strip())
    return facts


def cpu_model() -> str:
    """Return the CPU's name as the system gives it, or an empty string."""
    names = _cpuinfo().get("model name")
    return min(names) if names else platform.processor()


def _plain(name: str) -> str:
    # "Intel(R) Core(TM) i7-1185G7 CPU @ 3.00GHz" and "Intel Core i7-1185G7" are one processor.
    name = name.replace("(R)", " ").replace("(TM)", " ").split("@")[0].split(" with ")[0]
    words = [
        word
        for word in name.lower().split()
        if word not in {"cpu", "processor", "gen"} and not re.fullmatch(r"\d+-cores?|\d+(st|nd|rd|th)", word)
    ]
    return " ".join(words)


def tdp_w(model: str, table: Path | None = None) -> float | None:
    """Look up a processor's thermal design power in codecarbon's table: exact names only, no guessing.

    Args:
        model: the processor's name.
        table: a CSV with the columns Name and TDP; codecarbon's own if not given.

    Returns:
        Watts, or None if the processor is not listed.
    """
    if table is None:
        # The table is read as a file: importing codecarbon would bring pandas into the process that is measured.
        spec = importlib.util.find_spec("codecarbon")
        if spec is None or not spec.submodule_search_locations:
            return None
        table = Path(spec.submodule_search_locations[0]) / "data" / "hardware" / "cpu_power.csv"
    wanted = _plain(model)
    try:
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if wanted and _plain(row["Name"]) == wanted:
                    return float(row["TDP"])
    except (OSError, KeyError, ValueError):
        return None
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _CorePower:
    """What one logical core is taken to draw while it is busy, and how far off that may be."""

    power_w_per_core: float
    origin: str
    low_ratio: float | None
    high_ratio: float | None
    range_origin: str | None
    note: str
    model: str
    cores: int
    sockets: int
    socket_tdp_w: float | None

    def component(self, name: str, of_what: str) -> Component:
        return Component(
            name=name,
            tier=Tier.ESTIMATED,
            method=f"cpu_s x watts_per_core (CPU time of {of_what})",
            power_max_w=self.power_w_per_core * self.cores,
            inputs={
                "cpu_model": self.model or None,
                "logical_cores": self.cores,
                "sockets": self.sockets,
                "socket_tdp_w": self.socket_tdp_w,
                "watts_per_core": self.power_w_per_core,
                "watts_per_core_from": self.origin,
                "range_from": self.range_origin,
            },
            note=self.note,
            tick_s=0.0,
            low_ratio=self.low_ratio,
            high_ratio=self.high_ratio,
            own=True,
        )


def _range_of_tdp() -> tuple[float, float]:
    # A lightly loaded package gives its few busy cores more than their share: they boost, and wake what all need.
    idle_ratio = TDP_CURVE[0][1]
    slopes = [(to - was) / (busy - idle) for (idle, was), (busy, to) in pairwise(TDP_CURVE)]
    return idle_ratio, idle_ratio + max(slopes)


def _core_power(watts_per_core: float | None) -> _CorePower:
    cores = psutil.cpu_count(logical=True) or os.cpu_count() or 1
    model = cpu_model()
    facts = _cpuinfo()
    virtual = any("hypervisor" in flags.split() for flags in facts.get("flags", ()))
    sockets = max(1, len(facts.get("physical id", ())))
    socket_tdp_w = tdp_w(model)
    note = ""
    low_ratio: float | None
    high_ratio: float | None
    range_origin: str | None
    if watts_per_core is not None:
        if not 0 < watts_per_core < math.inf:
            raise MeterError("the power of a core must be above 0 W, and finite", where="--cpu-watts-per-core")
        # How sure they are, only they know.
        origin, low_ratio, high_ratio, range_origin = "given by the user", None, None, None
    elif socket_tdp_w is not None and not virtual:
        watts_per_core, origin = socket_tdp_w * sockets / cores, "TDP / logical cores, codecarbon's table"
        low_ratio, high_ratio = _range_of_tdp()
        range_origin = "package power over load, Teads 2021"
    else:
        watts_per_core, origin = FALLBACK_W_PER_CORE, "codecarbon's value per thread for unknown processors"
        low_ratio, high_ratio = (power_w / FALLBACK_W_PER_CORE for power_w in SERVER_THREAD_W)
        range_origin = "servers per thread, idle to full load, Cloud Carbon Footprint"
        why = (
            "a virtual machine does not show how many cores share the processor's TDP"
            if virtual
            else "the processor is not in codecarbon's table"
            if model
            else "this system does not tell the processor's name"
        )
        note = f"power per core not known ({why}): {FALLBACK_W_PER_CORE:g} W per thread assumed"
    return _CorePower(
        power_w_per_core=watts_per_core,
        origin=origin,
        low_ratio=low_ratio,
        high_ratio=high_ratio,
        range_origin=range_origin,
        note=note,
        model=model,
        cores=cores,
        sockets=sockets,
        socket_tdp_w=socket_tdp_w,
    )


class CpuEstimateMeter:
    """Estimates CPU energy as `cpu_s x TDP / cores`.

    Args:
        watts_per_core: overrides the table; use it when you know your machine better.

    Raises:
        MeterError: if `watts_per_core` is not positive.
    """

    def __init__(self, watts_per_core: float | None = None) -> None:
        power = _core_power(watts_per_core)
        self._watts_per_core = power.power_w_per_core
        self.components: tuple[Component, ...] = (
            power.component("cpu:process", "this process and of children it has waited for"),
        )
        self._origin_s = cpu_s()

    def read(self) -> tuple[Reading, ...]:
        """Return CPU seconds since the meter was made, and the joules they stand for."""
        used_s = cpu_s() - self._origin_s
        return (Reading(component=self.components[0].name, energy_j=used_s * self._watts_per_core, device_s=used_s),)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


class _Usage(Protocol):
    """What `os.wait4` returns of a child."""

    @property
    def ru_utime(self) -> float: ...

    @property
    def ru_stime(self) -> float: ...


class ChildCpuMeter:
    """Estimates the CPU energy of one command: of the process that is started for it, and of its descendants.

    While it runs, its process tree is looked at: what a process did that was born and reaped elsewhere between two
    looks is missing, and comes in when the command is settled. Take it instead of `CpuEstimateMeter`, not beside it:
    a child that was waited for is in that one's CPU time as well.

    Args:
        watts_per_core: overrides the table.

    Raises:
        MeterError: if `watts_per_core` is not positive.
    """

    def __init__(self, watts_per_core: float | None = None) -> None:
        power = _core_power(watts_per_core)
        self._watts_per_core = power.power_w_per_core
        self.components: tuple[Component, ...] = (power.component("cpu:command", "a command and its children"),)
        self._mutex = threading.Lock()
        self._root: psutil.Process | None = None
        self._used_s = 0.0

    def watch(self, pid: int) -> None:
        """Name the process that runs the command; one that is already gone counts when it is settled."""
        with self._mutex, contextlib.suppress(psutil.Error):
            self._root = psutil.Process(pid)

    def settle(self, usage: _Usage) -> None:
        """Take the final CPU time from the resource usage that waiting for the process has returned."""
        with self._mutex:
            self._root = None
            # More was seen only of a child that outlives the command: nobody waited for it, but it ran.
            self._used_s = max(self._used_s, usage.ru_utime + usage.ru_stime)

    def read(self) -> tuple[Reading, ...]:
        """Return the CPU seconds of the command so far, and the joules they stand for."""
        with self._mutex:
            if self._root is not None:
                # A process that ends between two looks takes its time out of the tree until its parent waits for it.
                self._used_s = max(self._used_s, _tree_s(self._root))
            used_s = self._used_s
        return (Reading(component=self.components[0].name, energy_j=used_s * self._watts_per_core, device_s=used_s),)

    def close(self) -> None:
        """Look at the command no more."""
        with self._mutex:
            self._root = None


def _tree_s(root: psutil.Process) -> float:
    used_s = 0.0
    try:
        # A process id that was given away again is not the command: psutil compares the time of birth.
        processes = [root, *root.children(recursive=True)] if root.is_running() else []
    except psutil.Error:
        processes = [root]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            used_s += times.user + times.system + times.children_user + times.children_system
    return used_s
