"""CPU energy is CPU time times a constant power, and says so."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from carbon_nas.errors import MeterError
from carbon_nas.meters import estimate
from carbon_nas.meters.estimate import (
    FALLBACK_W_PER_CORE,
    SERVER_THREAD_W,
    TDP_CURVE,
    ChildCpuMeter,
    CpuEstimateMeter,
    tdp_w,
)
from carbon_nas.sources import Tier
from tests.contracts.meter import MeterContract

BUSY = "while sum(range(1000)): pass"


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


def test_a_known_processor_lies_between_its_share_of_idle_and_its_first_busy_cores(on_host):
    on_host(tdp_w=200.0)
    (component,) = CpuEstimateMeter().components
    assert component.low_ratio == 0.12
    assert component.high_ratio == pytest.approx(0.12 + (0.32 - 0.12) / 0.1)
    assert "Teads" in component.inputs["range_from"]


def test_the_curve_of_a_package_rises_and_is_within_the_range_at_every_load(on_host):
    on_host(tdp_w=200.0)
    (component,) = CpuEstimateMeter().components
    (_, idle_ratio), *points = TDP_CURVE
    for busy_ratio, power_ratio in points:
        # The cores' own part of the package, and their share of what an idle one draws.
        per_core_ratio = (power_ratio - idle_ratio) / busy_ratio + idle_ratio
        assert component.low_ratio <= per_core_ratio <= component.high_ratio + 1e-12


@pytest.mark.parametrize("host", [{"tdp_w": None}, {"tdp_w": 280.0, "flags": "fpu hypervisor"}])
def test_an_unknown_processor_lies_between_the_least_and_the_most_of_servers(on_host, host):
    on_host(**host)
    (component,) = CpuEstimateMeter().components
    low_w, high_w = SERVER_THREAD_W
    assert component.low_ratio * FALLBACK_W_PER_CORE == pytest.approx(low_w)
    assert component.high_ratio * FALLBACK_W_PER_CORE == pytest.approx(high_w)
    assert "Cloud Carbon Footprint" in component.inputs["range_from"]


def test_the_range_of_a_power_that_the_user_gave_is_not_guessed(on_host):
    on_host(tdp_w=200.0)
    (component,) = CpuEstimateMeter(watts_per_core=2.5).components
    assert (component.low_ratio, component.high_ratio, component.inputs["range_from"]) == (None, None, None)


def test_it_counts_this_process_only_and_is_always_current():
    for meter in (CpuEstimateMeter(), ChildCpuMeter()):
        (component,) = meter.components
        assert component.own
        assert component.tick_s == 0.0


@pytest.fixture
def busy():
    """Start Python processes that compute until they are killed."""
    started = []

    def start(code: str = BUSY) -> subprocess.Popen[str]:
        started.append(subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(meter: ChildCpuMeter, more_than_s: float) -> float:
    for _ in range(100_000):
        if (used_s := meter.read()[0].device_s) > more_than_s:
            return used_s
    raise AssertionError("the command does not get on")


class TestChildCpuMeter(MeterContract):
    @pytest.fixture
    def meter(self, busy):
        meter = ChildCpuMeter()
        meter.watch(busy().pid)
        return meter

    @pytest.fixture
    def spend(self, meter):
        return lambda: wait_for(meter, meter.read()[0].device_s)


class Used:
    """What `os.wait4` returns, as far as it is asked for."""

    def __init__(self, ru_utime: float, ru_stime: float) -> None:
        self.ru_utime, self.ru_stime = ru_utime, ru_stime


def test_before_a_command_is_watched_it_has_used_nothing():
    (reading,) = ChildCpuMeter().read()
    assert (reading.component, reading.energy_j, reading.device_s) == ("cpu:command", 0.0, 0.0)


def test_the_children_of_a_command_are_counted_while_it_runs(busy):
    start = f"child = subprocess.Popen([sys.executable, '-c', {BUSY!r}])"
    command = busy(f"import subprocess, sys; {start}; print(child.pid, flush=True); child.wait()")
    child = int(command.stdout.readline())
    meter = ChildCpuMeter(watts_per_core=2.0)
    meter.watch(command.pid)
    start_s = meter.read()[0].device_s
    used_s = wait_for(meter, start_s + 0.2)
    assert used_s > start_s
    assert meter.read()[0].energy_j >= 2.0 * used_s
    os.kill(child, 9)


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not tell the resource usage of a child")
def test_what_is_settled_is_the_resource_usage_of_the_child_exactly():
    command = subprocess.Popen([sys.executable, "-c", "sum(range(10**6))"])
    meter = ChildCpuMeter(watts_per_core=2.0)
    meter.watch(command.pid)
    _, status, usage = os.wait4(command.pid, 0)
    command.returncode = status
    meter.settle(usage)
    (reading,) = meter.read()
    assert reading.device_s == usage.ru_utime + usage.ru_stime > 0
    assert reading.energy_j == 2.0 * reading.device_s


def test_what_was_seen_of_a_command_is_never_taken_back(busy):
    meter, command = ChildCpuMeter(), busy()
    meter.watch(command.pid)
    used_s = wait_for(meter, 0.1)
    command.kill()
    command.wait()
    assert meter.read()[0].device_s >= used_s
    meter.settle(Used(0.01, 0.0))
    assert meter.read()[0].device_s >= used_s


def test_a_command_that_is_gone_already_counts_when_it_is_settled(busy):
    meter, command = ChildCpuMeter(), busy("pass")
    command.wait()
    meter.watch(command.pid)
    assert meter.read()[0].device_s == 0.0
    meter.settle(Used(1.5, 0.25))
    assert meter.read()[0].device_s == 1.75


def test_a_closed_meter_keeps_what_it_saw(busy):
    meter = ChildCpuMeter()
    meter.watch(busy().pid)
    used_s = wait_for(meter, 0.0)
    meter.close()
    assert meter.read()[0].device_s >= used_s
