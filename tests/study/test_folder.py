"""Own images, from a folder of pictures to networks that are taken away: through the door, on the CPU, for real."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from carbon_nas.cli import app
from carbon_nas.ledger import Run, read
from carbon_nas.ledger.records import Scope
from carbon_nas.study import load_study
from carbon_nas.study.delivery import DESCRIPTION, NETWORK, WEIGHTS
from carbon_nas.study.shipping import load_shipped
from carbon_nas.supernet.onnx_graph import INPUT
from carbon_nas.training.data import load_workload
from carbon_nas.training.images import resize

CLASSES, PICTURES, SIDE = ("blobs", "stripes"), 40, 40
STUDY = load_study("folder", quick=True)
PLACES = [(strategy, scenario) for strategy in STUDY.strategies for scenario in STUDY.scenarios]


def picture(kind: str, rng: random.Random) -> Image.Image:
    """A bright shape on a dark ground: a round blob somewhere, or upright stripes of some width."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(rng.randrange(60) for _ in range(3)))
    pen, colour = ImageDraw.Draw(image), tuple(rng.randrange(150, 256) for _ in range(3))
    if kind == "blobs":
        radius = rng.randrange(8, 14)
        x, y = rng.randrange(radius, SIDE - radius), rng.randrange(radius, SIDE - radius)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    else:
        width = rng.randrange(3, 6)
        for x in range(-rng.randrange(2 * width), SIDE, 2 * width):
            pen.rectangle((x, 0, x + width - 1, SIDE), fill=colour)
    return image


def draw(folder: Path) -> Path:
    rng = random.Random(0)
    for kind in CLASSES:
        (folder / kind).mkdir(parents=True)
        for number in range(PICTURES):
            picture(kind, rng).save(folder / kind / f"{number:02}.png")
    return folder


