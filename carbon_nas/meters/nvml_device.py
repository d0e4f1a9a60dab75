"""One NVIDIA GPU: what it is, one reading of it, and how it is found again when it was lost."""

from typing import Any

from carbon_nas.meters.base import WHOLE, Component, Condition, Gaps, Reading
from carbon_nas.meters.clock import Clock
from carbon_nas.meters.counter import Counter
from carbon_nas.meters.integral import SAMPLING_S, Integral
from carbon_nas.meters.nvml_fields import Sample, Sensors, Source, probe, sample
from carbon_nas.meters.visible import VisibleGpu
from carbon_nas.sources import Tier

__all__ = ["NvmlGpu", "still", "text"]

_J_PER_MJ = 1e-3
_MW_PER_W = 1_000
# NVML updates counter and power about every 100 ms on boards since Turing (Yang, Adamek, Armour: Part-time Power
# Measurements, SC24, arXiv 2312.02741, table of update periods), and average power is the mean over 1000 ms.
_TICK_S = {Source.COUNTER: 0.1, Source.INSTANT: 0.1, Source.AVERAGE: 1.0, Source.NONE: None}
# The same study against external meters: errors of single boards of up to about 5 % in steady state.
_GAIN_FRACTION = 0.05
_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 30.0
_SLOWED_BY = {
    "SwPowerCap": "power limit",
    "HwSlowdown": "hardware slowdown",
    "SyncBoost": "synchronised boost of several GPUs",
    "SwThermalSlowdown": "temperature (driver)",
    "HwThermalSlowdown": "temperature (hardware)",
    "HwPowerBrakeSlowdown": "power brake of the system",
    "ApplicationsClocksSetting": "clocks set by a user",
    "DisplayClockSetting": "clocks set for a display",
}
_NO_SOURCE = (
    "this GPU offers neither an energy counter nor its power, so its energy is not known: update the driver, "
    "or ask for access to the whole board where it is a virtual or partitioned one"
)


def text(value: str | bytes) -> str:
    """Return what NVML calls a string as one."""
    return value.decode() if isinstance(value, bytes) else value


