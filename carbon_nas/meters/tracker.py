"""codecarbon's tracker in a process of its own: it says that it is ready, tracks until it is told to stop, and answers.

It speaks JSON, one object a line. Boundary: IT energy (its PUE is 1), the given GPUs, the memory of the machine, and
the CPU as codecarbon finds it: RAPL's packages, or the CPU time of the given process and its children. codecarbon
turns joules into kWh by 2.77778e-7, which is 8e-7 more than 1 / 3.6e6; that is left in, for it is its opinion.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import psutil

from carbon_nas.meters.nvml_device import text
from carbon_nas.units import J_PER_KWH

__all__ = ["SAMPLING_S", "main"]

SAMPLING_S = 1
# Its tracker wants a country; only energy is asked of it, so any will do.
_COUNTRY = "FRA"


class _Watched(psutil.Process):
    """The process that is watched, without the tracker itself where that is one of its children."""

    def children(self, recursive: bool = False) -> list[psutil.Process]:
        return [child for child in super().children(recursive) if child.pid != os.getpid()]


def _gpu_indices(uuids: Sequence[str]) -> list[int]:
    # By index: codecarbon cuts the G off a UUID that begins with "GPU-", and then finds nothing.
    if not uuids:
        return []
    import pynvml

    pynvml.nvmlInit()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        known = [text(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    finally:
        pynvml.nvmlShutdown()
    return [known.index(uuid) for uuid in uuids]


def _open(pid: int, gpu_indices: list[int]) -> Any:
    # Loaded now and not when it answers: the emissions need pandas, and half a second for it.
    import codecarbon.core.emissions  # noqa: F401
    from codecarbon import OfflineEmissionsTracker

    tracker: Any = OfflineEmissionsTracker(
        country_iso_code=_COUNTRY,
        tracking_mode="process",
        measure_power_secs=SAMPLING_S,
        gpu_ids=gpu_indices,
        output_methods=[],
        allow_multiple_runs=True,
        log_level="critical",
        pue=1.0,
    )
    tracker.get_detected_hardware()
    for part in tracker._hardware:
        # It offers no way to follow another process than its own.
        if type(part).__name__ == "CPU" and hasattr(part, "_process"):
            part._process = _Watched(pid)
        if type(part).__name__ == "RAM" and hasattr(part, "_tracking_mode"):
            part._tracking_mode = "machine"
    return tracker


def _methods(tracker: Any, gpus: bool) -> Iterator[tuple[str, str]]:
    """Say per class of component how codecarbon knows its energy; a class it does not cover is left out."""
    for part in tracker._hardware:
        kind, mode = type(part).__name__, str(getattr(part, "_mode", ""))
        if kind == "CPU":
            if mode == "cpu_load" and not isinstance(getattr(part, "_process", None), _Watched):
                continue  # It would have followed itself.
            told = f"{mode}, TDP {part._tdp:g} W" if mode == "cpu_load" else mode
            yield "cpu", told
        elif kind == "GPU" and gpus:
            yield "gpu", "NVML"
        elif kind == "RAM":
            yield "dram", "power per memory module, modules guessed from the size"
        elif kind in {"AppleSiliconChip", "Raspberry"}:
            chip = {"CPU": "cpu", "GPU": "gpu", "RAM": "dram"}.get(str(part.chip_part))
            if chip:
                yield chip, kind


def _answer(tracker: Any, gpus: bool) -> Mapping[str, Any]:
    methods = dict(_methods(tracker, gpus))
    tracker.stop()
    found = getattr(tracker, "final_emissions_data", None)
    if found is None:
        return {"error": "codecarbon stopped without a result"}
    energy_kwh = {"gpu": found.gpu_energy, "cpu": found.cpu_energy, "dram": found.ram_energy}
    return {
        "tool": f"codecarbon {version('codecarbon')}",
        "duration_s": float(found.duration),
        "energy_j": {kind: float(energy_kwh[kind]) * J_PER_KWH if kind in methods else None for kind in energy_kwh},
        "methods": methods,
    }


def main() -> None:
    """Track as the first line of standard input asks, until there is another line or the input ends."""
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(answer: Mapping[str, Any]) -> None:
        with suppress(BrokenPipeError):
            answers.write(f"{json.dumps(answer)}\n")
            answers.flush()

    try:
        request = json.loads(sys.stdin.readline())
        gpu_indices = _gpu_indices(request["gpu_ids"])
        tracker = _open(request["pid"], gpu_indices)
        tracker.start()
        say({"ready": True})
        sys.stdin.readline()
        say(_answer(tracker, bool(gpu_indices)))
    except Exception as error:  # Whatever happens here is told, and disturbs nobody.
        say({"error": f"{type(error).__name__}: {error}"})
    answers.close()
    # Its timers and threads are not waited for.
    os._exit(0)
