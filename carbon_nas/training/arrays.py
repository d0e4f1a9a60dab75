"""Images that lie on disk as numpy arrays.

Shape letters: B batch, C channels, H height, W width.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carbon_nas.errors import UsageError
from carbon_nas.training.augmentation import SHIFT_AND_CONTRAST
from carbon_nas.training.images import Normalisation, Split, pieces
from carbon_nas.training.partition import permutation, stratified
from carbon_nas.training.workload import Picture, Workload, digest_of, wrong_layout

__all__ = ["ARRAYS_LAYOUT", "arrays"]

ARRAYS_LAYOUT = (
    "a folder with images.npy and labels.npy, or one .npz with images and labels; or with train_images, train_labels "
    "and the same for validation and test; images are (N,H,W), (N,H,W,C) or (N,C,H,W) of floats "
    "or whole numbers from 0 to 255"
)
_PREFIXES = {"train": ("train_", ""), "validation": ("validation_", "val_"), "test": ("test_",)}
_CHANNELS = (1, 2, 3, 4)
_FULL_SCALE = 255

_Array = np.ndarray[Any, Any]


def arrays(data: Path) -> Workload:
    """Load images and labels from `.npy` or `.npz`; parts that are missing are cut from what is there.

    Bytes and floats alike end with mean 0 and deviation 1 in every channel of the images that are learnt from.

    Raises:
        UsageError: if they are not there, hold other things, or do not fit together.
    """
    read = _read(data)
    found = {part: pair for part in _PREFIXES for pair in [_pair(read, part, data)] if pair is not None}
    if "train" not in found:
        raise wrong_layout("there are no images to learn from in it", where=data, layout=ARRAYS_LAYOUT)
    kinds = {(images.dtype, images.shape[1]) for images, _ in found.values()}
    if len(kinds) > 1:
        raise wrong_layout("the parts differ in type or channels", where=data, layout=ARRAYS_LAYOUT)
    classes = _count_classes({part: labels for part, (_, labels) in found.items()}, data)
    digest = digest_of(tensor for pair in found.values() for tensor in pair)
    missing = [part for part in ("validation", "test") if part not in found]
    orders = {part: permutation(len(labels)) for part, (_, labels) in found.items()}
    if missing:
        names = [str(number) for number in range(classes)]
        orders |= stratified(found["train"][1], names, missing, where=str(data))
    shuffled = {part: _chosen(found["train"], orders[part]) for part in missing}
    # One after the other, and each let go: memory holds the images twice and not more often.
    shuffled |= {part: _chosen(found.pop(part), orders[part]) for part in tuple(found)}
    splits, pixels = _normalised(shuffled)
    cut_off = f", {' and '.join(missing)} cut from them" if missing else ""
    return Workload(
        name="arrays",
        num_classes=classes,
        in_channels=shuffled["train"][0].shape[1],
        source=f"arrays {data.resolve().name}{cut_off}",
        digest=digest,
        # Not mirrored: nobody knows whether these are photographs or letters, which have no mirror image.
        augmentation=SHIFT_AND_CONTRAST,
        pixels=pixels,
        picture=Picture(channels=None, part="the middle square", side=shuffled["train"][0].shape[-1]),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
    )


def _read(data: Path) -> dict[str, _Array]:
    """Read the arrays that may be wanted, by name, from a folder, an archive, or a folder with one archive."""
    wanted = [prefix + kind for prefixes in _PREFIXES.values() for prefix in prefixes for kind in ("images", "labels")]
    if not data.exists():
        raise wrong_layout("there is no such file or folder", where=data, layout=ARRAYS_LAYOUT)
    single = [path for name in wanted if (path := data / f"{name}.npy").is_file()]
    packed = sorted(data.glob("*.npz")) if data.is_dir() else [data]
    path = data
    try:
        if single:
            found = {}
            for path in single:
                with path.open("rb") as file:
                    found[path.stem] = np.load(file, allow_pickle=False)
            return found
        if len(packed) != 1 or packed[0].suffix != ".npz":
            raise wrong_layout("there are no such arrays in it", where=data, layout=ARRAYS_LAYOUT)
        path = packed[0]
        # Opened here, for numpy leaves a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in wanted if name in archive}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise wrong_layout(f"this cannot be read ({error})", where=path, layout=ARRAYS_LAYOUT) from error


def _pair(found: dict[str, _Array], part: str, data: Path) -> tuple[Tensor, Tensor] | None:
    prefixes = [prefix for prefix in _PREFIXES[part] if {f"{prefix}images", f"{prefix}labels"} & set(found)]
    if not prefixes:
        return None
    names = [prefix + kind for prefix in prefixes for kind in ("images", "labels")]
    if len(prefixes) > 1:
        raise wrong_layout(f"{names[0]} and {names[2]} are for the same part", where=data, layout=ARRAYS_LAYOUT)
    for name in names:
        if name not in found:
            raise wrong_layout(f"there is no {name}", where=data, layout=ARRAYS_LAYOUT)
    # Taken out, for images fill the memory, and the next part needs it.
    images, labels = _images(found.pop(names[0]), names[0], data), _labels(found.pop(names[1]), names[1], data)
    if len(images) != len(labels) or not len(labels):
        what = f"{names[0]} holds {len(images)} images and {names[1]} {len(labels)} labels"
        raise wrong_layout(what, where=data, layout=ARRAYS_LAYOUT)
    return images, labels


def _images(array: _Array, name: str, data: Path) -> Tensor:
    """Return the middle squares of images, of shape (B, C, H, W)."""
    if array.dtype.kind not in "fiu":
        raise wrong_layout(f"{name} holds {array.dtype}, not numbers", where=data, layout=ARRAYS_LAYOUT)
    last, second = array.ndim == 4 and array.shape[3] in _CHANNELS, array.ndim == 4 and array.shape[1] in _CHANNELS
    if (array.ndim != 3 and last == second) or 0 in array.shape:
        what = f"{name} has the shape {array.shape}, and its channels cannot be told"
        raise wrong_layout(what, where=data, layout=ARRAYS_LAYOUT)
    placed = array[:, None] if array.ndim == 3 else np.moveaxis(array, 3, 1) if last else array
    height, width = placed.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = placed[:, :, top : top + side, left : left + side]
    whole = array.dtype.kind in "iu"
    if whole and array.dtype != np.uint8 and (square.min() < 0 or square.max() > _FULL_SCALE):
        what = f"{name} holds whole numbers from {square.min()} to {square.max()}, not from 0 to {_FULL_SCALE}"
        raise wrong_layout(what, where=data, layout=ARRAYS_LAYOUT)
    # Also brings foreign byte orders to this machine's; what is in the right form is not copied.
    with np.errstate(over="ignore"):
        tensor = torch.from_numpy(np.ascontiguousarray(square, dtype=np.uint8 if whole else np.float32))
    if not whole and not all(bool(some.isfinite().all()) for some in pieces(tensor)):
        raise UsageError(f"{name} holds values that are no finite numbers", where=str(data), cure="mend the array")
    return tensor


def _labels(array: _Array, name: str, data: Path) -> Tensor:
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim != 1 or array.dtype.kind not in "biu":
        what = f"{name} holds {array.dtype} of shape {array.shape}, not one whole number for each image"
        raise wrong_layout(what, where=data, layout=ARRAYS_LAYOUT)
    return torch.from_numpy(flat.astype(np.int64))


def _count_classes(labels: Mapping[str, Tensor], data: Path) -> int:
    there = set(torch.cat(list(labels.values())).tolist())
    learnt = sorted(set(labels["train"].tolist()))
    if len(learnt) < 2 or learnt != list(range(len(learnt))) or len(there) != len(learnt):
        raise UsageError(
            "the labels to learn from are not 0, 1 and so on, each at least once and none that only other parts have",
            where=str(data),
            cure="number the classes from 0 without gaps, and have images of two or more to learn from",
        )
    return len(learnt)


def _chosen(pair: tuple[Tensor, Tensor], order: Tensor) -> tuple[Tensor, Tensor]:
    images, labels = pair
    return images[order], labels[order]


def _normalised(parts: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[dict[str, Split], dict[str, Any] | None]:
    """Return the parts, and of floats what was done to them; bytes stay as they are until they are used."""
    learnt = parts["train"][0]
    if not learnt.is_floating_point():
        normalisation = Normalisation.fitted(learnt)
        return {
            part: Split(images=images, labels=labels, normalisation=normalisation)
            for part, (images, labels) in parts.items()
        }, None
    mean = _mean(learnt, lambda values: values)
    deviation = _mean(learnt, lambda values: (values - mean).square()).sqrt()
    deviation = torch.where(deviation > 0, deviation, 1.0)  # A channel may be constant.
    for images, _ in parts.values():
        # In place and a few at a time: images may fill half of the memory.
        for some in pieces(images):
            some.copy_((some - mean) / deviation)
    splits = {part: Split(images=images, labels=labels) for part, (images, labels) in parts.items()}
    return splits, {
        "formula": "(pixel - mean) / deviation",
        "mean": mean.flatten().tolist(),
        "deviation": deviation.flatten().tolist(),
    }


def _mean(images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the mean of every channel's changed values, in float64 and of shape (C, 1, 1)."""
    # Into one tensor, for small ones that stay would sit in the holes that the pieces leave, and each take a new one.
    total = torch.zeros(images.shape[1], dtype=torch.float64)
    for some in pieces(images):
        total += change(some.to(torch.float64)).sum((0, 2, 3))
    return (total / (images.numel() // images.shape[1]))[:, None, None]
