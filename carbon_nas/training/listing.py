"""What lies in a folder of images: its parts, its classes, its files, and what is left out of them."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carbon_nas.training.workload import wrong_layout

__all__ = ["ENDINGS", "Listing", "class_names", "left_out", "list_images", "part_folders"]

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp")
_PARTS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
_LITTER = {"thumbs.db", "desktop.ini"}
"""What Windows leaves in folders of pictures; other systems hide theirs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """The image files of one part, sorted.

    Attributes:
        names: of the files within the folder.
        labels: the classes by number.
        sizes: in bytes.
        left_out: how many there were of what is not read, by what it is.
    """

    names: Sequence[str]
    labels: Sequence[int]
    sizes: Sequence[int]
    left_out: Mapping[str, int]


def part_folders(data: Path, layout: str) -> tuple[Mapping[str, Path], Sequence[str]]:
    """Find the folder of every part that there is, and the names of folders that lie beside them.

    Raises:
        UsageError: if there is none to learn from, two for one part, or a class that has the name of a part.
    """
    if not data.is_dir():
        raise wrong_layout("there is no such folder", where=data, layout=layout)
    there = _visible_folders(data)
    found: dict[str, Path] = {}
    for part, names in _PARTS.items():
        folders = [there[name] for name in names if name in there]
        if len(folders) > 1:
            both = " and ".join(f"{path.name}/" for path in folders)
            raise wrong_layout(f"there are {both}, and one is enough", where=data, layout=layout)
        found |= dict.fromkeys([part], folders[0]) if folders else {}
    beside = [name for name in there if there[name] not in found.values()]
    for path in found.values():
        if beside and not _visible_folders(path) and any(_is_picture(file.name) for file in path.iterdir()):
            what = f"the folder {path.name}/ beside {beside[0]}/ has the name of a part, and pictures as a class has"
            raise wrong_layout(f"{what}; rename the class {path.name!r}", where=data, layout=layout)
    if found and "train" not in found:
        parts = ", ".join(f"{path.name}/" for path in found.values())
        raise wrong_layout(f"there is {parts} and no train/", where=data, layout=layout)
    return (found, beside) if found else ({"train": data}, ())


def class_names(learnt: Path, layout: str) -> Sequence[str]:
    """Return the names of the classes, sorted.

    Raises:
        UsageError: if there are fewer than two.
    """
    classes = tuple(_visible_folders(learnt))
    if len(classes) < 2:
        what = f"there are {len(classes)} folders of classes, and it takes two to tell apart"
        raise wrong_layout(what, where=learnt, layout=layout)
    return classes


def list_images(data: Path, part: Path, classes: Sequence[str], layout: str) -> Listing:
    """List the images of a part, class by class.

    Raises:
        UsageError: if its classes are not those to learn, or one has no images, or has some in folders of its own.
    """
    folders = _visible_folders(part)
    if not folders:
        raise wrong_layout("there are no folders of classes in it", where=part, layout=layout)
    for name in folders:
        if name not in classes:
            raise wrong_layout(f"class {name!r} is not one to learn", where=part, layout=layout)
    if absent := [name for name in classes if name not in folders]:
        what = f"{len(absent)} of {len(classes)} classes are not in it, such as {absent[0]!r}"
        raise wrong_layout(what, where=part, layout=layout)
    names: list[str] = []
    labels: list[int] = []
    sizes: list[int] = []
    skipped = Counter(
        {"pictures beside the folders of classes": sum(_is_picture(file.name) for file in part.iterdir())}
    )
    for number, name in enumerate(classes):
        found = _pictures(folders[name], skipped, layout)
        if not found:
            raise wrong_layout(f"class {name!r} has no images", where=part, layout=layout)
        prefix = folders[name].relative_to(data).as_posix()
        names += [f"{prefix}/{file}" for file, _ in found]
        sizes += [size for _, size in found]
        labels += [number] * len(found)
    return Listing(names=names, labels=labels, sizes=sizes, left_out=+skipped)


def left_out(listings: Iterable[Listing], beside: Sequence[str]) -> str | None:
    """Say what the listings do not hold, and what lies beside the parts; None if that is nothing."""
    total: Counter[str] = Counter()
    for listing in listings:
        total.update(listing.left_out)
    said = [f"{what} ({count})" for what, count in sorted(total.items())]
    said += [f"the folder {name}/" for name in beside]
    return ", ".join(said) or None


def _pictures(folder: Path, skipped: Counter[str], layout: str) -> list[tuple[str, int]]:
    """List the pictures of a class and their sizes in bytes, sorted, and count what is no picture."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in _LITTER:
                continue
            if entry.is_dir():
                _refuse_pictures_below(Path(entry.path), folder, layout)
            elif _is_picture(entry.name):
                found.append((entry.name, entry.stat().st_size))
            else:
                ending = Path(entry.name).suffix.lower()
                skipped[f"files ending in {ending}" if ending else "files without an ending"] += 1
    return sorted(found)


def _refuse_pictures_below(below: Path, folder: Path, layout: str) -> None:
    for _, _, files in os.walk(below):
        if count := sum(map(_is_picture, files)):
            what = f"class {folder.name!r} has pictures in a folder of its own, {below.name}/ ({count})"
            raise wrong_layout(what, where=folder, layout=layout)


def _visible_folders(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}


def _is_picture(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")
