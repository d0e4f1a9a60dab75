import pytest
import torch
from hypothesis import given
from torch.nn import functional as F

from carbon_nas.training import load_workload
from carbon_nas.training.augmentation import (
    CIFAR_CROP,
    IMAGENET_CROP,
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    MILD_CROP,
    SHIFT_AND_CONTRAST,
    Colour,
    ResizedCrop,
    Shift,
)
from tests.supernet.spaces import few, seeds

EVERY = pytest.mark.parametrize("augmentation", [SHIFT_AND_CONTRAST, CIFAR_CROP, IMAGENET_CROP, MILD_CROP])
MEAN, DEVIATION = (torch.tensor(numbers)[:, None, None] for numbers in (IMAGENET_MEAN, IMAGENET_DEVIATION))


DIGITS = load_workload("digits")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(*, count=10, channels=3, size=8):
    return (
        torch.rand((count, channels, size, size), generator=generator(7)).sub(MEAN[:channels]).div(DEVIATION[:channels])
    )


@EVERY
def test_shape_type_and_device_stay_and_the_given_images_are_left_alone(augmentation):
    x = pictures()
    before = x.clone()
    y = augmentation(x, generator())
    assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
    assert torch.equal(x, before)
    assert not torch.equal(y, x)
    assert bool(y.isfinite().all())


@EVERY
def test_the_generator_decides_and_nothing_else(augmentation):
    x = pictures()
    torch.manual_seed(1)
    one = augmentation(x, generator(3))
    torch.manual_seed(2)
    assert torch.equal(augmentation(x, generator(3)), one)
    assert not torch.equal(augmentation(x, generator(4)), one)


@EVERY
def test_every_image_is_changed_in_its_own_way(augmentation):
    y = augmentation(pictures(count=1).expand(20, -1, -1, -1).contiguous(), generator())
    assert len({image.numpy().tobytes() for image in y}) > 10


