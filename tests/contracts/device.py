"""What every device must keep: subclass the contract and say how the device is built for a target."""

import random
from typing import Any, ClassVar

import pytest
import torch

from carbon_nas.devices import Device, Target
from carbon_nas.devices.profiler import network_subject
from tests.supernet.spaces import TINY, drawn

SUBJECTS = [network_subject(TINY, arch, 3) for arch in drawn(TINY, 3)]


def here(target: Target) -> Any:
    """Skip what cannot be run on this machine: a GPU cannot be installed, everything else can."""
    missing = target.processor == "cuda" and not torch.cuda.is_available()
    mark = pytest.mark.skipif(missing, reason="no NVIDIA GPU that PyTorch sees")
    return pytest.param(target, id=target.name, marks=mark)


class DeviceContract:
    targets: ClassVar[list[Any]]
    """What the device is for, as parameters."""

    @staticmethod
    def build(target: Target) -> Device:
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc):
        if "target" in metafunc.fixturenames:
            metafunc.parametrize("target", self.targets)

    @pytest.fixture
    def device(self, target):
        return self.build(target)

    def test_a_device_knows_its_target(self, device, target):
        assert device.target == target

    def test_a_device_that_can_be_run_here_finds_nothing_missing(self, device):
        device.check()

    def test_every_subject_gets_a_time(self, device):
        timing = device.time(SUBJECTS, passes=2, rng=random.Random(0))
        assert timing.latency_ms.keys() == {subject.key for subject in SUBJECTS}
        assert min(timing.latency_ms.values()) > 0
        assert timing.anchor_ms > 0
        assert timing.macs >= 2 * sum(subject.macs for subject in SUBJECTS) * device.target.batch_size

    def test_a_network_at_work_is_called_with_whole_batches(self, device, target):
        usage = device.run(SUBJECTS[0], duration_s=0.02)
        assert usage.calls > 1
        assert usage.images == usage.calls * target.batch_size
        assert usage.duration_s + usage.duration_s / usage.calls > 0.02

    def test_a_network_at_work_is_called_once_however_short_the_time(self, device, target):
        usage = device.run(SUBJECTS[0], duration_s=0.0)
        assert (usage.calls, usage.images) == (1, target.batch_size)
        assert usage.duration_s > 0
