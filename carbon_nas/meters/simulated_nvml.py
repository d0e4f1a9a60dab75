"""NVML without a GPU: a plain object that can stand where the module `pynvml` is expected. It ships with the product.

Whatever is not simulated comes from the real module: constants, error classes, structures. Its functions are refused as
not supported, as a driver refuses what a board does not have. Real programs run on it unchanged:

    sys.modules["pynvml"] = SimulatedNvml(SystemClock(), gpus=[SimulatedGpu(uuid="GPU-0", wave=...)])
"""

import functools
import importlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from carbon_nas.meters.clock import Clock
from carbon_nas.meters.simulated_gpu import Fault, Lost, NotReady, Reset, SimulatedGpu, Unsupported

__all__ = ["SimulatedNvml"]

# ruff: noqa: N802 -- the names are those of NVML.

_SAME_AS = {
    "nvmlDeviceGetCurrentClocksThrottleReasons": "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetPowerManagementDefaultLimit": "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetPowerManagementLimit": "nvmlDeviceGetEnforcedPowerLimit",
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Handle:
    gpu: SimulatedGpu
    taken_s: float
    slice_uuid: str | None = None


class SimulatedNvml:
    """Shows simulated GPUs through the functions of `pynvml`.

    Args:
        clock: what tells the time; the moments of waves and faults count from when this object is made.
        gpus: the boards, in the order of the bus.
        faults: what goes wrong, and when.
        call_cost_s: how long a call that reads a sensor takes: a `ManualClock` is moved, any other clock slept on.
        driver: whether there is a driver at all.
    """

    def __init__(
        self,
        clock: Clock,
        gpus: Sequence[SimulatedGpu] = (),
        *,
        faults: Sequence[Fault] = (),
        call_cost_s: float = 0.0,
        driver: bool = True,
    ) -> None:
        module = importlib.import_module("pynvml")
        # It may itself already stand where the real module is expected.
        self._real: Any = module._real if isinstance(module, SimulatedNvml) else module
        self._clock, self._start_s, self.call_cost_s = clock, clock.monotonic_s(), call_cost_s
        self.gpus, self.faults, self.driver = tuple(gpus), tuple(faults), driver
        self.users, self.calls = 0, 0
        self._mutex = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_real":
            raise AttributeError(name)
        if name in _SAME_AS:
            return getattr(self, _SAME_AS[name])
        value = getattr(self._real, name)
        if name.startswith("nvmlDevice") and callable(value):
            return functools.partial(self._refuse, name)
        return value

    def now_s(self) -> float:
        """Return the time of the simulation."""
        return self._clock.monotonic_s() - self._start_s

    def gpu(self, uuid: str) -> SimulatedGpu:
        """Return one of the boards."""
        return next(gpu for gpu in self.gpus if gpu.uuid == uuid)

    def _error(self, code: str) -> Exception:
        error: Exception = self._real.NVMLError(getattr(self._real, f"NVML_ERROR_{code}"))
        return error

    def _refuse(self, name: str, *_: Any, **__: Any) -> None:  # noqa: ARG002
        self._require_init()
        raise self._error("NOT_SUPPORTED")

    def _require_init(self) -> None:
        if self.users < 1:
            raise self._error("UNINITIALIZED")

    def _faults(self, gpu: SimulatedGpu, kind: type[Any]) -> list[Any]:
        return [fault for fault in self.faults if isinstance(fault, kind) and fault.uuid == gpu.uuid]

    def _answer(self, handle: _Handle, name: str) -> float:
        """Go through everything that can keep a GPU from answering, and return the moment of the answer."""
        self._require_init()
        gpu, now_s = handle.gpu, self.now_s()
        for lost in self._faults(gpu, Lost):
            away = lost.begin_s <= now_s and (lost.end_s is None or now_s < lost.end_s)
            dead = lost.new_handle and handle.taken_s < lost.begin_s <= now_s
            if away or dead:
                raise self._error("GPU_IS_LOST")
        if any(fault.what == name for fault in self._faults(gpu, Unsupported)):
            raise self._error("NOT_SUPPORTED")
        return now_s

    def _sensor(self, handle: _Handle, name: str) -> float:
        self.calls += 1
        if self.call_cost_s:
            getattr(self._clock, "advance", time.sleep)(self.call_cost_s)
        return self._answer(handle, name)

    def _not_ready(self, gpu: SimulatedGpu, now_s: float) -> bool:
        return any(fault.begin_s <= now_s < fault.end_s for fault in self._faults(gpu, NotReady))

    def _counter_mj(self, gpu: SimulatedGpu, now_s: float) -> int:
        return gpu.counter_mj(now_s, tuple(fault.at_s for fault in self._faults(gpu, Reset)))

    # The library.

    def nvmlInit(self) -> None:
        """Count one more user."""
        if not self.driver:
            raise self._error("LIBRARY_NOT_FOUND")
        with self._mutex:
            self.users += 1

    def nvmlShutdown(self) -> None:
        """Count one user less."""
        self._require_init()
        with self._mutex:
            self.users -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        """Return a version that no driver has."""
        self._require_init()
        return "999.99"

    def nvmlSystemGetNVMLVersion(self) -> str:
        """Return a version that no library has."""
        self._require_init()
        return "99.999.99"

    # Which boards there are.

    def nvmlDeviceGetCount(self) -> int:
        """Return the number of boards."""
        self._require_init()
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> _Handle:
        """Take a handle of a board by its place on the bus."""
        self._require_init()
        if not 0 <= index < len(self.gpus):
            raise self._error("INVALID_ARGUMENT")
        return self._taken(self.gpus[index], None)

    def nvmlDeviceGetHandleByUUID(self, uuid: str | bytes) -> _Handle:
        """Take a handle of a board, or of a MIG slice."""
        self._require_init()
        name = uuid.decode() if isinstance(uuid, bytes) else uuid
        for gpu in self.gpus:
            if name == gpu.uuid:
                return self._taken(gpu, None)
            if name in gpu.mig:
                return self._taken(gpu, name)
        raise self._error("NOT_FOUND")

    def _taken(self, gpu: SimulatedGpu, slice_uuid: str | None) -> _Handle:
        handle = _Handle(gpu=gpu, taken_s=self.now_s(), slice_uuid=slice_uuid)
        self._answer(handle, "nvmlDeviceGetHandleByUUID")
        return handle

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: _Handle) -> _Handle:
        """Take a handle of the board that a slice is part of."""
        self._require_init()
        if handle.slice_uuid is None:
            raise self._error("INVALID_ARGUMENT")
        return self._taken(handle.gpu, None)

    def nvmlDeviceGetMigMode(self, handle: _Handle) -> list[int]:
        """Return whether MIG is on, now and after the next reset."""
        self._answer(handle, "nvmlDeviceGetMigMode")
        return [int(bool(handle.gpu.mig))] * 2

    def nvmlDeviceGetUUID(self, handle: _Handle) -> str:
        """Return the UUID of a board or slice."""
        self._answer(handle, "nvmlDeviceGetUUID")
        return handle.slice_uuid or handle.gpu.uuid

    def nvmlDeviceGetName(self, handle: _Handle) -> str:
        """Return the name of a board."""
        self._answer(handle, "nvmlDeviceGetName")
        return handle.gpu.name

    def nvmlDeviceGetArchitecture(self, handle: _Handle) -> int:
        """Return Hopper for a board with a counter, and Pascal for one without."""
        self._answer(handle, "nvmlDeviceGetArchitecture")
        kind = "HOPPER" if handle.gpu.counter else "PASCAL"
        return int(getattr(self._real, f"NVML_DEVICE_ARCH_{kind}"))

    # Energy and power.

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: _Handle) -> int:
        """Return the counter in millijoules."""
        now_s = self._sensor(handle, "nvmlDeviceGetTotalEnergyConsumption")
        if not handle.gpu.counter or handle.slice_uuid:
            raise self._error("NOT_SUPPORTED")
        if self._not_ready(handle.gpu, now_s):
            raise self._error("NOT_READY")
        return self._counter_mj(handle.gpu, now_s)

    def nvmlDeviceGetPowerUsage(self, handle: _Handle) -> int:
        """Return the average power in milliwatts, or the instantaneous where there is no average."""
        now_s = self._sensor(handle, "nvmlDeviceGetPowerUsage")
        if handle.slice_uuid or not (handle.gpu.average or handle.gpu.instant):
            raise self._error("NOT_SUPPORTED")
        if self._not_ready(handle.gpu, now_s):
            raise self._error("NOT_READY")
        return handle.gpu.average_mw(now_s) if handle.gpu.average else handle.gpu.instant_mw(now_s)

    def nvmlDeviceGetFieldValues(self, handle: _Handle, fieldIds: Sequence[Any]) -> Any:
        """Return several values from one call, each with its own return code, in the structures of `pynvml`."""
        begin_s = self.now_s()
        now_s = self._sensor(handle, "nvmlDeviceGetFieldValues")
        values = (self._real.c_nvmlFieldValue_t * len(fieldIds))()
        for value, wanted in zip(values, fieldIds, strict=True):
            value.fieldId, value.scopeId = wanted if isinstance(wanted, tuple) else (wanted, 0)
            value.timestamp = int(self._clock.wall_s() * 1e6)
            value.latencyUsec = int((now_s - begin_s) * 1e6)
            self._fill(value, handle, now_s)
        return values

    def _fill(self, value: Any, handle: _Handle, now_s: float) -> None:
        nvml, gpu = self._real, handle.gpu
        scopes = (nvml.NVML_POWER_SCOPE_GPU, *([nvml.NVML_POWER_SCOPE_MODULE] if gpu.module else []))
        offered = {
            nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION: gpu.counter,
            nvml.NVML_FI_DEV_POWER_INSTANT: gpu.instant,
            nvml.NVML_FI_DEV_POWER_AVERAGE: gpu.average,
        }
        if handle.slice_uuid or value.scopeId not in scopes or not offered.get(value.fieldId, False):
            value.nvmlReturn = nvml.NVML_ERROR_NOT_SUPPORTED
        elif self._not_ready(gpu, now_s):
            value.nvmlReturn = nvml.NVML_ERROR_NOT_READY
        elif value.fieldId == nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION:
            value.valueType = nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
            value.value.ullVal = self._counter_mj(gpu, now_s)
        else:
            instant = value.fieldId == nvml.NVML_FI_DEV_POWER_INSTANT
            value.valueType = nvml.NVML_VALUE_TYPE_UNSIGNED_INT
            value.value.uiVal = gpu.instant_mw(now_s) if instant else gpu.average_mw(now_s)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: _Handle) -> int:
        """Return the limit in milliwatts."""
        self._answer(handle, "nvmlDeviceGetEnforcedPowerLimit")
        if handle.gpu.power_limit_w is None:
            raise self._error("NOT_SUPPORTED")
        return round(handle.gpu.power_limit_w * 1_000)

    # What else a board says about itself.

    def nvmlDeviceGetTemperature(self, handle: _Handle, sensor: int) -> int:  # noqa: ARG002
        """Return the temperature in whole degrees."""
        self._answer(handle, "nvmlDeviceGetTemperature")
        return round(handle.gpu.temperature_c)

    def nvmlDeviceGetTemperatureV(self, handle: _Handle, sensor: int, version: Any = None) -> int:  # noqa: ARG002
        """Return the temperature in whole degrees."""
        return self.nvmlDeviceGetTemperature(handle, sensor)

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: _Handle) -> int:
        """Return why the clocks are not higher, as a bit mask."""
        self._answer(handle, "nvmlDeviceGetCurrentClocksEventReasons")
        return handle.gpu.throttle

    def nvmlDeviceGetUtilizationRates(self, handle: _Handle) -> SimpleNamespace:
        """Return the percentages of use."""
        self._answer(handle, "nvmlDeviceGetUtilizationRates")
        return SimpleNamespace(gpu=min(100, sum(percent for _, percent in handle.gpu.users)), memory=0)

    def nvmlDeviceGetMemoryInfo(self, handle: _Handle) -> SimpleNamespace:
        """Return a memory of 1 GiB that nobody uses."""
        self._answer(handle, "nvmlDeviceGetMemoryInfo")
        return SimpleNamespace(total=2**30, used=0, free=2**30)

    def nvmlDeviceGetComputeMode(self, handle: _Handle) -> int:
        """Return the default mode."""
        self._answer(handle, "nvmlDeviceGetComputeMode")
        return int(self._real.NVML_COMPUTEMODE_DEFAULT)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: _Handle) -> list[SimpleNamespace]:
        """Return the users of a board."""
        self._answer(handle, "nvmlDeviceGetComputeRunningProcesses")
        return [SimpleNamespace(pid=pid, usedGpuMemory=0) for pid, _ in handle.gpu.users]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: _Handle) -> list[SimpleNamespace]:
        """Return nobody."""
        self._answer(handle, "nvmlDeviceGetGraphicsRunningProcesses")
        return []

    def nvmlDeviceGetProcessUtilization(self, handle: _Handle, timeStamp: int) -> list[SimpleNamespace]:
        """Return one sample per user since a moment."""
        self._answer(handle, "nvmlDeviceGetProcessUtilization")
        if handle.gpu.mig:
            raise self._error("NOT_SUPPORTED")
        stamp = int(self._clock.wall_s() * 1e6)
        if not handle.gpu.users or stamp <= timeStamp:
            raise self._error("NOT_FOUND")
        return [
            SimpleNamespace(pid=pid, timeStamp=stamp, smUtil=percent, memUtil=0) for pid, percent in handle.gpu.users
        ]
