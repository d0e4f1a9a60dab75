"""NVIDIA GPUs, on a fake NVML: what is not known is None, and the right GPU is read."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.errors import MeterError
from carbon_nas.meters import ManualClock
from carbon_nas.meters.nvml import NvmlMeter
from carbon_nas.sources import Tier
from tests.meters.fake_nvml import FakeNvml

ONE, TWO, THREE = "GPU-aaaa1111", "GPU-aaaa2222", "GPU-bbbb3333"


@pytest.fixture(autouse=True)
def every_gpu_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def energies_j(meter: NvmlMeter) -> list[float | None]:
    return [reading.energy_j for reading in meter.read()]


def names(meter: NvmlMeter) -> list[str]:
    return [component.name.removeprefix("gpu:") for component in meter.components]


@pytest.mark.parametrize("used_mj", [0, 1, 9, 1_234_567, 7 * 10**12])
def test_millijoules_since_the_meter_was_opened_become_joules(used_mj):
    nvml = FakeNvml({ONE: 10**9})
    meter = NvmlMeter(ManualClock(), nvml)
    nvml.counter_mj[ONE] += used_mj
    assert energies_j(meter) == [used_mj / 1_000]


def test_a_gpu_is_measured_and_its_power_limit_bounds_it():
    (component,) = NvmlMeter(ManualClock(), FakeNvml({ONE: 0}, limit_mw=700_000)).components
    assert component.tier is Tier.MEASURED
    assert component.power_max_w == 700.0
    assert "not known" not in component.note


def test_a_gpu_without_a_power_limit_has_no_bound():
    (component,) = NvmlMeter(ManualClock(), FakeNvml({ONE: 0}, limit_mw=None)).components
    assert component.power_max_w is None


def test_device_seconds_are_the_time_a_gpu_was_held():
    clock = ManualClock()
    meter = NvmlMeter(clock, FakeNvml({ONE: 0}))
    clock.advance(3.0)
    assert [reading.device_s for reading in meter.read()] == [3.0]


def test_a_gpu_without_a_counter_is_not_known_and_never_zero():
    meter = NvmlMeter(ManualClock(), FakeNvml({ONE: None, TWO: 5}))
    assert energies_j(meter) == [None, 0.0]
    assert "its energy is not known" in meter.components[0].note


def test_a_gpu_that_is_lost_is_not_known_while_the_others_are():
    nvml = FakeNvml({ONE: 0, TWO: 0})
    meter = NvmlMeter(ManualClock(), nvml)
    nvml.lost.add(ONE)
    nvml.counter_mj[TWO] = 2_000
    assert energies_j(meter) == [None, 2.0]


def test_a_gpu_that_comes_back_is_known_again():
    nvml = FakeNvml({ONE: 1_000})
    meter = NvmlMeter(ManualClock(), nvml)
    nvml.lost.add(ONE)
    assert energies_j(meter) == [None]
    nvml.lost.clear()
    nvml.counter_mj[ONE] = 4_000
    assert energies_j(meter) == [3.0]


def test_a_counter_that_was_reset_is_not_known():
    nvml = FakeNvml({ONE: 5_000_000})
    meter = NvmlMeter(ManualClock(), nvml)
    nvml.counter_mj[ONE] = 20
    assert energies_j(meter) == [None]


def test_a_counter_that_was_reset_is_not_known_even_if_it_began_near_zero():
    nvml = FakeNvml({ONE: 10})
    meter = NvmlMeter(ManualClock(), nvml)
    nvml.counter_mj[ONE] = 5_000_000
    assert energies_j(meter) == [4_999.99]
    nvml.counter_mj[ONE] = 600
    assert energies_j(meter) == [None]


class OvertakenNvml(FakeNvml):
    """Hands the slow thread a number late: whoever else asks meanwhile is handed a higher one, and is done first."""

    asked, overtaken, slow = threading.Event(), threading.Event(), None

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        shown_mj = super().nvmlDeviceGetTotalEnergyConsumption(handle)
        if threading.current_thread() is self.slow:
            self.asked.set()
            self.overtaken.wait(0.3)  # In vain if the meter lets one thread read at a time.
        return shown_mj


def test_a_reading_that_is_overtaken_by_another_thread_is_not_taken_for_a_reset():
    nvml = OvertakenNvml({ONE: 0})
    meter = NvmlMeter(ManualClock(), nvml)
    nvml.counter_mj[ONE] = 1_000
    nvml.slow = threading.Thread(target=meter.read)
    nvml.slow.start()
    nvml.asked.wait()
    nvml.counter_mj[ONE] = 2_000
    assert energies_j(meter) == [2.0]
    nvml.overtaken.set()
    nvml.slow.join()
    assert energies_j(meter) == [2.0]


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(0, 10_000), min_size=1, max_size=10))
def test_whatever_a_counter_does_energy_is_right_or_not_known(shown_mj):
    nvml = FakeNvml({ONE: shown_mj[0]})
    meter = NvmlMeter(ManualClock(), nvml)
    origin_mj = highest_mj = shown_mj[0]
    for now_mj in shown_mj[1:]:
        nvml.counter_mj[ONE] = now_mj
        (energy_j,) = energies_j(meter)
        if now_mj is not None and origin_mj is not None and now_mj < highest_mj:
            origin_mj = None  # It was reset: what it shows from here on says nothing about what was used.
        if now_mj is None or origin_mj is None:
            assert energy_j is None
        else:
            highest_mj = now_mj
            assert energy_j == pytest.approx((now_mj - origin_mj) / 1_000)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ("0", [ONE]),
        ("2,0", [THREE, ONE]),
        (" 1 , 2 ", [TWO, THREE]),
        (THREE, [THREE]),
        ("GPU-bbbb", [THREE]),
        ("GPU-aaaa2,0", [TWO, ONE]),
        ("0,-1,2", [ONE]),
        ("1,9,2", [TWO]),
        ("2,GPU-cccc,0", [THREE]),
    ],
)
def test_the_gpus_that_cuda_sees_are_metered_in_its_order(monkeypatch, selection, chosen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", selection)
    nvml = FakeNvml({ONE: 0, TWO: 0, THREE: 0})
    meter = NvmlMeter(ManualClock(), nvml)
    assert names(meter) == chosen
    nvml.counter_mj[chosen[0]] = 1_000
    assert energies_j(meter) == [1.0] + [0.0] * (len(chosen) - 1)


def test_without_a_selection_every_gpu_is_metered():
    assert names(NvmlMeter(ManualClock(), FakeNvml({ONE: 0, TWO: 0}))) == [ONE, TWO]


@pytest.mark.parametrize("selection", ["", "-1", "9", "GPU-cccc", "GPU-aaaa"])
def test_a_selection_without_any_gpu_is_an_error_and_nvml_is_let_go(monkeypatch, selection):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", selection)
    nvml = FakeNvml({ONE: 0, TWO: 0})
    with pytest.raises(MeterError, match="no NVIDIA GPU is visible"):
        NvmlMeter(ManualClock(), nvml)
    assert nvml.users == 0


def test_a_mig_slice_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-12345")
    nvml = FakeNvml({ONE: 0})
    with pytest.raises(MeterError, match="CUDA_VISIBLE_DEVICES=MIG-12345: MIG slices have no energy counter"):
        NvmlMeter(ManualClock(), nvml)
    assert nvml.users == 0


def test_a_driver_that_does_not_work_is_an_error_of_this_package_with_the_original_behind_it():
    nvml = FakeNvml({ONE: 0})
    nvml.driver_works = False
    with pytest.raises(MeterError, match="NVML Shared Library Not Found") as caught:
        NvmlMeter(ManualClock(), nvml)
    assert isinstance(caught.value.__cause__, nvml.NVMLError)


def test_closing_lets_nvml_go_once_and_later_readings_are_not_known():
    nvml = FakeNvml({ONE: 0})
    meter = NvmlMeter(ManualClock(), nvml)
    meter.close()
    meter.close()
    assert nvml.users == 0
    assert energies_j(meter) == [None]
