"""Workloads: real images that come with a package, split once and for all.

Shape letters: B batch, C channels, H height, W width.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from carbon_nas.errors import MissingExtra, UnknownName

__all__ = ["Split", "WORKLOADS", "Workload", "augment", "digits", "load_workload", "resize"]


def resize(x_BCHW: Tensor, resolution: int) -> Tensor:
    """Interpolate square images to another size; the memory format becomes channels-last, which CPUs prefer."""
    if x_BCHW.shape[-1] != resolution:
        x_BCHW = F.interpolate(x_BCHW, size=(resolution, resolution), mode="bilinear", align_corners=False)
    return x_BCHW.contiguous(memory_format=torch.channels_last)


def augment(x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Shift every image by up to one pixel each way and change its contrast by up to 20 %."""
    batch, _, height, width = x_BCHW.shape
    shift = torch.randint(0, 3, (2, batch), generator=generator)
    gain = 0.8 + 0.4 * torch.rand((batch, 1, 1, 1), generator=generator)
    shift, gain = shift.to(x_BCHW.device), gain.to(x_BCHW.device)
    # The background, not the middle of the range: a shift must not add a grey bar.
    padded = F.pad(x_BCHW, (1, 1, 1, 1), value=float(x_BCHW.min()))
    rows = shift[0][:, None] + torch.arange(height, device=x_BCHW.device)
    columns = shift[1][:, None] + torch.arange(width, device=x_BCHW.device)
    picture = torch.arange(batch, device=x_BCHW.device)
    moved = padded[picture[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2) * gain


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Images of shape (B, C, H, W), as floats about zero, and their labels of shape (B,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Split":
        """Return the split on another device."""
        return Split(images=self.images.to(device), labels=self.labels.to(device))

    def batches(self, resolution: int, batch_size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield everything once, in order, at a resolution."""
        for start in range(0, len(self), batch_size):
            yield resize(self.images[start : start + batch_size], resolution), self.labels[start : start + batch_size]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Workload:
    """A task to learn. `train` is learnt from, `validation` decides in searches, `test` is touched once, at the end."""

    name: str
    num_classes: int
    in_channels: int
    train: Split
    validation: Split
    test: Split
    source: str

    def to(self, device: torch.device) -> "Workload":
        """Return the workload on another device; small sets stay there."""
        return Workload(
            name=self.name,
            num_classes=self.num_classes,
            in_channels=self.in_channels,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
            source=self.source,
        )


_SPLIT_SEED = 20_260
_DIGITS_SIZES = {"train": 900, "validation": 200, "test": 697}


def digits() -> Workload:
    """Return scikit-learn's digits: 1,797 real 8x8 images, split 900/200/697 by one fixed permutation.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, the
    copy that scikit-learn bundles.
    """
    try:
        from sklearn.datasets import load_digits  # Here, for it takes a second and only this workload needs it.
    except ModuleNotFoundError as error:
        raise MissingExtra.of(error.name) from error

    bunch = load_digits()
    images = torch.as_tensor(bunch.images, dtype=torch.float32)[:, None] / 8.0 - 1.0
    labels = torch.as_tensor(bunch.target, dtype=torch.int64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    splits, start = {}, 0
    for name, size in _DIGITS_SIZES.items():
        chosen = order[start : start + size]
        splits[name] = Split(images=images[chosen], labels=labels[chosen])
        start += size
    return Workload(
        name="digits", num_classes=10, in_channels=1, source="scikit-learn load_digits (UCI optdigits)", **splits
    )


WORKLOADS: Mapping[str, str] = {"digits": "1,797 real 8x8 images of handwritten digits, bundled with scikit-learn"}


def load_workload(name: str) -> Workload:
    """Load a workload by name.

    Raises:
        UnknownName: if there is none of that name.
        MissingExtra: if the package that bundles it is not installed.
    """
    if name != "digits":
        raise UnknownName(f"there is no workload {name!r}", cure=f"choose one of {', '.join(WORKLOADS)}")
    return digits()
