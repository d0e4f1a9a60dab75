"""What metering costs: the two edges of a window, the sampler, memory, and importing it."""

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.metering import Metering
from carbon_nas.recorder import Recorder
from carbon_nas.sources import Tier
from experiments.benchmarks.metering.processes import TOOL_NAMES, Bench
from experiments.benchmarks.metering.scenarios import GPU_W, Scenario, constant, gpu
from experiments.benchmarks.metering.tables import Cell, Table, quantile

__all__ = ["CostlyMeter", "edge_latency", "edge_latency_of_tools", "import_cost", "memory", "sampler_load"]

_WARM_UP = 100
_TARGET_US, _MOST_LOAD = 100.0, 1e-3
_MIB = 2**20


class CostlyMeter:
    """A backend whose calls take a known time: it turns in a circle until it is over.

    Args:
        cost_s: how long one read takes.
        count: how many components it reads.
    """

    def __init__(self, cost_s: float, count: int = 1) -> None:
        self._cost_s, self._mj = cost_s, 0
        self.components: tuple[Component, ...] = tuple(
            Component(name=f"gpu:GPU-{n}", tier=Tier.MODELLED, method="made up", power_max_w=700.0, tick_s=0.1)
            for n in range(count)
        )

    def read(self) -> tuple[Reading, ...]:
        """Return a counter that rises, after the time it takes."""
        until_s = time.perf_counter() + self._cost_s
        while time.perf_counter() < until_s:
            pass
        self._mj += 1
        return tuple(
            Reading(component=part.name, energy_j=self._mj / 1e3, device_s=None, power_w=100.0)
            for part in self.components
        )

    def close(self) -> None:
        """Do nothing."""


def edge_latency(pairs: int = 3_000) -> Table:
    """Time begin and end of windows above what the same two reads of the backend cost, in turn with them."""
    rows = []
    for cost_us in (0.0, 20.0, 200.0):
        for count in (1, 4, 8):
            for ledger in (False, True):
                rows.append((cost_us, count, "yes" if ledger else "no", *_latency(pairs, cost_us, count, ledger)))
    return Table(
        title=f"Begin and end of a window above the backend's own calls, {pairs} pairs, us",
        columns=("read costs us", "components", "ledger", "backend p50", "pair p50", "above p50", "above p99", "ok"),
        rows=tuple(rows),
        notes=(
            f"Target: above p50 < {_TARGET_US:g} us, without fsync (which a flusher does once a second).",
            "Above: a pair of edges minus the two bare reads that took turns with it, pair by pair.",
        ),
    )


def _latency(pairs: int, cost_us: float, count: int, ledger: bool) -> tuple[float, float, float, float, str]:
    meter, now = CostlyMeter(cost_us / 1e6, count), time.perf_counter
    whole_us, bare_us = [], []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        window: Callable[[str], contextlib.AbstractContextManager[Any]]
        if ledger:
            recorder = stack.enter_context(Recorder(Path(folder) / "l.jsonl", strategy="benchmark", meters=[meter]))
            stack.enter_context(recorder.phase("search"))
            window = recorder.window
        else:
            window = stack.enter_context(Metering([meter])).window
        for number in range(pairs + _WARM_UP):
            began = now()
            with window(f"evaluate/{number}"):
                pass
            ended = now()
            meter.read()
            meter.read()
            bare_us.append(1e6 * (now() - ended))
            whole_us.append(1e6 * (ended - began))
    whole_us, bare_us = whole_us[_WARM_UP:], bare_us[_WARM_UP:]
    above_us = [whole - bare for whole, bare in zip(whole_us, bare_us, strict=True)]
    middle_us = quantile(above_us, 0.5)
    return (
        quantile(bare_us, 0.5),
        quantile(whole_us, 0.5),
        middle_us,
        quantile(above_us, 0.99),
        "yes" if middle_us < _TARGET_US else "NO",
    )


def _scenario(name: str, action: str, *, files: bool = True, **more: Any) -> Scenario:
    return Scenario(
        name=name,
        action=action,
        seconds=more.pop("seconds", 1.0),
        gpus=(gpu(tick_s=0.1, counter=more.pop("counter", True)),),
        true=(constant(GPU_W),),
        files=files,
        more=more,
    )


def edge_latency_of_tools(bench: Bench, pairs: int = 3_000) -> Table:
    """The same for every tool over the simulated GPU."""
    rows: list[tuple[Cell, ...]] = []
    baseline_us: float | None = None
    for tool, files in (("ours", True), ("ours", False), ("codecarbon", False), ("zeus", True), ("zeus", False)):
        label = f"{tool}{'' if files else ', no file'}"
        if tool in bench.missing:
            rows.append((label, *[None] * 6, bench.missing[tool]))
            continue
        # One of the tools keeps every task in memory until its end, and takes no tasks within a run.
        scenario = _scenario("latency", "pairs", files=files, count=pairs, in_whole=tool == "ours" and files)
        answer = bench.run(tool, scenario).answer
        if "begin_us" not in answer:
            rows.append((label, *[None] * 6, answer.get("raised", "no answer")))
            continue
        begin_us, end_us, bare_us = answer["begin_us"], answer["end_us"], answer["backend_us"]
        above_us = [a + b - bare for a, b, bare in zip(begin_us, end_us, bare_us, strict=True)]
        middle_us = quantile(above_us, 0.5)
        baseline_us = baseline_us or middle_us
        rows.append(
            (
                label,
                quantile(begin_us, 0.5),
                quantile(end_us, 0.5),
                quantile(bare_us, 0.5),
                middle_us,
                quantile(above_us, 0.99),
                middle_us / baseline_us,
                answer["version"],
            )
        )
    return Table(
        title=f"Begin and end over the simulated GPU, each tool in its process, {pairs} pairs, us",
        columns=("tool", "begin p50", "end p50", "backend p50", "above p50", "above p99", "ratio to ours", "version"),
        rows=tuple(rows),
        notes=(
            "Backend: what two reads of the GPU cost as the tool makes them (ours: counter and power in one call).",
            "Ours with a file writes every window to the ledger; codecarbon's tasks reach its file at its end only.",
        ),
    )


