"""What works on a host is found by trying it, and for what does not there are a reason and a cure."""

import os
from pathlib import Path

import pytest

from carbon_nas.meters import ManualClock
from carbon_nas.meters.occupancy import Occupancy
from carbon_nas.meters.polling import polled
from carbon_nas.meters.powercap import SimulatedPowercap, SimulatedZone
from carbon_nas.meters.prospect import Lack, Prospect, look
from carbon_nas.meters.simulated_gpu import SimulatedGpu, Unsupported
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant
from carbon_nas.sources import Tier

WAVE = Constant(level_w=200.0)
A, B = "GPU-aaaa", "GPU-bbbb"


class SleeplessClock(ManualClock):
    """A clock of a system that does not tell how long it slept."""

    def boot_s(self) -> float | None:
        return None


def seen(tmp_path: Path, *, clock: ManualClock | None = None, nvml=None, **facts) -> Prospect:
    clock = clock or ManualClock()
    nvml = nvml or SimulatedNvml(clock, driver=False)
    known = {
        "environment": {},
        "powercap": tmp_path / "powercap",
        "folder": tmp_path,
        "pause": clock.advance,
        "poll_s": 0.6,
    }
    return look(clock, nvml=nvml, **(known | facts))


def lack(found: Prospect, what: str) -> Lack:
    return next(one for one in found.lacks if one.what == what)


def gpus(clock: ManualClock, *faults: Unsupported, **facts) -> SimulatedNvml:
    boards = [SimulatedGpu(uuid=uuid, wave=WAVE, **facts) for uuid in (A, B)]
    return SimulatedNvml(clock, boards, faults=faults, call_cost_s=0.0005)


def test_a_host_with_nothing_has_estimates_reasons_and_cures(tmp_path):
    found = seen(tmp_path)
    assert [part.component.name for part in found.parts] == ["cpu:process", "dram"]
    assert {part.component.tier for part in found.parts} == {Tier.ESTIMATED}
    assert found.sufficient
    assert "install NVIDIA's driver" in lack(found, "NVIDIA GPUs").cure
    assert "bare metal" in lack(found, "measuring the CPU (RAPL)").cure


def test_a_counter_is_polled_for_its_update_interval_and_for_what_a_look_costs(tmp_path):
    clock = ManualClock()
    found = seen(tmp_path, clock=clock, nvml=gpus(clock))
    (first, second) = found.of("gpu")
    assert first.component.inputs["source"] == "energy counter"
    assert first.update_s == pytest.approx(0.1, abs=0.01)
    assert first.latency_s == second.latency_s
    assert 0 < first.latency_s < 0.01
    assert first.answers


def test_polling_leaves_the_meter_open_and_its_driver_as_it_was(tmp_path):
    clock = ManualClock()
    nvml = gpus(clock)
    seen(tmp_path, clock=clock, nvml=nvml)
    assert nvml.users == 0


def test_a_gpu_that_this_process_may_not_use_is_named_and_not_metered(tmp_path):
    clock = ManualClock()
    found = seen(tmp_path, clock=clock, nvml=gpus(clock), environment={"CUDA_VISIBLE_DEVICES": "1"})
    assert [part.component.name for part in found.of("gpu")] == [f"gpu:{B}"]
    assert [gpu.uuid for gpu in found.hidden_gpus] == [A]
    assert found.selection == "1"


def test_when_all_gpus_are_hidden_the_cure_is_the_variable(tmp_path):
    clock = ManualClock()
    found = seen(tmp_path, clock=clock, nvml=gpus(clock), environment={"CUDA_VISIBLE_DEVICES": ""})
    assert found.of("gpu") == ()
    assert [gpu.uuid for gpu in found.hidden_gpus] == [A, B]
    assert "unset CUDA_VISIBLE_DEVICES" in lack(found, "NVIDIA GPUs").cure


