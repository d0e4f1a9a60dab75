"""codecarbon is asked beside us, without disturbing the run and without hidden configuration reaching it."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.ledger.observations import CrossCheck
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.meters.agreement import KINDS, TOLERATED_FRACTION, Agreement, Opinion, agree, by_kind
from carbon_nas.meters.base import Component
from carbon_nas.meters.measurement import Measurement
from carbon_nas.meters.metering import Metering
from carbon_nas.meters.second_opinion import SecondOpinion, cross_checked, gpu_uuids
from carbon_nas.sources import Tier

# Busy for a given CPU time, so that a loaded machine changes nothing.
BUSY = "import time\nwhile time.process_time() < {}: pass"


def component(name: str, tier: Tier = Tier.MEASURED, **facts) -> Component:
    return Component(name=name, tier=tier, method="made up", **facts)


def measurement(name: str, energy_j: float | None, **facts) -> Measurement:
    bounds = {"low_j": energy_j, "high_j": energy_j, "random_u_j": 0.0, "systematic_u_j": None, "device_s": None}
    return Measurement(component=name, energy_j=energy_j, **(bounds | facts))


def agreement(ours_j: float | None, theirs_j: float | None, kind: str = "gpu", **facts) -> Agreement:
    parts, measured = [component(f"{kind}:a")], [measurement(f"{kind}:a", ours_j, **facts)]
    return agree(parts, measured, 10.0, Opinion(duration_s=10.0, energy_j={kind: theirs_j}))


def stand_in(script: str, **patience: float) -> SecondOpinion:
    return SecondOpinion(os.getpid(), command=[sys.executable, "-c", script], **patience)


def test_codecarbon_tracks_another_process_for_real_offline_and_unconfigured(run_python, tmp_path):
    # Both would double its figures: a configuration file where it looks, and variables.
    (tmp_path / ".codecarbon.config").write_text("[codecarbon]\npue=2\n")
    (tmp_path / "offline" / "home" / ".codecarbon.config").write_text("[codecarbon]\npue=2\n")
    script = f"""
import json, os, subprocess, sys
from dataclasses import asdict
from carbon_nas.meters.second_opinion import SecondOpinion
with SecondOpinion(os.getpid()) as opinion:
    {BUSY.format(2.5).replace(chr(10), chr(10) + "    ")}
    found = opinion.finish()
print(json.dumps(asdict(found)))
print(*{{"codecarbon", "pandas", "torch"}} & set(sys.modules))
"""
    done = run_python("-c", script, CODECARBON_PUE="2", CODECARBON_FORCE_CPU_POWER="1000")
    assert (done.returncode, done.stderr) == (0, "")
    said, loaded = done.stdout.split("\n", 1)
    found = Opinion(**json.loads(said))
    assert found.error == ""
    assert found.tool.startswith("codecarbon 3.")
    assert found.duration_s > 2.0
    assert found.energy_j["gpu"] is None
    assert found.energy_j["cpu"] > 0
    assert "1000" not in found.methods["cpu"]
    assert found.energy_j["dram"] > 0
    assert loaded.strip() == ""  # Nothing of it comes into the process that is metered.
    assert sorted(path.name for path in tmp_path.iterdir()) == [".codecarbon.config", "offline"]


SIMULATED_GPUS = """
import sys
from carbon_nas.meters import SystemClock
from carbon_nas.meters.simulated_gpu import SimulatedGpu
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant
powers_w = {"GPU-a1": 1000.0, "GPU-b2": 100.0}
boards = [SimulatedGpu(uuid=uuid, wave=Constant(level_w=level_w)) for uuid, level_w in powers_w.items()]
sys.modules["pynvml"] = SimulatedNvml(SystemClock(), boards)
from carbon_nas.meters.tracker import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="the command that codecarbon looks for is a script here")
def test_codecarbon_is_asked_about_the_very_gpus_that_we_meter(tmp_path, monkeypatch):
    # It takes a GPU to be there if this command is.
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a1")
    with SecondOpinion(os.getpid(), ["GPU-b2"], command=[sys.executable, "-c", SIMULATED_GPUS]) as opinion:
        subprocess.run([sys.executable, "-c", BUSY.format(2.0)], check=True)
        found = opinion.finish()
    assert found.error == ""
    assert found.energy_j["gpu"] / found.duration_s == pytest.approx(100.0, rel=0.2)
    assert found.methods["gpu"] == "NVML"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", "it ended by itself"),
        ('print(\'{"error": "ImportError: codecarbon"}\')', "ImportError: codecarbon"),
        ("print('words that are no JSON')", "it ended by itself"),
        ("print('{\"what\": 1}')", "something else than that it is ready"),
        ("print('{\"ready\": true}', flush=True); input()", "it ended by itself"),
        ("print('{\"ready\": true}', flush=True)", "it ended by itself"),
        ("print('{\"ready\": true}', flush=True); input(); input(); print('{\"odd\": 1}')", "no opinion"),
    ],
)
def test_whatever_goes_wrong_with_it_is_told_and_raises_nothing(script, words):
    opinion = stand_in(script)
    opinion.start()
    assert words in opinion.finish().error


