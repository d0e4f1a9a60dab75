"""What a comparison delivers can be taken away, read by a stranger, and is refused if it was changed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from carbon_nas.errors import CheckpointError, LedgerMismatch, OutputError, UsageError
from carbon_nas.ledger import Run, read
from carbon_nas.ledger.records import Result, Scope, phase_key
from carbon_nas.ledger.verify import verify_manifest
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.recorder import Recorder
from carbon_nas.reporting import ask, write_report
from carbon_nas.strategies import Artefact, Artefacts
from carbon_nas.study.delivery import DESCRIPTION, NETWORK, WEIGHTS
from carbon_nas.study.shipping import load_shipped, ship, ship_run
from carbon_nas.supernet.cost import cost
from carbon_nas.supernet.onnx_graph import INPUT
from carbon_nas.supernet.static import channels_last
from carbon_nas.training import load_workload
from carbon_nas.training.images import RESIZE_METHOD
from carbon_nas.training.workload import RGB, Picture
from tests.recorded import record_study
from tests.supernet.spaces import SMALL, drawn, images
from tests.supernet.statics import static_net
from tests.training.pictures import draw

CLASSES = 10
ARCHS = dict(zip(("eager-b1", "onnx-b32"), drawn(SMALL, 2), strict=True))
PLACES = {scenario: Path("models/once_for_all", scenario, "seed3") for scenario in ARCHS}
FILES = {DESCRIPTION, WEIGHTS, NETWORK}


def result_of(scenario: str) -> Result:
    arch = ARCHS[scenario]
    used = cost(SMALL, arch, CLASSES)
    return Result(
        scenario=scenario,
        accuracy_fraction=0.75,
        latency_ms=1.25,
        latency_limit_ms=1.5,
        architecture=arch.to_json(),
        workload="digits",
        test_size=697,
        parameters=used.parameters,
        macs=used.macs,
    )


def net_of(scenario: str) -> torch.nn.Module:
    return static_net(SMALL, ARCHS[scenario], CLASSES, seed=len(scenario))


def ship_one(folder: Path, scenario: str = "eager-b1", **changes) -> Path:
    given = {"strategy": "once_for_all", "seed": 3, **changes}
    tensors = given.pop("tensors", None) or net_of(scenario).state_dict()
    result = given.pop("result", result_of(scenario))
    return ship(folder, tensors, result, SMALL, CLASSES, **given)


def described(folder: Path) -> dict:
    return json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))


def written(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> Path:
    """A network that was shipped; look, do not touch."""
    return ship_one(
        tmp_path_factory.mktemp("out"), normalisation={"mean": 8.0, "scale": 8.0}, classes=list("0123456789")
    )


@pytest.fixture
def own(shipped, tmp_path) -> Path:
    """A copy of it, to do with what one likes."""
    return Path(shutil.copytree(shipped, tmp_path / "own"))


def test_a_network_lies_by_strategy_scenario_and_seed(shipped):
    assert shipped.parts[-4:] == ("models", "once_for_all", "eager-b1", "seed3")
    assert {path.name for path in shipped.iterdir()} == FILES


def test_it_comes_back_as_it_was_and_ready_to_evaluate(shipped):
    net, found = net_of("eager-b1"), load_shipped(shipped)
    x_BCHW = images(ARCHS["eager-b1"].resolution)
    assert not found.training
    with torch.no_grad():
        assert torch.equal(found(x_BCHW), net(x_BCHW))


def test_the_onnx_file_beside_it_computes_the_same(shipped):
    session = onnxruntime.InferenceSession((shipped / NETWORK).read_bytes(), providers=["CPUExecutionProvider"])
    net = load_shipped(str(shipped))
    for count in (1, 5):
        x_BCHW = images(ARCHS["eager-b1"].resolution, count=count)
        with torch.no_grad():
            wanted = net(x_BCHW).numpy()
        (found,) = session.run(None, {INPUT: x_BCHW.numpy()})
        assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_the_description_says_what_it_is_what_goes_in_and_how_good_it_is(shipped):
    told, arch = described(shipped), ARCHS["eager-b1"]
    assert told["architecture"] == arch.to_json()
    assert told["space"]["name"] == SMALL.name
    assert (told["in_channels"], told["num_classes"], told["classes"]) == (1, CLASSES, list("0123456789"))
    assert told["input"]["shape"] == ["batch", 1, arch.resolution, arch.resolution]
    assert told["input"]["normalisation"] == {"mean": 8.0, "scale": 8.0}
    assert told["delivered"] == {
        "workload": "digits",
        "accuracy_fraction": 0.75,
        "test_size": 697,
        "latency_ms": 1.25,
        "latency_limit_ms": 1.5,
        "parameters": sum(parameter.numel() for parameter in net_of("eager-b1").parameters()),
        "macs": cost(SMALL, arch, CLASSES).macs,
    }
    assert told["target"]["description"] == "CPU, one image a call"
    assert [layer["key"] for layer in told["layers"]] == [spec.key for spec in SMALL.layers(arch, CLASSES)]
    assert {"carbon_nas", "torch", "onnx"} == told["made_with"].keys()
    assert told["without_onnx_because"] is None


PHOTOGRAPH = Picture(channels=RGB, part="the middle square", side_fraction=0.875, side=64, method="Pillow's BILINEAR")


def test_the_description_says_how_a_picture_becomes_the_input_step_by_step_and_in_words(tmp_path):
    formula = {"formula": "(pixel / full_scale - mean) / deviation", "full_scale": 255, "mean": [0.5], "deviation": [1]}
    told = described(ship_one(tmp_path, picture=PHOTOGRAPH, normalisation=formula))["input"]
    side = ARCHS["eager-b1"].resolution
    assert told["channels"] == ["red", "green", "blue"]
    assert told["steps"] == [
        {"step": "take", "part": "the middle square", "side_fraction": 0.875},
        {"step": "resize", "side": 64, "method": "Pillow's BILINEAR"},
        {"step": "normalise"},
        {"step": "resize", "side": side, "method": RESIZE_METHOD},
    ]
    assert told["in_words"] == (
        "Take the middle square, of it the middle 87.5% of each side, its channels in the order red, green, blue, then "
        "bring it to 64 by 64 pixels (Pillow's BILINEAR), then make float32 of every pixel by (pixel / full_scale - "
        f"mean) / deviation, then bring it to {side} by {side} pixels ({RESIZE_METHOD})."
    )


def test_a_picture_that_has_the_size_of_the_input_is_not_resized(tmp_path):
    side = ARCHS["eager-b1"].resolution
    picture = Picture(channels=None, part="the middle square", side=side)
    told = described(ship_one(tmp_path, picture=picture, normalisation="pixel / 8 - 1"))["input"]
    assert [step["step"] for step in told["steps"]] == ["take", "normalise"]
    assert told["in_words"] == (
        f"Take the middle square, of {side} by {side} pixels, its channels in the order of the data, then make float32 "
        "of every pixel by pixel / 8 - 1."
    )


def test_following_the_steps_of_the_description_gives_what_the_network_was_shown(tmp_path):
    for number in range(12):
        draw(tmp_path / "images" / "ab"[number % 2] / f"{number:02}.png", size=(40, 30), seed=number)
    workload = load_workload("folder", data=tmp_path / "images", resolution=16)
    told = described(ship_one(tmp_path, picture=workload.picture, normalisation=workload.normalisation))["input"]
    side = told["shape"][-1]
    (shown, _), *_ = workload.test.batches(side)
    assert [step["step"] for step in told["steps"]] == ["take", "resize", "normalise", "resize"]
    followed = []
    for path in sorted((tmp_path / "images").rglob("*.png")):
        with Image.open(path) as image:
            left = (image.width - image.height) / 2
            box = (left, 0, left + image.height, image.height)
            size = (told["steps"][1]["side"],) * 2
            square = image.convert("RGB").resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
        rule = told["normalisation"]
        mean, deviation = (torch.tensor(rule[name])[:, None, None] for name in ("mean", "deviation"))
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1) / rule["full_scale"]
        followed.append(
            torch.nn.functional.interpolate(((pixels - mean) / deviation)[None], size=(side, side), mode="bilinear")[0]
        )
    assert all(any(torch.allclose(one, other, atol=1e-5) for other in followed) for one in shown)


def test_every_part_that_needs_words_has_them(shipped):
    told = described(shipped)
    assert told["legend"].keys() - told.keys() == {WEIGHTS, NETWORK}


def test_what_nobody_knows_is_null(tmp_path):
    told = described(ship_one(tmp_path, result=replace(result_of("eager-b1"), accuracy_fraction=None)))
    assert told["delivered"]["accuracy_fraction"] is None
    assert {told["input"][name] for name in ("normalisation", "channels", "steps", "in_words")} == {None}
    assert told["classes"] is None


def test_names_with_slashes_become_folders_that_every_system_takes(tmp_path):
    result = replace(result_of("eager-b1"), scenario="phone/20 ms")
    own = ship_one(tmp_path, result=result, strategy="my/strategy")
    assert own.relative_to(tmp_path) == Path("models/my-strategy/phone-20-ms/seed3")
    told = described(own)
    assert (told["strategy"], told["scenario"], told["target"]) == ("my/strategy", "phone/20 ms", None)


def test_two_names_that_become_one_folder_do_not_overwrite_each_other(tmp_path):
    ship_one(tmp_path, strategy="my/strategy")
    before = written(tmp_path)
    with pytest.raises(OutputError, match="network of my/strategy for eager-b1, seed 3, stands here"):
        ship_one(tmp_path, strategy="my strategy")
    assert written(tmp_path) == before


def test_shipping_the_same_again_writes_nothing(tmp_path):
    ship_one(tmp_path)
    before = written(tmp_path)
    ship_one(tmp_path)
    ship_one(tmp_path, tensors=channels_last(net_of("eager-b1")).state_dict())
    assert written(tmp_path) == before


def test_another_run_writes_the_same_bytes(tmp_path):
    one, other = ship_one(tmp_path / "one"), ship_one(tmp_path / "other")
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }


def test_other_weights_take_the_place_of_the_old_ones(tmp_path):
    own = ship_one(tmp_path)
    before = written(own)
    net = static_net(SMALL, ARCHS["eager-b1"], CLASSES, seed=99)
    ship_one(tmp_path, tensors=net.state_dict())
    assert all(written(own)[path] != kept for path, kept in before.items())
    x_BCHW = images(ARCHS["eager-b1"].resolution)
    with torch.no_grad():
        assert torch.equal(load_shipped(own)(x_BCHW), net(x_BCHW))


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_what_was_damaged_is_refused_and_mended_by_shipping_again(name, damage, tmp_path):
    own = ship_one(tmp_path)
    whole = {path.name: path.read_bytes() for path in own.iterdir()}
    damage(own / name)
    if (own / name).is_file() and name == DESCRIPTION:  # The last byte is a line end that no reader misses.
        (own / name).write_bytes(whole[name][:-5])
    with pytest.raises(CheckpointError, match=name):
        load_shipped(own)
    ship_one(tmp_path)
    assert {path.name: path.read_bytes() for path in own.iterdir()} == whole


@pytest.mark.parametrize(
    "change",
    [
        {"num_classes": CLASSES + 1},
        {"num_classes": -1},
        {"space": {}},
        {"architecture": {"ks": 9, "e": 2, "d": 1, "r": 8}},
    ],
)
def test_a_description_of_something_else_is_refused(change, own):
    (own / DESCRIPTION).write_text(json.dumps(described(own) | change))
    with pytest.raises(CheckpointError):
        load_shipped(own)


@pytest.mark.parametrize("change", [{"version": 2}, {"kind": "supernet"}, {"surprise": 1}, {"files": {}}])
def test_what_is_no_description_of_a_network_is_refused(change, own):
    (own / DESCRIPTION).write_text(json.dumps(described(own) | change))
    with pytest.raises(CheckpointError, match="there is no network here"):
        load_shipped(own)


def test_a_file_that_is_not_described_is_refused(own):
    told = described(own)
    (own / DESCRIPTION).write_text(json.dumps(told | {"files": {**told["files"], NETWORK: None}}))
    with pytest.raises(CheckpointError, match=NETWORK):
        load_shipped(own)


def test_weights_of_another_architecture_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="these are not the weights of"):
        ship_one(tmp_path, tensors=net_of("onnx-b32").state_dict())
    assert not written(tmp_path)


SHIP_AGAIN = """
import sys
from pydantic import TypeAdapter
from carbon_nas.ledger.records import Result
from carbon_nas.study.delivery import read_delivery
from carbon_nas.study.shipping import load_shipped, ship
from carbon_nas.supernet import SearchSpace
own, *folders = map(__import__("pathlib").Path, sys.argv[1:])
told = read_delivery(own)
result = Result(scenario=told.scenario, architecture=told.architecture, **told.delivered.model_dump())
space = TypeAdapter(SearchSpace).validate_python(told.space)
tensors = load_shipped(own).state_dict()
for out in folders:
    ship(out, tensors, result, space, told.num_classes, strategy=told.strategy, seed=told.seed)
