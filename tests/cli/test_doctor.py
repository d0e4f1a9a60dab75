"""The doctor answers everywhere, offline and without a trace."""

import json

import pytest


@pytest.fixture
def doctor(run_python):
    def call(*arguments: str, **env: str):
        return run_python("-m", "carbon_nas", "doctor", *arguments, **env)

    return call


def test_it_names_what_works_with_its_accuracy_and_writes_nothing(doctor, tmp_path):
    done = doctor()
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("GPUs", "CPU", "Memory", "Clocks and locks", "codecarbon", "accuracy", "Energy can be had here"):
        assert word in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["offline"]


def test_every_lack_has_a_cure(doctor):
    found = json.loads(doctor("--json").stdout)
    assert found["sufficient"] is True
    assert [one["what"] for one in found["lacks"] if not (one["why"] and one["cure"])] == []
    said = doctor().stdout
    assert said.count("cure") >= len(found["lacks"])


def test_json_holds_every_component_with_method_and_tier(doctor):
    parts = json.loads(doctor("--json").stdout)["parts"]
    assert parts
    assert all(part["component"]["method"] and part["component"]["tier"] for part in parts)


def test_it_fits_a_narrow_terminal_and_a_pipe(doctor):
    lines = doctor(COLUMNS="44").stdout.splitlines()
    assert max(map(len, lines)) <= 44
    assert [line for line in lines if line != line.rstrip()] == []
    assert not any("\x1b" in line for line in lines)


def test_torch_is_found_without_being_loaded(run_python):
    script = "import sys; from carbon_nas.meters.prospect import look; look(); print('torch' in sys.modules)"
    assert run_python("-c", script).stdout.strip() == "False"


def test_a_gpu_is_described(run_python):
    script = """
import sys
from carbon_nas.meters import SystemClock
from carbon_nas.meters.simulated_gpu import SimulatedGpu
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant
boards = [SimulatedGpu(uuid=f"GPU-{n}2345678-9abc", name="Made-up GPU", wave=Constant(level_w=100.0)) for n in (1, 2)]
sys.modules["pynvml"] = SimulatedNvml(SystemClock(), boards)
from carbon_nas.doctor import main
sys.argv[1:] = []
main()
"""
    done = run_python("-c", script, CUDA_VISIBLE_DEVICES="0")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("Made-up GPU", "GPU-12345678...", "energy counter of the GPU", "changes every", "± 5%", "not visible"):
        assert word in done.stdout
    assert "GPU measured" in done.stdout


def test_help_says_what_the_exit_code_means(doctor):
    assert "exit code is 0" in " ".join(doctor("--help").stdout.split())
