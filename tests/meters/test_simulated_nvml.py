"""The simulated NVML shows what a driver would: in ticks, with faults at their moments, and to programs of others."""

import sys
from types import SimpleNamespace

import pynvml
import pytest

from carbon_nas.meters import ManualClock, SystemClock
from carbon_nas.meters.simulated_gpu import Lost, NotReady, Reset, SimulatedGpu, Unsupported
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant, Square

ONE, TWO = "GPU-aaaa1111", "GPU-bbbb2222"
FIELDS = [(pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 0), pynvml.NVML_FI_DEV_POWER_INSTANT, (185, 0)]


def opened(*faults, clock=None, **changes) -> SimpleNamespace:
    clock = clock or ManualClock()
    gpu = SimulatedGpu(**{"uuid": ONE, "wave": Constant(level_w=100.0)} | changes)
    nvml = SimulatedNvml(clock, [gpu, SimulatedGpu(uuid=TWO)], faults=faults)
    nvml.nvmlInit()
    return SimpleNamespace(clock=clock, nvml=nvml, handle=nvml.nvmlDeviceGetHandleByUUID(ONE))


def test_counter_and_power_stand_still_between_ticks():
    sim = opened(wave=Square(low_w=0.0, high_w=100.0, period_s=0.2), phase_s=0.03)
    shown = []
    for _ in range(30):
        sim.clock.advance(0.01)
        shown.append(sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle) - 10**9)
    assert sorted(set(shown[:2] + shown[2:12])) == sorted({shown[0], 3_000})
    assert shown == sorted(shown)
    assert len(set(shown)) == 4


def test_the_counter_is_the_integral_in_whole_millijoules():
    sim = opened(gain_ratio=1.1)
    before_mj = sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle)
    sim.clock.advance(10.0)
    assert sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle) - before_mj == pytest.approx(1_100_000, abs=1)
    assert sim.nvml.gpu(ONE).energy_j(0.0, 10.0) == 1_000.0


def test_three_values_come_from_one_call_in_the_structures_of_the_binding():
    sim = opened()
    sim.clock.advance(2.0)
    energy, instant, average = sim.nvml.nvmlDeviceGetFieldValues(sim.handle, FIELDS)
    assert (energy.nvmlReturn, instant.nvmlReturn, average.nvmlReturn) == (0, 0, 0)
    assert energy.valueType == pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
    assert energy.value.ullVal == pytest.approx(10**9 + 200_000, abs=1)
    assert (instant.value.uiVal, average.value.uiVal) == (100_000, 100_000)
    assert energy.timestamp == pytest.approx(sim.clock.wall_s() * 1e6, abs=1)


def test_each_value_has_its_own_return_code():
    sim = opened(counter=False, average=False)
    energy, instant, average = sim.nvml.nvmlDeviceGetFieldValues(sim.handle, FIELDS)
    assert energy.nvmlReturn == average.nvmlReturn == pynvml.NVML_ERROR_NOT_SUPPORTED
    assert instant.nvmlReturn == pynvml.NVML_SUCCESS


def test_average_power_is_the_mean_over_a_second():
    sim = opened(wave=Square(low_w=0.0, high_w=100.0, period_s=1.0))
    sim.clock.advance(5.3)
    assert sim.nvml.nvmlDeviceGetFieldValues(sim.handle, [185])[0].value.uiVal == 50_000


def test_a_lost_gpu_answers_nothing_until_it_is_back():
    sim = opened(Lost(uuid=ONE, begin_s=1.0, end_s=2.0))
    sim.clock.advance(1.0)
    calls = [
        lambda: sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle),
        lambda: sim.nvml.nvmlDeviceGetFieldValues(sim.handle, FIELDS),
        lambda: sim.nvml.nvmlDeviceGetHandleByUUID(ONE),
        lambda: sim.nvml.nvmlDeviceGetName(sim.handle),
    ]
    for call in calls:
        with pytest.raises(pynvml.NVMLError_GpuIsLost):
            call()
    assert sim.nvml.nvmlDeviceGetName(sim.nvml.nvmlDeviceGetHandleByUUID(TWO))
    sim.clock.advance(1.0)
    for call in calls:
        call()


def test_after_a_loss_an_old_handle_may_be_dead():
    sim = opened(Lost(uuid=ONE, begin_s=1.0, end_s=2.0, new_handle=True))
    sim.clock.advance(3.0)
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        sim.nvml.nvmlDeviceGetPowerUsage(sim.handle)
    assert sim.nvml.nvmlDeviceGetPowerUsage(sim.nvml.nvmlDeviceGetHandleByUUID(ONE)) == 100_000


