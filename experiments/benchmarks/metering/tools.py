"""The three tools behind one small interface, each through what its documentation tells its users to call.

`whole()` is the run, `part(name)` a stretch of it. Both give a `Span` that holds a `Claim` once it has ended.
"""

import contextlib
import csv
import importlib.metadata
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import hypot
from pathlib import Path
from typing import Any, Protocol

__all__ = ["TOOLS", "Claim", "Span", "Tool"]

_J_PER_KWH = 3.6e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a tool says about one span.

    Attributes:
        energy_j: joules of the components that the scenario asks about; None if the tool says that it does not know.
        low_j, high_j: bounds, if it gives any.
        u_j: standard uncertainty, if it gives one.
        duration_s: how long it says that it took.
        flags: what the result itself says against its number. A line in a log is no flag.
    """

    energy_j: float | None
    low_j: float | None = None
    high_j: float | None = None
    u_j: float | None = None
    duration_s: float | None = None
    flags: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class Span:
    """A stretch that is being measured. `claim` is there once it has ended."""

    def __init__(self) -> None:
        self.claim: Claim | None = None


class Tool(Protocol):
    """A meter under test.

    Attributes:
        version: its package and version.
        parts_last: whether a part that has ended is on disk before the whole has.
        meter_read: reads its backend once, as one edge does; what it costs is not the tool's own.
    """

    version: str
    parts_last: bool
    meter_read: Callable[[], object]

    def whole(self) -> contextlib.AbstractContextManager[Span]:
        """Measure the run."""
        ...

    def part(self, name: str) -> contextlib.AbstractContextManager[Span]:
        """Measure a stretch."""
        ...

    def said(self) -> tuple[str, ...]:
        """Return what it says beside its numbers, in its output."""
        ...

    def close(self) -> None:
        """End everything."""
        ...


class Ours:
    """carbon_nas: phases and windows of a recorder."""

    parts_last = True

    def __init__(self, folder: Path, counted: str, *, files: bool = True) -> None:
        import pynvml

        from carbon_nas.errors import NoDevice
        from carbon_nas.meters.base import Meter
        from carbon_nas.meters.clock import SystemClock
        from carbon_nas.meters.metering import Metering
        from carbon_nas.meters.nvml import NvmlMeter
        from carbon_nas.recorder import Recorder

        self.version = f"carbon_nas {importlib.metadata.version('carbon-nas')}"
        clock = SystemClock()
        meters: list[Meter] = []
        if counted == "gpu":
            with contextlib.suppress(NoDevice):
                meters.append(NvmlMeter(clock, pynvml))
        else:
            from carbon_nas.meters.rapl import RaplMeter

            meters.append(RaplMeter(clock, Path("/sys/class/powercap")))
        self._classes = tuple(counted.split("+"))
        self.meter_read: Callable[[], object] = meters[0].read if meters else tuple
        # Without files, the windows alone: what the recorder adds to them is the ledger and its sampler.
        self._metering = None if files else Metering(meters, clock)
        self._recorder = Recorder(folder / "ours.jsonl", strategy="benchmark", meters=meters) if files else None
        self._window: Callable[[str], contextlib.AbstractContextManager[Any]]
        self._window = (self._metering or self._recorder).window  # type: ignore[union-attr]

    @contextlib.contextmanager
    def whole(self) -> Iterator[Span]:
        """Record a phase."""
        if self._recorder is None:
            with self.part("run") as span:
                yield span
            return
        span = Span()
        with self._recorder.phase("run") as phase:
            yield span
        if phase.end is not None:
            span.claim = self._claim(phase.end.measured, phase.end.duration_s)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[Span]:
        """Record a window."""
        span = Span()
        with self._window(name) as window:
            yield span
        if window.end is not None:
            span.claim = self._claim(window.measured, window.duration_s)

    def _claim(self, measured: Any, duration_s: float) -> Claim:
        mine = [one for one in measured if one.component.partition(":")[0] in self._classes]
        flags = sorted(
            {
                *("incomplete" for one in mine if not one.complete),
                *("below resolution" for one in mine if one.below_resolution),
            }
        )
        if not mine or any(one.energy_j is None for one in mine):
            return Claim(energy_j=None, duration_s=duration_s, flags=("not known", *flags))
        known_u = all(one.random_u_j is not None for one in mine)
        return Claim(
            energy_j=sum(one.energy_j for one in mine),
            low_j=sum(one.low_j for one in mine),
            high_j=sum(one.high_j for one in mine) if all(one.high_j is not None for one in mine) else None,
            # The simulated sensor has no gain error, so the systematic part is left out: the stricter test.
            u_j=hypot(*(one.random_u_j for one in mine)) if known_u else None,
            duration_s=duration_s,
            flags=tuple(flags),
        )

    def said(self) -> tuple[str, ...]:
        """Return the incidents of the ledger."""
        from carbon_nas.ledger.journal import read_events
        from carbon_nas.ledger.records import Incident

        if self._recorder is None:
            return ()
        events = read_events(self._recorder.path)
        return tuple(f"{event.what}: {event.detail}" for event in events if isinstance(event, Incident))

    def close(self) -> None:
        """Close the recorder, or the meters."""
        for one in (self._recorder, self._metering):
            if one is not None:
                one.close()


class Codecarbon:
    """codecarbon: `OfflineEmissionsTracker`, measuring every second."""

    parts_last = False

    def __init__(self, folder: Path, counted: str, *, files: bool = True) -> None:
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.output_methods.base_output import OutputMethod

        self.version = f"codecarbon {importlib.metadata.version('codecarbon')}"
        self._counted = counted

        self.meter_read: Callable[[], object] = _one_counter_read
        self._file = folder / "emissions.csv"
        self._tracker = OfflineEmissionsTracker(
            country_iso_code="FRA",
            measure_power_secs=1,
            log_level="warning",
            rapl_include_dram="dram" in counted,
            output_methods=[OutputMethod.CSV] if files else [],
            output_dir=str(folder),
            output_file=self._file.name,
        )
        # What it offers against a SIGTERM, and asks its users to register.
        signal.signal(signal.SIGTERM, self._tracker.service_shutdown)
        # Looking for hardware takes it seconds: done before the span that is scored.
        self._tracker.get_detected_hardware()

    @contextlib.contextmanager
    def whole(self) -> Iterator[Span]:
        """Use the tracker as a context manager."""
        span = Span()
        with self._tracker:
            yield span
        span.claim = self._claim(getattr(self._tracker, "final_emissions_data", None))

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[Span]:
        """Track a task."""
        span = Span()
        self._tracker.start_task(name)
        yield span
        span.claim = self._claim(self._tracker.stop_task(name))

    def _claim(self, data: Any) -> Claim:
        if data is None:
            return Claim(energy_j=None, flags=("no result",))
        if self._counted == "gpu":
            if not data.gpu_count:
                return Claim(energy_j=None, duration_s=data.duration, flags=("its gpu_count is empty",))
            return Claim(energy_j=float(data.gpu_energy) * _J_PER_KWH, duration_s=data.duration)
        return Claim(energy_j=float(data.cpu_energy) * _J_PER_KWH, duration_s=data.duration)

    def said(self) -> tuple[str, ...]:
        """Return nothing: its output has no place for it."""
        return ()

    def close(self) -> None:
        """Stop it if it runs: a second stop does nothing."""
        self._tracker.stop()


class Zeus:
    """Zeus: windows of a `ZeusMonitor` with a log file, without waiting for a framework that is not there."""

    parts_last = True

    def __init__(self, folder: Path, counted: str, *, files: bool = True) -> None:
        from zeus.monitor import ZeusMonitor  # type: ignore[import-not-found]

        self.version = f"zeus {importlib.metadata.version('zeus')}"
        self._classes = tuple(counted.split("+"))
        self._file = folder / "zeus.csv"
        self._monitor = ZeusMonitor(
            log_file=self._file if files else None, cpu_indices=[] if counted == "gpu" else None
        )
        self.meter_read: Callable[[], object] = _one_counter_read

    def whole(self) -> contextlib.AbstractContextManager[Span]:
        """Measure a window."""
        return self.part("run")

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[Span]:
        """Measure a window."""
        span = Span()
        self._monitor.begin_window(name, sync_execution=False)
        yield span
        span.claim = self._claim(self._monitor.end_window(name, sync_execution=False))

    def _claim(self, result: Any) -> Claim:
        by_class = {"gpu": result.gpu_energy, "cpu": result.cpu_energy, "dram": result.dram_energy}
        if any(not by_class[kind] for kind in self._classes):
            return Claim(energy_j=None, duration_s=result.time, flags=("no entry for it",))
        return Claim(
            energy_j=float(sum(sum(by_class[kind].values()) for kind in self._classes)), duration_s=result.time
        )

    def said(self) -> tuple[str, ...]:
        """Return nothing: its output has no place for it."""
        return ()

    def close(self) -> None:
        """Do nothing: a monitor has no end."""


def _one_counter_read() -> object:
    import pynvml

    return pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(0))


def rows_on_disk(tool: str, folder: Path) -> int:
    """Count the ended spans that a tool has written."""
    if tool == "ours":
        from carbon_nas.ledger.journal import read_events
        from carbon_nas.ledger.records import PhaseEnd, WindowEnd

        paths = sorted(folder.glob("ours*.jsonl"))
        return sum(isinstance(event, PhaseEnd | WindowEnd) for path in paths for event in read_events(path))
    path = folder / ("emissions.csv" if tool == "codecarbon" else "zeus.csv")
    if not path.exists():
        return 0
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def on_disk_j(tool: str, folder: Path) -> float | None:
    """Add up the joules of GPUs that can be read from a tool's files, after whatever happened to it."""
    if tool == "ours":
        return _ledger_j(folder)
    path = folder / ("emissions.csv" if tool == "codecarbon" else "zeus.csv")
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if tool == "codecarbon":
        return sum(float(row["gpu_energy"]) for row in rows) * _J_PER_KWH if rows else None
    return (
        sum(float(value) for row in rows for name, value in row.items() if name.endswith("_energy")) if rows else None
    )


def _ledger_j(folder: Path) -> float | None:
    from carbon_nas.ledger import read_run
    from carbon_nas.ledger.waste import write_off

    paths = sorted(folder.glob("ours*.jsonl"))
    if not paths:
        return None
    run = read_run(paths[0])
    known = [joules for activity in run.activities for joules in activity.energy_j.values()]
    # What the next recorder would write down about the phases that were left open.
    known += [joules for waste in write_off(run, utc="") for joules in waste.seen_energy_j.values()]
    return None if None in known or not known else float(sum(joules for joules in known if joules is not None))


TOOLS: dict[str, type] = {"ours": Ours, "codecarbon": Codecarbon, "zeus": Zeus}
