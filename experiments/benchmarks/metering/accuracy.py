"""How near measured joules come to the analytic truth, and whether the stated uncertainty holds."""

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt
from pathlib import Path
from typing import Any

from carbon_nas.meters.base import Meter
from carbon_nas.meters.clock import ManualClock
from carbon_nas.meters.metering import Metering
from carbon_nas.meters.nvml import NvmlMeter
from carbon_nas.meters.powercap import SimulatedPowercap, SimulatedZone
from carbon_nas.meters.rapl import RaplMeter
from carbon_nas.meters.simulated_gpu import SimulatedGpu
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant, Ramp, Square, Telegraph, Wave
from experiments.benchmarks.metering.processes import TOOL_NAMES, Bench
from experiments.benchmarks.metering.scenarios import UUID, Scenario, gpu
from experiments.benchmarks.metering.tables import Cell, Table

__all__ = ["KINDS", "LENGTHS_S", "LIVE_LENGTHS", "WAVES", "Trial", "accuracy", "accuracy_of_tools", "trial"]

LENGTHS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 10.0, 100.0)
KINDS = ("counter", "10 Hz fallback", "RAPL")
WAVES = ("constant", "square", "ramp", "telegraph")
_FAST = "square of 50 ms"
"""A square wave faster than power can be sampled, told apart in the tables."""
_SAMPLING_S = 0.1
_LIMIT_W = 700.0
_RANGE_UJ = 262_143_328_850


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One window: what was measured, its standard uncertainty (random part), and the truth."""

    kind: str
    wave: str
    length_s: float
    energy_j: float
    u_j: float | None
    true_j: float


def _wave(name: str, length_s: float, begin_s: float, chance: random.Random) -> Wave:
    low_w, high_w = sorted(chance.uniform(20.0, 650.0) for _ in range(2))
    match name:
        case "constant":
            return Constant(level_w=high_w)
        case "square":
            return Square(
                low_w=low_w,
                high_w=high_w,
                period_s=chance.choice((0.05, 0.25, 1.0, 10.0)),
                high_ratio=chance.uniform(0.2, 0.8),
                phase_s=chance.uniform(0.0, 10.0),
            )
        case "ramp":
            return Ramp(from_w=low_w, to_w=high_w, begin_s=begin_s, end_s=begin_s + length_s)
        case _:
            return Telegraph(
                low_w=low_w,
                high_w=high_w,
                mean_s=chance.choice((0.03, 0.3, 3.0)),
                seed=chance.randrange(2**31),
                horizon_s=begin_s + length_s,
            )


def _gpu_meter(clock: ManualClock, wave: Wave, chance: random.Random, *, counter: bool) -> NvmlMeter:
    board = SimulatedGpu(
        uuid=UUID, wave=wave, counter=counter, phase_s=chance.uniform(0.0, 0.1), power_limit_w=_LIMIT_W
    )
    return NvmlMeter(clock, SimulatedNvml(clock, gpus=(board,)), environment={})


class _Refreshed:
    """RAPL whose files show the moment at which they are read."""

    def __init__(self, meter: RaplMeter, refresh: Callable[[], None]) -> None:
        self._meter, self._refresh, self.components = meter, refresh, meter.components

    def read(self) -> Any:
        """Move the files, then read them."""
        self._refresh()
        return self._meter.read()

    def close(self) -> None:
        """Close the meter."""
        self._meter.close()


def _rapl_meter(clock: ManualClock, wave: Wave, chance: random.Random, folder: Path) -> Meter:
    start_uj = chance.choice((chance.randrange(_RANGE_UJ), _RANGE_UJ - chance.randrange(10**9)))
    zone = SimulatedZone(
        path="intel-rapl:0",
        name="package-0",
        wave=wave,
        start_uj=start_uj,
        max_range_uj=_RANGE_UJ,
        power_max_w=_LIMIT_W,
    )
    tree = SimulatedPowercap(folder, clock, (zone,))
    return _Refreshed(RaplMeter(clock, folder, open_file=tree.open), tree.refresh)


def trial(kind: str, wave_name: str, length_s: float, seed: int) -> Trial:
    """Measure one random window, the meter being read before it as a sampler does."""
    chance, clock = random.Random(f"{kind} {wave_name} {length_s} {seed}"), ManualClock()
    begin_s = chance.uniform(2.0, 4.0)
    # A window of whole ticks would be as late at its end as at its beginning, and look better than it is.
    end_s = begin_s + length_s * chance.uniform(0.9, 1.1)
    wave = _wave(wave_name, end_s - begin_s, begin_s, chance)
    with tempfile.TemporaryDirectory() as folder:
        if kind == "RAPL":
            meter: Meter = _rapl_meter(clock, wave, chance, Path(folder))
        else:
            meter = _gpu_meter(clock, wave, chance, counter=kind == "counter")
        every_s = _SAMPLING_S if kind == "10 Hz fallback" else 1.0
        with Metering([meter], clock) as metering:
            _pass(metering, clock, begin_s, every_s)
            with metering.window("window") as window:
                _pass(metering, clock, end_s, every_s)
    measured = window.measured[0]
    return Trial(
        kind=kind,
        wave=_FAST if isinstance(wave, Square) and wave.period_s < _SAMPLING_S else wave_name,
        length_s=length_s,
        energy_j=measured.energy_j or 0.0,
        u_j=measured.random_u_j,
        true_j=wave.energy_j(begin_s, end_s),
    )


def _pass(metering: Metering, clock: ManualClock, until_s: float, every_s: float) -> None:
    # The sampler's deadlines are absolute: they keep no step with the edges of windows.
    number = int(clock.monotonic_s() / every_s) + 1
    while number * every_s < until_s:
        clock.advance(max(0.0, number * every_s - clock.monotonic_s()))
        metering.read()
        number += 1
    clock.advance(max(0.0, until_s - clock.monotonic_s()))


def accuracy(count: int = 40) -> tuple[Table, Table]:
    """Compare random windows of every meter kind, wave and length with the truth.

    Args:
        count: windows per kind, wave and length.
    """
    trials = [
        trial(kind, wave, length_s, seed)
        for kind in KINDS
        for wave in WAVES
        for length_s in LENGTHS_S
        for seed in range(count)
    ]
    per_kind = count * len(WAVES) * len(LENGTHS_S)
    notes = (
        f"{per_kind} windows per meter kind; the sensor's gain is exact, so u is the random part only (k = 1).",
        "Bias and RMS are relative to the mean true energy of the row; target: at least 95 % within 2u.",
        "Without a counter, power that changes faster than it is sampled is not seen: the square of 50 ms.",
    )
    columns = ("windows", "within 2u %", "bias %", "RMS %", "mean u/E %", "ok")
    by_length = sorted(trials, key=lambda one: (KINDS.index(one.kind), one.length_s))
    by_wave = sorted(trials, key=lambda one: (KINDS.index(one.kind), one.wave))
    return (
        Table(
            title="Accuracy against the analytic truth, by length of the window",
            columns=("meter", "window s", *columns),
            rows=tuple(_summaries(by_length, lambda one: (one.kind, one.length_s))),
            notes=notes,
        ),
        Table(
            title="Accuracy against the analytic truth, by wave",
            columns=("meter", "wave", *columns),
            rows=(
                *_summaries(by_wave, lambda one: (one.kind, one.wave)),
                *_summaries(by_wave, lambda one: (one.kind, "all waves")),
            ),
            notes=notes,
        ),
    )


def _summaries(trials: Sequence[Trial], key: Callable[[Trial], tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
    for names, group in groupby(trials, key):
        yield (*names, *_summary(list(group)))


def _summary(trials: Sequence[Trial]) -> tuple[Cell, ...]:
    count = len(trials)
    mean_j = sum(one.true_j for one in trials) / count
    errors_j = [one.energy_j - one.true_j for one in trials]
    known = [(error_j, one) for error_j, one in zip(errors_j, trials, strict=True) if one.u_j is not None]
    bias, rms = sum(errors_j) / count / mean_j, sqrt(sum(error_j**2 for error_j in errors_j) / count) / mean_j
    if not known:
        return count, None, 1e2 * bias, 1e2 * rms, None, ""
    # A millijoule of slack: counters show whole microjoules or millijoules.
    within = sum(abs(error_j) <= 2 * (one.u_j or 0.0) + 1e-3 for error_j, one in known) / len(known)
    ratio = sum((one.u_j or 0.0) / one.true_j for _, one in known) / len(known)
    return count, 1e2 * within, 1e2 * bias, 1e2 * rms, 1e2 * ratio, "yes" if within >= 0.95 else "NO"


_LIVE: dict[str, dict[str, Any]] = {
    "constant": {"kind": "Constant", "level_w": 300.0},
    "square": {"kind": "Square", "low_w": 100.0, "high_w": 500.0, "period_s": 0.5},
    "ramp": {"kind": "Ramp", "from_w": 100.0, "to_w": 500.0, "begin_s": 0.0, "end_s": 10.0},
    "telegraph": {"kind": "Telegraph", "low_w": 100.0, "high_w": 500.0, "mean_s": 0.2, "seed": 7},
}
LIVE_LENGTHS: tuple[tuple[float, int], ...] = ((0.01, 15), (0.1, 12), (1.0, 3), (3.0, 1))


def accuracy_of_tools(
    bench: Bench,
    lengths: Sequence[tuple[float, int]] = LIVE_LENGTHS,
    run_all: Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]] = map,
) -> Table:
    """Compare windows of every tool with the truth, in real time over the simulated GPU.

    Args:
        bench: the tools.
        lengths: how long the windows are, and how many of each.
        run_all: a map that may run several at once.
    """

    def run(case: tuple[str, str]) -> list[Trial]:
        tool, wave = case
        if tool in bench.missing:
            return []
        scenario = Scenario(
            name=f"accuracy {wave}",
            action="series",
            gpus=(gpu(wave=_LIVE[wave], tick_s=0.1, power_limit_w=_LIMIT_W),),
            true=(_LIVE[wave],),
            files=tool == "ours",
            more={"lengths": lengths},
        )
        spans = bench.run(tool, scenario).answer.get("spans", [])
        return [_live_trial(tool, wave, span) for span in spans if (span["claim"] or {}).get("energy_j") is not None]

    cases = [(tool, wave) for tool in TOOL_NAMES for wave in _LIVE]
    trials = [one for found in run_all(run, cases) for one in found]
    trials.sort(key=lambda one: (TOOL_NAMES.index(one.kind), one.length_s))
    rows = [
        *_summaries(trials, lambda one: (one.kind, one.length_s)),
        *((tool, None, *[None] * 5, why) for tool, why in bench.missing.items()),
    ]
    return Table(
        title="Accuracy of every tool in real time, energy counter with a tick of 100 ms",
        columns=("tool", "window s", "windows", "within 2u %", "bias %", "RMS %", "mean u/E %", "ok"),
        rows=tuple(rows),
        notes=("Constant, square (0.5 s), ramp and telegraph waves; only ours states an uncertainty.",),
    )


def _live_trial(tool: str, wave: str, span: dict[str, Any]) -> Trial:
    claim = span["claim"]
    return Trial(
        kind=tool,
        wave=wave,
        length_s=float(span["name"].split("/")[0]),
        energy_j=claim["energy_j"],
        u_j=claim["u_j"],
        true_j=(span["true_low_j"] + span["true_high_j"]) / 2,
    )
