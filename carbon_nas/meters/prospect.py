"""What works on this host, found by trying: each part, and for what does not work why and the cure. Writes nothing."""

import importlib
import importlib.metadata
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from carbon_nas import files
from carbon_nas.errors import MeterError, NoDevice
from carbon_nas.meters.clock import Clock, SystemClock
from carbon_nas.meters.estimate import CpuEstimateMeter
from carbon_nas.meters.hosts import POWERCAP, package_versions
from carbon_nas.meters.memory import MemoryEstimateMeter
from carbon_nas.meters.nvml import NvmlMeter
from carbon_nas.meters.nvml_device import text
from carbon_nas.meters.polling import Part, polled
from carbon_nas.meters.rapl import RaplMeter
from carbon_nas.meters.zones import open_counter

__all__ = ["HiddenGpu", "Lack", "Prospect", "look"]

_SEATS = "@carbon-nas/"
# RAPL moves about every millisecond, a GPU's counter every tenth of a second: it needs no such patience.
_GPUS_SLOWER = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class HiddenGpu:
    """A GPU of this host that `CUDA_VISIBLE_DEVICES` does not let this process use."""

    uuid: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """What does not work here, why, and what would help."""

    what: str
    why: str
    cure: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """What works on this host.

    Attributes:
        selection: `CUDA_VISIBLE_DEVICES` as it is set; None if it is not.
        suspend_noticed: whether the clocks tell that the machine slept.
        locks: whether two writers of one ledger in this folder are told apart; None: this system or file system has no
            locks.
        recorders_noticed: whether two recorders on one component notice each other.
        recorded_now: the components that a recorder on this host is metering at this moment.
        versions: of what is installed, by package.
    """

    parts: tuple[Part, ...]
    hidden_gpus: tuple[HiddenGpu, ...]
    lacks: tuple[Lack, ...]
    selection: str | None
    suspend_noticed: bool
    locks: bool | None
    recorders_noticed: bool
    recorded_now: tuple[str, ...]
    versions: Mapping[str, str]

    def of(self, kind: str) -> tuple[Part, ...]:
        """Return the parts of one class: `gpu`, `cpu` or `dram`."""
        return tuple(part for part in self.parts if part.component.name.partition(":")[0] == kind)

    @property
    def sufficient(self) -> bool:
        """Whether the energy of the CPU or of a GPU can be had, at least as an estimate."""
        return any(part.answers for kind in ("gpu", "cpu") for part in self.of(kind))


def look(
    clock: Clock | None = None,
    *,
    nvml: "ModuleType | Any | None" = None,
    environment: Mapping[str, str] = os.environ,
    powercap: Path = POWERCAP,
    open_file: Callable[[Path], int] = open_counter,
    folder: Path = Path(),
    sockets: Path = Path("/proc/net/unix"),
    poll_s: float = 2.0,
    pause: Callable[[float], None] = time.sleep,
) -> Prospect:
    """Try everything that can be metered.

    Args:
        clock: what tells the time.
        nvml: what stands for the module `pynvml`.
        environment: the environment variables.
        powercap: where Linux shows RAPL.
        open_file: opens a counter of RAPL.
        folder: where locks are tried.
        sockets: where Linux lists the sockets of this host.
        poll_s: for how long GPUs are polled.
        pause: waits between two polls.
    """
    clock = clock or SystemClock()
    lacks: list[Lack] = []
    gpus, hidden = _gpus(clock, nvml, environment, lacks, poll_s=poll_s, pause=pause)
    host = tuple(_host(clock, powercap, open_file, lacks, poll_s=poll_s / _GPUS_SLOWER, pause=pause))
    suspend_noticed = clock.boot_s() is not None
    if not suspend_noticed:
        why = "this system has no clock that goes on while the machine sleeps"
        lacks.append(Lack(what="noticing suspension", why=why, cure="keep the machine awake while it records"))
    locks = _locks(folder)
    if locks is None:
        why = "this system or file system has no file locks"
        cure = "let one process at a time write to a ledger, or put ledgers on a local disk"
        lacks.append(Lack(what="telling two writers apart", why=why, cure=cure))
    recorded = _recorded_now(sockets)
    return Prospect(
        parts=(*gpus, *host),
        hidden_gpus=hidden,
        lacks=(*lacks, *_packages()),
        selection=environment.get("CUDA_VISIBLE_DEVICES"),
        suspend_noticed=suspend_noticed,
        locks=locks,
        recorders_noticed=recorded is not None,
        recorded_now=recorded or (),
        versions=_versions(),
    )


