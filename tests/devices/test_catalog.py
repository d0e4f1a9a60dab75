import random
import time
from collections import OrderedDict
from typing import ClassVar

import pytest
import torch
from torch import nn

from carbon_nas.devices import (
    TARGETS,
    HostDevice,
    OnnxDevice,
    SimulatedDevice,
    anchoring,
    device_for,
    host,
    target_named,
)
from carbon_nas.devices.catalog import Subject
from carbon_nas.devices.fingerprint import fingerprint
from carbon_nas.errors import UnknownName, UsageError
from tests.contracts.device import SUBJECTS, DeviceContract, here

CPU = [target.name for target in TARGETS.values() if (target.runtime, target.processor) == ("eager", "cpu")]


class TestHostDevice(DeviceContract):
    targets: ClassVar = [here(target) for target in TARGETS.values() if target.runtime == "eager"]

    @pytest.fixture(autouse=True)
    def _quick(self, short_samples):
        """Take samples that are shorter than any measurement should be."""

    @staticmethod
    def build(target):
        return HostDevice(target)


class TestSimulatedDevice(DeviceContract):
    targets: ClassVar = [pytest.param(target, id=target.name) for target in TARGETS.values()]

    @staticmethod
    def build(target):
        return SimulatedDevice(target)


def rng():
    return random.Random(0)


@pytest.fixture
def short_samples(monkeypatch):
    monkeypatch.setattr(HostDevice, "SAMPLE_S", 2e-4)


@pytest.fixture
def slowing_machine(monkeypatch):
    """Let the anchor take 2 ms and all else 6 ms, on a machine that gets slower with every sample."""
    samples, anchors = [], []

    def anchor_job(device):
        anchors.append(original(device))
        return anchors[-1]

    def seconds(call, repeats, clock):
        samples.append(call)
        alone_s = 2e-3 if any(call is anchor.call for anchor in anchors) else 6e-3
        return alone_s * (1 + len(samples) / 100)

    original = anchoring.anchor_job
    monkeypatch.setattr("carbon_nas.devices.host.anchor_job", anchor_job)
    monkeypatch.setattr(anchoring, "_seconds", seconds)


def test_there_are_targets_for_the_cpu_for_onnx_runtime_and_for_a_gpu():
    described = {
        target.name: (target.runtime, target.processor, target.batch_size, target.fold_batch_norm)
        for target in TARGETS.values()
    }
    assert described == {
        "eager-b1": ("eager", "cpu", 1, False),
        "folded-b1": ("eager", "cpu", 1, True),
        "eager-b32": ("eager", "cpu", 32, False),
        "onnx-b1": ("onnx", "cpu", 1, True),
        "onnx-b32": ("onnx", "cpu", 32, True),
        "cuda-b1": ("eager", "cuda", 1, False),
        "cuda-b32": ("eager", "cuda", 32, False),
    }
    assert all(target_named(name).name == name for name in TARGETS)


def test_an_unknown_target_is_refused_and_the_known_ones_are_named():
    with pytest.raises(UnknownName, match=r"'phone'.*eager-b1, folded-b1, eager-b32, onnx-b1"):
        target_named("phone")


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_every_target_has_its_device_and_asking_for_it_fails_nowhere(target):
    device = device_for(target)
    assert type(device) is (OnnxDevice if target.runtime == "onnx" else HostDevice)
    assert device.target == target


@pytest.mark.parametrize("name", [*CPU, "onnx-b1", "onnx-b32"])
def test_what_needs_no_gpu_can_be_run_here(name):
    device_for(target_named(name)).check()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an NVIDIA GPU")
@pytest.mark.parametrize("name", ["cuda-b1", "cuda-b32"])
def test_a_gpu_that_is_not_there_is_refused_when_it_is_to_work_and_when_it_is_asked_for(name):
    target = target_named(name)
    refused = f"target {name}: this target needs an NVIDIA GPU.*torch.cuda.is_available"
    with pytest.raises(UsageError, match=refused):
        device_for(target).check()
    with pytest.raises(UsageError, match=refused):
        HostDevice(target).time(SUBJECTS, passes=1, rng=rng())
    with pytest.raises(UsageError, match=refused):
        HostDevice(target).run(SUBJECTS[0], duration_s=0.0)


def test_of_several_gpus_the_current_one_is_timed_and_waited_for_and_named(monkeypatch):
    """Only as far as it can be seen without one: which GPU PyTorch is asked about."""
    waited, named = [], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place=0: named.append(place) or "A GPU")
    device = HostDevice(target_named("cuda-b1"))
    place = device._place()
    assert place == torch.device("cuda", 1)
    host._waited_for(lambda: None, place)()
    assert waited == [place]
    assert fingerprint(device.target)["gpu_model"] == "A GPU"
    assert named == [1]


def test_the_host_says_how_much_its_speed_moved(short_samples):
    assert HostDevice(target_named("eager-b1")).time(SUBJECTS, passes=2, rng=rng()).anchor_spread_ratio >= 1


