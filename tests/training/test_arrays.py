from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from carbon_nas.errors import UsageError
from carbon_nas.training import load_workload
from carbon_nas.training.augmentation import SHIFT_AND_CONTRAST
from tests.training.pictures import everything, noise, parts, same_images

COUNT, CLASSES = 30, 3
LABELS = np.arange(COUNT) % CLASSES


def pixels(*shape, seed=0):
    return noise(COUNT, *shape, seed=seed).numpy()


def save(folder, **arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def refusal(data):
    with pytest.raises(UsageError) as caught:
        load_workload("arrays", data=data)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("shape", "channels"), [((6, 6), 1), ((6, 6, 1), 1), ((6, 6, 3), 3), ((3, 6, 6), 3), ((1, 6, 6), 1), ((6, 6, 4), 4)]
)
def test_every_shape_becomes_channels_rows_and_columns(tmp_path, shape, channels):
    workload = load_workload("arrays", data=save(tmp_path, images=pixels(*shape), labels=LABELS))
    x, _ = everything(workload.train)
    assert workload.in_channels == channels
    assert (x.shape[1:], x.dtype) == ((channels, 6, 6), torch.float32)


def test_channels_first_and_last_are_the_same_images(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "last").mkdir()
    first = pixels(3, 6, 6)
    one = load_workload("arrays", data=save(tmp_path / "first", images=first, labels=LABELS))
    other = load_workload("arrays", data=save(tmp_path / "last", images=np.moveaxis(first, 1, 3), labels=LABELS))
    assert all(same_images(images, parts(other)[part]) for part, images in parts(one).items())


def test_missing_parts_are_cut_class_by_class(tmp_path):
    workload = load_workload("arrays", data=save(tmp_path, images=pixels(6, 6), labels=LABELS))
    counted = {part: Counter(images.labels.tolist()) for part, images in parts(workload).items()}
    every = range(CLASSES)
    assert counted == {
        "train": dict.fromkeys(every, 6),
        "validation": dict.fromkeys(every, 2),
        "test": dict.fromkeys(every, 2),
    }
    images = torch.cat([split.images for split in parts(workload).values()]).flatten(1)
    assert len(images.unique(dim=0)) == COUNT


@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.float32, np.float64, ">f4"])
def test_what_is_learnt_from_has_mean_0_and_deviation_1(tmp_path, kind):
    data = save(tmp_path, images=pixels(3, 6, 6).astype(kind), labels=LABELS)
    x, _ = everything(load_workload("arrays", data=data).train)
    assert x.mean((0, 2, 3)).abs().max() < 1e-4
    assert (x.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16, ">i4"])
def test_whole_numbers_from_0_to_255_are_bytes_in_any_width(tmp_path, kind):
    (tmp_path / "bytes").mkdir()
    (tmp_path / "wide").mkdir()
    narrow = load_workload("arrays", data=save(tmp_path / "bytes", images=pixels(5, 5), labels=LABELS))
    wide = load_workload("arrays", data=save(tmp_path / "wide", images=pixels(5, 5).astype(kind), labels=LABELS))
    assert wide.train.images.dtype == torch.uint8
    assert wide.digest == narrow.digest
    assert all(same_images(images, parts(narrow)[part]) for part, images in parts(wide).items())


def test_yes_and_no_are_labels(tmp_path):
    workload = load_workload("arrays", data=save(tmp_path, images=pixels(5, 5), labels=LABELS == 1))
    assert (workload.num_classes, sum(int(images.labels.sum()) for images in parts(workload).values())) == (2, 10)