def test_one_that_never_answers_is_not_waited_for_for_ever():
    mute = "import sys; sys.stdin.read()"
    for script in (mute, f"print('{{\"ready\": true}}', flush=True); {mute}"):
        opinion = stand_in(script, ready_s=3.0, answer_s=0.1)
        opinion.start()
        assert "within" in opinion.finish().error


def test_a_program_that_is_not_there_is_told():
    opinion = SecondOpinion(os.getpid(), command=["/there/is/no/such/program"])
    opinion.start()
    assert "cannot be started" in opinion.finish().error


def test_one_that_was_never_started_says_so():
    assert "not started" in SecondOpinion(os.getpid()).finish().error


ANSWERS = """
import json, os, sys
request = json.loads(input())
print(json.dumps({"ready": True}), flush=True)
input()
told = {"home": os.environ["HOME"], "folder": os.getcwd(), "empty": str(os.listdir())}
print(json.dumps({"tool": "stand-in", "duration_s": 2.0, "energy_j": {"gpu": 42.0}, "methods": told}), flush=True)
"""


def test_it_works_in_an_empty_folder_that_is_gone_afterwards():
    opinion = stand_in(ANSWERS)
    opinion.start()
    found = opinion.finish()
    assert found.methods["home"] == found.methods["folder"]
    assert found.methods["empty"] == "[]"
    assert not os.path.exists(found.methods["home"])  # noqa: PTH110
    assert opinion.finish() == found


def gpu(clock: ManualClock) -> SimulatedMeter:
    return SimulatedMeter(clock, power_w=20.0, component="gpu:a")


def test_a_stretch_is_metered_by_both_over_the_same_time():
    clock = ManualClock()
    with Metering([gpu(clock)], clock) as metering:
        window = metering.window("cross-check")
        with cross_checked(window, metering.components, opinion=stand_in(ANSWERS)) as check:
            clock.advance(2.0)
    assert check.agreement.tool == "stand-in"
    assert check.agreement.duration_s == 2.0
    assert (check.agreement.ours_j["gpu"], check.agreement.theirs_j["gpu"]) == (40.0, 42.0)
    assert check.agreement.reasons == ()


def test_a_run_that_fails_is_still_cross_checked_and_its_error_goes_on():
    clock = ManualClock()
    with Metering([gpu(clock)], clock) as metering:
        window = metering.window("cross-check")
        checked = cross_checked(window, metering.components, opinion=stand_in(ANSWERS))
        with pytest.raises(ZeroDivisionError), checked as check:
            clock.advance(1.0 / (clock.monotonic_s() * 0))
    assert (check.agreement.error, check.agreement.ours_j["gpu"]) == ("", 0.0)