class NvmlGpu:
    """Follows one board. Its meter lets one thread at a time read; conditions and use may be asked beside that.

    Args:
        clock: what tells the time.
        nvml: the module `pynvml`, or a simulated one.
        gpu: which board, and the slices of it that were asked for.
        handle: its handle.
    """

    def __init__(self, clock: Clock, nvml: Any, gpu: VisibleGpu, handle: Any) -> None:
        self._clock, self._nvml, self._handle = clock, nvml, handle
        self.uuid = gpu.uuid
        self.sensors: Sensors = probe(nvml, handle)
        self.component = self._describe(gpu)
        self._start_s = clock.monotonic_s()
        self._retry_s, self._wait_s = self._start_s, _FIRST_RETRY_S
        self._count: Counter | Integral
        # The origin is taken after everything else: opening a meter is not part of what it measures.
        seen, now_s, jitter_s = self._look()
        if self.sensors.source is Source.COUNTER:
            self._count = Counter(
                unit_j=_J_PER_MJ,
                power_max_w=self.component.power_max_w,
                wrap=None,
                now_s=now_s + jitter_s,
                asked_s=now_s - jitter_s,
                raw=seen.energy_mj,
                power_w=_power_w(seen),
                tick_s=_TICK_S[Source.COUNTER] or 0.0,
            )
        else:
            self._count = Integral(now_s=now_s, power_w=_power_w(seen), power_max_w=self.component.power_max_w)

    def _describe(self, gpu: VisibleGpu) -> Component:
        nvml, sensors, source = self._nvml, self.sensors, self.sensors.source
        limit_mw = self._told("nvmlDeviceGetEnforcedPowerLimit")
        limit_w = limit_mw / _MW_PER_W if limit_mw else None
        mig = self._told("nvmlDeviceGetMigMode")
        # Counters of superchips cover the module: where its power can be read, its energy is what the counter shows.
        whole_module = sensors.module if source is Source.COUNTER else sensors.scope != nvml.NVML_POWER_SCOPE_GPU
        call = {Source.COUNTER: sensors.counter, Source.INSTANT: sensors.instant, Source.AVERAGE: sensors.average}
        return Component(
            name=f"gpu:{gpu.uuid}",
            tier=Tier.MEASURED,
            method=f"NVML {source.value}, {call[source]}"
            if source in call
            else "NVML, which offers no source of energy",
            power_max_w=limit_w,
            inputs={
                "uuid": gpu.uuid,
                "name": text(nvml.nvmlDeviceGetName(self._handle)),
                "driver": text(nvml.nvmlSystemGetDriverVersion()),
                "power_limit_w": limit_w,
                "source": source.value,
                "scope": "module" if whole_module else "GPU",
                "mig": None if mig is None else "on" if mig[0] else "off",
                "mig_slices": ",".join(gpu.slices) or None,
            },
            note=_note(source, gpu, whole_module=whole_module, partitioned=bool(mig and mig[0])),
            tick_s=_TICK_S[source],
            gain_fraction=None if source is Source.NONE else _GAIN_FRACTION,
            sampling_s=SAMPLING_S if source in (Source.INSTANT, Source.AVERAGE) else None,
        )

    def _told(self, function: str, *arguments: Any) -> Any:
        handle = self._handle
        if handle is None:
            return None
        try:
            return getattr(self._nvml, function)(handle, *arguments)
        except (AttributeError, self._nvml.NVMLError):
            return None

    def _look(self) -> tuple[Sample, float, float]:
        """Return what it shows, the middle of the time that asking took, and half of that time."""
        begin_s = self._clock.monotonic_s()
        seen = sample(self._nvml, self._handle, self.sensors)
        end_s = self._clock.monotonic_s()
        return seen, (begin_s + end_s) / 2, (end_s - begin_s) / 2

    def read(self) -> Reading:
        """Read it once. Never raises for what NVML reports."""
        now_s = self._clock.monotonic_s()
        if self._handle is None and now_s >= self._retry_s:
            self._find_again(now_s)
        if self._handle is None:
            self._count.update(now_s, None)
            return self._reading(now_s, None, None)
        seen, middle_s, jitter_s = self._look()
        power_w = _power_w(seen)
        if seen.lost:
            self._lose(middle_s)
            self._count.update(middle_s, None)
            return self._reading(middle_s, None, None)
        self._wait_s = _FIRST_RETRY_S
        if isinstance(self._count, Counter):
            self._count.update(middle_s + jitter_s, seen.energy_mj, power_w, asked_s=middle_s - jitter_s)
        else:
            self._count.update(middle_s, power_w)
        return self._reading(middle_s, power_w, jitter_s)

    def _reading(self, now_s: float, power_w: float | None, jitter_s: float | None) -> Reading:
        count = self._count
        return Reading(
            component=self.component.name,
            energy_j=count.energy_j,
            device_s=max(0.0, now_s - self._start_s),
            power_w=power_w,
            jitter_s=jitter_s,
            gaps=count.gaps,
            sampling_u_j=count.sampling_u_j if isinstance(count, Integral) else None,
        )

    def _lose(self, now_s: float) -> None:
        self._handle, self._retry_s = None, now_s + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LAST_RETRY_S)

    def _find_again(self, now_s: float) -> None:
        nvml = self._nvml
        try:
            try:
                self._handle = nvml.nvmlDeviceGetHandleByUUID(self.uuid)
            except nvml.NVMLError as error:
                if error.value != nvml.NVML_ERROR_UNINITIALIZED:
                    raise
                # The driver was loaded anew, or somebody shut NVML down once too often.
                nvml.nvmlInit()
                self._handle = nvml.nvmlDeviceGetHandleByUUID(self.uuid)
        except nvml.NVMLError:
            self._lose(now_s)

    def condition(self) -> Condition:
        """Ask for temperature and throttling."""
        temperature = self._told("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU)
        return Condition(
            component=self.component.name,
            temperature_c=None if temperature is None else float(temperature),
            throttled_by=self._throttled_by(),
        )

    def _throttled_by(self) -> tuple[str, ...]:
        # The function and its bits were renamed in 2023; older bindings know the former names only.
        mask = self._told("nvmlDeviceGetCurrentClocksEventReasons")
        if mask is None:
            mask = self._told("nvmlDeviceGetCurrentClocksThrottleReasons")
        bits = {reason: getattr(self._nvml, f"nvmlClocksThrottleReason{reason}", 0) for reason in _SLOWED_BY}
        return tuple(words for reason, words in _SLOWED_BY.items() if (mask or 0) & bits[reason])

    def use_by_process(self, since: int) -> tuple[int, dict[int, int]] | None:
        """Return how much each process used the multiprocessors since a moment, and the moment of the last sample.

        Args:
            since: a moment that an earlier call returned; 0 at first.

        Returns:
            Sums of percentages by process id, in no unit but their ratio; None if that is not offered.
        """
        handle = self._handle
        if handle is None:
            return None
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, since)
        except AttributeError:
            return None
        except self._nvml.NVMLError as error:
            # Nobody used it: NVML says so by "not found", and the binding by an error with the code of success.
            idle = error.value in (self._nvml.NVML_SUCCESS, self._nvml.NVML_ERROR_NOT_FOUND)
            return (since, {}) if idle else None
        used: dict[int, int] = {}
        for one in samples:
            if one.timeStamp > since:
                used[one.pid] = used.get(one.pid, 0) + int(one.smUtil)
        return max((int(one.timeStamp) for one in samples), default=since), used

    def silent(self, now_s: float) -> Reading:
        """Return what is known of it without asking it."""
        self._count.update(now_s, None)
        return self._reading(now_s, None, None)


def _power_w(seen: Sample) -> float | None:
    return seen.average_w if seen.instant_w is None else seen.instant_w


def _note(source: Source, gpu: VisibleGpu, *, whole_module: bool, partitioned: bool) -> str:
    if source is Source.NONE:
        return _NO_SOURCE
    notes = ["the whole board, whoever used it; every visible GPU is counted, used or not"]
    if gpu.slices:
        notes.append(f"its MIG slices {', '.join(gpu.slices)} have no counter of their own: this is their whole board")
    elif partitioned:
        notes.append("MIG is on: all slices are counted, this process's and those of others")
    if whole_module:
        notes.append("a superchip: GPU, CPU and memory of the module, so its CPU must not be added again")
    if source is Source.AVERAGE:
        notes.append("integrated from power that may be the mean over the last second")
    elif source is Source.INSTANT:
        notes.append("integrated from samples of power: a load that repeats in step with them is not seen as it is")
    return "; ".join(notes)


def still(reading: Reading, waited_s: float) -> Reading:
    """Return a reading again, some time after it was taken and without a new one."""
    gaps = reading.gaps or WHOLE
    return Reading(
        component=reading.component,
        energy_j=reading.energy_j,
        device_s=reading.device_s,
        gaps=Gaps(
            segments=gaps.segments,
            unseen_s=gaps.unseen_s,
            bridged_j=gaps.bridged_j,
            pending_s=gaps.pending_s + (waited_s or SAMPLING_S),
        ),
        sampling_u_j=reading.sampling_u_j,
        attributed_j=reading.attributed_j,
    )