"""


def test_without_the_extra_there_is_no_onnx_file_and_one_that_is_there_stays(tmp_path, run_python):
    source, out = ship_one(tmp_path / "source"), tmp_path / "out"
    before = written(source)
    done = run_python("-c", SHIP_AGAIN, *map(str, (source, out, tmp_path / "source")), HIDDEN_PACKAGES="onnx")
    assert done.returncode == 0, done.stderr
    assert written(source) == before
    own = out / PLACES["eager-b1"]
    assert {path.name for path in own.iterdir()} == FILES - {NETWORK}
    told = described(own)
    assert (told["files"][NETWORK], told["onnx_opset"]) == (None, None)
    assert told["without_onnx_because"] == "the package onnx was not installed"
    load_shipped(own)
    ship_one(out)  # With the extra, it is made up for.
    assert {path.name: path.read_bytes() for path in own.iterdir()} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }


def record(folder: Path) -> tuple[Run, Artefacts]:
    """Record a run that leaves weights for both scenarios, on simulated hardware."""
    clock, artefacts = ManualClock(), Artefacts(folder / "checkpoints" / "once_for_all-seed3")
    with Recorder(
        folder / "ledger" / "once_for_all-seed3.jsonl",
        strategy="once_for_all",
        seed=3,
        clock=clock,
        meters=[SimulatedMeter(clock, power_w=1.0)],
        heartbeat_interval_s=None,
    ) as recorder:
        for scenario in ARCHS:
            with recorder.phase("extract", scope=Scope.PER_SCENARIO, scenario=scenario) as window:
                clock.advance(1.0)
                facts = {"architecture": ARCHS[scenario].to_json()}
                artefact = Artefact(tensors=net_of(scenario).state_dict(), facts=facts)
                window.artefact_hash = artefacts.save(phase_key("extract", scenario), artefact)
            recorder.append(result_of(scenario))
    (run,) = read(folder / "ledger")
    return run, artefacts


def test_a_run_ships_one_network_for_every_scenario(tmp_path):
    run, artefacts = record(tmp_path)
    shipped = ship_run(tmp_path, run, artefacts, SMALL, CLASSES, made_by="extract")
    assert shipped == {scenario: tmp_path / place for scenario, place in PLACES.items()}
    for scenario, own in shipped.items():
        x_BCHW = images(ARCHS[scenario].resolution)
        with torch.no_grad():
            assert torch.equal(load_shipped(own)(x_BCHW), net_of(scenario)(x_BCHW))
        assert described(own)["seed"] == 3
    before = written(tmp_path)
    assert ship_run(tmp_path, run, artefacts, SMALL, CLASSES, made_by="extract") == shipped
    assert written(tmp_path) == before


def test_where_a_checkpoint_is_gone_what_was_shipped_stays(tmp_path):
    run, artefacts = record(tmp_path)
    ship_run(tmp_path, run, artefacts, SMALL, CLASSES, made_by="extract")
    shutil.rmtree(tmp_path / "checkpoints")
    before = written(tmp_path)
    assert ship_run(tmp_path, run, artefacts, SMALL, CLASSES, made_by="extract") == dict.fromkeys(ARCHS)
    assert written(tmp_path) == before


def test_a_checkpoint_that_is_not_the_ledgers_is_not_shipped(tmp_path):
    run, artefacts = record(tmp_path)
    artefacts.save(phase_key("extract", "eager-b1"), Artefact(tensors=net_of("onnx-b32").state_dict()))
    with pytest.raises(LedgerMismatch, match="not the checkpoint"):
        ship_run(tmp_path, run, artefacts, SMALL, CLASSES, made_by="extract")
    assert not (tmp_path / "models").exists()


def test_a_phase_that_was_not_run_has_made_nothing(tmp_path):
    run, artefacts = record(tmp_path)
    with pytest.raises(UsageError, match="phase 'fine-tune / eager-b1' is not done"):
        ship_run(tmp_path, run, artefacts, SMALL, CLASSES, made_by="fine-tune")


@pytest.fixture(scope="module")
def kept_report(tmp_path_factory) -> Path:
    folder = record_study(tmp_path_factory.mktemp("study"))
    ship_one(folder)
    write_report(folder, ask())
    return folder


@pytest.fixture
def report(kept_report, tmp_path) -> Path:
    """A report with a shipped network, to do with what one likes."""
    return Path(shutil.copytree(kept_report, tmp_path / "out"))


def test_the_manifest_of_a_report_lists_what_was_shipped(report):
    listed = {line.split("  ")[1] for line in (report / "manifest.sha256").read_text().splitlines()}
    assert {(PLACES["eager-b1"] / name).as_posix() for name in FILES} <= listed
    assert verify_manifest(report) is None


@pytest.mark.parametrize("name", sorted(FILES))
def test_verify_notices_a_shipped_file_that_was_changed(name, report):
    path = report / PLACES["eager-b1"] / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert f"{(PLACES['eager-b1'] / name).as_posix()}: changed after the report" in str(verify_manifest(report))


def test_the_door_fails_on_changed_weights(report, run_python):
    path = report / PLACES["eager-b1"] / WEIGHTS
    path.write_bytes(path.read_bytes() + b" ")
    done = run_python("-m", "carbon_nas", "verify", str(report))
    assert done.returncode == 1
    assert f"{WEIGHTS}: changed after the report" in done.stdout.splitlines()[-1]


def test_a_report_that_is_drawn_again_keeps_what_was_shipped(report):
    before = written(report / "models")
    write_report(report, ask("FR", 1.2))
    assert written(report / "models") == before
    assert verify_manifest(report) is None