def test_the_gpus_that_we_meter_are_the_ones_it_is_asked_about():
    assert gpu_uuids([component("cpu:process"), component("gpu:GPU-1-2"), component("dram")]) == ("GPU-1-2",)


def test_classes_are_added_up_and_an_unknown_part_makes_the_sum_unknown():
    measured = [measurement("gpu:a", 1.0), measurement("gpu:b", 2.0), measurement("cpu:package-0", None)]
    assert by_kind(measured) == {"gpu": 3.0, "cpu": None, "dram": None}


@settings(deadline=None)
@given(ours_j=st.floats(10.0, 1e9), ratio=st.floats(0.0, 3.0))
def test_a_difference_above_ten_percent_is_warned_of_with_a_reason_and_one_below_is_not(ours_j, ratio):
    found = agreement(ours_j, ours_j * ratio)
    differs = abs(found.theirs_j["gpu"] - ours_j) > TOLERATED_FRACTION * ours_j
    assert found.differs("gpu") is differs
    assert len(found.reasons) == differs
    assert found.ratio("gpu") == pytest.approx(ratio)


def test_what_only_one_of_them_covers_is_told():
    assert agreement(5.0, None).reasons == ("gpu: only we cover it",)
    assert agreement(None, 5.0).reasons == ("gpu: only codecarbon covers it",)
    assert agreement(None, 5.0).ratio("gpu") is None
    assert not agreement(None, 5.0).differs("gpu")


def why(parts: list[Component], kind: str, method: str) -> str:
    measured = [measurement(part.name, 100.0) for part in parts]
    opinion = Opinion(duration_s=10.0, energy_j={kind: 200.0}, methods={kind: method})
    (reason,) = agree(parts, measured, 10.0, opinion).reasons
    return reason


def test_reasons_name_how_each_of_them_knows():
    guess = component("cpu:process", Tier.ESTIMATED, inputs={"watts_per_core": 4.0})
    sensor = component("cpu:package-0")
    assert "ours takes 4 W per core, theirs cpu_load, TDP 85 W" in why([guess], "cpu", "cpu_load, TDP 85 W")
    assert "ours is RAPL's counter of the whole package" in why([sensor], "cpu", "cpu_load, TDP 85 W")
    assert "theirs RAPL's counter of the whole package" in why([guess], "cpu", "intel_rapl")
    assert "takes any step back of a counter for a wrap" in why([sensor], "cpu", "intel_rapl")
    assert "both are guesses" in why([component("dram", Tier.ESTIMATED)], "dram", "power per memory module")
    assert "ours is RAPL's counter" in why([component("dram:package-0")], "dram", "power per memory module")
    assert "it averages one a second" in why([component("gpu:a", sampling_s=0.1)], "gpu", "NVML")


def test_a_gap_a_short_window_and_another_duration_are_named_as_reasons():
    assert "began anew in between" in agreement(100.0, 200.0, complete=False).reasons[0]
    assert "told from zero" in agreement(100.0, 200.0, below_resolution=True).reasons[0]
    opinion = Opinion(duration_s=20.0, energy_j={"gpu": 200.0})
    late = agree([component("gpu:a")], [measurement("gpu:a", 100.0)], 10.0, opinion)
    assert "it covers 20.0 s and we cover 10.0 s" in late.reasons[0]


def test_without_an_opinion_our_own_totals_stay():
    found = agree([component("gpu:a")], [measurement("gpu:a", 7.0)], 3.0, Opinion(error="no"))
    assert (found.ours_j["gpu"], found.theirs_j, found.error) == (7.0, {}, "no")


def test_an_agreement_can_be_written_down_as_it_is():
    found = agreement(10.0, 20.0)
    written = CrossCheck(**asdict(found))
    assert {field.name for field in fields(CrossCheck)} - {"kind"} == {field.name for field in fields(Agreement)}
    assert written.reasons == found.reasons
    assert set(written.ours_j) == set(KINDS)
