"""The module `pynvml` of a simulated machine: importing it gives the simulated NVML of the scenario in its place.

`crash_s` in the scenario: between these two times every call on a device fails with an error that is none of NVML's.
"""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from experiments.benchmarks.metering import simulation

_HERE = Path(__file__).resolve().parent


def _official() -> ModuleType:
    elsewhere = [place for place in sys.path if place and Path(place).resolve() != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("pynvml", elsewhere)
    if spec is None or spec.loader is None:
        raise ImportError("nvidia-ml-py is not installed")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _crashing(call: Callable[..., Any], between_s: list[float]) -> Callable[..., Any]:
    def crash(*args: Any, **kwargs: Any) -> Any:
        if between_s[0] <= simulation.now_s() < between_s[1]:
            raise RuntimeError("an error that nobody expects")
        return call(*args, **kwargs)

    return crash


# The simulation takes constants and structures from the official module, and then stands in its place.
sys.modules["pynvml"] = _official()
_simulated = simulation.nvml()
_between_s = simulation.scenario()["crash_s"]
if _between_s:
    for _name in [name for name in dir(_simulated) if name.startswith("nvmlDeviceGet")]:
        setattr(_simulated, _name, _crashing(getattr(_simulated, _name), _between_s))
sys.modules["pynvml"] = _simulated  # type: ignore[assignment]
