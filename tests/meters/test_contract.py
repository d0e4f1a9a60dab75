"""Every meter passes the same contract."""

import time

import pytest

from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.meters.estimate import CpuEstimateMeter
from carbon_nas.meters.nvml import NvmlMeter
from carbon_nas.meters.simulated_gpu import SimulatedGpu
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from tests.contracts.meter import MeterContract


class TestSimulatedMeter(MeterContract):
    @pytest.fixture
    def clock(self):
        return ManualClock()

    @pytest.fixture
    def meter(self, clock):
        return SimulatedMeter(clock, power_w=7.0)

    @pytest.fixture
    def spend(self, clock):
        return lambda: clock.advance(0.5)


class TestCpuEstimateMeter(MeterContract):
    @pytest.fixture
    def meter(self):
        return CpuEstimateMeter()

    @pytest.fixture
    def spend(self):
        def work():
            begin_s = time.process_time()
            while time.process_time() == begin_s:
                sum(range(1_000))

        return work


class TestNvmlMeter(MeterContract):
    GPU: dict[str, bool] = {}  # noqa: RUF012

    @pytest.fixture
    def clock(self):
        return ManualClock()

    @pytest.fixture
    def meter(self, clock):
        nvml = SimulatedNvml(clock, [SimulatedGpu(uuid="GPU-a", **self.GPU), SimulatedGpu(uuid="GPU-b")])
        return NvmlMeter(clock, nvml, environment={})

    @pytest.fixture
    def spend(self, clock):
        return lambda: clock.advance(0.2)


class TestNvmlMeterOnAGpuWithoutCounter(TestNvmlMeter):
    GPU = {"counter": False}  # noqa: RUF012


class TestNvmlMeterOnAGpuThatTellsNothing(TestNvmlMeter):
    GPU = {"counter": False, "instant": False, "average": False}  # noqa: RUF012