def test_a_reset_begins_at_zero():
    sim = opened(Reset(uuid=ONE, at_s=1.0), Reset(uuid=ONE, at_s=2.0))
    sim.clock.advance(2.0)
    assert sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle) == 0
    sim.clock.advance(1.0)
    assert sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle) == 100_000


def test_not_ready_and_not_supported_have_their_codes():
    sim = opened(NotReady(uuid=ONE, begin_s=0.0, end_s=1.0), Unsupported(uuid=ONE, what="nvmlDeviceGetTemperature"))
    with pytest.raises(pynvml.NVMLError) as caught:
        sim.nvml.nvmlDeviceGetPowerUsage(sim.handle)
    assert caught.value.value == pynvml.NVML_ERROR_NOT_READY
    assert sim.nvml.nvmlDeviceGetFieldValues(sim.handle, [186])[0].nvmlReturn == pynvml.NVML_ERROR_NOT_READY
    with pytest.raises(pynvml.NVMLError_NotSupported):
        sim.nvml.nvmlDeviceGetTemperature(sim.handle, 0)


def test_what_is_not_simulated_is_refused_as_a_driver_does_and_constants_are_the_real_ones():
    sim = opened()
    with pytest.raises(sim.nvml.NVMLError_NotSupported):
        sim.nvml.nvmlDeviceGetFanSpeed(sim.handle)
    assert sim.nvml.NVML_ERROR_GPU_IS_LOST == pynvml.NVML_ERROR_GPU_IS_LOST
    assert not hasattr(sim.nvml, "nvmlDeviceGetTheWeather")


def test_nothing_answers_before_init_or_without_a_driver():
    nvml = SimulatedNvml(ManualClock(), [SimulatedGpu(uuid=ONE)])
    with pytest.raises(pynvml.NVMLError_Uninitialized):
        nvml.nvmlDeviceGetCount()
    with pytest.raises(pynvml.NVMLError_LibraryNotFound):
        SimulatedNvml(ManualClock(), driver=False).nvmlInit()


def test_a_call_may_take_its_time():
    clock = ManualClock()
    nvml = SimulatedNvml(clock, [SimulatedGpu(uuid=ONE)], call_cost_s=0.25)
    nvml.nvmlInit()
    value = nvml.nvmlDeviceGetFieldValues(nvml.nvmlDeviceGetHandleByIndex(0), [83])[0]
    assert (clock.monotonic_s(), value.latencyUsec) == (0.25, 250_000)


def test_a_slice_leads_to_its_board_and_has_no_counter():
    sim = opened(mig=("MIG-1",))
    piece = sim.nvml.nvmlDeviceGetHandleByUUID("MIG-1")
    assert sim.nvml.nvmlDeviceGetUUID(piece) == "MIG-1"
    assert sim.nvml.nvmlDeviceGetUUID(sim.nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(piece)) == ONE
    with pytest.raises(pynvml.NVMLError_NotSupported):
        sim.nvml.nvmlDeviceGetTotalEnergyConsumption(piece)
    assert sim.nvml.nvmlDeviceGetMigMode(sim.handle) == [1, 1]


def test_it_runs_on_the_clock_of_the_machine():
    sim = opened(clock=SystemClock())
    first_mj = sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle)
    while sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle) == first_mj:
        pass
    assert sim.nvml.nvmlDeviceGetTotalEnergyConsumption(sim.handle) - first_mj >= 10_000


def test_it_may_be_made_while_another_one_stands_where_the_module_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", opened().nvml)
    assert opened().nvml.NVMLError is pynvml.NVMLError


def test_another_program_reads_it_as_it_reads_a_driver(monkeypatch):
    sim = opened(users=((7, 50),))
    monkeypatch.setitem(sys.modules, "pynvml", sim.nvml)
    import pynvml as installed

    assert installed is sim.nvml
    assert installed.nvmlDeviceGetMemoryInfo(sim.handle).total == 2**30
    assert installed.nvmlDeviceGetUtilizationRates(sim.handle).gpu == 50
    assert [one.pid for one in installed.nvmlDeviceGetComputeRunningProcesses(sim.handle)] == [7]
    assert installed.nvmlDeviceGetGraphicsRunningProcesses(sim.handle) == []
    assert installed.nvmlDeviceGetComputeMode(sim.handle) == 0
    assert installed.nvmlDeviceGetPowerManagementLimit(sim.handle) == 700_000
    assert installed.nvmlDeviceGetArchitecture(sim.handle) >= installed.NVML_DEVICE_ARCH_VOLTA
