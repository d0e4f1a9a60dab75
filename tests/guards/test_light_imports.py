"""Reading, metering and asking for help never pay for what they do not use."""

import pytest

from carbon_nas.ledger import Scope
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.recorder import Recorder
from tests.guards.source import WINGS, importable, room
from tests.recorded import record_study

# For each part of the house, what none of its modules may load.
TOO_HEAVY = {
    **{part: {"torch"} for part in sorted(WINGS["reading"])},
    **{part: {"torch", "pandas", "codecarbon"} for part in sorted(WINGS["bridge"])},
    **{part: {"torch"} for part in ("cli", "compare", "live")},
}
EXTRA = "torch safetensors sklearn"
REPORT_LOADED = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"


@pytest.mark.parametrize("part", [part for part in TOO_HEAVY if part in set(map(room, importable()))])
def test_a_part_of_the_house_loads_nothing_heavy(part, run_python):
    names = [name for name in importable() if room(name) == part]
    done = run_python("-c", f"import {', '.join(names)}; {REPORT_LOADED}")
    assert done.returncode == 0, done.stderr
    assert TOO_HEAVY[part] & set(done.stdout.split()) == set()


def test_recording_with_the_real_meters_loads_nothing_heavy(run_python, tmp_path):
    # A process that is metered would pay for these imports with energy that is not its own.
    script = f"""
import carbon_nas as cn
with cn.Recorder({str(tmp_path / "run.jsonl")!r}, strategy="mine") as recorder, recorder.phase("search"):
    pass
{REPORT_LOADED}"""
    done = run_python("-c", script)
    assert done.returncode == 0, done.stderr
    assert TOO_HEAVY["recorder"] & set(done.stdout.split()) == set()


def test_help_loads_nothing_heavy(run_python):
    done = run_python("-X", "importtime", "-m", "carbon_nas.compare", "--help")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "typer" in loaded  # The listing is really one of imports.
    assert {"torch", "pandas", "matplotlib", "codecarbon"} & loaded == set()


@pytest.mark.parametrize("missing", [*EXTRA.split(), EXTRA])
def test_running_a_study_without_the_extra_names_the_pip_command_in_one_line(missing, run_python, tmp_path):
    done = run_python("-m", "carbon_nas.compare", "--quick", "--out", str(tmp_path / "out"), HIDDEN_PACKAGES=missing)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'carbon-nas[nas]'" in done.stderr


def test_a_report_is_drawn_from_ledgers_without_the_extra(run_python, tmp_path):
    out = record_study(tmp_path / "out")
    done = run_python("-m", "carbon_nas.compare", "--out", str(out), "--report-only", HIDDEN_PACKAGES=EXTRA)
    assert (done.returncode, done.stderr) == (0, "")
    assert (out / "index.html").is_file()
    assert (out / "data" / "comparison.json").is_file()


def record_own_loop(path, strategy, *, once_s, per_scenario_s):
    """Record as an engineer does who wraps an own loop in two lines and counts neither steps nor MACs."""
    clock = ManualClock()
    meter = SimulatedMeter(clock, power_w=50.0)
    with Recorder(path, strategy=strategy, clock=clock, meters=[meter], heartbeat_interval_s=None) as recorder:
        with recorder.phase("train"):
            clock.advance(once_s)
        for scenario in ("phone", "watch"):
            with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario=scenario):
                clock.advance(per_scenario_s)
            recorder.result(scenario=scenario, accuracy=0.9, latency_ms=1.5, architecture={"layers": 3})


def test_a_report_is_drawn_from_the_ledgers_of_own_loops(run_python, tmp_path):
    ledger = tmp_path / "out" / "ledger"
    record_own_loop(ledger / "a.jsonl", "a", once_s=100.0, per_scenario_s=1.0)
    record_own_loop(ledger / "b.jsonl", "b", once_s=0.0, per_scenario_s=40.0)
    done = run_python("-m", "carbon_nas.compare", "--out", "out", "--report-only", HIDDEN_PACKAGES=EXTRA)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "index.html").is_file()
