"""Changes to training images that leave what they show: shifts, crops, mirroring, colour.

All of a batch is changed at once, on its device. Chance comes from the CPU generator that is passed in, so that a run
draws the same changes on every device. Shape letters: B batch, C channels, H height, W width.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "Augmentation",
    "CIFAR_CROP",
    "Colour",
    "IMAGENET_CROP",
    "IMAGENET_DEVIATION",
    "IMAGENET_MEAN",
    "MILD_CROP",
    "ResizedCrop",
    "SHIFT_AND_CONTRAST",
    "Shift",
]


class Augmentation(Protocol):
    """Changes a batch of images at random; shape, type and device stay."""

    def __call__(self, x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
        """Return changed images; the given ones are left alone."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """Moves every image by some pixels each way, and may mirror it and change its contrast.

    Attributes:
        pixels: the longest shift, in rows and in columns.
        contrast_fraction: by how much the distance from zero may grow or shrink.
        mirrored: whether half of the images are mirrored, left to right.
        border: what comes in from outside, the darkest value of the batch or zero.
    """

    pixels: int
    contrast_fraction: float = 0.0
    mirrored: bool = False
    border: Literal["darkest", "zero"] = "zero"

    def __call__(self, x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
        """Return moved images."""
        batch, _, height, width = x_BCHW.shape
        device = x_BCHW.device
        shift = torch.randint(0, 2 * self.pixels + 1, (2, batch), generator=generator) - self.pixels
        shift = shift.to(device, non_blocking=True)
        rows = shift[0][:, None] + torch.arange(height, device=device)
        columns = shift[1][:, None] + torch.arange(width, device=device)
        inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
        # Without padding: nobody waits for the device to tell what the darkest value is.
        border = x_BCHW.min() if self.border == "darkest" else x_BCHW.new_zeros(())
        picture = torch.arange(batch, device=device)[:, None, None]
        moved = x_BCHW[picture, :, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]]
        y_BCHW = torch.where(inside[..., None], moved, border).permute(0, 3, 1, 2)
        if self.contrast_fraction:
            change = 2 * self.contrast_fraction * torch.rand((batch, 1, 1, 1), generator=generator)
            y_BCHW = y_BCHW * (1 - self.contrast_fraction + change).to(device, non_blocking=True)
        if self.mirrored:
            chosen = torch.rand((batch, 1, 1, 1), generator=generator) < 0.5
            y_BCHW = torch.where(chosen.to(device, non_blocking=True), y_BCHW.flip(3), y_BCHW)
        return y_BCHW


def _within(places: Tensor, size: int) -> Tensor:
    return (places >= 0) & (places < size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Colour:
    """Changes brightness and saturation of pictures in red, green and blue.

    Attributes:
        brightness_fraction: by how much the light may grow or shrink.
        saturation_fraction: by how much the distance from grey may.
        mean_fraction: the mean of every channel that was taken off, as a share of full scale.
        deviation_fraction: the standard deviation of every channel by which the rest was divided, likewise.
    """

    brightness_fraction: float
    saturation_fraction: float
    mean_fraction: tuple[float, ...]
    deviation_fraction: tuple[float, ...]

    def __call__(self, x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
        """Return images in other light, cut off at black and white."""
        change = 2 * torch.rand((2, len(x_BCHW), 1, 1, 1), generator=generator) - 1
        change = change.to(x_BCHW.device, non_blocking=True)
        mean, deviation, grey = (
            torch.tensor(numbers)[:, None, None].to(x_BCHW.device, non_blocking=True)
            for numbers in (self.mean_fraction, self.deviation_fraction, _LUMA)
        )
        light = ((x_BCHW * deviation + mean) * (1 + self.brightness_fraction * change[0])).clamp(0, 1)
        luma = (light * grey).sum(1, keepdim=True)
        light = torch.lerp(luma, light, 1 + self.saturation_fraction * change[1]).clamp(0, 1)
        return (light - mean) / deviation


@dataclass(frozen=True, kw_only=True, slots=True)
class ResizedCrop:
    """Cuts a rectangle out of every square image, mirrors half of them, and enlarges it to the size of the image.

    Attributes:
        area_fraction: the smallest and largest part of the image's area.
        aspect_ratio: the smallest and largest width over height.
        colour: what is done to the colours afterwards.
    """

    area_fraction: tuple[float, float]
    aspect_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    colour: Colour | None = None

    def __call__(self, x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
        """Return enlarged crops."""
        batch = len(x_BCHW)
        width, height = self._sizes(batch, generator)
        place = torch.rand((2, batch), generator=generator)
        mirrored = torch.rand(batch, generator=generator) < 0.5
        # The corners of an image are at -1 and 1; a negative width reads it from right to left.
        transform = torch.zeros(batch, 2, 3)
        transform[:, 0, 0] = torch.where(mirrored, -width, width)
        transform[:, 0, 2] = (1 - width) * (2 * place[0] - 1)
        transform[:, 1, 1] = height
        transform[:, 1, 2] = (1 - height) * (2 * place[1] - 1)
        grid = F.affine_grid(transform.to(x_BCHW.device, non_blocking=True), list(x_BCHW.shape), align_corners=False)
        y_BCHW = F.grid_sample(x_BCHW, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return y_BCHW if self.colour is None else self.colour(y_BCHW, generator)

    def _sizes(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chance = torch.rand((2, _TRIES, batch), generator=generator)
        smallest, largest = self.area_fraction
        area = smallest + (largest - smallest) * chance[0]
        narrowest, widest = map(math.log, self.aspect_ratio)
        aspect = torch.exp(narrowest + (widest - narrowest) * chance[1])
        width, height = torch.sqrt(area * aspect), torch.sqrt(area / aspect)
        fits = (width <= 1) & (height <= 1)
        tried = fits.to(torch.uint8).argmax(0)  # The first that fits.
        image = torch.arange(batch)
        some = fits.any(0)
        whole = torch.ones(batch)
        return torch.where(some, width[tried, image], whole), torch.where(some, height[tried, image], whole)


_TRIES = 10
"""As torchvision's RandomResizedCrop, which the OFA code uses; after them the whole image is taken."""

_LUMA = (0.299, 0.587, 0.114)
"""The light of red, green and blue. Source: ITU-R BT.601, as in Pillow's conversion to grey."""

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's training images. Source: torchvision's documentation of its models; the OFA code uses the same."""

SHIFT_AND_CONTRAST = Shift(pixels=1, contrast_fraction=0.2, border="darkest")
"""For small pictures on a plain ground; the darkest value, for a shift must not add a grey bar."""

CIFAR_CROP = Shift(pixels=4, mirrored=True)
"""Source: He et al., Deep Residual Learning, CVPR 2016, section 4.2: 4 pixels padded, a crop of it or its mirror."""

IMAGENET_CROP = ResizedCrop(
    area_fraction=(0.08, 1.0),
    colour=Colour(
        brightness_fraction=32 / 255,
        saturation_fraction=0.5,
        mean_fraction=IMAGENET_MEAN,
        deviation_fraction=IMAGENET_DEVIATION,
    ),
)
"""Source: the OFA code, RandomResizedCrop and ColorJitter in its setting `tf`, here in one order instead of any."""

MILD_CROP = ResizedCrop(area_fraction=(0.5, 1.0))
"""For own folders: with few images, a crop of 8 % often shows nothing of its class. Our choice."""
