"""Any command becomes a ledger, and is otherwise left alone."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from carbon_nas.ledger import read_run
from carbon_nas.ledger.journal import read_events
from carbon_nas.ledger.records import Baseline, CrossCheck, Outcome, PhaseEnd, Scope

pytestmark = pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not tell what a child used")

BUSY = "import time\nwhile time.process_time() < {}: pass"


@pytest.fixture
def meter(run_python):
    def call(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return run_python("-m", "carbon_nas", "meter", *arguments, **env)

    return call


def python(script: str) -> list[str]:
    return ["--", sys.executable, "-c", script]


def events(path: Path, kind: type) -> list:
    return [event for event in read_events(path) if isinstance(event, kind)]


def test_a_command_becomes_a_ledger_that_reads_back(meter, tmp_path):
    done = meter("--out", "runs/mine.jsonl", "--name", "my-nas", *python("print('hello')"))
    assert (done.returncode, done.stdout) == (0, "hello\n")
    run = read_run(tmp_path / "runs" / "mine.jsonl")
    assert run.header.strategy == "my-nas"
    (activity,) = run.activities
    assert (activity.name, activity.scope, activity.wasted) == (Path(sys.executable).name, Scope.ONCE, False)
    assert run.head in done.stderr
    assert str(Path("runs") / "mine.jsonl") in done.stderr
    for words in ("cpu:command", "estimated", "not covered", "duration"):
        assert words in done.stderr


def test_cpu_time_of_the_child_and_of_its_children_is_counted_and_ours_is_not(meter, tmp_path):
    inner = f"subprocess.run([sys.executable, '-c', {BUSY.format(0.4)!r}])"
    script = f"import subprocess, sys\n{inner}\n{BUSY.format(0.4)}"
    assert meter("--out", "a.jsonl", *python(script)).returncode == 0
    (end,) = events(tmp_path / "a.jsonl", PhaseEnd)
    assert "cpu:process" not in end.device_s
    assert end.device_s["cpu:command"] >= 0.8
    idle = meter("--out", "b.jsonl", "--", "true")
    assert idle.returncode == 0
    (end,) = events(tmp_path / "b.jsonl", PhaseEnd)
    assert end.device_s["cpu:command"] < 0.4


@pytest.mark.parametrize(
    ("script", "code"), [("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_exit_code_is_handed_on_and_a_failed_command_is_waste(meter, tmp_path, script, code):
    done = meter("--out", "a.jsonl", *python(script))
    assert done.returncode == code
    assert re.search(rf"^exit code +{code}$", done.stderr, re.MULTILINE)
    (end,) = events(tmp_path / "a.jsonl", PhaseEnd)
    assert end.outcome is Outcome.FAILED
    assert [activity.wasted for activity in read_run(tmp_path / "a.jsonl").activities] == [True]


def test_options_behind_the_command_are_the_commands_with_and_without_dashes(meter):
    script = "import sys; print(sys.argv[1:])"
    for between in ([], ["--"]):
        done = meter("--out", "a.jsonl", *between, sys.executable, "-c", script, "--out", "--help")
        assert done.stdout == "['--out', '--help']\n"


def test_input_reaches_the_command(offline_env, tmp_path):
    command = [sys.executable, "-m", "carbon_nas", "meter", *python("print(input()[::-1])")]
    done = subprocess.run(command, env=offline_env, cwd=tmp_path, input="abc\n", capture_output=True, text=True)
    assert done.stdout == "cba\n"


def test_nothing_is_written_over(meter, tmp_path):
    for _ in range(2):
        assert meter("--out", "a.jsonl", "--", "true").returncode == 0
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["a.2.jsonl", "a.jsonl"]


def test_a_scenario_makes_it_a_cost_of_that_scenario(meter, tmp_path):
    assert meter("--out", "a.jsonl", "--scenario", "pixel1-25ms", "--", "true").returncode == 0
    (activity,) = read_run(tmp_path / "a.jsonl").activities
    assert (activity.scope, activity.scenario) == (Scope.PER_SCENARIO, "pixel1-25ms")


def test_arguments_stay_out_of_the_ledger_and_its_name(meter, tmp_path):
    (tmp_path / "train.py").write_text("print('trained')")
    done = meter("--", sys.executable, "train.py", "--token", "secret")
    assert done.stdout == "trained\n"
    (path,) = (tmp_path / "runs").iterdir()
    assert path.name == f"{Path(sys.executable).name}-train.py.jsonl"
    assert "secret" not in path.read_text()


@pytest.mark.parametrize("launcher", ["srun", "mpirun", "mpiexec", "/usr/bin/srun"])
def test_a_launcher_is_refused_with_the_right_order_of_words(meter, tmp_path, launcher):
    done = meter("--", launcher, "-n", "4", sys.executable, "train.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert f" -n 4 carbon-nas meter -- {sys.executable} train.py" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_command_that_is_not_there_is_one_line_and_127(meter, tmp_path):
    done = meter("--", "no-such-command-anywhere")
    assert done.returncode == 127
    assert done.stderr == "error: no-such-command-anywhere: there is no such command\n"
    assert not (tmp_path / "runs").exists()


def test_a_command_that_cannot_be_run_is_126(meter, tmp_path):
    file = tmp_path / "broken"
    file.write_text("neither a program nor a script")
    file.chmod(0o755)
    done = meter("--out", "a.jsonl", "--", "./broken")
    assert done.returncode == 126
    assert done.stderr.startswith("error: ./broken: it cannot be run")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--site", "XX"], ["--pue", "0.5"], ["--no-host"], []])
def test_a_wrong_call_is_found_before_the_command_runs(meter, tmp_path, arguments):
    command = python("open('ran', 'w')") if arguments else []
    done = meter(*arguments, *command, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert not (tmp_path / "ran").exists()


def test_site_and_pue_are_kept_and_turned_into_co2e(meter, tmp_path):
    done = meter("--out", "a.jsonl", "--site", "FR", "--pue", "1.2", "--", "true")
    assert "CO2e" in done.stderr
    assert "France" in done.stderr
    assert read_run(tmp_path / "a.jsonl").header.site == {"zone": "FR", "pue": 1.2}


def test_idle_power_is_measured_before_the_command(meter, tmp_path):
    done = meter("--out", "a.jsonl", "--idle", "0.2", "--", "true")
    assert "idle draws" in done.stderr
    kinds = [event.kind for event in read_events(tmp_path / "a.jsonl")]
    assert kinds.index("baseline") < kinds.index("phase_begin")
    assert events(tmp_path / "a.jsonl", Baseline)[0].duration_s >= 0.2


def test_a_second_opinion_is_written_beside_our_own(meter, tmp_path):
    done = meter("--out", "a.jsonl", "--cross-check", *python(BUSY.format(2.5)))
    assert done.returncode == 0, done.stderr
    (check,) = events(tmp_path / "a.jsonl", CrossCheck)
    assert check.error == ""
    assert check.tool.startswith("codecarbon")
    assert check.ours_j["cpu"] > 0
    assert check.theirs_j["cpu"] > 0
    assert check.theirs_j["gpu"] is None
    assert "same sensor" in done.stderr


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_reaches_the_command_and_its_phase_is_kept_as_interrupted(offline_env, tmp_path, name, code):
    # Not as a script that handles it: the shell's default, so that it dies of it.
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('ready', flush=True); signal.pause()"
    process = subprocess.Popen(
        [sys.executable, "-m", "carbon_nas", "meter", "--out", "a.jsonl", *python(script)],
        env=offline_env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "interrupted" in said
    assert "Traceback" not in said
    (end,) = events(tmp_path / "a.jsonl", PhaseEnd)
    assert end.outcome is Outcome.INTERRUPTED


def test_help_teaches(meter, run_python):
    text = meter("--help").stdout
    for word in ("Examples:", "--cross-check", "--idle", "--site", "--no-host", "srun -n 4 carbon-nas meter"):
        assert word in text
    assert "\\b" not in text
    assert run_python("-m", "carbon_nas.meter", "--help").returncode == 0