def recorded_augment(x_BCHW, generator):
    """What the recorded reports were trained with."""
    batch, _, height, width = x_BCHW.shape
    shift = torch.randint(0, 3, (2, batch), generator=generator)
    gain = 0.8 + 0.4 * torch.rand((batch, 1, 1, 1), generator=generator)
    padded = F.pad(x_BCHW, (1, 1, 1, 1), value=float(x_BCHW.min()))
    rows = shift[0][:, None] + torch.arange(height)
    columns = shift[1][:, None] + torch.arange(width)
    picture = torch.arange(batch)
    return padded[picture[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2) * gain


@few
@given(seeds)
def test_digits_are_changed_bit_for_bit_as_in_recorded_runs(seed):
    train = DIGITS.train
    x, _ = train.take(torch.randperm(len(train), generator=generator(seed))[:64])
    one, other = generator(seed), generator(seed)
    assert torch.equal(SHIFT_AND_CONTRAST(x, one), recorded_augment(x, other))
    # And they leave the same chance for what comes after.
    assert torch.equal(one.get_state(), other.get_state())


def test_the_shift_is_of_at_most_one_pixel_and_the_contrast_changes_by_at_most_a_fifth():
    x = torch.zeros(200, 1, 7, 7)
    x[:, :, 3, 3] = 1.0
    y = SHIFT_AND_CONTRAST(x, generator())
    values, places = y.flatten(1).max(1)
    assert 0.8 <= values.min() < 0.85
    assert 1.15 < values.max() <= 1.2
    assert {divmod(int(place), 7) for place in places} == {(row, column) for row in (2, 3, 4) for column in (2, 3, 4)}
    assert torch.equal(y.flatten(1).count_nonzero(1), torch.ones(200, dtype=torch.int64))


def test_a_crop_of_cifar_is_the_padded_image_or_its_mirror_cut_at_one_of_81_places():
    x = pictures(count=1, size=9)
    padded = F.pad(x, (4, 4, 4, 4))
    cuts = [padded[0, :, row : row + 9, column : column + 9] for row in range(9) for column in range(9)]
    possible = {cut.contiguous().numpy().tobytes(): place for place, cut in enumerate(cuts)} | {
        cut.flip(2).contiguous().numpy().tobytes(): ~place for place, cut in enumerate(cuts)
    }
    drawn = [possible[y.contiguous().numpy().tobytes()] for y in CIFAR_CROP(x.expand(900, -1, -1, -1), generator())]
    assert len({place if place >= 0 else ~place for place in drawn}) == 81
    assert 0.4 < sum(place < 0 for place in drawn) / 900 < 0.6


def test_a_shift_of_nothing_changes_nothing():
    x = pictures()
    assert torch.equal(Shift(pixels=0)(x, generator()), x)


def ramps(count, size=64):
    """Pictures whose two channels are the column and the row, from 0 at one border to 1 at the other."""
    along = (torch.arange(size) + 0.5) / size
    picture = torch.stack([along.expand(size, size), along[:, None].expand(size, size)])
    return picture.expand(count, -1, -1, -1).contiguous()


def extents(crop, count=500, size=64):
    """The width and height of every crop, as shares of the image's; a mirrored width is negative."""
    y = crop(ramps(count), generator())
    middle = slice(size // 4, 3 * size // 4)  # Away from the border, where pixels are repeated.
    width = (y[:, 0, :, middle][:, :, -1] - y[:, 0, :, middle][:, :, 0]).mean(1) * size / (size // 2 - 1)
    height = (y[:, 1, middle, :][:, -1] - y[:, 1, middle, :][:, 0]).mean(1) * size / (size // 2 - 1)
    return width, height


@pytest.mark.parametrize("crop", [IMAGENET_CROP, MILD_CROP])
def test_crops_have_the_areas_and_shapes_that_are_asked_for(crop):
    width, height = extents(ResizedCrop(area_fraction=crop.area_fraction, aspect_ratio=crop.aspect_ratio))
    area, shape = width.abs() * height, width.abs() / height
    smallest, largest = crop.area_fraction
    assert smallest - 0.01 < area.min() < smallest + 0.1
    assert largest - 0.1 < area.max() < largest + 0.01
    assert 3 / 4 - 0.01 < shape.min() < 0.85
    assert 1.2 < shape.max() < 4 / 3 + 0.01
    assert 0.4 < (width < 0).float().mean() < 0.6


def test_the_whole_image_unmirrored_or_mirrored_is_what_a_full_crop_leaves():
    x = pictures(size=6)
    whole = ResizedCrop(area_fraction=(1.0, 1.0), aspect_ratio=(1.0, 1.0))
    for before, after in zip(x, whole(x, generator()), strict=True):
        assert torch.allclose(after, before, atol=1e-5) or torch.allclose(after, before.flip(2), atol=1e-5)


def test_a_crop_that_never_fits_becomes_the_whole_image():
    width, height = extents(ResizedCrop(area_fraction=(0.9, 1.0), aspect_ratio=(2.0, 3.0)))
    assert torch.allclose(width.abs(), torch.ones(500), atol=1e-3)
    assert torch.allclose(height, torch.ones(500), atol=1e-3)


def test_crops_lie_everywhere_and_never_outside():
    y = ResizedCrop(area_fraction=(0.1, 0.2))(ramps(500), generator())
    middles = y.mean((2, 3))
    assert 0 < middles.min() < 0.25
    assert 0.75 < middles.max() < 1


def colour(brightness, saturation):
    return Colour(
        brightness_fraction=brightness,
        saturation_fraction=saturation,
        mean_fraction=IMAGENET_MEAN,
        deviation_fraction=IMAGENET_DEVIATION,
    )


def light(x):
    return x * DEVIATION + MEAN


def test_brightness_multiplies_the_light_by_one_number_for_an_image():
    x = (torch.rand((300, 3, 2, 2), generator=generator()) * 0.5 + 0.2 - MEAN) / DEVIATION
    ratio = light(colour(32 / 255, 0.0)(x, generator())) / light(x)
    assert torch.allclose(ratio, ratio[:, :1, :1, :1], atol=1e-4)
    assert 1 - 32 / 255 - 1e-4 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1 + 32 / 255 + 1e-4


def test_saturation_leaves_grey_alone_and_moves_colours_towards_or_away_from_it():
    grey = (torch.full((50, 3, 2, 2), 0.4) - MEAN) / DEVIATION
    assert torch.allclose(colour(0.0, 0.5)(grey, generator()), grey, atol=1e-5)
    red = (torch.tensor([0.6, 0.4, 0.4])[:, None, None].expand(300, 3, 2, 2) - MEAN) / DEVIATION
    changed = light(colour(0.0, 0.5)(red, generator()))
    strength = (changed[:, 0] - changed[:, 1]) / 0.2
    assert 0.499 < strength.min() < 0.55
    assert 1.45 < strength.max() < 1.501


def test_light_stays_between_black_and_white():
    changed = light(IMAGENET_CROP(pictures(count=50), generator()))
    assert changed.min() > -1e-5
    assert changed.max() < 1 + 1e-5
