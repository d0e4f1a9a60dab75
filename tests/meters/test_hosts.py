"""What a host offers is found by asking, and what is missing is said."""

import platform
import sys
from pathlib import Path

import pytest

from carbon_nas.errors import MeterError
from carbon_nas.meters import Constant, ManualClock, SimulatedPowercap, SimulatedZone, open_meters
from carbon_nas.meters.hosts import host_facts, package_versions
from carbon_nas.meters.rapl import RaplMeter
from carbon_nas.meters.simulated_gpu import SimulatedGpu
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.zones import open_counter
from carbon_nas.sources import Tier


@pytest.fixture
def nvml(monkeypatch):
    simulated = SimulatedNvml(ManualClock(), [SimulatedGpu(uuid="GPU-a", mig=("MIG-1",))])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", simulated)
    return simulated


def opened() -> list[str]:
    """What is metered on a host whose CPU can only be estimated, memory aside."""
    meters = open_meters(powercap=Path("no-such-folder"))
    return [component.name for meter in meters for component in meter.components if component.name != "dram"]


def test_a_host_with_a_gpu_has_both_meters(nvml):
    assert opened() == ["cpu:process", "gpu:GPU-a"]


def test_a_host_without_nvml_still_has_the_cpu(nvml):
    nvml.driver = False
    assert opened() == ["cpu:process"]


@pytest.mark.parametrize("selection", ["", "-1"])
def test_a_process_that_may_use_no_gpu_still_has_the_cpu(nvml, monkeypatch, selection):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", selection)
    assert opened() == ["cpu:process"]


def test_a_mig_slice_is_metered_by_its_board(nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1")
    assert opened()[-1] == "gpu:GPU-a"


def test_a_gpu_without_a_counter_is_metered_by_its_power(nvml):
    nvml.gpus = (SimulatedGpu(uuid="GPU-a", counter=False),)
    assert opened()[-1] == "gpu:GPU-a"


def test_a_gpu_that_tells_nothing_is_not_left_out_in_silence(nvml):
    nvml.gpus = (SimulatedGpu(uuid="GPU-a", counter=False, instant=False, average=False),)
    with pytest.raises(MeterError, match=r"gpu:GPU-a: .*no energy counter.*; .*CUDA_VISIBLE_DEVICES"):
        open_meters()
    assert nvml.users == 0


def test_the_power_of_a_core_is_handed_on(nvml):
    meter, *_ = open_meters(cpu_watts_per_core=3.5)
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


def test_where_rapl_can_be_read_cpu_seconds_stand_beside_its_joules_and_nothing_is_counted_twice(nvml, tmp_path):
    nvml.driver = False
    SimulatedPowercap(
        tmp_path, ManualClock(), (SimulatedZone(path="intel-rapl:0", name="package-0", wave=Constant(level_w=50.0)),)
    )
    rapl, memory = open_meters(clock=ManualClock(), powercap=tmp_path)
    assert [part.name for part in (*rapl.components, *memory.components)] == ["cpu:package-0", "dram"]
    assert rapl.read()[0].device_s > 0
    assert rapl.components[0].tier is Tier.MEASURED


def only_root_may_read(monkeypatch, *paths: str) -> None:
    """Refuse some counters, also to root."""

    def refusing(path: Path) -> int:
        if any(path.parent.name == refused for refused in paths):
            raise PermissionError(13, "Permission denied")
        return open_counter(path)

    monkeypatch.setattr(
        RaplMeter.__init__, "__kwdefaults__", RaplMeter.__init__.__kwdefaults__ | {"open_file": refusing}
    )


ZONES = (
    SimulatedZone(path="intel-rapl:0", name="package-0", wave=Constant(level_w=50.0)),
    SimulatedZone(path="intel-rapl:0:0", name="dram", wave=Constant(level_w=5.0)),
)


def test_where_rapl_is_refused_the_estimate_says_why_it_is_one_and_what_would_mend_it(nvml, tmp_path, monkeypatch):
    nvml.driver = False
    SimulatedPowercap(tmp_path, ManualClock(), ZONES)
    only_root_may_read(monkeypatch, "intel-rapl:0")
    estimate, _ = open_meters(clock=ManualClock(), powercap=tmp_path)
    (part,) = estimate.components
    assert (part.name, part.tier) == ("cpu:process", Tier.ESTIMATED)
    assert "chmod" in part.note


def test_where_only_memory_is_refused_the_processor_is_still_measured(nvml, tmp_path, monkeypatch):
    nvml.driver = False
    SimulatedPowercap(tmp_path, ManualClock(), ZONES)
    only_root_may_read(monkeypatch, "intel-rapl:0:0")
    meters = open_meters(clock=ManualClock(), powercap=tmp_path)
    assert [(part.name, part.tier) for meter in meters for part in meter.components] == [
        ("cpu:package-0", Tier.MEASURED),
        ("dram", Tier.ESTIMATED),
    ]
