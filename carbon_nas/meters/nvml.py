"""NVIDIA GPUs through NVML's total-energy counter (Volta and later). Tier: measured.

Boundary: the whole board as NVML sees it, everything that runs on it included. Capability is found by calling, never
by the name of an architecture. Source: NVML API reference, `nvmlDeviceGetTotalEnergyConsumption` (millijoules since
the driver was loaded).
"""

import os
from types import ModuleType
from typing import Any

from carbon_nas.errors import MeterError
from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.clock import Clock
from carbon_nas.sources import Tier

__all__ = ["NvmlMeter"]

_J_PER_MJ = 1e-3
_W_PER_MW = 1e-3


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class NvmlMeter:
    """Reads the energy counter of every GPU that `CUDA_VISIBLE_DEVICES` lets this process use.

    Args:
        clock: what tells the seconds that a GPU was held.
        nvml: the module `pynvml`, or a fake with the same functions.

    Raises:
        MeterError: if NVML cannot start, no GPU is visible, or the selection names MIG slices.
    """

    def __init__(self, clock: Clock, nvml: ModuleType | Any) -> None:
        self._nvml, self._clock, self._start_s = nvml, clock, clock.monotonic_s()
        self._open = False
        try:
            nvml.nvmlInit()
            self._open = True
            handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
            by_uuid = {_text(nvml.nvmlDeviceGetUUID(handle)): handle for handle in handles}
            visible = _visible(list(by_uuid), os.environ.get("CUDA_VISIBLE_DEVICES"))
            self._handles = {uuid: by_uuid[uuid] for uuid in visible}
            self.components: tuple[Component, ...] = tuple(
                self._describe(uuid, handle) for uuid, handle in self._handles.items()
            )
        except nvml.NVMLError as error:
            self.close()
            raise MeterError(f"NVML cannot be used ({error})") from error
        except MeterError:
            self.close()
            raise
        if not self.components:
            self.close()
            raise MeterError("no NVIDIA GPU is visible to this process")
        # Origins are taken after everything else: opening a meter is not part of what it measures.
        self._origin_mj = {uuid: self._counter_mj(handle) for uuid, handle in self._handles.items()}

    def _describe(self, uuid: str, handle: Any) -> Component:
        nvml = self._nvml
        try:
            limit_w: float | None = nvml.nvmlDeviceGetEnforcedPowerLimit(handle) * _W_PER_MW
        except nvml.NVMLError:
            limit_w = None
        missing = self._counter_mj(handle) is None
        return Component(
            name=f"gpu:{uuid}",
            tier=Tier.MEASURED,
            method="nvmlDeviceGetTotalEnergyConsumption",
            power_max_w=limit_w,
            inputs={
                "name": _text(nvml.nvmlDeviceGetName(handle)),
                "driver": _text(nvml.nvmlSystemGetDriverVersion()),
                "power_limit_w": limit_w,
            },
            note="this GPU has no energy counter, so its energy is not known" if missing else "",
        )

    def _counter_mj(self, handle: Any) -> int | None:
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except self._nvml.NVMLError:  # Not supported, not ready, or the GPU is lost: not known, never 0.
            return None

    def read(self) -> tuple[Reading, ...]:
        """Read every counter; a GPU that does not answer has energy None."""
        held_s = self._clock.monotonic_s() - self._start_s
        readings = []
        for uuid, handle in self._handles.items():
            now_mj, origin_mj = self._counter_mj(handle), self._origin_mj[uuid]
            # A counter below its origin was reset (driver reload): what it shows since is not what was used.
            known = now_mj is not None and origin_mj is not None and now_mj >= origin_mj
            energy_j = (now_mj - origin_mj) * _J_PER_MJ if known else None  # type: ignore[operator]
            readings.append(Reading(component=f"gpu:{uuid}", energy_j=energy_j, device_s=held_s))
        return tuple(readings)

    def close(self) -> None:
        """Shut NVML down once."""
        if self._open:
            self._open = False
            self._nvml.nvmlShutdown()


def _visible(uuids: list[str], selection: str | None) -> list[str]:
    if selection is None:
        return uuids
    chosen: list[str] = []
    for item in (part.strip() for part in selection.split(",") if part.strip()):
        if item.startswith("MIG-"):
            raise MeterError(
                "MIG slices have no energy counter of their own", where=f"CUDA_VISIBLE_DEVICES={selection}"
            )
        matches = (
            [uuids[int(item)]]
            if item.isdigit() and int(item) < len(uuids)
            else [u for u in uuids if u.startswith(item)]
        )
        if len(matches) != 1:  # CUDA, too, stops reading the list at the first entry it cannot resolve.
            break
        chosen.append(matches[0])
    return chosen
