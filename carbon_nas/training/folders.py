"""Image folders: one folder for each class, with or without parts of their own, and ImageNet."""

import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from carbon_nas.files import sha256
from carbon_nas.training.augmentation import IMAGENET_CROP, IMAGENET_DEVIATION, IMAGENET_MEAN, MILD_CROP
from carbon_nas.training.image_files import CHANNELS, DECODE_METHOD, ImageFiles, require_images, require_pillow
from carbon_nas.training.images import Images, Normalisation
from carbon_nas.training.listing import ENDINGS, Listing, class_names, left_out, list_images, part_folders
from carbon_nas.training.partition import cut, stratified
from carbon_nas.training.shelf import Shelf
from carbon_nas.training.workload import RGB, Picture, Workload, readable, wrong_layout

__all__ = [
    "FOLDER_LAYOUT",
    "FOLDER_SIZE",
    "IMAGENET_LAYOUT",
    "IMAGENET_SIZE",
    "IMAGENET_SIZES",
    "RESIDENT_BYTES",
    "folder",
    "imagenet",
]

_PICTURES = "|".join(ending[1:] for ending in ENDINGS)

FOLDER_LAYOUT = (
    f"a folder DATA/train/CLASS/*.({_PICTURES}), with DATA/validation/CLASS/* and DATA/test/CLASS/*, "
    "all classes in each, or without, or DATA/CLASS/* alone, from which what is missing is cut"
)
IMAGENET_LAYOUT = "a folder with DATA/train/n01440764/*.JPEG and so on, and DATA/val/n01440764/*.JPEG likewise"

FOLDER_SIZE = 64
"""Rows and columns, unless others are asked for. Our choice: twice those of CIFAR."""
IMAGENET_SIZE = 224
"""Rows and columns, unless others are asked for: the largest resolution of the OFA space."""
_IMAGENET_CENTRE_FRACTION = 0.875
"""Of the middle square, to evaluate with. Source: the OFA code, Resize(ceil(R / 0.875)) and CenterCrop(R)."""

IMAGENET_SIZES = {"train": 1_271_167, "validation": 10_000, "test": 50_000}
"""Source: the OFA code holds 10,000 of 1,281,167 training images out, and tests with ImageNet's validation images."""

RESIDENT_BYTES = 2**30
"""Sets of at most 1 GiB are decoded once and stay in memory as bytes: it fits beside a network. Our choice."""


def folder(data: Path, resolution: int | None = None, *, resident_bytes: int = RESIDENT_BYTES) -> Workload:
    """Load a folder of images by class; parts that it does not have are cut from its images to learn from.

    Args:
        data: the folder.
        resolution: rows and columns to which the middle square of every image is brought.
        resident_bytes: larger sets stay on disk; what networks are judged with is decoded once, the rest at every use.

    Raises:
        UsageError: if it is laid out in another way, a class is too small to be cut, or an image is damaged.
        MissingExtra: if Pillow is not installed.
    """
    require_pillow()
    size, shelf = resolution or FOLDER_SIZE, Shelf()
    with readable(data, FOLDER_LAYOUT):
        folders, beside = part_folders(data, FOLDER_LAYOUT)
        classes = class_names(folders["train"], FOLDER_LAYOUT)
        listings = {part: list_images(data, path, classes, FOLDER_LAYOUT) for part, path in folders.items()}
    images = {part: _shuffled(data, listing, size, _fixed_order(listing), shelf) for part, listing in listings.items()}
    missing = [part for part in ("validation", "test") if part not in listings]
    if missing:
        learnt = listings["train"]
        chosen = stratified(torch.tensor(learnt.labels), classes, missing, where=str(data))
        for part, order in chosen.items():
            images[part] = _shuffled(data, learnt, size, order.tolist(), shelf)
    require_images(images.values())
    kept: dict[str, Images] = dict(images)
    digest = _digest(classes, _sizes(listings.values()))
    if sum(some.bytes_when_resident for some in images.values()) <= resident_bytes:
        read = {part: some.read() for part, some in images.items()}
        kept |= {part: split for part, (split, _) in read.items()}
        digest = _digest(classes, (pair for _, hashes in read.values() for pair in hashes.items()))
    cut_off = f", {' and '.join(missing)} cut from its images" if missing else ""
    return Workload(
        name="folder",
        num_classes=len(classes),
        in_channels=CHANNELS,
        source=f"image folder {data.resolve().name}{cut_off}{_say(data, left_out(listings.values(), beside))}",
        digest=digest,
        augmentation=MILD_CROP,
        class_names=tuple(classes),
        picture=_cropped(size),
        train=kept["train"],
        validation=kept["validation"],
        test=kept["test"],
    )


