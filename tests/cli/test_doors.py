"""The command line as a user meets it: in a process of its own, offline, in an empty folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from carbon_nas import __version__
from carbon_nas.ledger import read_run
from tests.recorded import record_study


@pytest.fixture
def run(run_python):
    def call(*arguments: str, module: str = "carbon_nas.compare") -> subprocess.CompletedProcess[str]:
        return run_python("-m", module, *arguments)

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], "there is no study 'nosuch'"),
        (["--site", "XX"], "there is no zone 'XX'"),
        (["--pue", "0.9"], "a PUE of 0.9 cannot be"),
        (["--seeds", "0"], "--seeds"),
        (["--bad"], "--bad"),
        (["--report-only", "--out", "empty"], "there is no ledger here"),
        (["--report-only", "--seeds", "2", "--idle", "3"], "goes without what says how to record: --idle, --seeds"),
        (["--published", "--method", "sci", "digits"], "goes without what is about a run: --method, STUDY"),
        (["--published", "--scenarios", "0"], "--scenarios"),
        (["--published", "--pue", "nan"], "a PUE of nan cannot be"),
        (["--scenarios", "5"], "--published: is missing; it alone goes with: --scenarios"),
        (["--requests-per-day", "5"], "give --fleet as well"),
        (["--method", "guess"], "there is no method 'guess'"),
        (["--site-file", "none.toml"], "none.toml: this site file cannot be read"),
        (["--on-overlap", "both"], "there is no 'both' to choose"),
        (["--cpu-watts-per-core", "-1"], "above 0 W"),
        (["--device", "cuda:99"], "--device: networks cannot be trained on 'cuda:99' here"),
        (["--data", "."], "the workload 'digits' comes with its images; leave --data out"),
        (
            ["folder", "--data", "nowhere"],
            "nowhere: there is no such folder; --data is to be a folder DATA/train/CLASS",
        ),
        (["folder"], "reads its images from disk; give --data PATH, which is to be a folder"),
        (["cifar10", "--data", "."], "there are no files of CIFAR-10 in it; --data is to be "),
        (["--plan", "--device", "cpu"], "--plan: goes without what is about a run or its report: --device"),
        (["--plan", "--report-only"], "goes without what is about a run or its report: --report-only"),
        (["--report-only", "--data", "."], "goes without what says how to record: --data"),
    ],
)
def test_a_wrong_call_gets_one_line_and_exit_code_2(run, arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_an_unwritable_output_is_said_before_anything_runs(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("--quick", "--out", "file/out")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_teaches(run) -> None:
    text = run("--help").stdout
    for word in ("Examples:", "--quick", "--site", "--pue", "--seeds", "--out", "--report-only", "--data", "--device"):
        assert word in text
    for word in ("--plan", "STUDY", "a folder for each class"):
        assert word in text


def test_the_program_has_several_doors(run) -> None:
    assert "compare" in run("--help", module="carbon_nas").stdout
    assert run("--version", module="carbon_nas").stdout.strip() == __version__
    assert run("compare", "--help", module="carbon_nas").returncode == 0


def test_a_recorded_study_is_redrawn_with_another_site(run, tmp_path: Path) -> None:
    folder = record_study(tmp_path / "out")
    before = {path: path.read_bytes() for path in (folder / "ledger").iterdir()}
    done = run("--report-only", "--out", "out", "--site", "FR", "--pue", "1.2")
    assert done.returncode == 0, done.stderr
    assert "breaks even" in done.stdout
    assert f"Report: {Path('out/index.html')}" in done.stdout
    assert "France" in (folder / "report.md").read_text()
    for path in before:
        assert f"{read_run(path).head}  {path.name}" in done.stdout
    assert {path: path.read_bytes() for path in (folder / "ledger").iterdir()} == before


def test_a_report_is_redrawn_with_other_methods_and_a_site_file(run, tmp_path: Path) -> None:
    folder = record_study(tmp_path / "out")
    (tmp_path / "here.toml").write_text('name = "Here"\nzone = "FR"\npue = 1.2\npue_source = "the operator"\n')
    done = run(
        "report", "out", "--site-file", "here.toml", "--method", "strubell2019", "--equivalents", module="carbon_nas"
    )
    assert done.returncode == 0, done.stderr
    assert "Here: France" in done.stdout
    assert {"methods.csv", "equivalents.csv"} <= {path.name for path in (folder / "data").iterdir()}
    assert run("verify", "out", module="carbon_nas").returncode == 0


def test_the_published_record_needs_no_run_and_verifies_itself(run, tmp_path: Path) -> None:
    done = run("--published", "--scenarios", "3", "--site", "FR", "--out", "record")
    assert done.returncode == 0, done.stderr
    assert "626,155 lb" in done.stdout
    assert "7,096 lb" in done.stdout
    checked = run("verify", "record", module="carbon_nas")
    assert checked.returncode == 0, checked.stdout
    assert "every number follows from the register" in checked.stdout
    (tmp_path / "record" / "data" / "request.json").unlink()
    assert run("verify", "record", module="carbon_nas").returncode == 1


def test_the_published_record_does_not_take_the_place_of_a_run(run, tmp_path: Path) -> None:
    folder = record_study(tmp_path / "out")
    done = run("--published", "--out", "out")
    assert done.returncode == 2
    assert "give another --out" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["ledger"]


def test_what_was_measured_elsewhere_is_said_to_be_unchecked(run, tmp_path: Path) -> None:
    folder = record_study(tmp_path / "out")
    done = run("--published", "--measured", "out", "--out", "record")
    assert done.returncode == 0, done.stderr
    checked = run("verify", "record", module="carbon_nas")
    assert "not checked: what was taken from ledgers that are not here" in checked.stdout
    assert read_run(next((folder / "ledger").iterdir())).head in checked.stdout


def test_a_damaged_line_is_named_and_nothing_is_lost(run, tmp_path: Path) -> None:
    folder = record_study(tmp_path / "out")
    path = folder / "ledger" / "upfront-seed0.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"time_s":', b'"time_s":9', 1)
    path.write_bytes(b"".join(lines))
    for arguments in (["--report-only"], ["--quick"]):
        done = run(*arguments, "--out", "out")
        assert done.returncode == 2
        assert "upfront-seed0.jsonl, line 3" in done.stderr
        assert done.stderr.count("\n") == 1
    assert path.read_bytes() == b"".join(lines)


TINY = """
name = "tiny"
workload = "digits"
scenarios = ["eager-b1"]
resolutions = [8]
[profile]
passes = 1
fit_networks = 2
check_networks = 0
[use]
duration_s = 0.1
[once_for_all]
calibration_images = 64
predictor = { architectures = 6, hidden = 8, epochs = 1 }
search = { population = 4, generations = 0 }
[once_for_all.stages]
"train teacher" = { epochs = EPOCHS, learning_rate = 0.08, kernel_sizes = 1, depths = 1, expand_ratios = 1 }
"shrink everything" = { epochs = 1, learning_rate = 0.02, taught_by = "train teacher" }
[evolution]
candidates = 1
proxy_epochs = 1
final_epochs = 1
"""


def test_a_changed_study_is_named_and_a_changed_site_only_redraws(run, tmp_path: Path) -> None:
    study = tmp_path / "tiny.toml"
    study.write_text(TINY.replace("EPOCHS", "1"))
    assert run("tiny.toml", "--out", "out").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out" / "ledger").iterdir()}
    done = run("tiny.toml", "--out", "out", "--site", "FR")
    assert done.returncode == 0, done.stderr
    done = run("tiny.toml", "--out", "out", "--cpu-watts-per-core", "123")
    assert done.returncode == 2
    assert "watts_per_core was" in done.stderr
    study.write_text(TINY.replace("EPOCHS", "2"))
    done = run("tiny.toml", "--out", "out")
    assert done.returncode == 2
    assert "once_for_all.stages.train teacher.epochs was 1 and is 2" in done.stderr
    assert "--out" in done.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "out" / "ledger").iterdir()} == before


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal on POSIX")
def test_ctrl_c_leaves_a_ledger_that_goes_on(run, offline_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY.replace("EPOCHS", "40"))
    process = subprocess.Popen(
        [sys.executable, "-m", "carbon_nas.compare", "tiny.toml", "--out", "out"],
        env=offline_env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:  # The device has been profiled, and the first training goes on for some seconds.
        if "profile / eager-b1" in line:
            break
    ledger = tmp_path / "out" / "ledger" / "once_for_all-seed0.jsonl"
    while not (ledger.is_file() and b'"epoch"' in ledger.read_bytes()) and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "go on with: python -m carbon_nas.compare tiny.toml --out out" in said
    lost = read_run(ledger).activities[-1]
    assert (lost.phase, lost.wasted, dict(lost.rest_max_j)) == ("train teacher", True, {})
    done = run("tiny.toml", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "phases were done before and are kept" in done.stdout
    assert "Lost attempts" in (tmp_path / "out" / "report.md").read_text()
