"""NVIDIA GPUs through NVML: the energy counter where there is one, else integrated power. Tier: measured.

Boundary: the whole board as NVML sees it, everything that runs on it included; on a superchip the module.
"""

import os
import threading
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from carbon_nas.errors import MeterError, NoDevice
from carbon_nas.meters.attribution import Attribution
from carbon_nas.meters.base import Component, Condition, Reading
from carbon_nas.meters.clock import Clock
from carbon_nas.meters.nvml_device import NvmlGpu, still, text
from carbon_nas.meters.nvml_fields import Source
from carbon_nas.meters.visible import require_order, visible_gpus

__all__ = ["LEAVE_OUT", "NvmlMeter"]

LEAVE_OUT = "mend it, or leave GPUs out with CUDA_VISIBLE_DEVICES= (empty)"


class NvmlMeter:
    """Reads every GPU that `CUDA_VISIBLE_DEVICES` lets this process use.

    In a forked child it touches no driver: its readings stay what they were, and say so.

    Args:
        clock: what tells the time.
        nvml: the module `pynvml`, or a simulated one with the same functions.
        environment: the environment variables.
        attribute_to: a process id: readings then carry the part of a shared GPU's energy that this process is estimated
            to have used, by its share of the busy multiprocessors as it was when `conditions` was last asked.

    Raises:
        NoDevice: if there is no driver, or no GPU is visible.
        MeterError: if a GPU that is there cannot be described, if which one is meant cannot be told, or if an obsolete
            package stands in the place of NVIDIA's.
    """

    def __init__(
        self,
        clock: Clock,
        nvml: ModuleType | Any,
        *,
        environment: Mapping[str, str] = os.environ,
        attribute_to: int | None = None,
    ) -> None:
        if not hasattr(nvml, "_nvmlGetFunctionPointer"):
            raise MeterError(
                "the installed module pynvml is an obsolete package that hides NVIDIA's",
                cure="pip uninstall pynvml; pip install --force-reinstall nvidia-ml-py",
            )
        self._nvml, self._clock, self._pid = nvml, clock, os.getpid()
        # Slow questions have a lock of their own, so that no edge of a window waits for them.
        self._open, self._mutex, self._asking = False, threading.Lock(), threading.Lock()
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            raise NoDevice(f"NVML cannot start ({error})") from error
        self._open = True
        try:
            self._gpus = self._find(environment)
        except nvml.NVMLError as error:
            self.close()
            raise MeterError(f"an NVIDIA GPU cannot be read ({error})", cure=LEAVE_OUT) from error
        except MeterError:
            self.close()
            raise
        self._attribution = Attribution(attribute_to)
        self.components: tuple[Component, ...] = tuple(self._attribution.described(gpu.component) for gpu in self._gpus)
        self._last_s = clock.monotonic_s()
        self._last = self._readings()

    def _find(self, environment: Mapping[str, str]) -> tuple[NvmlGpu, ...]:
        nvml = self._nvml
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        by_uuid = {text(nvml.nvmlDeviceGetUUID(handle)): handle for handle in handles}
        chosen = visible_gpus(environment.get("CUDA_VISIBLE_DEVICES"), list(by_uuid), self._board_of)
        require_order(environment, [text(nvml.nvmlDeviceGetName(handle)) for handle in handles])
        if not chosen:
            raise NoDevice("no NVIDIA GPU is visible to this process")
        return tuple(NvmlGpu(self._clock, nvml, gpu, by_uuid[gpu.uuid]) for gpu in chosen)

    def _board_of(self, slice_uuid: str) -> str | None:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(slice_uuid)
            return text(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)))
        except (AttributeError, nvml.NVMLError):
            return None

    @property
    def blind(self) -> tuple[str, ...]:
        """The components that offer nothing to know their energy by."""
        return tuple(gpu.component.name for gpu in self._gpus if gpu.sensors.source is Source.NONE)

    def read(self) -> tuple[Reading, ...]:
        """Read every GPU; one that does not answer keeps the joules that were seen, and its gap is pending."""
        if os.getpid() != self._pid:
            # The lock may have been held when the process was forked, and the driver's state is the parent's.
            waited_s = self._clock.monotonic_s() - self._last_s
            return tuple(still(reading, waited_s) for reading in self._last)
        # One thread at a time: a number that was overtaken by a later one would look like a reset.
        with self._mutex:
            self._last_s, self._last = self._clock.monotonic_s(), self._readings()
            return self._last

    def _readings(self) -> tuple[Reading, ...]:
        if self._open:
            return tuple(self._attribution.attributed(gpu.read()) for gpu in self._gpus)
        now_s = self._clock.monotonic_s()
        return tuple(self._attribution.attributed(gpu.silent(now_s)) for gpu in self._gpus)

    def conditions(self) -> tuple[Condition, ...]:
        """Ask every GPU for its temperature and throttling, and who uses it if that is attributed."""
        if os.getpid() != self._pid or not self._open:
            return tuple(Condition(component=component.name) for component in self.components)
        with self._asking:
            shares = self._attribution.asked(self._gpus)
            conditions = tuple(gpu.condition() for gpu in self._gpus)
        with self._mutex:
            self._attribution.adopt(shares)
        return conditions

    def shares(self, pid: int) -> dict[str, float | None]:
        """Return the share of a process in the use of every GPU's multiprocessors since this was last asked.

        None where NVML does not tell, as under MIG, or where that process was never seen: in a container its id may be
        another one.
        """
        if os.getpid() != self._pid or not self._open:
            return dict.fromkeys((component.name for component in self.components), None)
        with self._asking:
            return self._attribution.shares(pid, self._gpus)

    def close(self) -> None:
        """Shut NVML down once. What was seen until then stays known."""
        if os.getpid() != self._pid:
            return
        with self._mutex:
            if self._open:
                self._open = False
                self._nvml.nvmlShutdown()
