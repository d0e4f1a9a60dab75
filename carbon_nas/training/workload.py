"""Workloads: what is to be learnt, in three parts, and how its images may be changed."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from carbon_nas.errors import UsageError
from carbon_nas.training.augmentation import SHIFT_AND_CONTRAST, Augmentation
from carbon_nas.training.images import Images

__all__ = ["Workload", "digest_of", "readable", "wrong_layout"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Workload:
    """A task to learn. `train` is learnt from, `validation` decides in searches, `test` is touched once, at the end.

    Attributes:
        source: where the images are from, for reports.
        digest: a SHA-256 that says which images they are; None: they were made up.
        augmentation: how images may be changed that are learnt from.
        class_names: in the order of the labels; None: they have none but their numbers.
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
        digest.update(tensor.contiguous().numpy().tobytes())
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