def sampler_load(bench: Bench, seconds: float = 20.0) -> Table:
    """CPU time in the background while a program sleeps, as a share of one core."""
    rows: list[tuple[Cell, ...]] = []
    ours: float | None = None
    for tool, counter in (("ours", True), ("ours", False), ("codecarbon", True), ("zeus", True)):
        label = tool if counter else f"{tool}, no counter: 10 a second"
        if tool in bench.missing:
            rows.append((label, None, None, None, None, bench.missing[tool]))
            continue
        answer = bench.run(tool, _scenario("idle", "idle", seconds=seconds, counter=counter)).answer
        if "cpu_s" not in answer:
            rows.append((label, None, None, None, None, answer.get("raised", "no answer")))
            continue
        share = answer["cpu_s"] / answer["wall_s"]
        ours = ours or share
        ok = "" if (tool, counter) != ("ours", True) else "yes" if share < _MOST_LOAD else "NO"
        rows.append((label, 1e2 * share, share / ours, answer["threads"], answer["wall_s"], ok))
    return Table(
        title="Load in the background at one sample a second, % of a core",
        columns=("tool", "load %", "ratio to ours", "threads", "over s", "below 0.1 %"),
        rows=tuple(rows),
        notes=("Ours reads the GPU, writes traces and heartbeats, and makes them durable; Zeus has no sampler here.",),
    )


def memory(bench: Bench, windows: int = 100_000, windows_of_others: int = 2_000) -> Table:
    """What many windows leave behind in memory."""
    rows: list[tuple[Cell, ...]] = []
    for tool in TOOL_NAMES:
        if tool in bench.missing:
            rows.append((tool, None, None, None, None, bench.missing[tool]))
            continue
        count = windows_of_others if tool == "codecarbon" else windows
        answer = bench.run(tool, _scenario("memory", "memory", count=count)).answer
        if "rss_bytes" not in answer:
            rows.append((tool, count, None, None, None, answer.get("raised", "no answer")))
            continue
        kept = answer["traced_bytes"] / answer["traced_count"]
        grown = answer["rss_bytes"] / _MIB
        ok = "" if tool != "ours" else "yes" if grown < 20 * windows / 100_000 or grown < 20 else "NO"
        rows.append((tool, count, grown, kept, kept * 100_000 / _MIB, ok))
    return Table(
        title="Memory that windows leave behind",
        columns=("tool", "windows", "RSS MiB", "kept B/window", "kept MiB per 1e5", "below 20 MB"),
        rows=tuple(rows),
        notes=("Kept: by tracemalloc over further windows of the same process.",),
    )


_IMPORT = """
import json, os, sys, time
before, began = set(sys.modules), time.perf_counter()
{statement}
took = time.perf_counter() - began
new = set(sys.modules) - before
try:
    with open("/proc/self/statm") as file:
        rss_mib = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
except OSError:
    rss_mib = None
heavy = [name for name in ("codecarbon", "numpy", "pandas", "scipy", "sklearn", "torch") if name in new]
print(json.dumps([took, len(new), rss_mib, heavy]))
"""


def import_cost(bench: Bench, repeats: int = 5) -> Table:
    """Time of importing, and what comes along; in turn, so that a machine whose speed drifts treats all alike."""
    cases = {
        "import carbon_nas.meters": "ours",
        "from carbon_nas.meters.nvml import NvmlMeter": "ours",
        "from carbon_nas import Recorder": "ours",
        "import codecarbon": "codecarbon",
        "from codecarbon import OfflineEmissionsTracker": "codecarbon",
        "from zeus.monitor import ZeusMonitor": "zeus",
    }
    found: dict[str, list[list[Any]]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        for name, tool in cases.items():
            if tool in bench.missing:
                continue
            command = [bench.pythons[tool], "-c", _IMPORT.format(statement=name)]
            out = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
            ).stdout
            if turn:  # The first turn warms the disk's cache up.
                found[name].append(json.loads(out.splitlines()[-1]))
    rows: list[tuple[Cell, ...]] = []
    first_ms = 1e3 * quantile([one[0] for one in found["import carbon_nas.meters"]], 0.5)
    for name, tool in cases.items():
        if not found[name]:
            rows.append((name, None, None, None, None, bench.missing[tool]))
            continue
        middle_ms = 1e3 * quantile([one[0] for one in found[name]], 0.5)
        _, modules_loaded, rss_mib, heavy = found[name][0]
        rows.append((name, middle_ms, middle_ms / first_ms, modules_loaded, rss_mib, ", ".join(heavy) or "none"))
    return Table(
        title=f"Import, median of {repeats}",
        columns=("statement", "ms", "ratio", "modules", "RSS MiB", "heavy ones among them"),
        rows=tuple(rows),
        notes=("Target: carbon_nas.meters below 100 ms, without pandas, torch and codecarbon.",),
    )
