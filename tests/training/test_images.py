import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.training import Split, load_workload
from carbon_nas.training.images import Normalisation, pieces, resize
from tests.supernet.spaces import few, images
from tests.training.pictures import noise


def numbered(count, size=4):
    return Split(images=images(size, count=count), labels=torch.arange(count))


def in_bytes(count=10, channels=3, size=4):
    pixels = noise(count, channels, size, size)
    return Split(images=pixels, labels=torch.arange(count), normalisation=Normalisation.fitted(pixels))


@few
@given(st.integers(1, 50), st.integers(1, 20))
def test_batches_yield_everything_once_and_in_order(count, batch_size):
    split = numbered(count)
    batches = list(split.batches(4, batch_size))
    assert torch.equal(torch.cat([x for x, _ in batches]), split.images)
    assert torch.equal(torch.cat([y for _, y in batches]), split.labels)
    assert all(len(x) == len(y) <= batch_size for x, y in batches)


def test_batches_come_at_the_resolution_that_is_asked_for():
    assert {tuple(x.shape[1:]) for x, _ in load_workload("digits").validation.batches(12)} == {(1, 12, 12)}


def test_resizing_to_the_same_size_changes_no_value():
    x = images(8)
    assert torch.equal(resize(x, 8), x)


@few
@given(st.integers(1, 40), st.integers(1, 9), st.data())
def test_drawn_batches_follow_the_order_and_the_last_is_what_is_left(count, batch_size, data):
    split = numbered(count)
    order = torch.tensor(data.draw(st.lists(st.integers(0, count - 1), max_size=30)), dtype=torch.int64)
    batches = list(split.drawn(order, batch_size))
    assert [int(label) for _, y in batches for label in y] == order.tolist()
    assert all(len(y) == batch_size for _, y in batches[:-1])
    for x, y in batches:
        assert torch.equal(x, split.images[y])


@pytest.mark.parametrize(("count", "left"), [(3, 3), (10, 10), (99, 10)])
def test_the_first_images_are_a_split_of_their_own(count, left):
    first = in_bytes().first(count)
    assert first.labels.tolist() == list(range(left))
    assert torch.equal(first.take(first.labels)[0], in_bytes().take(torch.arange(left))[0])


def test_bytes_come_out_as_floats_with_mean_0_and_deviation_1_in_every_channel():
    x, _ = in_bytes(count=50).take(torch.arange(50))
    assert x.dtype == torch.float32
    assert x.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert x.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], rel=1e-5)


def test_bytes_are_the_same_floats_however_they_are_asked_for():
    split = in_bytes()
    taken, _ = split.take(torch.arange(10))
    assert torch.equal(torch.cat([x for x, _ in split.batches(4, 3)]), taken)
    assert torch.equal(torch.cat([x for x, _ in split.drawn(torch.arange(10), 3)]), taken)
    assert torch.equal(split.to(torch.device("cpu")).take(torch.arange(10))[0], taken)
    assert split.images.dtype == torch.uint8


def test_many_images_are_counted_piece_by_piece_with_the_same_result():
    pixels = noise(700, 2, 60, 60)
    shares = pixels.double() / 255
    found = Normalisation.fitted(pixels)
    assert len(list(pieces(pixels))) > 1
    assert torch.equal(torch.cat(list(pieces(pixels))), pixels)
    assert torch.allclose(found.mean.flatten().double(), shares.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(found.deviation.flatten().double(), shares.std((0, 2, 3), correction=0), atol=1e-6)


def test_a_constant_channel_becomes_zero():
    grey = torch.full((2, 1, 3, 3), 77, dtype=torch.uint8)
    assert Normalisation.fitted(grey)(grey).abs().max() < 1e-4


def test_two_numbers_for_a_channel_are_its_mean_and_deviation():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1)
    assert Normalisation.of((0.5,), (0.25,))(pixels).flatten().tolist() == [-2.0, 2.0]
