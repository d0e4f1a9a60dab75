"""Memory energy is installed memory times a published constant, and says so."""

import psutil
import pytest

from carbon_nas.errors import MeterError
from carbon_nas.meters import ManualClock
from carbon_nas.meters.memory import MEMORY_W_PER_GIB, MemoryEstimateMeter
from carbon_nas.sources import Tier
from tests.contracts.meter import MeterContract


class TestMemoryEstimateMeter(MeterContract):
    @pytest.fixture
    def clock(self):
        return ManualClock()

    @pytest.fixture
    def meter(self, clock):
        return MemoryEstimateMeter(clock)

    @pytest.fixture
    def spend(self, clock):
        return lambda: clock.advance(0.5)


def test_energy_is_installed_memory_times_the_published_power_times_seconds():
    clock = ManualClock()
    meter = MemoryEstimateMeter(clock)
    clock.advance(100.0)
    (reading,) = meter.read()
    assert reading.energy_j == psutil.virtual_memory().total / 2**30 * MEMORY_W_PER_GIB * 100.0
    assert reading.power_w == meter.components[0].power_max_w
    assert reading.device_s is None


def test_the_formula_and_its_inputs_give_the_number_again():
    (component,) = MemoryEstimateMeter(ManualClock()).components
    inputs = component.inputs
    assert component.method.startswith("memory_gib x watts_per_gib x seconds")
    assert inputs["watts_per_gib"] == 0.3725
    assert inputs["memory_gib"] * inputs["watts_per_gib"] == inputs["power_w"]
    assert "Lannelongue" in inputs["watts_per_gib_from"]


def test_it_is_an_estimate_of_the_whole_machine_without_a_range_that_nobody_published():
    (component,) = MemoryEstimateMeter(ManualClock()).components
    assert component.tier == Tier.ESTIMATED
    assert not component.own
    assert (component.low_ratio, component.high_ratio) == (None, None)
    assert component.tick_s == 0.0


def test_who_knows_the_memory_better_overrides_the_constant():
    (component,) = MemoryEstimateMeter(ManualClock(), watts_per_gib=0.2).components
    assert component.inputs["watts_per_gib"] == 0.2
    assert component.inputs["watts_per_gib_from"] == "given by the user"


@pytest.mark.parametrize("watts", [0.0, -1.0, float("nan"), float("inf")])
def test_an_override_that_is_no_power_is_refused(watts):
    with pytest.raises(MeterError, match="above 0 W"):
        MemoryEstimateMeter(ManualClock(), watts_per_gib=watts)
