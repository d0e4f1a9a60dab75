import random
from typing import ClassVar

import numpy as np
import pytest
import torch

from carbon_nas.devices import TARGETS, OnnxDevice, ProfilePlan, profile, target_named
from carbon_nas.devices.catalog import Subject
from carbon_nas.errors import UsageError
from tests.contracts.device import SUBJECTS, DeviceContract, here
from tests.supernet.spaces import ONE


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Take samples that are shorter than any measurement should be."""
    monkeypatch.setattr(OnnxDevice, "SAMPLE_S", 2e-4)


class TestOnnxDevice(DeviceContract):
    targets: ClassVar = [here(target) for target in TARGETS.values() if target.runtime == "onnx"]

    @staticmethod
    def build(target):
        return OnnxDevice(target)


def rng():
    return random.Random(0)


def test_subjects_stay_as_they_are():
    module = SUBJECTS[0].module.train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    OnnxDevice(target_named("onnx-b1")).time(SUBJECTS[:1], passes=1, rng=rng())
    assert module.training
    assert all(torch.equal(tensor, module.state_dict()[name]) for name, tensor in before.items())


def test_latencies_are_normalised_to_the_anchor_that_is_given():
    device = OnnxDevice(target_named("onnx-b1"))
    assert device.time(SUBJECTS, passes=2, rng=rng(), anchor_ms=0.5).anchor_ms == 0.5


def test_what_is_computed_is_counted_as_on_the_other_devices():
    one = Subject(key="one", module=SUBJECTS[0].module, input_shape=SUBJECTS[0].input_shape, macs=0)
    counted = OnnxDevice(target_named("onnx-b1")).time([one], passes=3, rng=rng()).macs
    anchor_macs = 8 * 8 * 9 * 16 * 16
    assert counted == 3 * 2 * 20 * anchor_macs


def test_a_whole_table_can_be_built_on_it():
    found = profile(
        OnnxDevice(target_named("onnx-b32")), ONE, 3, ProfilePlan(passes=1, fit_networks=2, check_networks=0), rng()
    )
    assert found.table.target == "onnx-b32"
    assert found.table.entries_ms.keys() == {spec.key for spec in ONE.layers(ONE.min(), 3)}
    assert np.isfinite(found.limit_ms)


def test_what_cannot_be_written_as_onnx_cannot_be_timed():
    subject = Subject(key="odd", module=torch.nn.Softplus(), input_shape=(1, 4, 4), macs=0)
    with pytest.raises(UsageError, match="Softplus cannot be written as ONNX"):
        OnnxDevice(target_named("onnx-b1")).run(subject, duration_s=0.0)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_a_package_the_extra_is_named_before_anything_is_timed_and_when_it_is(missing, run_python):
    script = """
from torch import nn
from carbon_nas.devices import device_for, target_named
from carbon_nas.devices.catalog import Subject
from carbon_nas.errors import MissingExtra
target = target_named("onnx-b1")
subject = Subject(key="conv", module=nn.Conv2d(1, 1, 1), input_shape=(1, 4, 4), macs=16)
device = device_for(target)
for ask in (device.check, lambda: device.run(subject, duration_s=0.0)):
    try:
        ask()
    except MissingExtra as error:
        print(error)"""
    done = run_python("-c", script, HIDDEN_PACKAGES=missing)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(f"package {missing}," in line and "pip install 'carbon-nas[onnx]'" in line for line in lines)
