"""Workloads: what is to be learnt, in three parts, and how its images may be changed."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from carbon_nas.errors import UsageError
from carbon_nas.training.augmentation import SHIFT_AND_CONTRAST, Augmentation
from carbon_nas.training.images import Images

__all__ = ["GREY", "Picture", "RGB", "Workload", "digest_of", "readable", "wrong_layout"]


GREY, RGB = ("grey",), ("red", "green", "blue")


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """How a picture becomes the pixels that are normalised, for whoever is to show others to a network.

    Attributes:
        channels: in their order; None: nobody said what they are.
        part: which part of it is taken, as words behind "take".
        side_fraction: how much of that part's side is kept, about its middle.
        side: rows and columns of the pixels.
        method: how it is brought to them; None: it has them.
    """

    channels: tuple[str, ...] | None
    part: str
    side: int
    side_fraction: float = 1.0
    method: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Workload:
    """A task to learn. `train` is learnt from, `validation` decides in searches, `test` is touched once, at the end.

    Attributes:
        source: where the images are from, for reports.
        digest: a SHA-256 that says which images they are; None: they were made up. Of arrays, bundled images and CIFAR
            it covers every pixel and label; of image files that stay in memory their names, classes and content; of
            image files that are read when they are needed (ImageNet, large folders) names, classes and sizes only, so
            that a file replaced by one of equal length goes unnoticed.
        augmentation: how images may be changed that are learnt from.
        class_names: in the order of the labels; None: they have none but their numbers.
        pixels: what was done to the pixels of images that are kept as floats; None: nobody said.
        picture: what was done before, from a picture on; None: nobody said.
    """

    name: str
    num_classes: int
    in_channels: int
    train: Images
    validation: Images
    test: Images
    source: str
    digest: str | None = None
    augmentation: Augmentation = SHIFT_AND_CONTRAST
    class_names: tuple[str, ...] | None = None
    pixels: str | Mapping[str, Any] | None = None
    picture: Picture | None = None

    @property
    def normalisation(self) -> str | Mapping[str, Any] | None:
        """What is done to pixels before a network sees them, in JSON values; None: nobody knows."""
        known = self.train.normalisation
        return self.pixels if known is None else known.to_json()

    def to(self, device: torch.device) -> "Workload":
        """Return the workload on another device; small sets stay there."""
        return replace(
            self, train=self.train.to(device), validation=self.validation.to(device), test=self.test.to(device)
        )


def digest_of(tensors: Iterable[Tensor]) -> str:
    """Return the SHA-256 of tensors: of their types, shapes and values."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


@contextmanager
def readable(where: Path, layout: str) -> Iterator[None]:
    """Turn what the system says of files that cannot be read into one line for the reader."""
    try:
        yield
    except OSError as error:
        what = f"{error.filename or 'a file'} cannot be read ({error.strerror or error})"
        raise wrong_layout(what, where=where, layout=layout) from error


def wrong_layout(what: str, *, where: Path, layout: str) -> UsageError:
    """Say that a path does not hold what it should, and what that is."""
    return UsageError(what, where=str(where), cure=f"--data is to be {layout}")