def imagenet(data: Path, resolution: int | None = None) -> Workload:
    """Load ImageNet, or some of its classes: 10,000 training images decide, its validation images test.

    Images are cropped from their middle square, brought to one size, and not from the whole picture as in the OFA
    code: its left and right ends are never seen.

    Raises:
        UsageError: if it is laid out in another way.
        MissingExtra: if Pillow is not installed.
    """
    require_pillow()
    with readable(data, IMAGENET_LAYOUT):
        for name in ("train", "val"):
            if not (data / name).is_dir():
                raise wrong_layout(f"there is no folder {name}/ in it", where=data, layout=IMAGENET_LAYOUT)
        classes = class_names(data / "train", IMAGENET_LAYOUT)
        learnt = list_images(data, data / "train", classes, IMAGENET_LAYOUT)
        tested = list_images(data, data / "val", classes, IMAGENET_LAYOUT)
    # Of a few of its classes no more than a tenth.
    held_out = min(IMAGENET_SIZES["validation"], max(1, len(learnt.names) // 10))
    parts = cut(len(learnt.names), {"train": len(learnt.names) - held_out, "validation": held_out})
    size, centre, shelf = resolution or IMAGENET_SIZE, _IMAGENET_CENTRE_FRACTION, Shelf()
    train = _shuffled(data, learnt, size, parts["train"].tolist(), shelf)
    validation = _shuffled(data, learnt, size, parts["validation"].tolist(), shelf, centre_fraction=centre)
    test = _shuffled(data, tested, size, _fixed_order(tested), shelf, centre_fraction=centre)
    require_images((validation, test, train))
    return Workload(
        name="imagenet",
        num_classes=len(classes),
        in_channels=CHANNELS,
        source=f"ImageNet, ILSVRC 2012, {len(classes):,} classes{_say(data, left_out((learnt, tested), ()))}",
        digest=_digest(classes, _sizes((learnt, tested))),
        augmentation=IMAGENET_CROP,
        class_names=tuple(classes),
        picture=_cropped(size, centre),
        train=train,
        validation=validation,
        test=test,
    )


def _sizes(listings: Iterable[Listing]) -> Iterable[tuple[str, int]]:
    return (pair for listing in listings for pair in zip(listing.names, listing.sizes, strict=True))


def _fixed_order(listing: Listing) -> list[int]:
    # Class by class, the first images would all show the same thing.
    return cut(len(listing.names), {"all": len(listing.names)})["all"].tolist()


def _shuffled(
    data: Path, listing: Listing, size: int, order: list[int], shelf: Shelf, *, centre_fraction: float = 1.0
) -> ImageFiles:
    return ImageFiles(
        folder=data,
        names=tuple(listing.names[index] for index in order),
        labels=torch.tensor([listing.labels[index] for index in order], dtype=torch.int64),
        size=size,
        # Also for own photographs: released weights know no other.
        normalisation=Normalisation.of(IMAGENET_MEAN, IMAGENET_DEVIATION),
        centre_fraction=centre_fraction,
        shelf=shelf,
    )


def _cropped(size: int, centre_fraction: float = 1.0) -> Picture:
    return Picture(
        channels=RGB,
        part="the middle square of the picture as it lies (notes of rotation are not heeded)",
        side_fraction=centre_fraction,
        side=size,
        method=DECODE_METHOD,
    )


def _say(data: Path, skipped: str | None) -> str:
    """Warn of what was left out, and return the words for the source."""
    if skipped is None:
        return ""
    warnings.warn(f"{data}: not read: {skipped}", RuntimeWarning, stacklevel=3)
    return f", without {skipped}"


def _digest(classes: Sequence[str], files: Iterable[tuple[str, int | str]]) -> str:
    """Hash the names of classes and files, and of every file its size or the hash of its content."""
    return sha256(json.dumps([classes, sorted(files)]).encode())
