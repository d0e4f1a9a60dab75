"""NVIDIA GPUs, on a simulated NVML: the best source there is, the right GPU, and a doubt that holds."""

import os
import threading
from types import SimpleNamespace

import pytest

from carbon_nas.errors import MeterError, NoDevice
from carbon_nas.meters import ManualClock
from carbon_nas.meters.base import Observant
from carbon_nas.meters.nvml import NvmlMeter
from carbon_nas.meters.simulated_gpu import SimulatedGpu, Unsupported
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant
from carbon_nas.sources import Tier

ONE, TWO, THREE = "GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333"
FIELDS = "nvmlDeviceGetFieldValues"


def simulated(*gpus: SimulatedGpu, faults=(), environment=None, **options) -> SimpleNamespace:
    clock = ManualClock()
    nvml = SimulatedNvml(clock, gpus or [SimulatedGpu(uuid=ONE)], faults=faults)
    meter = NvmlMeter(clock, nvml, environment=environment or {}, **options)
    return SimpleNamespace(clock=clock, nvml=nvml, meter=meter)


def names(meter: NvmlMeter) -> list[str]:
    return [component.name.removeprefix("gpu:") for component in meter.components]


def energies_j(meter: NvmlMeter) -> list[float | None]:
    return [reading.energy_j for reading in meter.read()]


def test_joules_count_from_when_the_meter_was_opened():
    sim = simulated(SimulatedGpu(uuid=ONE, wave=Constant(level_w=250.0)), SimulatedGpu(uuid=TWO))
    assert energies_j(sim.meter) == [0.0, 0.0]
    sim.clock.advance(10.0)
    first, second = sim.meter.read()
    assert (first.energy_j, second.energy_j) == (2_500.0, 1_000.0)
    assert (first.power_w, first.device_s, first.jitter_s, first.gaps) == (250.0, 10.0, 0.0, None)


def test_a_gpu_is_measured_and_says_how():
    (component,) = simulated().meter.components
    assert component.tier is Tier.MEASURED
    assert component.power_max_w == 700.0
    assert component.method == f"NVML energy counter, {FIELDS}"
    assert (component.tick_s, component.gain_fraction, component.sampling_s) == (0.1, 0.05, None)
    assert component.inputs == {
        "uuid": ONE,
        "name": "Simulated GPU",
        "driver": "999.99",
        "power_limit_w": 700.0,
        "source": "energy counter",
        "scope": "GPU",
        "mig": "off",
        "mig_slices": None,
    }


def unsupported(*functions: str) -> list[Unsupported]:
    return [Unsupported(uuid=ONE, what=function) for function in functions]


@pytest.mark.parametrize(
    ("gpu", "without", "method", "tick_s", "sampling_s"),
    [
        ({}, [], f"NVML energy counter, {FIELDS}", 0.1, None),
        ({}, [FIELDS], "NVML energy counter, nvmlDeviceGetTotalEnergyConsumption", 0.1, None),
        ({"counter": False}, [], f"NVML instantaneous power, {FIELDS}", 0.1, 0.1),
        ({"counter": False, "instant": False}, [], f"NVML average power, {FIELDS}", 1.0, 0.1),
        ({"counter": False}, [FIELDS], "NVML average power, nvmlDeviceGetPowerUsage", 1.0, 0.1),
    ],
)
def test_the_best_source_that_answers_is_taken(gpu, without, method, tick_s, sampling_s):
    sim = simulated(SimulatedGpu(uuid=ONE, wave=Constant(level_w=200.0), **gpu), faults=unsupported(*without))
    (component,) = sim.meter.components
    assert (component.method, component.tick_s, component.sampling_s) == (method, tick_s, sampling_s)
    for _ in range(50):
        sim.clock.advance(0.1)
        sim.meter.read()
    assert energies_j(sim.meter) == [pytest.approx(1_000.0)]
    assert sim.meter.blind == ()


def test_a_gpu_without_any_source_is_not_known_and_never_zero():
    nothing = SimulatedGpu(uuid=ONE, counter=False, instant=False, average=False)
    sim = simulated(nothing, SimulatedGpu(uuid=TWO))
    sim.clock.advance(1.0)
    assert energies_j(sim.meter) == [None, 100.0]
    assert sim.meter.blind == (f"gpu:{ONE}",)
    component = sim.meter.components[0]
    assert "its energy is not known: update the driver" in component.note
    assert (component.tick_s, component.gain_fraction) == (None, None)


def test_a_gpu_without_a_power_limit_has_no_bound():
    assert simulated(SimulatedGpu(uuid=ONE, power_limit_w=None)).meter.components[0].power_max_w is None


def test_all_values_of_an_edge_come_from_one_call():
    sim = simulated()
    before = sim.nvml.calls
    sim.meter.read()
    assert sim.nvml.calls == before + 1


