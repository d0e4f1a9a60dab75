"""How fast a ledger of a million events is read: chain checked, every line typed, and folded into a run.

    python experiments/benchmarks/ledger.py [EVENTS]

The mix is that of a long search: phases, heartbeats and windows of three components, traces in batches, and epochs.
Beside it stands what `json.loads` alone takes for the same lines, and the hashes alone. Reading runs in a process of
its own, so that its peak memory is its own; CPU time is what counts on a machine that others use as well.
"""

import hashlib
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from carbon_nas.ledger import read_run
from carbon_nas.ledger.journal import GENESIS, chain
from carbon_nas.ledger.observations import Trace, WindowEnd
from carbon_nas.ledger.records import (
    Event,
    Header,
    Outcome,
    PhaseBegin,
    PhaseEnd,
    Pulse,
    Role,
    Scope,
    Session,
    TrainerLog,
)
from carbon_nas.meters.base import Component, Reading, spent
from carbon_nas.meters.measurement import measure_all
from carbon_nas.sources import Tier

EVENTS = 1_000_000
UTC = "2020-01-01T00:00:00.000+00:00"
PARTS = (
    Component(name="gpu:GPU-0f1e2d3c", tier=Tier.MEASURED, method="counter", power_max_w=700.0, tick_s=0.1),
    Component(name="cpu:package-0", tier=Tier.MEASURED, method="counter", power_max_w=280.0, tick_s=0.001),
    Component(name="dram", tier=Tier.ESTIMATED, method="watts per GB x time", power_max_w=40.0),
)
WATTS = (412.7, 133.1, 21.9)
PER_PHASE = 100


def readings(time_s: float) -> tuple[Reading, ...]:
    return tuple(
        Reading(component=part.name, energy_j=watts * time_s, device_s=time_s, power_w=watts, jitter_s=0.00021)
        for part, watts in zip(PARTS, WATTS, strict=True)
    )


def story(count: int) -> Iterator[Event]:
    """Tell a run of about `count` events: per 100, a phase with 49 heartbeats, 30 windows, 10 traces, 9 epochs."""
    yield Header(
        run="run", role=Role.STRATEGY, strategy="search", seed=0, workload=None, study={}, study_hash="",
        code_version="", code_hash="",
    )  # fmt: skip
    yield Session(
        utc=UTC, time_s=0.0, boot_s=0.0, host={}, versions={}, components=PARTS, heartbeat_interval_s=0.5, locked=True
    )
    for phase in range(count // PER_PHASE):
        name, began_s = f"search {phase}", 100.0 * phase + 0.123456789
        first = readings(began_s)
        yield PhaseBegin(
            phase=name, name=name, scope=Scope.ONCE, scenario=None, attempt=1, utc=UTC, time_s=began_s, readings=first
        )
        for step in range(1, PER_PHASE - 1):
            now_s = began_s + 0.5 * step
            if step % 2:
                yield Pulse(phase=name, time_s=now_s, readings=readings(now_s))
            elif step % 10 == 0:
                yield TrainerLog(
                    phase=name, subject="net", epoch=step, steps=step, energy_j=1.5 * step, accuracy_fraction=0.5
                )
            elif step % 10 == 2:
                times_s = tuple(now_s + 0.1 * tick for tick in range(10))
                yield Trace(
                    component=PARTS[0].name,
                    times_s=times_s,
                    energies_j=tuple(WATTS[0] * time_s for time_s in times_s),
                    powers_w=tuple(WATTS[0] + tick for tick in range(10)),
                    temperature_c=61.0,
                )
            else:
                measured = measure_all(PARTS, first, readings(now_s), now_s - began_s)
                used = {part.component: part.energy_j for part in measured}
                yield WindowEnd(
                    name=f"evaluate/{step}", parent=name, time_s=now_s, duration_s=now_s - began_s,
                    measured=measured, own_j=used,
                )  # fmt: skip
        ended_s = began_s + 50.0
        last = readings(ended_s)
        yield PhaseEnd(
            phase=name,
            outcome=Outcome.DONE,
            utc=UTC,
            time_s=ended_s,
            duration_s=ended_s - began_s,
            readings=last,
            energy_j=spent(first, last, "energy_j"),
            device_s=spent(first, last, "device_s"),
            steps=10,
            macs=10**9,
            measured=measure_all(PARTS, first, last, ended_s - began_s),
        )


def write(path: Path, count: int) -> int:
    prev, lines = GENESIS, 0
    with path.open("wb") as file:
        for event in story(count):
            line, prev = chain(event, prev)
            file.write(line)
            lines += 1
    return lines


def hashes_only(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            hashlib.sha256(line).hexdigest()


def json_only(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def _measure(call: Callable[[Path], object], path: Path, answer: "multiprocessing.Queue[tuple[float, ...]]") -> None:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    result = call(path)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer.put((wall_s, cpu_s, peak_kib / 1024))
    del result


def measured(call: Callable[[Path], object], path: Path) -> tuple[float, ...]:
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[tuple[float, ...]] = context.Queue()
    process = context.Process(target=_measure, args=(call, path, answer))
    process.start()
    figures = answer.get()
    process.join()
    return figures


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.jsonl")
        lines = write(path, count)
        print(f"{lines:,} events, {path.stat().st_size / 1e6:,.0f} MB")
        print(f"{'':<24}{'wall':>10}{'CPU':>10}{'events/s of CPU':>18}{'peak RSS':>12}")
        figures = {}
        for call in (hashes_only, json_only, read_run):
            wall_s, cpu_s, peak_mb = figures[call.__name__] = measured(call, path)
            print(f"{call.__name__:<24}{wall_s:>8.1f} s{cpu_s:>8.1f} s{lines / cpu_s:>18,.0f}{peak_mb:>9,.0f} MB")
        print(f"ratio of read_run to json.loads alone: {figures['read_run'][1] / figures['json_only'][1]:.2f}")


if __name__ == "__main__":
    main()