@dataclass(frozen=True)
class Made:
    """What one call left behind, and what it said."""

    pictures: Path
    folder: Path
    said: str

    def run(self, strategy: str) -> Run:
        return {run.header.run: run for run in read(self.folder / "ledger")}[f"{strategy}-seed0"]

    def network(self, strategy: str, scenario: str) -> Path:
        return self.folder / "models" / strategy / scenario / "seed0"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    pictures, folder = draw(root / "pictures"), root / "out"
    call = ["compare", "folder", "--data", str(pictures), "--device", "cpu", "--quick", "--host", "cpu"]
    done = CliRunner().invoke(app, [*call, "--out", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Made(pictures=pictures, folder=folder, said=done.output)


def test_every_strategy_finds_a_network_for_every_scenario_within_its_limit(made):
    for strategy in STUDY.strategies:
        results = made.run(strategy).results
        assert tuple(results) == STUDY.scenarios
        for result in results.values():
            assert result.workload == "folder"
            assert result.test_size == len(load_workload("folder", data=made.pictures).test)
            assert result.latency_limit_ms > 0
            assert result.latency_ms > 0


def test_the_large_network_is_trained_once_and_from_scratch_for_every_scenario_otherwise(made):
    phases = [phase for phase in made.run("once_for_all").done.values() if phase.scope is Scope.ONCE]
    assert [phase.phase for phase in phases] == [*STUDY.once_for_all.stages, "measure accuracies", "train predictor"]
    assert all(phase.scope is not Scope.ONCE for phase in made.run("evolution").done.values())


def test_a_search_on_it_is_checked_on_architectures_that_were_held_out(made):
    (check,) = made.run("once_for_all").predictor_checks
    assert check.held_out >= 1
    assert check.trained_on + check.held_out == STUDY.once_for_all.predictor.architectures


def test_the_report_leads_with_the_comparison_and_names_the_images(made):
    assert "once_for_all takes" in made.said
    assert f"Report: {made.folder / 'index.html'}" in made.said.replace("\n", "")
    assert "folder-quick" in (made.folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("strategy", "scenario"), PLACES)
def test_every_network_is_there_to_be_taken_away_with_all_that_a_stranger_needs(made, strategy, scenario):
    own = made.network(strategy, scenario)
    assert {path.name for path in own.iterdir()} == {DESCRIPTION, WEIGHTS, NETWORK}
    told = json.loads((own / DESCRIPTION).read_text(encoding="utf-8"))
    assert told["classes"] == list(CLASSES)
    assert told["in_channels"] == 3
    assert told["input"]["normalisation"]["full_scale"] == 255
    assert len(told["input"]["normalisation"]["mean"]) == len(told["input"]["normalisation"]["deviation"]) == 3
    assert told["delivered"]["accuracy_fraction"] == made.run(strategy).results[scenario].accuracy_fraction


def prepared(pictures: Path, told: dict) -> tuple[torch.Tensor, list[int]]:
    """Read pictures as somebody would who has nothing but a network's description."""
    how, side = told["input"]["normalisation"], told["input"]["shape"][-1]
    assert how["formula"] == "(pixel / full_scale - mean) / deviation"
    mean, deviation = (torch.tensor(how[name])[:, None, None] for name in ("mean", "deviation"))
    images, labels = [], []
    for label, kind in enumerate(told["classes"]):
        for path in sorted((pictures / kind).iterdir()):
            with Image.open(path) as image:
                pixels = torch.from_numpy(np.array(image.resize((side, side), Image.Resampling.BILINEAR)))
            images.append((pixels.permute(2, 0, 1) / how["full_scale"] - mean) / deviation)
            labels.append(label)
    return torch.stack(images), labels


@pytest.mark.parametrize(("strategy", "scenario"), PLACES)
def test_a_stranger_gets_the_same_from_the_weights_and_from_the_onnx_file(made, strategy, scenario):
    own = made.network(strategy, scenario)
    images, _ = prepared(made.pictures, json.loads((own / DESCRIPTION).read_text(encoding="utf-8")))
    with torch.no_grad():
        wanted = load_shipped(own)(images).numpy()
    session = onnxruntime.InferenceSession((own / NETWORK).read_bytes(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {INPUT: images.numpy()})
    assert np.abs(found - wanted).max() < 1e-4 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("scenario", STUDY.scenarios)
def test_a_network_out_of_the_large_one_tells_the_pictures_apart(made, scenario):
    own = made.network("once_for_all", scenario)
    images, labels = prepared(made.pictures, json.loads((own / DESCRIPTION).read_text(encoding="utf-8")))
    with torch.no_grad():
        right = (load_shipped(own)(images).argmax(1) == torch.tensor(labels)).float().mean()
    # Of 80 pictures, chance gets more than 52 right once in a hundred times.
    assert right > 0.65


def test_what_a_network_was_evaluated_with_is_what_it_says(made):
    own = made.network("once_for_all", STUDY.scenarios[0])
    told = json.loads((own / DESCRIPTION).read_text(encoding="utf-8"))
    workload = load_workload("folder", data=made.pictures, resolution=STUDY.resolutions[-1])
    images, labels = workload.test.take(torch.arange(len(workload.test)))
    with torch.no_grad():
        right = load_shipped(own)(resize(images, told["input"]["shape"][-1])).argmax(1) == labels
    assert float(right.double().mean()) == told["delivered"]["accuracy_fraction"]


def test_the_folder_can_be_verified_and_a_second_call_does_nothing_more(made):
    done = CliRunner().invoke(app, ["verify", str(made.folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    before = {path: path.read_bytes() for path in (made.folder / "ledger").iterdir()}
    networks = {path: path.stat().st_mtime_ns for path in (made.folder / "models").rglob("*")}
    call = ["compare", "folder", "--data", str(made.pictures), "--quick", "--device", "cpu", "--out", str(made.folder)]
    assert CliRunner().invoke(app, [*call, "--site", "FR"], catch_exceptions=False).exit_code == 0
    assert {path: path.read_bytes() for path in (made.folder / "ledger").iterdir()} == before
    assert {path: path.stat().st_mtime_ns for path in (made.folder / "models").rglob("*")} == networks
