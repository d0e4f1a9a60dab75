import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from carbon_nas.errors import UsageError
from carbon_nas.files import sha256
from carbon_nas.training.image_files import ImageFiles, decode
from carbon_nas.training.images import Normalisation
from carbon_nas.training.shelf import Shelf
from tests.training.pictures import draw, same_images

HALF = Normalisation.of((0.5,) * 3, (0.5,) * 3)


def decoders():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("carbon-nas-decoder")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    names = tuple(draw(folder / f"{number}.png", seed=number).name for number in range(40))
    return ImageFiles(folder=folder, names=names, labels=torch.arange(40), size=6, normalisation=HALF)


def test_files_yield_what_they_yield_from_memory_in_any_order(files):
    resident = files.resident()
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))[:37]
    assert resident.images.dtype == torch.uint8
    assert same_images(files, resident)
    for streamed, held in ((files.drawn, resident.drawn), (files.batches, resident.batches)):
        arguments = (order, 5) if streamed == files.drawn else (4, 5)
        for (x, y), (u, v) in zip(streamed(*arguments), held(*arguments), strict=True):
            assert torch.equal(x, u)
            assert torch.equal(y, v)


def test_the_order_decides_the_labels_too(files):
    batches = list(files.drawn(torch.tensor([3, 1, 39, 1]), 3))
    assert [y.tolist() for _, y in batches] == [[3, 1, 39], [1]]
    assert torch.equal(batches[0][0][1], batches[1][0][0])


def test_an_empty_order_yields_nothing(files):
    assert list(files.drawn(torch.tensor([], dtype=torch.int64), 3)) == []


def test_batches_come_at_the_resolution_that_is_asked_for(files):
    assert [tuple(x.shape) for x, _ in files.batches(12, 16)] == [(16, 3, 12, 12), (16, 3, 12, 12), (8, 3, 12, 12)]


def test_images_are_floats_about_zero(files):
    x, _ = files.take(torch.arange(40))
    assert x.dtype == torch.float32
    assert -1.0 <= x.min() < 0 < x.max() <= 1.0


def test_the_first_files_are_image_files_of_their_own(files):
    assert files.first(3).labels.tolist() == [0, 1, 2]
    assert same_images(files.first(3), files.resident().first(3))
    assert len(files.first(99)) == len(files) == 40


def test_the_memory_they_would_take_is_that_of_their_bytes(files):
    assert files.bytes_when_resident == files.resident().images.numel()


def test_decoding_ends_when_the_training_does(files):
    batches = files.drawn(torch.arange(40), 2)
    next(batches)
    assert decoders()
    batches.close()
    assert decoders() == []


def test_only_a_few_batches_are_decoded_ahead(files, tmp_path):
    # Of files that are not there, whoever is decoded first fails first: the ones ahead, not the last.
    gone = ImageFiles(
        folder=files.folder,
        names=(*files.names[:30], "gone.png"),
        labels=torch.arange(31),
        size=6,
        normalisation=HALF,
    )
    batches = gone.drawn(torch.arange(31), 1)
    assert [int(next(batches)[1]) for _ in range(30)] == list(range(30))
    with pytest.raises(UsageError, match=r"gone\.png"):
        next(batches)
    assert decoders() == []


@pytest.fixture
def short_lived(tmp_path):
    """Files that can be taken away, and what takes them away."""
    names = tuple(draw(tmp_path / f"{number}.png", seed=number).name for number in range(10))
    files = ImageFiles(folder=tmp_path, names=names, labels=torch.arange(10), size=6, normalisation=HALF)
    return files, lambda: [(tmp_path / name).unlink() for name in names]


def test_what_was_seen_in_order_is_not_decoded_again(short_lived):
    files, take_away = short_lived
    seen, first = list(files.batches(6, 4)), list(files.first(3).batches(8, 4))
    take_away()
    for again, before in ((files.batches(6, 4), seen), (files.first(3).to(torch.device("cpu")).batches(8, 4), first)):
        for (x, y), (u, v) in zip(again, before, strict=True):
            assert torch.equal(x, u)
            assert torch.equal(y, v)


@pytest.mark.parametrize("stopped", [True, False])
def test_what_was_not_seen_to_its_end_or_does_not_fit_is_decoded_again(short_lived, stopped):
    files, take_away = short_lived
    files = replace(files, shelf=Shelf(files.bytes_when_resident - (not stopped)))
    batches = files.batches(6, 4)
    next(batches)
    batches.close() if stopped else list(batches)
    take_away()
    with pytest.raises(UsageError, match=r"\.png: this is no image"):
        list(files.batches(6, 4))