def _gpus(
    clock: Clock,
    nvml: "ModuleType | Any | None",
    environment: Mapping[str, str],
    lacks: list[Lack],
    *,
    poll_s: float,
    pause: Callable[[float], None],
) -> tuple[tuple[Part, ...], tuple[HiddenGpu, ...]]:
    try:
        nvml = nvml or importlib.import_module("pynvml")
        meter = NvmlMeter(clock, nvml, environment=environment)
    except ImportError as error:
        cure = "pip install --force-reinstall nvidia-ml-py"
        lacks.append(Lack(what="NVIDIA GPUs", why=f"the module pynvml cannot be imported ({error})", cure=cure))
        return (), ()
    except NoDevice as error:
        hidden = tuple(_hidden(nvml, ()))
        cure = (
            "let the process see them: unset CUDA_VISIBLE_DEVICES, or list them in it"
            if hidden
            else "where there should be one: install NVIDIA's driver; in a container, hand the GPUs in (--gpus all)"
        )
        lacks.append(Lack(what="NVIDIA GPUs", why=error.what, cure=cure))
        return (), hidden
    except MeterError as error:
        why = error.what if error.where is None else f"{error.where}: {error.what}"
        lacks.append(Lack(what="NVIDIA GPUs", why=why, cure=error.cure or ""))
        return (), ()
    try:
        parts = polled(meter, clock, poll_s=poll_s, pause=pause)
        hidden = tuple(_hidden(nvml, [part.name for part in meter.components]))
    finally:
        meter.close()
    blind = [part.component for part in parts if not part.answers]
    lacks += [Lack(what=part.name, why="it does not tell its energy", cure=part.note) for part in blind]
    return parts, hidden


def _hidden(nvml: "ModuleType | Any", seen: Sequence[str]) -> Iterator[HiddenGpu]:
    """Find the boards that the driver has and the process may not use."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return
    try:
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = text(nvml.nvmlDeviceGetUUID(handle))
            if f"gpu:{uuid}" not in seen:
                yield HiddenGpu(uuid=uuid, name=text(nvml.nvmlDeviceGetName(handle)))
    except nvml.NVMLError:
        return
    finally:
        nvml.nvmlShutdown()


def _host(
    clock: Clock,
    powercap: Path,
    open_file: Callable[[Path], int],
    lacks: list[Lack],
    *,
    poll_s: float,
    pause: Callable[[float], None],
) -> Iterator[Part]:
    measured: tuple[Part, ...] = ()
    try:
        meter = RaplMeter(clock, powercap, open_file=open_file)
    except NoDevice as error:
        where = "a virtual machine or container mostly has none; on bare metal: sudo modprobe intel_rapl_msr"
        lacks.append(Lack(what="measuring the CPU (RAPL)", why=f"{error.where}: {error.what}", cure=where))
    else:
        measured = polled(meter, clock, poll_s=poll_s, pause=pause)
        meter.close()
        for part in measured:
            if not part.answers:
                lacks.append(Lack(what=part.component.name, why="it cannot be read", cure=part.component.note))
        yield from measured
    # The same rule as for a recording: measured if all of it is, and else estimated.
    if not measured or not all(part.answers for part in measured):
        yield Part(component=CpuEstimateMeter().components[0], answers=True)
        measured = ()
    if not any(part.component.name.startswith("dram") for part in measured):
        yield Part(component=MemoryEstimateMeter(clock).components[0], answers=True)


def _locks(folder: Path) -> bool | None:
    """Try a lock on a folder that is there, so that no file has to be made."""
    if files.fcntl is None:
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        files.fcntl.flock(handle, files.fcntl.LOCK_SH | files.fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return True


def _recorded_now(sockets: Path) -> tuple[str, ...] | None:
    """Read who sits where, without taking a seat: a recorder would note that somebody came."""
    try:
        lines = sockets.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = {line.partition(_SEATS)[2].partition("#")[0] for line in lines if _SEATS in line}
    return tuple(sorted(found))


def _packages() -> Iterator[Lack]:
    if _version("pynvml") is not None:
        yield Lack(
            what="the package pynvml",
            why=f"version {_version('pynvml')} is installed; old ones hide NVIDIA's module of the same name",
            cure="pip uninstall pynvml; pip install --force-reinstall nvidia-ml-py",
        )
    if importlib.util.find_spec("codecarbon") is None:
        yield Lack(what="CO2e", why="codecarbon's tables are not installed", cure="pip install 'codecarbon>=3.3,<4'")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions() -> Mapping[str, str]:
    # From what pip wrote down: importing torch would take seconds, and may wake a GPU.
    cuda = {name: _version(name) for name in ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12")}
    return package_versions() | {name: found for name, found in cuda.items() if found is not None}
