"""What a latency depends on beside the network: the machine, its software and its settings."""

import importlib.metadata
import platform
import time

import torch

from carbon_nas.devices.anchoring import clock_for
from carbon_nas.devices.targets import Target
from carbon_nas.meters.hosts import host_facts

__all__ = ["fingerprint"]


def fingerprint(target: Target) -> dict[str, str]:
    """Describe this machine, and how a target is run on it, by what latencies depend on. It names nobody.

    What is not known here is left out. The clock governor and other programs that run are not in it: they change from
    one minute to the next, and the anchor kernel is there for that.
    """
    known: dict[str, object] = {
        **host_facts(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "libraries": _libraries(),
        "batch_size": target.batch_size,
        "batch_norm": "merged" if target.fold_batch_norm else "kept",
        "runtime": target.runtime,
        "processor": target.processor,
        "clock": "of the thread" if clock_for(target.processor) is time.thread_time else "of the wall",
    }
    if target.runtime == "onnx":
        known["onnxruntime"] = _version("onnxruntime")
    if target.processor == "cuda" and torch.cuda.is_available():
        known["gpu_model"] = torch.cuda.get_device_name(torch.cuda.current_device())
        known["cuda"] = torch.version.cuda
        known["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return {name: str(value) for name, value in known.items() if value is not None}


def _libraries() -> str:
    """Name the libraries of kernels that this PyTorch was built with."""
    built_with = {
        "oneDNN": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
        "MKL": torch.backends.mkl.is_available(),  # type: ignore[no-untyped-call]
        "OpenMP": torch.backends.openmp.is_available(),  # type: ignore[no-untyped-call]
    }
    return ", ".join(name for name, there in built_with.items() if there) or "none"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