def test_a_single_pass_is_enough(short_samples):
    timing = HostDevice(target_named("eager-b1")).time(SUBJECTS[:1], passes=1, rng=rng())
    assert list(timing.latency_ms) == [SUBJECTS[0].key]


def test_a_machine_that_gets_slower_meanwhile_does_not_change_a_latency(slowing_machine):
    timing = HostDevice(target_named("eager-b1")).time(SUBJECTS, passes=5, rng=rng(), anchor_ms=2.0)
    assert list(timing.latency_ms.values()) == pytest.approx([6.0] * len(SUBJECTS))
    assert timing.anchor_spread_ratio > 1.1


def test_latencies_are_normalised_to_the_anchor_that_is_given(slowing_machine):
    timing = HostDevice(target_named("eager-b1")).time(SUBJECTS, passes=3, rng=rng(), anchor_ms=0.5)
    assert timing.anchor_ms == 0.5
    assert list(timing.latency_ms.values()) == pytest.approx([1.5] * len(SUBJECTS))


def test_without_an_anchor_its_own_median_is_taken(slowing_machine):
    timing = HostDevice(target_named("eager-b1")).time(SUBJECTS, passes=5, rng=rng())
    assert timing.anchor_ms > 2.0
    assert list(timing.latency_ms.values()) == pytest.approx([3 * timing.anchor_ms] * len(SUBJECTS))


@pytest.mark.parametrize(("threads", "clock"), [(1, time.thread_time), (2, time.perf_counter)])
def test_one_thread_goes_by_its_own_clock_and_several_by_that_of_the_wall(monkeypatch, threads, clock):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert anchoring.clock_for("cpu") is clock
    assert anchoring.clock_for("cuda") is time.perf_counter


class _Counting(nn.BatchNorm2d):
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        return super().forward(x)


@pytest.mark.parametrize("name", CPU)
def test_batch_norm_is_run_on_every_target_but_the_folded_one(name, short_samples):
    _Counting.calls = 0
    module = nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3, bias=False), bn=_Counting(2)))
    subject = Subject(key="layer", module=module, input_shape=(1, 4, 4), macs=72)
    HostDevice(target_named(name)).time([subject], passes=1, rng=rng())
    assert (_Counting.calls == 0) == target_named(name).fold_batch_norm


class _Shapes(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen, self.modes, self.calls = set(), set(), 0

    def forward(self, x):
        self.calls += 1
        self.seen.add(tuple(x.shape))
        self.modes.add((self.training, torch.is_inference_mode_enabled()))
        return x


@pytest.mark.parametrize("name", ["eager-b1", "eager-b32"])
def test_a_subject_runs_in_evaluation_on_batches_of_the_target(name, short_samples):
    module = _Shapes()
    subject = Subject(key="shapes", module=module, input_shape=(3, 4, 4), macs=0)
    HostDevice(target_named(name)).time([subject], passes=1, rng=rng())
    assert module.seen == {(target_named(name).batch_size, 3, 4, 4)}
    assert module.modes == {(False, True)}


@pytest.mark.parametrize("name", ["eager-b1", "eager-b32"])
def test_the_host_counts_every_call_of_a_network_at_work(name):
    module = _Shapes()
    usage = HostDevice(target_named(name)).run(
        Subject(key="shapes", module=module, input_shape=(3, 4, 4), macs=0), duration_s=0.01
    )
    assert usage.calls == module.calls > 1
    assert usage.duration_s >= 0.01
    assert module.seen == {(target_named(name).batch_size, 3, 4, 4)}
    assert module.modes == {(False, True)}


@pytest.mark.parametrize("name", TARGETS)
def test_the_simulated_device_follows_from_the_macs_exactly(name):
    target = target_named(name)
    timing = SimulatedDevice(target, call_ms=0.25, ms_per_mega_mac=2.0).time(SUBJECTS, passes=3, rng=rng())
    for subject in SUBJECTS:
        assert timing.latency_ms[subject.key] == 0.25 + 2.0 * subject.macs * target.batch_size / 1e6
    assert timing.macs == 3 * target.batch_size * sum(subject.macs for subject in SUBJECTS)
    assert timing.anchor_spread_ratio == 1.0


@pytest.mark.parametrize("duration_s", [0.0, 0.01, 1.0, 3600.0])
@pytest.mark.parametrize("name", TARGETS)
def test_the_simulated_device_works_for_as_long_as_whole_calls_fit_and_does_not_wait(name, duration_s):
    device = SimulatedDevice(target_named(name), call_ms=0.25, ms_per_mega_mac=2.0)
    subject = SUBJECTS[0]
    call_s = device.time([subject], passes=1, rng=rng()).latency_ms[subject.key] / 1_000
    usage = device.run(subject, duration_s=duration_s)
    assert usage.duration_s == usage.calls * call_s
    assert usage.calls == 1 or usage.duration_s <= duration_s
    assert usage.duration_s + call_s > duration_s


def test_the_simulated_device_uses_no_chance():
    dice = rng()
    SimulatedDevice(target_named("eager-b1")).time(SUBJECTS, passes=3, rng=dice)
    assert dice.getstate() == rng().getstate()
