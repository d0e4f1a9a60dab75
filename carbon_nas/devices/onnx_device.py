"""ONNX Runtime on this machine's CPU."""

import random
from collections.abc import Sequence
from typing import Any

import torch

from carbon_nas.devices.anchoring import SAMPLE_S, Job, anchor_job, clock_for, time_anchored, work
from carbon_nas.devices.device import Subject, Timing, Usage
from carbon_nas.devices.targets import Target
from carbon_nas.errors import MissingExtra
from carbon_nas.supernet.onnx_graph import INPUT, onnx_bytes, onnx_package

__all__ = ["OnnxDevice", "onnx_runtime"]

_ERRORS_ONLY = 3  # Of ONNX Runtime's levels: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal.


def onnx_runtime() -> Any:
    """Return the module onnxruntime.

    Raises:
        MissingExtra: if it is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtra.of(
            error.name, extra="onnx", needed_by="ONNX targets", otherwise="or choose other targets"
        ) from error
    return onnxruntime


class OnnxDevice:
    """This machine's CPU under ONNX Runtime, with as many threads as PyTorch has.

    A subject is written as an ONNX file with batch norm merged, as it is shipped, and optimised when it is loaded. The
    anchor is PyTorch's, as on the other targets: it stands for the machine. With one thread it is the caller's that
    does the work, and so its own clock can be read.
    """

    SAMPLE_S = SAMPLE_S

    def __init__(self, target: Target) -> None:
        self.target = target

    def check(self) -> None:
        """Make sure that networks can be written as ONNX and run.

        Raises:
            MissingExtra: if onnx or onnxruntime is not installed.
        """
        onnx_package()
        onnx_runtime()

    @torch.inference_mode()
    def time(
        self, subjects: Sequence[Subject], *, passes: int, rng: random.Random, anchor_ms: float | None = None
    ) -> Timing:
        """Time every subject; their modules stay as they are.

        Raises:
            MissingExtra: if onnx or onnxruntime is not installed.
        """
        return time_anchored(
            {subject.key: self._job(subject) for subject in subjects},
            anchor_job(torch.device("cpu")),
            passes=passes,
            rng=rng,
            anchor_ms=anchor_ms,
            clock=clock_for(self.target.processor),
            sample_s=self.SAMPLE_S,
        )

    @torch.inference_mode()
    def run(self, subject: Subject, *, duration_s: float) -> Usage:
        """Call a subject until the time is up.

        Raises:
            MissingExtra: if onnx or onnxruntime is not installed.
        """
        return work(self._job(subject), images_per_call=self.target.batch_size, duration_s=duration_s)

    def _job(self, subject: Subject) -> Job:
        runtime = onnx_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        options.log_severity_level = _ERRORS_ONLY
        # Every session has threads of its own. Those that wait for work by spinning would slow down what is timed next.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = runtime.InferenceSession(
            onnx_bytes(subject.module, subject.input_shape), options, providers=["CPUExecutionProvider"]
        )
        x_BCHW = torch.zeros(self.target.batch_size, *subject.input_shape)
        images = {INPUT: x_BCHW.normal_(generator=torch.Generator().manual_seed(0)).numpy()}
        return Job(call=lambda: session.run(None, images), macs=subject.macs * self.target.batch_size)
