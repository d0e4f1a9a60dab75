"""NVIDIA GPUs through NVML's total-energy counter (Volta and later). Tier: measured.

Boundary: the whole board as NVML sees it, everything that runs on it included. Capability is found by calling, never
by the name of an architecture. Source: NVML API reference, `nvmlDeviceGetTotalEnergyConsumption` (millijoules since
the driver was loaded).
"""

import os
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from carbon_nas.errors import MeterError, NoDevice
from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.clock import Clock
from carbon_nas.sources import Tier

__all__ = ["LEAVE_OUT", "NvmlMeter"]

_MJ_PER_J = 1_000
_MW_PER_W = 1_000
LEAVE_OUT = "mend it, or leave GPUs out with CUDA_VISIBLE_DEVICES= (empty)"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class NvmlMeter:
    """Reads the energy counter of every GPU that `CUDA_VISIBLE_DEVICES` lets this process use.

    Args:
        clock: what tells the seconds that a GPU was held.
        nvml: the module `pynvml`, or a fake with the same functions.

    Raises:
        NoDevice: if there is no driver, or no GPU is visible.
        MeterError: if a GPU that is there cannot be described, or the selection names MIG slices.
    """

    def __init__(self, clock: Clock, nvml: ModuleType | Any) -> None:
        self._nvml, self._clock, self._start_s = nvml, clock, clock.monotonic_s()
        self._open, self._mutex = False, threading.Lock()
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            raise NoDevice(f"NVML cannot start ({error})") from error
        self._open = True
        try:
            handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
            by_uuid = {_text(nvml.nvmlDeviceGetUUID(handle)): handle for handle in handles}
            visible = _visible(list(by_uuid), os.environ.get("CUDA_VISIBLE_DEVICES"))
            self._handles = {uuid: by_uuid[uuid] for uuid in visible}
            self._same_order(list(by_uuid.values()))
            self.components: tuple[Component, ...] = tuple(
                self._describe(uuid, handle) for uuid, handle in self._handles.items()
            )
        except nvml.NVMLError as error:
            self.close()
            raise MeterError(f"an NVIDIA GPU cannot be read ({error})", cure=LEAVE_OUT) from error
        except MeterError:
            self.close()
            raise
        if not self.components:
            self.close()
            raise NoDevice("no NVIDIA GPU is visible to this process")
        # Origins are taken after everything else: opening a meter is not part of what it measures.
        self._origin_mj = {uuid: self._counter_mj(handle) for uuid, handle in self._handles.items()}
        self._last_mj = dict(self._origin_mj)

    def _same_order(self, handles: list[Any]) -> None:
        # CUDA counts the fastest GPU first unless told otherwise, NVML counts by bus: unlike boards would be mixed up.
        selection, order = os.environ.get("CUDA_VISIBLE_DEVICES", ""), os.environ.get("CUDA_DEVICE_ORDER", "")
        names = {_text(self._nvml.nvmlDeviceGetName(handle)) for handle in handles}
        if len(names) > 1 and any(character.isdigit() for character in selection[:1]) and order != "PCI_BUS_ID":
            raise MeterError(
                f"which GPU is meant cannot be told: this host has {' and '.join(sorted(names))}",
                where=f"CUDA_VISIBLE_DEVICES={selection}",
                cure="set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs by UUID",
            )

    def _describe(self, uuid: str, handle: Any) -> Component:
        nvml = self._nvml
        try:
            limit_w: float | None = nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / _MW_PER_W
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
            note="this GPU has no energy counter, so its energy is not known"
            if missing
            else "the whole board, whoever used it; every visible GPU is counted, used or not",
        )

    def _counter_mj(self, handle: Any) -> int | None:
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except self._nvml.NVMLError:  # Not supported, not ready, or the GPU is lost: not known, never 0.
            return None

    def read(self) -> tuple[Reading, ...]:
        """Read every counter; a GPU that does not answer has energy None."""
        # One thread at a time: a number that was overtaken by a later one would look like a reset.
        with self._mutex:
            return tuple(self._readings())

    def _readings(self) -> Iterator[Reading]:
        held_s = self._clock.monotonic_s() - self._start_s
        for uuid, handle in self._handles.items():
            now_mj, last_mj, origin_mj = self._counter_mj(handle), self._last_mj[uuid], self._origin_mj[uuid]
            if now_mj is not None and last_mj is not None and now_mj < last_mj:
                # The counter was reset (driver reload): what it shows from now on is not what was used.
                self._origin_mj[uuid] = origin_mj = None
            if now_mj is not None:
                self._last_mj[uuid] = now_mj
            energy_j = None if now_mj is None or origin_mj is None else (now_mj - origin_mj) / _MJ_PER_J
            yield Reading(component=f"gpu:{uuid}", energy_j=energy_j, device_s=held_s)

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
                "MIG slices have no energy counter of their own",
                where=f"CUDA_VISIBLE_DEVICES={selection}",
                cure=LEAVE_OUT,
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