def test_the_time_that_a_reading_took_is_part_of_its_doubt():
    clock = ManualClock()
    nvml = SimulatedNvml(clock, [SimulatedGpu(uuid=ONE)], call_cost_s=0.002)
    meter = NvmlMeter(clock, nvml, environment={})
    (reading,) = meter.read()
    assert reading.jitter_s == pytest.approx(0.001)


def test_a_superchip_is_metered_as_the_module_it_is():
    (component,) = simulated(SimulatedGpu(uuid=ONE, module=True)).meter.components
    assert component.inputs["scope"] == "module"
    assert "CPU must not be added again" in component.note


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [("2,0", [THREE, ONE]), ("GPU-bbbb", [THREE]), (f"{TWO},{ONE}", [TWO, ONE]), ("1,-1,0", [TWO])],
)
def test_the_gpus_that_cuda_sees_are_metered_in_its_order(selection, chosen):
    powers_w = {ONE: 10.0, TWO: 20.0, THREE: 30.0}
    gpus = [SimulatedGpu(uuid=uuid, wave=Constant(level_w=level_w)) for uuid, level_w in powers_w.items()]
    sim = simulated(*gpus, environment={"CUDA_VISIBLE_DEVICES": selection})
    assert names(sim.meter) == chosen
    sim.clock.advance(1.0)
    assert energies_j(sim.meter) == [powers_w[uuid] for uuid in chosen]


