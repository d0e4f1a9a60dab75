"""Image folders: one folder for each class, with or without parts of their own, and ImageNet."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from carbon_nas.files import sha256
from carbon_nas.training.augmentation import IMAGENET_CROP, IMAGENET_DEVIATION, IMAGENET_MEAN, MILD_CROP
from carbon_nas.training.image_files import CHANNELS, ImageFiles, require_pillow
from carbon_nas.training.images import Images, Normalisation
from carbon_nas.training.partition import cut, stratified
from carbon_nas.training.workload import Workload, readable, wrong_layout

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

_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp")
_PARTS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
_PICTURES = "|".join(ending[1:] for ending in _ENDINGS)

FOLDER_LAYOUT = (
    f"a folder DATA/train/CLASS/*.({_PICTURES}), with DATA/validation/CLASS/* and DATA/test/CLASS/* or without, "
    "or DATA/CLASS/* alone, from which what is missing is cut"
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Listing:
    """The image files of one part, sorted: names within the folder, classes by number, sizes in bytes."""

    names: Sequence[str]
    labels: Sequence[int]
    sizes: Sequence[int]


def folder(data: Path, resolution: int | None = None, *, resident_bytes: int = RESIDENT_BYTES) -> Workload:
    """Load a folder of images by class; parts that it does not have are cut from its images to learn from.

    Args:
        data: the folder.
        resolution: rows and columns to which the middle square of every image is brought.
        resident_bytes: larger sets are decoded anew whenever they are used.

    Raises:
        UsageError: if it is laid out in another way, a class is too small to be cut, or an image is damaged.
        MissingExtra: if Pillow is not installed.
    """
    require_pillow()
    with readable(data, FOLDER_LAYOUT):
        folders = _parts(data)
        classes = _classes(folders["train"], FOLDER_LAYOUT)
        listings = {part: _listing(data, path, classes, FOLDER_LAYOUT) for part, path in folders.items()}
    images = {
        part: _shuffled(data, listing, resolution or FOLDER_SIZE, _fixed_order(listing))
        for part, listing in listings.items()
    }
    missing = [part for part in ("validation", "test") if part not in listings]
    if missing:
        learnt = listings["train"]
        chosen = stratified(torch.tensor(learnt.labels), classes, missing, where=str(data))
        for part, order in chosen.items():
            images[part] = _shuffled(data, learnt, resolution or FOLDER_SIZE, order.tolist())
    small = sum(some.bytes_when_resident for some in images.values()) <= resident_bytes
    kept: dict[str, Images] = {part: some.resident() if small else some for part, some in images.items()}
    cut_off = f", {' and '.join(missing)} cut from its images" if missing else ""
    return Workload(
        name="folder",
        num_classes=len(classes),
        in_channels=CHANNELS,
        source=f"image folder {data.resolve().name}{cut_off}",
        digest=_digest(classes, listings),
        augmentation=MILD_CROP,
        class_names=tuple(classes),
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
        classes = _classes(data / "train", IMAGENET_LAYOUT)
        learnt = _listing(data, data / "train", classes, IMAGENET_LAYOUT)
        tested = _listing(data, data / "val", classes, IMAGENET_LAYOUT)
    # Of a few of its classes no more than a tenth.
    held_out = min(IMAGENET_SIZES["validation"], max(1, len(learnt.names) // 10))
    parts = cut(len(learnt.names), {"train": len(learnt.names) - held_out, "validation": held_out})
    size, centre = resolution or IMAGENET_SIZE, _IMAGENET_CENTRE_FRACTION
    return Workload(
        name="imagenet",
        num_classes=len(classes),
        in_channels=CHANNELS,
        source=f"ImageNet, ILSVRC 2012, {len(classes):,} classes",
        digest=_digest(classes, {"train": learnt, "test": tested}),
        augmentation=IMAGENET_CROP,
        class_names=tuple(classes),
        train=_shuffled(data, learnt, size, parts["train"].tolist()),
        validation=_shuffled(data, learnt, size, parts["validation"].tolist(), centre_fraction=centre),
        test=_shuffled(data, tested, size, _fixed_order(tested), centre_fraction=centre),
    )


def _parts(data: Path) -> Mapping[str, Path]:
    if not data.is_dir():
        raise wrong_layout("there is no such folder", where=data, layout=FOLDER_LAYOUT)
    found: dict[str, Path] = {}
    for part, names in _PARTS.items():
        folders = [data / name for name in names if (data / name).is_dir()]
        if len(folders) > 1:
            both = " and ".join(f"{path.name}/" for path in folders)
            raise wrong_layout(f"there are {both}, and one is enough", where=data, layout=FOLDER_LAYOUT)
        found |= dict.fromkeys([part], folders[0]) if folders else {}
    if found and "train" not in found:
        there = ", ".join(f"{path.name}/" for path in found.values())
        raise wrong_layout(f"there is {there} and no train/", where=data, layout=FOLDER_LAYOUT)
    return found or {"train": data}


def _classes(learnt: Path, layout: str) -> Sequence[str]:
    classes = sorted(path.name for path in learnt.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        what = f"there are {len(classes)} folders of classes, and it takes two to tell apart"
        raise wrong_layout(what, where=learnt, layout=layout)
    return classes


def _listing(data: Path, part: Path, classes: Sequence[str], layout: str) -> _Listing:
    """List the images of a part, class by class."""
    known = {name: number for number, name in enumerate(classes)}
    names, labels, sizes = [], [], []
    for path in sorted(part.iterdir()):
        if path.name.startswith(".") or not path.is_dir():
            continue
        if path.name not in known:
            raise wrong_layout(f"class {path.name!r} is not one to learn", where=part, layout=layout)
        with os.scandir(path) as entries:
            found = sorted(
                (entry.name, entry.stat().st_size)
                for entry in entries
                if entry.name.lower().endswith(_ENDINGS) and not entry.name.startswith(".") and entry.is_file()
            )
        if not found:
            raise wrong_layout(f"class {path.name!r} has no images", where=part, layout=layout)
        prefix = path.relative_to(data).as_posix()
        names += [f"{prefix}/{name}" for name, _ in found]
        sizes += [size for _, size in found]
        labels += [known[path.name]] * len(found)
    if not names:
        raise wrong_layout("there are no folders of classes in it", where=part, layout=layout)
    return _Listing(names=names, labels=labels, sizes=sizes)


def _fixed_order(listing: _Listing) -> list[int]:
    # Class by class, the first images would all show the same thing.
    return cut(len(listing.names), {"all": len(listing.names)})["all"].tolist()


def _shuffled(
    data: Path, listing: _Listing, size: int, order: list[int], *, centre_fraction: float = 1.0
) -> ImageFiles:
    return ImageFiles(
        folder=data,
        names=tuple(listing.names[index] for index in order),
        labels=torch.tensor([listing.labels[index] for index in order], dtype=torch.int64),
        size=size,
        # Also for own photographs: released weights know no other.
        normalisation=Normalisation.of(IMAGENET_MEAN, IMAGENET_DEVIATION),
        centre_fraction=centre_fraction,
    )


def _digest(classes: Sequence[str], listings: Mapping[str, _Listing]) -> str:
    files = sorted(
        (name, size) for listing in listings.values() for name, size in zip(listing.names, listing.sizes, strict=True)
    )
    return sha256(json.dumps([classes, files]).encode())
