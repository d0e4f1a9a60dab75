"""PyTorch on this machine, eager: its CPU, or its NVIDIA GPU."""

import random
from collections.abc import Callable, Sequence

import torch

from carbon_nas.devices.anchoring import SAMPLE_S, WARM_UPS, Job, anchor_job, clock_for, time_anchored, work
from carbon_nas.devices.device import Subject, Timing, Usage
from carbon_nas.devices.targets import Target
from carbon_nas.errors import UsageError
from carbon_nas.supernet.static import channels_last, fold_batch_norm

__all__ = ["HostDevice"]

# A GPU raises its clocks when it has something to do, and cuDNN looks for its kernels on the first calls.
_GPU_WARM_UPS = 25


class HostDevice:
    """This machine's CPU or GPU, in PyTorch's eager mode.

    Of several GPUs it is the current one of PyTorch. A call on a GPU ends when its result is there, not when its
    kernels are queued.
    """

    SAMPLE_S = SAMPLE_S

    def __init__(self, target: Target) -> None:
        self.target = target

    def check(self) -> None:
        """Make sure that this machine has the processor.

        Raises:
            UsageError: if it is a GPU, and PyTorch sees none.
        """
        if self.target.processor == "cuda" and not torch.cuda.is_available():
            raise UsageError(
                "this target needs an NVIDIA GPU, and PyTorch sees none on this machine",
                where=f"target {self.target.name}",
                cure="run it where torch.cuda.is_available() is true, or choose another target",
            )

    @torch.inference_mode()
    def time(
        self, subjects: Sequence[Subject], *, passes: int, rng: random.Random, anchor_ms: float | None = None
    ) -> Timing:
        """Time every subject. Their modules are moved here, channels-last and into evaluation, in place.

        Raises:
            UsageError: if this machine has no such processor.
        """
        place = self._place()
        anchor = anchor_job(place)
        return time_anchored(
            {subject.key: self._job(subject, place) for subject in subjects},
            Job(call=_waited_for(anchor.call, place), macs=anchor.macs),
            passes=passes,
            rng=rng,
            anchor_ms=anchor_ms,
            clock=clock_for(self.target.processor),
            sample_s=self.SAMPLE_S,
            warm_ups=WARM_UPS if self.target.processor == "cpu" else _GPU_WARM_UPS,
        )

    @torch.inference_mode()
    def run(self, subject: Subject, *, duration_s: float) -> Usage:
        """Call a subject until the time is up. Its module is moved and switched as it is for timing.

        Raises:
            UsageError: if this machine has no such processor.
        """
        job = self._job(subject, self._place())
        return work(job, images_per_call=self.target.batch_size, duration_s=duration_s)

    def _place(self) -> torch.device:
        self.check()
        if self.target.processor == "cpu":
            return torch.device("cpu")
        return torch.device("cuda", torch.cuda.current_device())

    def _job(self, subject: Subject, place: torch.device) -> Job:
        module = subject.module.to(place).eval()
        if self.target.fold_batch_norm:
            module = fold_batch_norm(module)
        module = channels_last(module)
        x_BCHW = torch.zeros(self.target.batch_size, *subject.input_shape)
        x_BCHW = x_BCHW.normal_(generator=torch.Generator().manual_seed(0))
        x_BCHW = x_BCHW.to(place, memory_format=torch.channels_last)
        return Job(call=_waited_for(lambda: module(x_BCHW), place), macs=subject.macs * self.target.batch_size)


def _waited_for(call: Callable[[], object], place: torch.device) -> Callable[[], object]:
    if place.type == "cpu":
        return call

    def wait() -> None:
        call()
        torch.cuda.synchronize(place)

    return wait
