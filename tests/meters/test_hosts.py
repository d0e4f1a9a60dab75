"""What a host offers is found by asking, and what is missing is said."""

import platform
import sys

import pytest

from carbon_nas.errors import MeterError
from carbon_nas.meters import open_meters
from carbon_nas.meters.hosts import host_facts, package_versions
from tests.meters.fake_nvml import FakeNvml


@pytest.fixture
def nvml(monkeypatch):
    fake = FakeNvml({"GPU-a": 0})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def opened() -> list[str]:
    return [component.name for meter in open_meters() for component in meter.components]


def test_a_host_with_a_gpu_has_both_meters(nvml):
    assert opened() == ["cpu:process", "gpu:GPU-a"]


def test_a_host_without_nvml_still_has_the_cpu(nvml):
    nvml.driver_works = False
    assert opened() == ["cpu:process"]


@pytest.mark.parametrize("selection", ["", "-1"])
def test_a_process_that_may_use_no_gpu_still_has_the_cpu(nvml, monkeypatch, selection):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", selection)
    assert opened() == ["cpu:process"]


def test_a_mig_slice_that_cannot_be_metered_is_not_left_out_in_silence(nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-12345")
    try:
        meters = open_meters()
    except MeterError:
        return  # Refused: then nothing is recorded that looks complete.
    readings = [reading for meter in meters for reading in meter.read()]
    assert [reading.energy_j for reading in readings if reading.component.startswith("gpu")] == [None]


def test_a_gpu_without_a_counter_that_answers_is_not_left_out_in_silence(nvml):
    nvml.counter_mj["GPU-a"] = None
    with pytest.raises(MeterError, match=r"gpu:GPU-a: .*no energy counter.*; .*CUDA_VISIBLE_DEVICES"):
        open_meters()
    assert nvml.users == 0


def test_the_power_of_a_core_is_handed_on(nvml):
    meter, _ = open_meters(cpu_watts_per_core=3.5)
    assert meter.components[0].inputs["watts_per_core"] == 3.5


def test_a_power_that_cannot_be_is_refused_and_not_swallowed(nvml):
    with pytest.raises(MeterError, match="above 0 W"):
        open_meters(cpu_watts_per_core=0.0)


def test_the_host_is_described_without_being_named():
    facts = host_facts()
    assert {"cpu_model", "logical_cores", "system", "machine"} <= set(facts)
    assert platform.node() not in facts.values()
    assert facts["logical_cores"] >= 1


def test_the_versions_of_what_takes_part_are_kept():
    assert {"python", "carbon-nas", "codecarbon"} <= set(package_versions())
