"""Latency tables from the command line."""

import csv
import json
import random
from dataclasses import dataclass, replace

import pytest
from typer.testing import CliRunner

from carbon_nas.cli import app
from carbon_nas.devices import HostDevice
from carbon_nas.devices.fitted_table import FEWEST_PAIRS
from carbon_nas.devices.kept_table import read_table, write_table
from carbon_nas.devices.official_table import read_official
from carbon_nas.errors import CarbonNasError
from carbon_nas.supernet import mobilenet_v3_space, small_image_space
from carbon_nas.supernet.cost import cost
from tests.devices.test_official_table import made_up
from tests.supernet.spaces import drawn

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


def write_pairs(path, space, count):
    archs = list(dict.fromkeys(drawn(space, 2 * count)))[:count]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "latency_ms"])
        for arch in archs:
            writer.writerow([json.dumps(arch.to_json()), 1 + cost(space, arch, 10).macs / 1e5])


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
    assert "threads was '1' and is '2'" in done.error


def test_a_table_is_fitted_to_pairs_without_timing_anything(profiled, tmp_path):
    write_pairs(tmp_path / "phone.csv", small_image_space(), FEWEST_PAIRS)
    done = profiled("--pairs", "phone.csv")
    assert (done.code, done.error) == (0, "")
    assert "Timing" not in done.said
    assert "fitted to 50 networks" in done.said
    assert "\nTrusted: " in done.said
    assert read_table(tmp_path / "tables" / "phone.json").target == "phone"


def test_official_tables_are_taken_in_at_the_resolutions_that_are_there(profiled, tmp_path):
    space = mobilenet_v3_space(1.2, resolutions=(160, 192))
    rng = random.Random(0)
    write_pairs(tmp_path / "phone.csv", space, FEWEST_PAIRS)
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
        (["--width", "1.2"], "the space small_image has one width"),
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
    done = profiled(*arguments)
    assert words in done.error
    assert "\n" not in done.error
    assert not (tmp_path / "tables").exists()


def test_help_teaches_without_loading_torch(run_python):
    done = run_python("-m", "carbon_nas", "profile", "--help", HIDDEN_PACKAGES="torch yaml")
    assert done.returncode == 0, done.stderr
    for word in ("Examples:", "--pairs", "--official", "--export", "--check", "10 %", "0.9", "tables = "):
        assert word in done.stdout


def test_without_the_extra_the_command_that_gets_it_is_named_in_one_line(run_python):
    done = run_python("-m", "carbon_nas", "profile", HIDDEN_PACKAGES="torch")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "pip install 'carbon-nas[nas]'" in done.stderr