def test_a_gpu_that_tells_nothing_is_a_lack_with_the_meters_own_words(tmp_path):
    clock = ManualClock()
    nvml = gpus(clock, counter=False, instant=False, average=False)
    found = seen(tmp_path, clock=clock, nvml=nvml)
    assert [part.answers for part in found.of("gpu")] == [False, False]
    assert "update the driver" in lack(found, f"gpu:{A}").cure


def test_an_old_package_in_the_place_of_nvidias_is_named_with_the_cure(tmp_path):
    class Shadow:
        pass

    found = seen(tmp_path, nvml=Shadow())
    assert "obsolete package" in lack(found, "NVIDIA GPUs").why
    assert "pip uninstall pynvml" in lack(found, "NVIDIA GPUs").cure


def tree(tmp_path: Path, clock: ManualClock, *, readable: bool, dram: bool) -> SimulatedPowercap:
    zones = [SimulatedZone(path="intel-rapl:0", name="package-0", wave=WAVE, readable=readable)]
    if dram:
        zones.append(SimulatedZone(path="intel-rapl:0:0", name="dram", wave=WAVE, readable=readable))
    (tmp_path / "powercap").mkdir()
    return SimulatedPowercap(tmp_path / "powercap", clock, zones)


@pytest.mark.parametrize("dram", [True, False])
def test_rapl_that_can_be_read_takes_the_place_of_the_estimates(tmp_path, dram):
    clock = ManualClock()
    powercap = tree(tmp_path, clock, readable=True, dram=dram)

    def pause(duration_s: float) -> None:
        clock.advance(duration_s)
        powercap.refresh()

    found = seen(tmp_path, clock=clock, pause=pause)
    assert [(part.component.name, str(part.component.tier)) for part in found.parts] == [
        ("cpu:package-0", "measured"),
        ("dram:package-0", "measured") if dram else ("dram", "estimated"),
    ]
    assert found.of("cpu")[0].update_s == pytest.approx(0.001, abs=0.001)


def test_rapl_that_may_not_be_read_is_shown_with_its_remedy_beside_the_estimate(tmp_path):
    clock = ManualClock()
    powercap = tree(tmp_path, clock, readable=False, dram=True)
    found = seen(tmp_path, clock=clock, open_file=powercap.open)
    assert [part.component.name for part in found.parts] == ["cpu:package-0", "dram:package-0", "cpu:process", "dram"]
    assert [part.answers for part in found.parts] == [False, False, True, True]
    assert "chmod" in lack(found, "cpu:package-0").cure
    assert found.sufficient


def test_a_system_that_cannot_tell_suspension_or_locks_says_so(tmp_path):
    found = seen(tmp_path, clock=SleeplessClock(), folder=tmp_path / "not-there", sockets=tmp_path / "not-there")
    assert not found.suspend_noticed
    assert found.locks is None
    assert not found.recorders_noticed
    assert lack(found, "noticing suspension").cure
    assert lack(found, "telling two writers apart").cure


@pytest.mark.skipif(not Path("/proc/net/unix").exists(), reason="Linux lists its sockets")
def test_another_recorder_is_seen_without_disturbing_it(tmp_path):
    name = f"test_{os.getpid()}"
    occupancy = Occupancy([name])
    try:
        assert name in seen(tmp_path).recorded_now
        assert occupancy.check() == frozenset()  # It was not knocked at.
    finally:
        occupancy.close()
    assert name not in seen(tmp_path).recorded_now


def test_looking_writes_nothing(tmp_path):
    seen(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_without_a_counter_is_polled_for_changes_of_its_power(tmp_path):
    clock = ManualClock()
    nvml = gpus(clock, counter=False)
    (part, _) = seen(tmp_path, clock=clock, nvml=nvml).of("gpu")
    assert part.component.inputs["source"] == "instantaneous power"
    assert part.update_s is None  # Constant power never changes: that is no update interval of nothing.


def test_a_meter_that_shows_no_change_has_no_update_interval():
    class Still:
        components = ()

        def read(self):
            return ()

        def close(self):
            pass

    clock = ManualClock()
    assert polled(Still(), clock, pause=clock.advance) == ()
