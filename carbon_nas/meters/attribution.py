"""Whose joules those of a shared GPU are: an estimate by who kept its multiprocessors busy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.nvml_device import NvmlGpu

__all__ = ["Attribution"]


@dataclass(kw_only=True, slots=True)
class _Account:
    sm_share: float | None = None
    energy_j: float | None = None
    attributed_j: float | None = None


class Attribution:
    """Follows the use of several GPUs by process. Its meter lets one thread at a time ask, and one at a time read.

    Args:
        pid: the process whose part of the energy is worked out; None: nobody's.
    """

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._since: dict[tuple[str, int], int] = {}
        self._seen: set[tuple[str, int]] = set()
        self._accounts: dict[str, _Account] = {}

    def described(self, component: Component) -> Component:
        """Return a component with what a reader must know about attributed joules."""
        if self._pid is None:
            return component
        note = "the attributed part is an estimate: energy times the share of the busy multiprocessors"
        return replace(component, note=f"{component.note}; {note}")

    def shares(self, pid: int, gpus: Sequence[NvmlGpu]) -> dict[str, float | None]:
        """Return the share of a process per GPU since this was last asked for it; None if that is not known."""
        return {gpu.component.name: self._share(pid, gpu) for gpu in gpus}

    def _share(self, pid: int, gpu: NvmlGpu) -> float | None:
        key = (gpu.uuid, pid)
        told = gpu.use_by_process(self._since.get(key, 0))
        if told is None:
            return None
        self._since[key], used = told
        if pid in used:
            self._seen.add(key)
        if key not in self._seen:
            return None
        total = sum(used.values())
        return used.get(pid, 0) / total if total else 0.0

    def asked(self, gpus: Sequence[NvmlGpu]) -> dict[str, float | None]:
        """Return the shares of the process that energy is attributed to; slow."""
        return {} if self._pid is None else self.shares(self._pid, gpus)

    def adopt(self, shares: Mapping[str, float | None]) -> None:
        """Let shares go for what the GPUs use from now on."""
        for name, share in shares.items():
            self._accounts.setdefault(name, _Account()).sm_share = share

    def attributed(self, reading: Reading) -> Reading:
        """Return a reading with what its process is estimated to have used so far; never less than before."""
        if self._pid is None or reading.energy_j is None:
            return reading
        account = self._accounts.setdefault(reading.component, _Account())
        if account.sm_share is not None:
            used_j = 0.0 if account.energy_j is None else max(0.0, reading.energy_j - account.energy_j)
            account.attributed_j = (account.attributed_j or 0.0) + account.sm_share * used_j
        account.energy_j = reading.energy_j
        return reading if account.attributed_j is None else replace(reading, attributed_j=account.attributed_j)
