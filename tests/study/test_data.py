"""Own images in a study: what is recorded of them, what is refused, and what a changed path does not change."""

import json
import shutil

import numpy as np
import pytest

from carbon_nas.errors import LedgerMismatch, UsageError
from carbon_nas.training.data import load_workload
from tests.study.bench import ledgers, run, runs, tiny_study

ALONE = {"workload": "arrays", "strategies": ("once_for_all",)}


def write_arrays(folder, *, seed=0, floats=False):
    """Rows of pixels, of which the bright one is the class."""
    folder.mkdir(parents=True, exist_ok=True)
    chance, labels = np.random.default_rng(seed), np.arange(60) % 3
    images = chance.integers(0, 100, (60, 6, 6)).astype(np.uint8)
    images[np.arange(60), labels * 2] += 150
    np.save(folder / "images.npy", images / np.float32(255) if floats else images)
    np.save(folder / "labels.npy", labels)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A finished study of own images, and the images; look, do not touch."""
    root = tmp_path_factory.mktemp("own")
    write_arrays(root / "images")
    return run(root / "out", tiny_study(data=str(root / "images"), **ALONE)), root / "images"


@pytest.fixture
def own(kept, tmp_path):
    """A copy of both."""
    folder, images = kept
    return shutil.copytree(folder, tmp_path / "out"), shutil.copytree(images, tmp_path / "images")


def test_a_ledger_says_which_images_it_was_and_what_trained_not_where_they_lay(kept):
    folder, images = kept
    for recorded in runs(folder).values():
        assert recorded.header.study["images"] == load_workload("arrays", data=images).digest
        assert recorded.header.study["trained_on"] == "cpu"
        assert not {"data", "device"} & recorded.header.study.keys()
        assert str(images) not in json.dumps(recorded.header.study)


def test_the_same_images_in_another_place_are_the_same_study(own):
    folder, images = own
    before = ledgers(folder)
    run(folder, tiny_study(data=str(images), device="cpu", **ALONE))
    assert ledgers(folder) == before


def test_other_images_in_the_same_place_are_refused_by_name(own):
    folder, images = own
    write_arrays(images, seed=1)
    before = ledgers(folder)
    with pytest.raises(LedgerMismatch, match=r"recorded by a different study: images was '\w{64}' and is '\w{64}'"):
        run(folder, tiny_study(data=str(images), **ALONE))
    assert ledgers(folder) == before


def test_images_that_are_gone_are_asked_for_and_nothing_is_written(own, tmp_path):
    folder, _ = own
    before = ledgers(folder)
    with pytest.raises(UsageError, match=r"there is no such file or folder; --data is to be a folder with images\.npy"):
        run(folder, tiny_study(data=str(tmp_path / "nowhere"), **ALONE))
    assert ledgers(folder) == before


def test_images_for_a_workload_that_brings_its_own_are_refused(tmp_path):
    with pytest.raises(UsageError, match="the workload 'digits' comes with its images; leave --data out"):
        run(tmp_path, tiny_study(data=str(tmp_path)))


@pytest.mark.parametrize("device", ["cuda:99", "banana", "meta", "hpu", ""])
def test_what_nothing_can_be_trained_on_is_refused_in_one_line(tmp_path, device):
    with pytest.raises(UsageError) as refusal:
        run(tmp_path, tiny_study(device=device))
    assert str(refusal.value).startswith(f"--device: networks cannot be trained on {device!r} here (")
    assert str(refusal.value).endswith("; try cpu, or leave it out")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "ledger").exists()


@pytest.mark.parametrize(
    ("floats", "wanted"),
    [(False, {"formula", "full_scale", "mean", "deviation"}), (True, {"formula", "mean", "deviation"})],
)
def test_a_workload_says_in_json_what_is_done_to_its_pixels(tmp_path, floats, wanted):
    workload = load_workload("arrays", data=write_arrays(tmp_path, floats=floats))
    told = json.loads(json.dumps(workload.normalisation))
    assert told.keys() == wanted
    pixels = np.load(tmp_path / "images.npy").astype(np.float64) / told.get("full_scale", 1)
    made = np.sort((pixels - told["mean"][0]) / told["deviation"][0], axis=None)
    parts = (workload.train, workload.validation, workload.test)
    seen = np.concatenate([x_BCHW.numpy().ravel() for part in parts for x_BCHW, _ in part.batches(6)])
    assert np.allclose(made, np.sort(seen), atol=1e-5)


@pytest.mark.parametrize(("name", "words"), [("digits", "pixel / 8 - 1, pixels from 0 to 16"), ("mnist5k", None)])
def test_bundled_images_say_it_too(name, words):
    told = load_workload(name).normalisation
    assert told == words if words else (told["mean"], told["deviation"]) == ([0.5], [0.5])


def test_what_is_done_to_pixels_goes_with_every_network(kept, one_scenario):
    for folder, images in (kept, (one_scenario, None)):
        told = load_workload("digits" if images is None else "arrays", data=images).normalisation
        shipped = list((folder / "models").rglob("architecture.json"))
        assert shipped
        for path in shipped:
            given = json.loads(path.read_text(encoding="utf-8"))["input"]
            assert given["normalisation"] == told
            assert given["in_words"].startswith("Take the ")
