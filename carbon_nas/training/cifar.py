"""CIFAR-10 and CIFAR-100 from disk: their binary version, packed or unpacked.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; the layout: "Binary version" on
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import torch
from torch import Tensor

from carbon_nas.errors import UsageError
from carbon_nas.training.augmentation import CIFAR_CROP
from carbon_nas.training.images import Normalisation, Split
from carbon_nas.training.partition import cut
from carbon_nas.training.workload import RGB, Picture, Workload, digest_of, readable, wrong_layout

__all__ = ["CIFAR10", "CIFAR100", "CifarLayout", "VALIDATION_IMAGES", "cifar"]

_CHANNELS, _SIDE = 3, 32
_READ_BYTES = 2**20
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
"""How packed files begin. Source: RFC 1952, section 2.3.1; the formats of bzip2 and .xz."""
VALIDATION_IMAGES = 5_000
"""Cut from the 50,000 to learn from, as He et al. (CVPR 2016, section 4.2) do: 45,000 and 5,000."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CifarLayout:
    """What one of the two data sets looks like on disk.

    Attributes:
        classes: how many there are.
        archive: the name of its binary version, packed.
        folder: the folder in which its files are, unpacked.
        train: the files to learn from.
        test: the file to test with.
        label_bytes: how many of a record are labels; the last of them is the class.
        pickled: names that only the Python version has; those of folders end in a slash.
    """

    name: str
    title: str
    classes: int
    archive: str
    folder: str
    train: tuple[str, ...]
    test: str
    label_bytes: int
    pickled: frozenset[str]

    @property
    def words(self) -> str:
        """The layout as a reader is told it."""
        files = self.train[0] if len(self.train) == 1 else f"{self.train[0]} .. {self.train[-1]}"
        return f"{self.archive}, or the folder {self.folder}/ that is in it: {files}, {self.test}"


CIFAR10 = CifarLayout(
    name="cifar10",
    title="CIFAR-10",
    classes=10,
    archive="cifar-10-binary.tar.gz",
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test="test_batch.bin",
    label_bytes=1,
    pickled=frozenset({"cifar-10-python.tar.gz", "cifar-10-batches-py/", "data_batch_1", "test_batch"}),
)

CIFAR100 = CifarLayout(
    name="cifar100",
    title="CIFAR-100",
    classes=100,
    archive="cifar-100-binary.tar.gz",
    folder="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    label_bytes=2,  # One of 20 kinds before one of 100 classes.
    pickled=frozenset({"cifar-100-python.tar.gz", "cifar-100-python/", "train", "test"}),
)


def cifar(layout: CifarLayout, data: Path) -> Workload:
    """Load a data set from an archive, the folder that is in it, or a folder with either.

    Raises:
        UsageError: if the files are not there, are the Python version, or are damaged.
    """
    with readable(data, layout.words):
        files = _read(layout, data)
    learnt = [_records(layout, files[name], data / name) for name in layout.train]
    images, labels = torch.cat([images for images, _ in learnt]), torch.cat([labels for _, labels in learnt])
    if len(labels) < 2:
        raise UsageError("a single image cannot be learnt from and held out", where=str(data), cure="take all of them")
    # A tenth, which of the whole data set are the 5,000.
    held_out = min(VALIDATION_IMAGES, max(1, len(labels) // 10))
    parts = cut(len(labels), {"train": len(labels) - held_out, "validation": held_out})
    normalisation = Normalisation.fitted(images[parts["train"]])
    train, validation = (
        Split(images=images[chosen], labels=labels[chosen], normalisation=normalisation) for chosen in parts.values()
    )
    test_images, test_labels = _records(layout, files[layout.test], data / layout.test)
    return Workload(
        name=layout.name,
        num_classes=layout.classes,
        in_channels=_CHANNELS,
        source=f"{layout.title}, binary version (Krizhevsky 2009)",
        digest=digest_of((images, labels, test_images, test_labels)),
        augmentation=CIFAR_CROP,
        picture=Picture(channels=RGB, part="the whole picture", side=_SIDE),
        train=train,
        validation=validation,
        test=Split(images=test_images, labels=test_labels, normalisation=normalisation),
    )


def _read(layout: CifarLayout, data: Path) -> Mapping[str, bytes]:
    wanted = (*layout.train, layout.test)
    if not data.exists():
        raise wrong_layout("there is no such file or folder", where=data, layout=layout.words)
    if data.is_dir():
        for folder in (data, data / layout.folder):
            if any((folder / name).is_file() for name in wanted):
                return _files(layout, folder)
        if (data / layout.archive).is_file():
            return _archived(layout, data / layout.archive)
        seen = {path.name + "/" * path.is_dir() for path in (data, *data.iterdir())}
    else:
        return _archived(layout, data)
    _refuse_pickles(layout, seen, data)
    raise wrong_layout(f"there are no files of {layout.title} in it", where=data, layout=layout.words)


def _files(layout: CifarLayout, folder: Path) -> Mapping[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (*layout.train, layout.test)}


def _archived(layout: CifarLayout, archive: Path) -> Mapping[str, bytes]:
    wanted = {*layout.train, layout.test}
    found, seen = {}, {archive.name}
    try:
        with _unpacked(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as packed:
            for member in packed:
                name = PurePosixPath(member.name).name
                seen.add(name + "/" * member.isdir())
                file = packed.extractfile(member) if name in wanted else None
                if file is not None:
                    found[name] = file.read()
            # To its very end, behind which its checksum is: tar stops earlier, and damage would go unnoticed.
            while stream.read(_READ_BYTES):
                pass
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        _refuse_pickles(layout, {archive.name}, archive)
        what = f"this is no archive that can be read ({error})"
        raise wrong_layout(what, where=archive, layout=layout.words) from error
    if set(found) != wanted:
        _refuse_pickles(layout, seen, archive)
        what = f"the archive has no {', '.join(sorted(wanted - set(found)))}"
        raise wrong_layout(what, where=archive, layout=layout.words)
    return found


def _unpacked(archive: Path) -> IO[bytes] | gzip.GzipFile:
    with archive.open("rb") as file:
        start = file.read(len(_XZ))
    if start.startswith(_GZIP):
        return gzip.open(archive)
    if start.startswith(_BZIP2):
        return bz2.open(archive)
    return lzma.open(archive) if start.startswith(_XZ) else archive.open("rb")


def _refuse_pickles(layout: CifarLayout, seen: set[str], where: Path) -> None:
    if seen & layout.pickled:
        raise UsageError(
            f"this is the Python version of {layout.title}: pickles, which run code when they are read",
            where=str(where),
            cure=f"take the binary version: --data is to be {layout.words}",
        )


def _records(layout: CifarLayout, content: bytes, where: Path) -> tuple[Tensor, Tensor]:
    length = layout.label_bytes + _CHANNELS * _SIDE * _SIDE
    if not content or len(content) % length:
        raise UsageError(
            f"{len(content)} bytes are no whole number of records of {length}",
            where=str(where),
            cure=f"unpack {layout.archive} again",
        )
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).reshape(-1, length)
    labels = records[:, layout.label_bytes - 1].to(torch.int64)
    if int(labels.max()) >= layout.classes:
        raise UsageError(
            f"a record is of class {int(labels.max())}, and {layout.title} has 0 to {layout.classes - 1}",
            where=str(where),
            cure=f"unpack {layout.archive} again",
        )
    return records[:, layout.label_bytes :].reshape(-1, _CHANNELS, _SIDE, _SIDE), labels
