"""Starts tools on simulated machines: each run is a process with a folder and an environment of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.benchmarks.metering.scenarios import UUID, Scenario

__all__ = ["TOOL_NAMES", "Bench", "Outcome"]

TOOL_NAMES = ("ours", "codecarbon", "zeus")

_REPOSITORY = Path(__file__).resolve().parents[3]
_SHIM = Path(__file__).resolve().parent / "shim"
_PATIENCE_S, _GRACE_S = 120.0, 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of one run.

    Attributes:
        answer: what the driver printed; empty if it did not get so far.
        folder: what the tool wrote; gone when the bench is closed.
        died_s: the monotonic time at which it was killed, or failed.
        error: the last line that it complained with.
        began_s: when the span began, if the run was one that never ends.
    """

    answer: dict[str, Any]
    folder: Path
    died_s: float
    error: str = ""
    began_s: float | None = None


@dataclass(kw_only=True)
class Bench:
    """The tools that can be run here.

    Attributes:
        pythons: the interpreter of every tool that is installed, by its name.
        missing: why the others are not run.
    """

    root: Path
    pythons: dict[str, str]
    missing: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    @classmethod
    @contextlib.contextmanager
    def opened(cls, zeus_python: str | None, names: Sequence[str] = TOOL_NAMES) -> "Iterator[Bench]":
        """Find the tools, and give them a temporary place."""
        pythons, missing = {"ours": sys.executable}, {}
        for name, python in (("codecarbon", sys.executable), ("zeus", zeus_python or sys.executable)):
            if name not in names:
                missing[name] = "not asked for"
            elif _has(python, name):
                pythons[name] = python
            else:
                missing[name] = "not installed: an environment with carbon-nas[bench] is named by --zeus-python"
        with tempfile.TemporaryDirectory(prefix="carbon-nas-bench-", ignore_cleanup_errors=True) as folder:
            yield cls(root=Path(folder), pythons=pythons, missing=missing)

    def run(self, tool: str, scenario: Scenario, beside: Path | None = None) -> Outcome:
        """Run a scenario with a tool and wait for its end."""
        self._count += 1
        folder = (beside or self.root) / f"{self._count}-{tool}"
        folder.mkdir(parents=True)
        # A GPU of its own for every run: one of the tools notices others on the host that meter the same one.
        mine = str(uuid.uuid5(uuid.NAMESPACE_URL, str(beside or folder)))
        text = json.dumps(scenario.as_json()).replace(UUID.removeprefix("GPU-"), mine)
        (folder / "scenario.json").write_text(text, encoding="utf-8")
        command = [self.pythons[tool], "-m", "experiments.benchmarks.metering.driver", tool]
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=self._environment(folder, scenario),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        began_s = None
        if scenario.action == "dies" and process.stdout is not None:
            line = process.stdout.readline()
            began_s = json.loads(line)["began_s"] if line else None
            if began_s is not None and scenario.signal:
                time.sleep(max(0.0, began_s + 3.0 - time.monotonic()))
                process.send_signal(getattr(signal, scenario.signal))
        died_s = time.monotonic()
        try:
            # A tool that takes a signal for itself may go on; what is on disk by then is what counts.
            out, complaints = process.communicate(timeout=_GRACE_S if scenario.signal else _PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, complaints = process.communicate()
            complaints += "\nstill running when its time was over"
        last = json.loads(out.splitlines()[-1]) if out.strip() else {}
        return Outcome(
            answer=last if began_s is None else {},
            folder=folder,
            died_s=last.get("ended_s", died_s),
            began_s=began_s,
            error=(complaints.strip().splitlines() or [""])[-1],
        )

    def _environment(self, folder: Path, scenario: Scenario) -> dict[str, str]:
        # Nothing of this shell reaches the tools: no hidden configuration, no real GPU.
        kept = {name: os.environ[name] for name in ("LANG", "SYSTEMROOT", "TMPDIR") if name in os.environ}
        binaries = self.root / "bin"
        if not scenario.absent and not (binaries / "nvidia-smi").exists():
            # One tool asks this program whether there is a GPU at all.
            binaries.mkdir(exist_ok=True)
            program = binaries / "nvidia-smi"
            program.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
            program.chmod(0o755)
        path = ["/usr/bin", "/bin"] if scenario.absent else [str(binaries), "/usr/bin", "/bin"]
        environment = {
            **kept,
            "CARBON_NAS_BENCHMARK_FOLDER": str(folder),
            "HOME": str(folder),
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": os.pathsep.join([str(_SHIM), str(_REPOSITORY)]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if scenario.visible is not None:
            environment["CUDA_VISIBLE_DEVICES"] = scenario.visible
        return environment


def _has(python: str, module: str) -> bool:
    command = [python, "-c", f"import importlib.util as u, sys; sys.exit(u.find_spec('{module}') is None)"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False