LOAD_AND_TELL = """
import re, sys
from pathlib import Path
from carbon_nas.training import load_workload
def highest():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
for folder in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")
    before = highest()
    load_workload("arrays", data=Path(folder))
    print(highest() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells how much memory was taken")
def test_loading_takes_the_memory_of_the_images_twice_and_not_more_often(tmp_path, run_python):
    # Of 80 MB, for a few pieces of 8 MB are always in work. Channels that come last are moved, which takes most.
    size_bytes, folders = 80_000_000, []
    for kind in (np.uint8, np.float32):
        count = size_bytes // (64 * 64 * 3 * np.dtype(kind).itemsize)
        images = np.resize(pixels(64, 64, 3).astype(kind), (count, 64, 64, 3))
        folders.append(tmp_path / np.dtype(kind).name)
        folders[-1].mkdir()
        save(folders[-1], images=images, labels=np.arange(count) % CLASSES)
    done = run_python("-c", LOAD_AND_TELL, *map(str, folders))
    assert done.returncode == 0, done.stderr
    assert [int(line) < 3 * size_bytes for line in done.stdout.split()] == [True, True], done.stdout


def test_pieces_together_are_normalised_as_the_whole(tmp_path):
    # More than fit in one piece.
    images = np.random.default_rng(0).normal(3.0, 2.0, (600, 1, 64, 64)).astype(np.float32)
    workload = load_workload("arrays", data=save(tmp_path, images=images, labels=np.arange(600) % 2))
    x, _ = everything(workload.train)
    assert x.mean().abs() < 1e-5
    assert (x.std(correction=0) - 1).abs() < 1e-5
    told = workload.normalisation
    seen = torch.cat([everything(part)[0] for part in parts(workload).values()]).double().flatten().sort().values
    wanted = torch.from_numpy(np.sort((images.astype(np.float64) - told["mean"][0]) / told["deviation"][0], axis=None))
    assert torch.allclose(seen, wanted, atol=1e-5)


def test_a_constant_channel_is_zero(tmp_path):
    x, _ = everything(load_workload("arrays", data=save(tmp_path, images=np.ones((COUNT, 4, 4)), labels=LABELS)).train)
    assert x.abs().max() == 0


def test_the_middle_square_is_what_is_kept(tmp_path):
    wide = np.zeros((COUNT, 4, 10), dtype=np.uint8)
    wide[:, :, 3:7] = 9
    workload = load_workload("arrays", data=save(tmp_path, images=wide, labels=LABELS))
    assert workload.train.images.shape[1:] == (1, 4, 4)
    assert (workload.train.images == 9).all()


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_parts_that_are_given_are_taken_as_they_are(tmp_path, validation):
    archive = tmp_path / "mine.npz"
    names = ("train", validation, "test")
    given = {f"{part}_images": pixels(5, 5, seed=seed)[: 9 - seed] for seed, part in enumerate(names)}
    # One column of labels is how some archives hold them.
    np.savez(archive, **given, **{f"{part}_labels": LABELS[: 9 - seed, None] for seed, part in enumerate(names)})
    workload = load_workload("arrays", data=archive)
    assert [len(images) for images in parts(workload).values()] == [9, 8, 7]
    assert "cut" not in workload.source


def test_a_folder_an_archive_and_a_folder_with_an_archive_are_the_same(tmp_path):
    (tmp_path / "apart").mkdir()
    (tmp_path / "packed").mkdir()
    given = {"images": pixels(5, 5), "labels": LABELS}
    np.savez_compressed(tmp_path / "packed" / "mine.npz", **given)
    found = [
        load_workload("arrays", data=data)
        for data in (save(tmp_path / "apart", **given), tmp_path / "packed" / "mine.npz", tmp_path / "packed")
    ]
    assert len({workload.digest for workload in found}) == 1
    assert all(same_images(found[0].train, other.train) for other in found)


def test_other_values_have_another_digest(tmp_path):
    before = load_workload("arrays", data=save(tmp_path, images=pixels(5, 5), labels=LABELS)).digest
    after = load_workload("arrays", data=save(tmp_path, images=pixels(5, 5, seed=1), labels=LABELS)).digest
    assert before != after


def test_images_of_an_unknown_kind_are_shifted_and_not_mirrored(tmp_path):
    workload = load_workload("arrays", data=save(tmp_path, images=pixels(5, 5), labels=LABELS))
    assert workload.augmentation == SHIFT_AND_CONTRAST


def test_a_pickle_is_not_read(tmp_path):
    save(tmp_path, images=pixels(5, 5))
    np.save(tmp_path / "labels.npy", np.array([{}] * COUNT, dtype=object), allow_pickle=True)
    message = refusal(tmp_path)
    assert "labels.npy: this cannot be read" in message
    assert "allow_pickle" in message


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({}, "there are no such arrays in it"),
        ({"images": pixels(5, 5)}, "there is no labels"),
        ({"labels": LABELS}, "there is no images"),
        ({"test_images": pixels(5, 5), "test_labels": LABELS}, "no images to learn from"),
        ({"images": pixels(5, 5), "labels": LABELS[1:]}, "images holds 30 images and labels 29 labels"),
        ({"images": pixels(5, 5) > 99, "labels": LABELS}, "images holds bool, not numbers"),
        ({"images": pixels(5, 5).astype(np.int32) - 300, "labels": LABELS}, "images holds whole numbers from -"),
        ({"images": np.full((COUNT, 5, 5), 256), "labels": LABELS}, "whole numbers from 256 to 256, not from 0 to 255"),
        ({"images": pixels(5, 5)[0], "labels": LABELS}, "has the shape (5, 5), and its channels cannot be told"),
        ({"images": pixels(7, 6, 5), "labels": LABELS}, "has the shape (30, 7, 6, 5), and its channels cannot be told"),
        ({"images": pixels(3, 6, 3), "labels": LABELS}, "has the shape (30, 3, 6, 3), and its channels cannot be told"),
        ({"images": pixels(5, 5), "labels": LABELS / 2}, "not one whole number for each image"),
        ({"images": pixels(5, 5), "labels": LABELS[:, None].repeat(2, 1)}, "not one whole number for each image"),
        ({"images": pixels(5, 5), "labels": LABELS + 1}, "labels to learn from are not 0, 1 and so on"),
        ({"images": pixels(5, 5), "labels": 2 * LABELS}, "labels to learn from are not 0, 1 and so on"),
        ({"images": pixels(5, 5), "labels": 0 * LABELS}, "labels to learn from are not 0, 1 and so on"),
        (
            {"images": np.full((COUNT, 5, 5), np.inf), "labels": LABELS},
            "images holds values that are no finite numbers",
        ),
        ({"images": pixels(5, 5)[:4], "labels": LABELS[:4]}, "class '0' has 2 images, too few"),
    ],
)
def test_arrays_that_do_not_fit_say_why(tmp_path, arrays, said):
    message = refusal(save(tmp_path, **arrays))
    assert said in message
    assert message.count("; ") >= 1


def test_one_part_under_two_names_is_refused(tmp_path):
    save(tmp_path, images=pixels(5, 5), labels=LABELS, train_images=pixels(5, 5), train_labels=LABELS)
    assert "train_images and images are for the same part" in refusal(tmp_path)


def test_parts_of_different_kinds_are_refused(tmp_path):
    save(tmp_path, images=pixels(5, 5), labels=LABELS, test_images=pixels(5, 5, 3), test_labels=LABELS)
    assert "the parts differ in type or channels" in refusal(tmp_path)


def test_a_class_that_is_only_tested_is_refused(tmp_path):
    save(tmp_path, images=pixels(5, 5), labels=LABELS, test_images=pixels(5, 5), test_labels=LABELS + 1)
    assert "none that only other parts have" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not whole", b"no archive"])
def test_a_damaged_archive_is_refused(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    assert "mine.npz: this cannot be read" in refusal(tmp_path / "mine.npz")