def test_a_shelf_keeps_what_comes_first_and_no_more_than_it_holds():
    shelf, images = Shelf(10), [torch.zeros(size, dtype=torch.uint8) for size in (6, 6, 4)]
    for number, some in enumerate(images):
        shelf.keep((Path(), (str(number),), 1, 1.0), some)
        shelf.keep((Path(), (str(number),), 1, 1.0), some)
    kept = [shelf.find((Path(), (str(number),), 1, 1.0)) is not None for number in range(3)]
    assert kept == [True, False, True]
    assert not shelf.has_room(1)


def test_files_are_read_with_the_hash_of_each(files):
    split, hashes = files.read()
    assert same_images(split, files)
    assert hashes == {name: sha256((files.folder / name).read_bytes()) for name in files.names}


def test_the_middle_square_is_what_is_kept(tmp_path):
    wide = Image.new("RGB", (30, 10), "red")
    wide.paste("blue", (10, 0, 20, 10))
    wide.save(tmp_path / "wide.png")
    wide.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "tall.png")
    for name in ("wide.png", "tall.png"):
        assert decode(tmp_path / name, 10).reshape(-1, 3).unique(dim=0).tolist() == [[0, 0, 255]]


def test_a_part_of_the_middle_square_leaves_its_border_out(tmp_path):
    framed = Image.new("RGB", (80, 80), "red")
    framed.paste("blue", (10, 10, 70, 70))
    framed.save(tmp_path / "framed.png")
    assert (decode(tmp_path / "framed.png", 20)[0, 0] == torch.tensor([255, 0, 0])).all()
    # Interpolation looks a pixel beyond the cut, as it would if the cut came after it.
    middle = decode(tmp_path / "framed.png", 20, 0.75)
    assert middle[:, :, 0].max() < 64
    assert middle[1:-1, 1:-1].reshape(-1, 3).unique(dim=0).tolist() == [[0, 0, 255]]


@pytest.mark.parametrize("ending", ["bmp", "jpeg", "jpg", "png", "ppm", "webp"])
def test_every_kind_of_file_is_read(tmp_path, ending):
    Image.new("RGB", (20, 20), (10, 200, 90)).save(tmp_path / f"plain.{ending}")
    pixels = decode(tmp_path / f"plain.{ending}", 8)
    assert (pixels.shape, pixels.dtype) == ((8, 8, 3), torch.uint8)
    assert (pixels.int() - torch.tensor([10, 200, 90])).abs().max() <= 6  # JPEG and WebP lose a little.


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_kind_of_colour_becomes_red_green_and_blue(tmp_path, mode):
    Image.new("RGB", (5, 5), "white").convert(mode).save(tmp_path / "white.png")
    assert (decode(tmp_path / "white.png", 4) == 255).all()


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    Image.new("RGB", (5, 5), "white").convert("P").save(tmp_path / "clear.png", transparency=bytes(256))
    assert decode(tmp_path / "clear.png", 4).shape == (4, 4, 3)


def test_a_large_jpeg_is_brought_to_a_small_size(tmp_path):
    Image.linear_gradient("L").resize((512, 512)).save(tmp_path / "large.jpg")
    pixels = decode(tmp_path / "large.jpg", 16)[:, :, 0].float().mean(1)
    assert torch.allclose(pixels, torch.linspace(8, 247, 16), atol=4)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_image_is_refused_by_name(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(UsageError, match=r"broken\.png: this is no image that can be read.*replace"):
        decode(tmp_path / "broken.png", 8)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_half_an_image_is_refused_by_name(tmp_path, ending):
    whole = draw(tmp_path / f"whole.{ending}", size=(64, 64)).read_bytes()
    (tmp_path / f"half.{ending}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=rf"half\.{ending}"):
        decode(tmp_path / f"half.{ending}", 8)


def test_an_image_of_16_bits_is_refused_and_not_cut_off(tmp_path):
    Image.new("I;16", (5, 5), 40_000).save(tmp_path / "deep.png")
    with pytest.raises(UsageError, match=r"deep\.png.*more than 8 bits.*convert"):
        decode(tmp_path / "deep.png", 4)
