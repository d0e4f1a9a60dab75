"""Labelled images: what every part of a workload offers, and the kind that stays in memory.

Shape letters: B batch, C channels, H height, W width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Images", "Normalisation", "RESIZE_METHOD", "Split", "pieces", "resize"]

_FULL_SCALE = 255
RESIZE_METHOD = "bilinear without antialiasing, pixel centres at halves (torch interpolate, align_corners=False)"
"""How `resize` interpolates, for whoever is to do the same."""
_AT_ONCE = 2**20
"""Pixels: 8 MB in the widest type, small beside any set of images that matters, and still few pieces."""


def pieces(images: Tensor) -> Iterator[Tensor]:
    """Yield images a few at a time, so that what is made of them takes little memory."""
    count = max(1, _AT_ONCE // max(1, images[:1].numel()))
    return (images[start : start + count] for start in range(0, len(images), count))


def resize(x_BCHW: Tensor, resolution: int) -> Tensor:
    """Interpolate square images to another size, as `RESIZE_METHOD` says, in channels-last, which CPUs prefer."""
    if x_BCHW.shape[-1] != resolution:
        x_BCHW = F.interpolate(x_BCHW, size=(resolution, resolution), mode="bilinear", align_corners=False)
    return x_BCHW.contiguous(memory_format=torch.channels_last)


class Images(Protocol):
    """Labelled images, wherever they lie. What they yield is float32 about zero, on their device."""

    @property
    def labels(self) -> Tensor:
        """Return the labels, of shape (B,), on the device."""
        ...

    @property
    def normalisation(self) -> "Normalisation | None":
        """Return what makes floats of bytes; None: they come as floats."""
        ...

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> "Images":
        """Return the images on another device."""
        ...

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return chosen images, of shape (B, C, H, W), and their labels."""
        ...

    def batches(self, resolution: int, batch_size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield everything once, in order, at a resolution."""
        ...

    def drawn(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images that an order names, batch by batch, at their own size; the last batch is what is left."""
        ...

    def first(self, count: int) -> "Images":
        """Return the first images, or all of them where there are fewer."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Normalisation:
    """Turns pixels of 0..255 into floats about zero: shares of full scale, less a mean, over a standard deviation.

    Attributes:
        mean: of every channel, of shape (C, 1, 1), as a share of full scale.
        deviation: the standard deviation of every channel, likewise.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, mean: tuple[float, ...], deviation: tuple[float, ...]) -> "Normalisation":
        """Make one from a number for every channel."""
        return cls(mean=torch.tensor(mean)[:, None, None], deviation=torch.tensor(deviation)[:, None, None])

    @classmethod
    def fitted(cls, images: Tensor) -> "Normalisation":
        """Return the one under which some images of bytes, of shape (B, C, H, W), have mean 0 and deviation 1."""
        levels = torch.arange(_FULL_SCALE + 1, dtype=torch.float64) / _FULL_SCALE
        means, deviations = [], []
        for channel in range(images.shape[1]):
            # Counted, not summed: exact for any number of images, and without a copy of them in floats.
            some = [torch.bincount(piece.flatten(), minlength=_FULL_SCALE + 1) for piece in pieces(images[:, channel])]
            counts = torch.stack(some).sum(0).to(torch.float64)
            mean = float((counts * levels).sum() / counts.sum())
            variance = float((counts * (levels - mean) ** 2).sum() / counts.sum())
            means.append(mean)
            deviations.append(max(variance**0.5, 1.0 / _FULL_SCALE))  # A channel may be constant.
        return cls.of(tuple(means), tuple(deviations))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, in words that need no program: full scale, and a mean and a deviation per channel."""
        return {
            "formula": "(pixel / full_scale - mean) / deviation",
            "full_scale": _FULL_SCALE,
            "mean": self.mean.flatten().tolist(),
            "deviation": self.deviation.flatten().tolist(),
        }

    def to(self, device: torch.device) -> "Normalisation":
        """Return it on another device."""
        return Normalisation(mean=self.mean.to(device), deviation=self.deviation.to(device))

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return floats about zero."""
        return pixels.to(torch.float32).div_(_FULL_SCALE).sub_(self.mean).div_(self.deviation)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Images that stay in memory, of shape (B, C, H, W), and their labels of shape (B,).

    Attributes:
        images: floats about zero, or bytes, which take a quarter of the memory.
        labels: the number of every image's class.
        normalisation: what makes floats of bytes; floats are taken as they are.
    """

    images: Tensor
    labels: Tensor
    normalisation: Normalisation | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Split":
        """Return the split on another device."""
        normalisation = None if self.normalisation is None else self.normalisation.to(device)
        return Split(images=self.images.to(device), labels=self.labels.to(device), normalisation=normalisation)

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return chosen images, of shape (B, C, H, W), and their labels."""
        indices = indices.to(self.labels.device)
        return self._floats(self.images[indices]), self.labels[indices]

    def batches(self, resolution: int, batch_size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield everything once, in order, at a resolution."""
        for start in range(0, len(self), batch_size):
            chosen = slice(start, start + batch_size)
            yield resize(self._floats(self.images[chosen]), resolution), self.labels[chosen]

    def drawn(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images that an order names, batch by batch, at their own size; the last batch is what is left."""
        order = order.to(self.labels.device)  # All at once: a device waits for every copy.
        for start in range(0, len(order), batch_size):
            yield self.take(order[start : start + batch_size])

    def first(self, count: int) -> "Split":
        """Return the first images, or all of them where there are fewer."""
        return Split(images=self.images[:count], labels=self.labels[:count], normalisation=self.normalisation)

    def _floats(self, images: Tensor) -> Tensor:
        return images if self.normalisation is None else self.normalisation(images)