def test_the_environment_of_the_process_counts_if_no_other_is_given(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    nvml = SimulatedNvml(ManualClock(), [SimulatedGpu(uuid=ONE), SimulatedGpu(uuid=TWO)])
    assert names(NvmlMeter(ManualClock(), nvml)) == [TWO]


@pytest.mark.parametrize("selection", ["", "-1", "9", "GPU-cccc", "GPU-aaaa", "MIG-unknown", "0,0"])
def test_a_selection_without_any_gpu_is_no_device_and_nvml_is_let_go(selection):
    nvml = SimulatedNvml(ManualClock(), [SimulatedGpu(uuid=ONE), SimulatedGpu(uuid=TWO)])
    with pytest.raises(NoDevice, match="no NVIDIA GPU is visible"):
        NvmlMeter(ManualClock(), nvml, environment={"CUDA_VISIBLE_DEVICES": selection})
    assert nvml.users == 0


@pytest.mark.parametrize("selection", ["MIG-1b", f"MIG-{ONE}/3/0"])
def test_a_mig_slice_is_metered_by_its_whole_board_and_says_so(selection):
    sim = simulated(
        SimulatedGpu(uuid=TWO),
        SimulatedGpu(uuid=ONE, mig=("MIG-1a", "MIG-1b")),
        environment={"CUDA_VISIBLE_DEVICES": selection},
    )
    (component,) = sim.meter.components
    assert component.name == f"gpu:{ONE}"
    assert (component.inputs["mig"], component.inputs["mig_slices"]) == ("on", selection)
    assert f"its MIG slices {selection} have no counter of their own" in component.note
    sim.clock.advance(1.0)
    assert energies_j(sim.meter) == [100.0]


def test_a_board_that_is_cut_into_slices_says_so():
    (component,) = simulated(SimulatedGpu(uuid=ONE, mig=("MIG-1a",))).meter.components
    assert "MIG is on: all slices are counted" in component.note


def test_an_index_among_unlike_boards_is_refused_and_nvml_let_go():
    gpus = [SimulatedGpu(uuid=ONE, name="A100"), SimulatedGpu(uuid=TWO, name="T4")]
    nvml = SimulatedNvml(ManualClock(), gpus)
    with pytest.raises(MeterError, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        NvmlMeter(ManualClock(), nvml, environment={"CUDA_VISIBLE_DEVICES": "0"})
    assert nvml.users == 0


def test_an_obsolete_package_in_the_place_of_the_binding_is_refused_with_the_cure():
    with pytest.raises(MeterError, match=r"pip uninstall pynvml; pip install .*nvidia-ml-py"):
        NvmlMeter(ManualClock(), SimpleNamespace(nvmlInit=lambda: None))


def test_a_driver_that_does_not_work_is_an_error_of_this_package_with_the_original_behind_it():
    nvml = SimulatedNvml(ManualClock(), driver=False)
    with pytest.raises(NoDevice, match="NVML Shared Library Not Found") as caught:
        NvmlMeter(ManualClock(), nvml)
    assert isinstance(caught.value.__cause__, nvml.NVMLError)


def test_temperature_and_throttling_are_told_in_words():
    slow = SimulatedGpu(uuid=ONE, temperature_c=83.0, throttle=0x4 | 0x20 | 0x1)
    sim = simulated(slow, SimulatedGpu(uuid=TWO, throttle=0x1))
    assert isinstance(sim.meter, Observant)
    hot, idle = sim.meter.conditions()
    assert (hot.component, hot.temperature_c) == (f"gpu:{ONE}", 83.0)
    assert hot.throttled_by == ("power limit", "temperature (driver)")
    assert idle.throttled_by == ()


def test_conditions_that_a_board_does_not_tell_are_not_known():
    reasons = "nvmlDeviceGetCurrentClocksEventReasons"
    sim = simulated(faults=unsupported("nvmlDeviceGetTemperature", reasons))
    (condition,) = sim.meter.conditions()
    assert (condition.temperature_c, condition.throttled_by) == (None, ())


def test_a_process_has_the_share_of_the_multiprocessors_that_it_kept_busy():
    sim = simulated(
        SimulatedGpu(uuid=ONE, users=((7, 30), (8, 90))),
        SimulatedGpu(uuid=TWO),
        SimulatedGpu(uuid=THREE, mig=("MIG-1",)),
    )
    assert sim.meter.shares(7) == {f"gpu:{ONE}": 0.25, f"gpu:{TWO}": None, f"gpu:{THREE}": None}
    # Since then nobody used anything; of a process that was never seen nothing is known.
    assert sim.meter.shares(7)[f"gpu:{ONE}"] == 0.0
    assert sim.meter.shares(99)[f"gpu:{ONE}"] is None


def test_a_share_of_the_energy_is_attributed_from_when_it_is_known():
    sim = simulated(SimulatedGpu(uuid=ONE, users=((7, 30), (8, 90))), attribute_to=7)
    assert "an estimate" in sim.meter.components[0].note
    sim.clock.advance(1.0)
    (before,) = sim.meter.read()
    assert before.attributed_j is None
    sim.meter.conditions()
    sim.clock.advance(4.0)
    (after,) = sim.meter.read()
    assert (after.energy_j, after.attributed_j) == (500.0, 100.0)


def test_nothing_is_attributed_unless_asked_for():
    sim = simulated(SimulatedGpu(uuid=ONE, users=((7, 30),)))
    sim.meter.conditions()
    assert [reading.attributed_j for reading in sim.meter.read()] == [None]


def test_closing_lets_nvml_go_once_and_what_was_seen_stays_known():
    sim = simulated()
    sim.clock.advance(1.0)
    sim.meter.read()
    sim.meter.close()
    sim.meter.close()
    assert sim.nvml.users == 0
    sim.clock.advance(2.0)
    (reading,) = sim.meter.read()
    assert (reading.energy_j, reading.gaps.pending_s) == (100.0, 2.0)
    assert sim.meter.conditions()[0].temperature_c is None
    assert sim.meter.shares(1) == {f"gpu:{ONE}": None}


def test_in_a_forked_child_nothing_is_asked_and_nothing_hangs(monkeypatch):
    sim = simulated()
    sim.clock.advance(1.0)
    sim.meter.read()
    calls, parent = sim.nvml.calls, os.getpid()
    # As in a child that was forked while another thread was reading.
    sim.meter._mutex.acquire()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    sim.clock.advance(3.0)
    (reading,) = sim.meter.read()
    assert (reading.energy_j, reading.gaps.pending_s, reading.power_w) == (100.0, 3.0, None)
    assert sim.meter.conditions()[0].temperature_c is None
    assert sim.meter.shares(1) == {f"gpu:{ONE}": None}
    sim.meter.close()
    assert (sim.nvml.calls, sim.nvml.users) == (calls, 1)


class Overtaken(SimulatedNvml):
    """Hands the slow thread its number late: whoever else asks meanwhile is handed a higher one, and is done first."""

    slow = None

    def nvmlDeviceGetFieldValues(self, handle, fieldIds):  # noqa: N802
        values = super().nvmlDeviceGetFieldValues(handle, fieldIds)
        if threading.current_thread() is self.slow:
            self.asked.set()
            self.overtaken.wait(0.3)  # In vain if the meter lets one thread read at a time.
        return values


def test_a_reading_that_is_overtaken_by_another_thread_is_not_taken_for_a_reset():
    clock = ManualClock()
    nvml = Overtaken(clock, [SimulatedGpu(uuid=ONE)])
    nvml.asked, nvml.overtaken = threading.Event(), threading.Event()
    meter = NvmlMeter(clock, nvml, environment={})
    clock.advance(1.0)
    nvml.slow = threading.Thread(target=meter.read)
    nvml.slow.start()
    nvml.asked.wait()
    clock.advance(1.0)
    (reading,) = meter.read()
    nvml.overtaken.set()
    nvml.slow.join()
    assert (reading.energy_j, reading.gaps) == (200.0, None)
    assert energies_j(meter) == [200.0]
