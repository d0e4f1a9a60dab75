"""One simulated machine for every tool: it is described in a file, and its time begins when the program says so.

Each tool runs in a process of its own. In all of them, and in the helper processes that they spawn, the module `pynvml`
is the one beside this file (`shim/pynvml.py`), and `/sys/class/powercap` leads to a folder (`shim/sitecustomize.py`).
Before `begin()` the time of the machine stands at 0; then it runs as the monotonic clock does.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from carbon_nas.meters import simulated_gpu, waves
from carbon_nas.meters.simulated_nvml import SimulatedNvml

__all__ = ["FOLDER", "MachineClock", "begin", "now_s", "nvml", "powercap", "scenario", "true_j", "wave"]

FOLDER = "CARBON_NAS_BENCHMARK_FOLDER"
"""The environment variable that names the folder with `scenario.json`."""


def _folder() -> Path:
    return Path(os.environ[FOLDER])


def scenario() -> dict[str, Any]:
    """Read what this process has to simulate."""
    described: dict[str, Any] = json.loads((_folder() / "scenario.json").read_text(encoding="utf-8"))
    return described


class MachineClock:
    """The time of the simulated machine, the same in every process of one scenario."""

    def __init__(self) -> None:
        self._mark = _folder() / "begun"
        self._origin_s: float | None = None
        self.held = False

    def monotonic_s(self) -> float:
        """Return the seconds since the beginning; 0 before it, and while it is held."""
        if self.held:
            return 0.0
        if self._origin_s is None:
            try:
                self._origin_s = float(self._mark.read_text(encoding="ascii"))
            except OSError:
                return 0.0
        return max(0.0, time.monotonic() - self._origin_s)

    def wall_s(self) -> float:
        """Return the wall clock."""
        return time.time()

    def boot_s(self) -> float | None:
        """Return nothing: the machine does not sleep."""
        return None


CLOCK = MachineClock()


def begin() -> None:
    """Let the time of the machine begin."""
    beside = _folder() / "begun.new"
    beside.write_text(repr(time.monotonic()), encoding="ascii")
    beside.replace(_folder() / "begun")


def now_s() -> float:
    """Return the time of the machine."""
    return CLOCK.monotonic_s()


def wave(described: Mapping[str, Any]) -> waves.Wave:
    """Make a wave from its description: its kind, and what else it takes."""
    rest = {name: value for name, value in described.items() if name != "kind"}
    made: waves.Wave = getattr(waves, described["kind"])(**rest)
    return made


def true_j(described: Sequence[Mapping[str, Any]], begin_s: float, end_s: float) -> float:
    """Return what waves have used between two times of the machine."""
    return sum(wave(one).energy_j(begin_s, end_s) for one in described)


def nvml() -> SimulatedNvml:
    """Make the simulated NVML of the scenario. The module `pynvml` must be the official one at that moment."""
    described = scenario()
    devices = tuple(
        simulated_gpu.SimulatedGpu(**{**one, "wave": wave(one["wave"]), "mig": tuple(one.get("mig", ()))})
        for one in described["gpus"]
    )
    faults = tuple(
        getattr(simulated_gpu, one["kind"])(**{name: value for name, value in one.items() if name != "kind"})
        for one in described["faults"]
    )
    # Its time counts from when it is made, and a helper process makes its own while the machine is running.
    CLOCK.held = True
    made = SimulatedNvml(CLOCK, gpus=devices, faults=faults, driver=not described["absent"])
    CLOCK.held = False
    return made


@contextlib.contextmanager
def powercap(every_s: float = 0.002) -> Iterator[None]:
    """Keep the simulated powercap tree up to date while it is used, if the scenario has one."""
    described = scenario()
    if not described["zones"]:
        yield
        return
    from carbon_nas.meters.powercap import SimulatedPowercap, SimulatedZone

    root = _folder() / "powercap"
    root.mkdir()
    zones = tuple(SimulatedZone(**{**zone, "wave": wave(zone["wave"])}) for zone in described["zones"])
    tree = SimulatedPowercap(root, CLOCK, zones)
    # As in sysfs; one of the tools looks there.
    (root / "intel-rapl" / "subsystem").symlink_to(root, target_is_directory=True)
    resets = list(described["zone_resets"])
    done = threading.Event()

    def run() -> None:
        while not done.wait(every_s):
            while resets and now_s() >= resets[0]["at_s"]:
                tree.reset(resets.pop(0)["path"])
            tree.refresh()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
