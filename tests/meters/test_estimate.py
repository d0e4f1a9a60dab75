"""CPU energy is CPU time times a constant power, and says so."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from carbon_nas.errors import MeterError
from carbon_nas.meters import estimate
from carbon_nas.meters.estimate import FALLBACK_W_PER_CORE, CpuEstimateMeter, tdp_w
from carbon_nas.sources import Tier


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "cpu_power.csv"
    path.write_text("Name,TDP\nIntel Core i7-0042X,28\nAMD EPYC 0042,280.5\nBroken CPU,unknown\n")
    return path


@pytest.fixture
def on_host(monkeypatch):
    """Pretend to run on a processor: its /proc/cpuinfo, and its TDP in the table."""

    def pretend(*, model: str = "Made-up CPU", tdp_w: float | None, flags: str = "fpu", sockets: int = 1) -> None:
        facts = {"model name": {model}, "flags": {flags}, "physical id": {str(n) for n in range(sockets)}}
        monkeypatch.setattr(estimate, "_cpuinfo", lambda: facts)
        monkeypatch.setattr(estimate, "tdp_w", lambda name: tdp_w if name == model else None)

    return pretend


@pytest.mark.parametrize(
    "name",
    [
        "Intel Core i7-0042X",
        "Intel(R) Core(TM) i7-0042X CPU @ 3.00GHz",
        "Intel(R) Core(TM) i7-0042X @ 3.00GHz",
        "intel core i7-0042x",
    ],
)
def test_one_processor_is_found_under_every_way_to_write_its_name(table, name):
    assert tdp_w(name, table) == 28.0


def test_the_number_of_cores_in_a_name_does_not_matter(table):
    assert tdp_w("AMD EPYC 0042 64-Core Processor", table) == 280.5


@pytest.mark.parametrize("name", ["Intel Core i7-0042", "Core i7-0042X", "AMD EPYC", "", "CPU @ 3.00GHz", "Broken CPU"])
def test_a_name_that_is_not_exactly_in_the_table_is_not_guessed(table, name):
    assert tdp_w(name, table) is None


@pytest.mark.parametrize("text", [None, "", "Model,Watts\nIntel Core i7-0042X,28\n"])
def test_without_a_table_that_can_be_read_the_tdp_is_not_known(tmp_path, text):
    path = tmp_path / "cpu_power.csv"
    if text is not None:
        path.write_text(text)
    assert tdp_w("Intel Core i7-0042X", path) is None


def test_codecarbons_own_table_is_used_where_none_is_given():
    assert tdp_w("AMD EPYC 7763 64-Core Processor") == 280.0


def test_without_codecarbon_the_tdp_is_not_known(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert tdp_w("AMD EPYC 7763 64-Core Processor") is None


def test_the_fallback_is_the_value_codecarbon_takes_per_thread():
    source = Path(importlib.util.find_spec("codecarbon").submodule_search_locations[0], "core", "cpu.py").read_text()
    assert f"DEFAULT_POWER_PER_CORE = {FALLBACK_W_PER_CORE:g}" in source


def test_the_tdp_of_all_sockets_is_shared_by_all_logical_cores(on_host):
    on_host(tdp_w=200.0, sockets=2)
    (component,) = CpuEstimateMeter().components
    assert component.power_max_w == pytest.approx(400.0)
    assert component.inputs["watts_per_core"] == 400.0 / component.inputs["logical_cores"]
    assert component.note == ""


def test_an_unknown_processor_takes_4_w_per_thread_and_says_so(on_host):
    on_host(tdp_w=None)
    (component,) = CpuEstimateMeter().components
    assert component.inputs["watts_per_core"] == 4.0
    assert "4 W per thread assumed" in component.note
    assert "not in codecarbon's table" in component.note


def test_a_virtual_machine_takes_4_w_per_thread_even_if_its_processor_is_known(on_host):
    on_host(tdp_w=280.0, flags="fpu hypervisor sse")
    (component,) = CpuEstimateMeter().components
    assert component.inputs["watts_per_core"] == 4.0
    assert component.inputs["socket_tdp_w"] == 280.0
    assert "virtual machine" in component.note


def test_a_host_that_tells_nothing_is_still_metered(monkeypatch):
    monkeypatch.setattr(estimate, "_cpuinfo", dict)
    monkeypatch.setattr(estimate.platform, "processor", lambda: "")
    (component,) = CpuEstimateMeter().components
    assert component.inputs["cpu_model"] is None
    assert component.inputs["watts_per_core"] == 4.0


def test_who_knows_the_machine_better_overrides_the_table(on_host):
    on_host(tdp_w=280.0, flags="fpu hypervisor")
    meter = CpuEstimateMeter(watts_per_core=2.5)
    (component,) = meter.components
    assert component.inputs["watts_per_core"] == 2.5
    assert component.inputs["watts_per_core_from"] == "given by the user"
    assert component.note == ""


@pytest.mark.parametrize("watts", [0.0, -1.0, float("nan"), float("inf")])
def test_an_override_that_is_no_power_is_refused_by_the_name_of_its_option(watts):
    with pytest.raises(MeterError, match="--cpu-watts-per-core"):
        CpuEstimateMeter(watts_per_core=watts)


def test_energy_is_cpu_seconds_times_watts_exactly():
    meter = CpuEstimateMeter(watts_per_core=2.5)
    sum(range(10_000))
    (reading,) = meter.read()
    assert reading.device_s > 0
    assert reading.energy_j == reading.device_s * 2.5


def test_it_is_never_called_a_measurement():
    assert {component.tier for component in CpuEstimateMeter().components} == {Tier.ESTIMATED}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not count the CPU time of children")
def test_the_cpu_time_of_a_child_that_was_waited_for_is_counted():
    resource = pytest.importorskip("resource")

    def children_s():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    meter, before_s = CpuEstimateMeter(watts_per_core=1.0), children_s()
    subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True)
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    assert meter.read()[0].device_s >= children_s() - before_s - 2 * tick_s
