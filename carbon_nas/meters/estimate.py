"""CPU energy as an estimate: CPU seconds times a constant power per core. Never called a measurement.

Boundary: the CPU time of this process, of its threads and of the children it has waited for. Memory, disks,
power supply losses and other processes are outside.
"""

import csv
import importlib.util
import math
import os
import platform
import re
import time
from pathlib import Path

import psutil

from carbon_nas.errors import MeterError
from carbon_nas.meters.base import Component, Reading
from carbon_nas.sources import Tier

__all__ = ["CpuEstimateMeter", "FALLBACK_W_PER_CORE", "cpu_model", "cpu_s", "tdp_w"]

# codecarbon 3.3, core/cpu.py: what it takes per thread when the CPU model is not in its table.
FALLBACK_W_PER_CORE = 4.0


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


class CpuEstimateMeter:
    """Estimates CPU energy as `cpu_s x TDP / cores`.

    Args:
        watts_per_core: overrides the table; use it when you know your machine better.

    Raises:
        MeterError: if `watts_per_core` is not positive.
    """

    def __init__(self, watts_per_core: float | None = None) -> None:
        cores = psutil.cpu_count(logical=True) or os.cpu_count() or 1
        model = cpu_model()
        facts = _cpuinfo()
        virtual = any("hypervisor" in flags.split() for flags in facts.get("flags", ()))
        sockets = max(1, len(facts.get("physical id", ())))
        socket_tdp_w = tdp_w(model)
        note = ""
        if watts_per_core is not None:
            if not 0 < watts_per_core < math.inf:
                raise MeterError("the power of a core must be above 0 W, and finite", where="--cpu-watts-per-core")
            origin = "given by the user"
        elif socket_tdp_w is not None and not virtual:
            watts_per_core, origin = socket_tdp_w * sockets / cores, "TDP / logical cores, codecarbon's table"
        else:
            watts_per_core, origin = FALLBACK_W_PER_CORE, "codecarbon's value per thread for unknown processors"
            why = (
                "a virtual machine does not show how many cores share the processor's TDP"
                if virtual
                else "the processor is not in codecarbon's table"
                if model
                else "this system does not tell the processor's name"
            )
            note = f"power per core not known ({why}): {FALLBACK_W_PER_CORE:g} W per thread assumed"
        self._watts_per_core = watts_per_core
        self._origin_s = cpu_s()
        self.components: tuple[Component, ...] = (
            Component(
                name="cpu:process",
                tier=Tier.ESTIMATED,
                method="cpu_s x watts_per_core (CPU time of this process and of children it has waited for)",
                power_max_w=watts_per_core * cores,
                inputs={
                    "cpu_model": model or None,
                    "logical_cores": cores,
                    "sockets": sockets,
                    "socket_tdp_w": socket_tdp_w,
                    "watts_per_core": watts_per_core,
                    "watts_per_core_from": origin,
                },
                note=note,
            ),
        )

    def read(self) -> tuple[Reading, ...]:
        """Return CPU seconds since the meter was made, and the joules they stand for."""
        used_s = cpu_s() - self._origin_s
        return (Reading(component=self.components[0].name, energy_j=used_s * self._watts_per_core, device_s=used_s),)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
