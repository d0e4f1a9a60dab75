"""Latency tables from the command line."""

import csv
import json
import random
import re
import sys
from dataclasses import dataclass, replace

import pytest
from typer.testing import CliRunner

from carbon_nas.cli import app
from carbon_nas.devices import TARGETS, HostDevice
from carbon_nas.devices.fitted_table import fewest_pairs
from carbon_nas.devices.kept_table import read_table, write_table
from carbon_nas.devices.official_table import read_official
from carbon_nas.errors import CarbonNasError
from carbon_nas.study.plan import SpacePlan
from carbon_nas.supernet import mobilenet_v3_space, small_image_space
from carbon_nas.supernet.cost import cost
from tests.devices.test_official_table import made_up
from tests.guards.source import REPOSITORY
from tests.supernet.spaces import drawn
from tests.training.pictures import draw_classes

TINIEST = ("--resolutions", "4", "--passes", "1")


@dataclass
class Done:
    """What a call said, and the error or exit code it ended with."""

    said: str
    code: int
    error: str


@pytest.fixture
def profiled(tmp_path, monkeypatch):
    """Call the command in this process, for loading torch takes longer than all the rest; samples are very short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HostDevice, "SAMPLE_S", 2e-4)

    def call(*arguments):
        found = CliRunner().invoke(app, ["profile", *arguments], standalone_mode=False)
        if found.exception is not None and not isinstance(found.exception, CarbonNasError):
            raise found.exception
        return Done(said=found.stdout, code=found.return_value or 0, error=str(found.exception or ""))

    return call


def write_pairs(path, space, count, *, ms_per_mega_mac=10):
    archs = list(dict.fromkeys(drawn(space, 2 * count)))[:count]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "latency_ms"])
        for arch in archs:
            writer.writerow([json.dumps(arch.to_json()), 1 + ms_per_mega_mac * cost(space, arch, 10).macs / 1e6])


def test_a_table_is_made_kept_handed_out_and_checked(profiled, tmp_path):
    done = profiled(*TINIEST, "--export", "official")
    assert (done.code, done.error) == (0, "")
    assert "Timing 32 layers and 16 networks of small_image on eager-b1, in 1 shuffled passes" in done.said
    space = small_image_space(resolutions=(4,))
    table = read_table(tmp_path / "tables" / "eager-b1.json")
    assert table.verdict[1:] in done.said
    assert table.fingerprint["threads"] == "1"
    again = read_official(tmp_path / "official", space, 10)
    assert again.predict_ms(space, space.max()) == pytest.approx(table.predict_ms(space, space.max()))
    before = (tmp_path / "tables" / "eager-b1.json").read_bytes()
    done = profiled(*TINIEST, "--check", "tables/eager-b1.json")
    assert done.error == ""
    assert "Timing 8 networks" in done.said
    assert (done.code == 0) == ("\nTrusted: " in done.said)
    assert (tmp_path / "tables" / "eager-b1.json").read_bytes() == before


def test_a_table_of_other_threads_is_refused_and_the_difference_named(profiled, tmp_path):
    assert profiled(*TINIEST).code == 0
    done = profiled(*TINIEST, "--check", "tables/eager-b1.json", "--threads", "2")
    assert "made with other threads: " in done.error
    assert "threads was '1' and is '2'" in done.error
    assert "--threads 1" in done.error


def test_a_table_is_fitted_to_pairs_without_timing_anything(profiled, tmp_path):
    write_pairs(tmp_path / "phone.csv", small_image_space(), fewest_pairs(small_image_space(), 10))
    done = profiled("--pairs", "phone.csv")
    assert (done.code, done.error) == (0, "")
    assert "Timing" not in done.said
    assert "fitted to 50 networks" in done.said
    assert "\nTrusted: " in done.said
    assert read_table(tmp_path / "tables" / "phone.json").target == "phone"


def test_official_tables_are_taken_in_at_the_resolutions_that_are_there(profiled, tmp_path):
    space = mobilenet_v3_space(1.2, resolutions=(160, 192))
    rng = random.Random(0)
    write_pairs(tmp_path / "phone.csv", space, fewest_pairs(space, 1_000))
    wide = ("--space", "mobilenet_v3", "--width", "1.2")
    done = profiled(*wide, "--resolutions", "160,192", "--pairs", "phone.csv", "--export", "official")
    assert (done.code, done.error) == (0, "")
    done = profiled(*wide, "--official", "official", "--target", "note10", "--out", "mine")
    assert (done.code, done.error) == (0, "")
    assert "Not trusted: it was not checked" in done.said
    fitted, taken = read_table(tmp_path / "tables" / "phone.json"), read_table(tmp_path / "mine" / "note10.json")
    arch = space.sample(rng)
    assert taken.predict_ms(space, arch) == pytest.approx(fitted.predict_ms(space, arch))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--space", "resnet"], "there is no 'resnet' to choose"),
        (["--width", "0"], "--width: a width multiplier of 0.0 cannot be"),
        (["--data", "x"], "--data: goes with another option only; give --study as well"),
        (["--format", "json"], "--format: goes with another option only; give --export as well"),
        (["--export", "x", "--format", "xml"], "there is no 'xml' to choose; choose one of json, yaml"),
        (["--study", "none"], "there is no study 'none'"),
        (["--study", "digits", "--classes", "3", "--width", "2"], "--study: goes without: --classes, --width"),
        (["--study", "folder"], "reads its images from disk; give --data PATH"),
        (["--check", "three.json"], "of 3 classes, not 10; make one with carbon-nas profile --study STUDY"),
        (["--resolutions", "big"], "'big' is no list of whole numbers"),
        (["--target", "phone"], "there is no deployment target 'phone'"),
        (["--pairs", "none.csv"], "none.csv: this file cannot be read as CSV"),
        (["--pairs", "few.csv"], "50 are needed"),
        (["--pairs", "few.csv", "--threads", "2"], "--pairs: goes without: --threads"),
        (["--official", "none", "--pairs", "few.csv"], "goes without: --official"),
        (["--official", "none"], "none: this table cannot be read"),
        (["--check", "none.json"], "none.json: this table cannot be read"),
        (["--check", "few.csv", "--out", "x"], "--check: goes without: --out"),
        (["--check", "foreign.json"], "nobody knows on which machine"),
    ],
)
def test_a_wrong_call_gets_one_line_and_leaves_nothing_behind(profiled, tmp_path, arguments, words):
    write_pairs(tmp_path / "few.csv", small_image_space(), 3)
    if "foreign.json" in arguments:
        path = write_table(tmp_path, replace(made_up(small_image_space(), 10), target="eager-b1"))
        path.rename(tmp_path / "foreign.json")
    if "three.json" in arguments:
        path = write_table(tmp_path, replace(made_up(small_image_space(), 3), target="eager-b1"))
        path.rename(tmp_path / "three.json")
    done = profiled(*arguments)
    assert words in done.error
    assert "\n" not in done.error
    assert not (tmp_path / "tables").exists()


STUDY = """
name = "mine"
workload = "{workload}"
scenarios = ["folded-b1", "eager-b1"]
threads = 2
resolutions = [4]
space = {{ name = "small_image", width_mult = 0.5 }}
"""


def test_a_study_says_what_the_table_is_to_be_of(profiled, tmp_path):
    (tmp_path / "mine.toml").write_text(STUDY.format(workload="digits"))
    done = profiled("--study", "mine.toml", "--passes", "1")
    assert (done.code, done.error) == (0, "")
    table = read_table(tmp_path / "tables" / "folded-b1.json")
    table.check_space(small_image_space(0.5, in_channels=1, resolutions=(4,)), 10)
    assert (table.num_classes, table.fingerprint["threads"]) == (10, "2")


def test_what_only_the_images_of_a_study_tell_is_read_from_them(profiled, tmp_path):
    (tmp_path / "mine.toml").write_text(STUDY.format(workload="folder"))
    draw_classes(tmp_path / "pictures", {"cat": 10, "dog": 10, "emu": 10})
    space = small_image_space(0.5, in_channels=3, resolutions=(4,))
    write_pairs(tmp_path / "phone.csv", space, fewest_pairs(space, 3))
    done = profiled("--study", "mine.toml", "--data", "pictures", "--pairs", "phone.csv")
    assert (done.code, done.error) == (0, "")
    read_table(tmp_path / "tables" / "phone.json").check_space(space, 3)


@pytest.mark.parametrize("name", ["small_image", "thumbnail", "mobilenet_v3"])
def test_every_space_and_width_of_studies_can_be_named(profiled, tmp_path, name):
    space = SpacePlan(name=name, width_mult=0.75).space(in_channels=3, resolutions=(32,))
    write_pairs(tmp_path / "phone.csv", space, fewest_pairs(space, 7))
    options = ("--space", name, "--width", "0.75", "--channels", "3", "--classes", "7", "--resolutions", "32")
    done = profiled(*options, "--pairs", "phone.csv", "--export", "out", "--format", "json")
    assert (done.code, done.error) == (0, "")
    table = read_table(tmp_path / "tables" / "phone.json")
    table.check_space(space, 7)
    assert read_official(tmp_path / "out" / "32_lookup_table.json", space, 7).entries_ms == table.entries_ms


def test_yaml_that_cannot_be_written_is_said_before_anything_is_timed(profiled, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)  # Python's own way to say that a module cannot be imported.
    done = profiled(*TINIEST, "--export", "official")
    assert "or ask for JSON: --format json" in done.error
    assert "Timing" not in done.said
    assert profiled(*TINIEST, "--export", "official", "--format", "json").error == ""
    assert (tmp_path / "official" / "4_lookup_table.json").is_file()


def test_the_search_of_the_readme_believes_a_fitted_table(profiled, tmp_path):
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    (shown,) = [block for block in blocks if "Constraint" in block]
    write_pairs(tmp_path / "phone.csv", small_image_space(), 100, ms_per_mega_mac=20)
    assert profiled("--pairs", "phone.csv", "--target", "phone").error == ""
    found = {}
    exec(compile(shown, "README.md", "exec"), found)  # noqa: S102  it is our own text
    assert 15 < found["found"].best.predicted_ms <= 20


def test_help_teaches_without_loading_torch(run_python):
    done = run_python("-m", "carbon_nas", "profile", "--help", HIDDEN_PACKAGES="torch yaml")
    assert done.returncode == 0, done.stderr
    for word in (
        "Examples:",
        "--pairs",
        "--official",
        "--export",
        "--check",
        "10 %",
        "0.9",
        "tables = ",
        *TARGETS,
        "--study",
        "thumbnail",
        "evolve(",
        "--format",
    ):
        assert word in done.stdout


def test_without_the_extra_the_command_that_gets_it_is_named_in_one_line(run_python):
    done = run_python("-m", "carbon_nas", "profile", HIDDEN_PACKAGES="torch")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "pip install 'carbon-nas[nas]'" in done.stderr
