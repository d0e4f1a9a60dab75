"""Every meter passes the same contract."""

import time

import pytest

from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.meters.estimate import CpuEstimateMeter
from carbon_nas.meters.nvml import NvmlMeter
from tests.contracts.meter import MeterContract
from tests.meters.fake_nvml import FakeNvml


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
    @pytest.fixture
    def clock(self):
        return ManualClock()

    @pytest.fixture
    def nvml(self):
        return FakeNvml({"GPU-a": 10**9, "GPU-b": 5})

    @pytest.fixture
    def meter(self, clock, nvml, monkeypatch):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return NvmlMeter(clock, nvml)

    @pytest.fixture
    def spend(self, clock, nvml):
        def work():
            clock.advance(0.1)
            for uuid, shown_mj in nvml.counter_mj.items():
                nvml.counter_mj[uuid] = None if shown_mj is None else shown_mj + 20_000

        return work


class TestNvmlMeterOnAGpuWithoutCounter(TestNvmlMeter):
    @pytest.fixture
    def nvml(self):
        return FakeNvml({"GPU-a": None, "GPU-b": 5})
