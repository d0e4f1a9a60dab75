import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from carbon_nas.errors import UnknownName
from carbon_nas.training import Split, load_workload
from carbon_nas.training.data import augment, resize
from tests.supernet.spaces import few, images


@pytest.fixture(scope="module")
def digits():
    return load_workload("digits")


def splits(workload):
    return {"train": workload.train, "validation": workload.validation, "test": workload.test}


def pictures(*some):
    """Name every picture and its label by their bytes, sorted: equal pictures count as often as they occur."""
    every = [pair for split in some for pair in zip(split.images, split.labels, strict=True)]
    return sorted(image.numpy().tobytes() + bytes([label]) for image, label in every)


def test_digits_are_split_into_900_200_and_697(digits):
    assert {name: len(split) for name, split in splits(digits).items()} == {
        "train": 900,
        "validation": 200,
        "test": 697,
    }
    assert all(len(split.images) == len(split) for split in splits(digits).values())


def test_the_splits_are_disjoint_and_together_every_digit_that_scikit_learn_has(digits):
    bunch = load_digits()
    original = Split(
        images=torch.as_tensor(bunch.images, dtype=torch.float32)[:, None] / 8 - 1, labels=torch.as_tensor(bunch.target)
    )
    assert pictures(*splits(digits).values()) == pictures(original)


def test_the_splits_are_the_same_on_every_call_whatever_the_seeds(digits):
    torch.manual_seed(1)
    again = load_workload("digits")
    for name, split in splits(digits).items():
        assert torch.equal(split.images, splits(again)[name].images)
        assert torch.equal(split.labels, splits(again)[name].labels)


def test_every_split_holds_every_class(digits):
    assert digits.num_classes == 10
    for split in splits(digits).values():
        assert set(split.labels.tolist()) == set(range(10))


def test_images_are_floats_about_zero(digits):
    assert digits.train.images.shape[1:] == (digits.in_channels, 8, 8)
    assert digits.train.images.dtype == torch.float32
    assert (digits.train.images.min(), digits.train.images.max()) == (-1.0, 1.0)


def test_an_unknown_workload_is_refused_and_the_known_ones_are_named():
    with pytest.raises(UnknownName, match=r"'imagenet'.*digits"):
        load_workload("imagenet")


@few
@given(st.integers(1, 50), st.integers(1, 20))
def test_batches_yield_everything_once_and_in_order(count, batch_size):
    split = Split(images=images(4, count=count), labels=torch.arange(count))
    batches = list(split.batches(4, batch_size))
    assert torch.equal(torch.cat([x for x, _ in batches]), split.images)
    assert torch.equal(torch.cat([y for _, y in batches]), split.labels)
    assert all(len(x) == len(y) <= batch_size for x, y in batches)


def test_batches_come_at_the_resolution_that_is_asked_for(digits):
    assert {tuple(x.shape[1:]) for x, _ in digits.validation.batches(12)} == {(1, 12, 12)}


def test_resizing_to_the_same_size_changes_no_value():
    x = images(8)
    assert torch.equal(resize(x, 8), x)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_augmentation_keeps_the_shape_and_leaves_its_input_alone():
    x = images(8, count=10)
    before = x.clone()
    y = augment(x, generator())
    assert y.shape == x.shape
    assert torch.equal(x, before)
    assert not torch.equal(y, x)


def test_augmentation_is_decided_by_the_generator():
    x = images(8, count=10)
    assert torch.equal(augment(x, generator(3)), augment(x, generator(3)))
    assert not torch.equal(augment(x, generator(3)), augment(x, generator(4)))


def test_augmentation_moves_by_at_most_one_pixel_and_changes_contrast_by_at_most_a_fifth():
    x = torch.zeros(200, 1, 7, 7)
    x[:, :, 3, 3] = 1.0
    y = augment(x, generator())
    values, places = y.flatten(1).max(1)
    assert 0.8 <= values.min() < 0.85
    assert 1.15 < values.max() <= 1.2
    assert {divmod(int(place), 7) for place in places} == {(row, column) for row in (2, 3, 4) for column in (2, 3, 4)}
    assert torch.equal(y.flatten(1).count_nonzero(1), torch.ones(200, dtype=torch.int64))
