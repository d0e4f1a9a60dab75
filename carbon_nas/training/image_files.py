"""Images that stay on disk: decoded on threads, ahead of the training that uses them.

Shape letters: B batch, C channels, H height, W width.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from carbon_nas.errors import MissingExtra, UsageError
from carbon_nas.files import sha256
from carbon_nas.training.images import Normalisation, Split, resize
from carbon_nas.training.shelf import Shelf

__all__ = ["CHANNELS", "DECODE_METHOD", "ImageFiles", "decode", "require_images", "require_pillow"]

_Result = TypeVar("_Result")

CHANNELS = 3
_WORKERS = 8
"""As many as the OFA code has; threads suffice, for Pillow decodes without holding Python's lock."""
_AHEAD = 4
"""Batches that are decoded before they are asked for: enough to even out large files, few enough to hold."""
_READ_AT_ONCE = 64
"""Files that are waited for together: any number would do that keeps the threads busy."""
_LOOKED_AT = 100_000
"""Of every part, which takes about 12 seconds: 8,000 JPEG files of 60 kB a second were measured on 2 cores, from the
system's cache, and 3,600 PNG files of 370 kB. ImageNet's 1.3 million would take three minutes at every start."""
_NAMED = 3
_DEEP = ("F", "I")
_REDUCING_GAP = 2.0
DECODE_METHOD = f"Pillow's resize with Resampling.BILINEAR and reducing_gap {_REDUCING_GAP:g}"
"""How `decode` resizes, for whoever is to do the same."""


def require_pillow() -> None:
    """Make sure that image files can be decoded, before anything else is done.

    Raises:
        MissingExtra: if Pillow is not installed.
    """
    try:
        import PIL.Image  # noqa: F401 - here, for only image files need it
    except ModuleNotFoundError as error:
        raise MissingExtra.of(error.name, needed_by="image files") from error


def require_images(parts: Iterable["ImageFiles"]) -> None:
    """Look at the head of image files, so that one that cannot be used is known before anything is spent.

    Of every part it looks at the first 100,000 at most: at all of ImageNet but most of what is learnt from. A file that
    was cut off behind its head is found only when it is decoded, unless its kind has checksums, as PNG does.

    Raises:
        UsageError: if some are no images or have more than 8 bits; it says how many, and which come first.
    """
    paths = [images.folder / name for images in parts for name in images.names[:_LOOKED_AT]]
    with _decoders() as pool:
        faults = [fault for fault in pool.map(_fault, sorted(paths)) if fault is not None]
    if len(faults) == 1:
        raise faults[0]
    if faults:
        named = [str(fault.where) for fault in faults[:_NAMED]]
        raise UsageError(
            f"{len(faults)} of {len(paths):,} files cannot be used as images: {', '.join(named)}"
            f"{' and so on' * (len(faults) > _NAMED)} (of the first: {faults[0].what})",
            cure="replace the files or take them away",
        )


def decode(path: Path, size: int, centre_fraction: float = 1.0) -> Tensor:
    """Read an image file and bring its middle square to a size: bytes of red, green and blue, of shape (H, W, C).

    Args:
        path: the file; its first frame is taken, as it lies, whatever its notes say of rotation.
        size: rows and columns of the result.
        centre_fraction: how much of the middle square's side is kept.

    Raises:
        UsageError: if it is no image, a damaged one, or one of more than 8 bits.
    """
    return _decode(path, path, size, centre_fraction)


def _decode(file: Path | BytesIO, path: Path, size: int, centre_fraction: float) -> Tensor:
    from PIL import Image

    try:
        with Image.open(file) as image:
            # JPEG can be decoded at a half, a quarter or an eighth of its size, which saves most of the time.
            image.draft("RGB", (math.ceil(size / centre_fraction),) * 2)
            mode = image.mode
            # Through transparency, for Pillow warns when that of a palette is dropped unseen.
            opaque = (image.convert("RGBA") if "transparency" in image.info else image).convert("RGB")
        side = min(opaque.size) * centre_fraction
        left, top = (opaque.width - side) / 2, (opaque.height - side) / 2
        box = (left, top, left + side, top + side)
        small = opaque.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=_REDUCING_GAP)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    if mode.startswith(_DEEP):
        raise _too_deep(path, mode)
    return torch.from_numpy(np.array(small))


def _fault(path: Path) -> UsageError | None:
    """Return what is wrong with the head of an image file; None if nothing is."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            mode = image.mode
            image.verify()
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return _unreadable(path, error)
    return _too_deep(path, mode) if mode.startswith(_DEEP) else None


def _unreadable(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"this is no image that can be read ({error})", where=str(path), cure="replace the file or take it away"
    )


def _too_deep(path: Path, mode: str) -> UsageError:
    # Pillow would cut every value above 255 off.
    return UsageError(
        f"this image has more than 8 bits (mode {mode})", where=str(path), cure="convert it to 8 bits per channel"
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageFiles:
    """Image files and their labels, of shape (B,).

    Attributes:
        folder: where the files are.
        names: each file's path within the folder.
        labels: the number of every file's class.
        size: rows and columns to which the middle square of every image is brought.
        normalisation: what makes floats about zero of its bytes.
        centre_fraction: how much of the middle square's side is kept.
        shelf: what was decoded to be seen in order, which many networks are shown.
    """

    folder: Path
    names: tuple[str, ...]
    labels: Tensor
    size: int
    normalisation: Normalisation
    centre_fraction: float = 1.0
    shelf: Shelf = field(default_factory=Shelf)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def bytes_when_resident(self) -> int:
        """The memory that all images take as bytes."""
        return len(self) * CHANNELS * self.size**2

    def to(self, device: torch.device) -> "ImageFiles":
        """Return the same files, decoded for another device."""
        return replace(self, labels=self.labels.to(device), normalisation=self.normalisation.to(device))

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return chosen images, of shape (B, C, H, W), and their labels."""
        return next(self.drawn(indices, max(1, len(indices))))

    def batches(self, resolution: int, batch_size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield everything once, in order, at a resolution; what fits on the shelf is decoded the first time only."""
        for x_BCHW, y_B in self._moved(self._in_order(batch_size), self.labels, batch_size):
            yield resize(x_BCHW, resolution), y_B

    def drawn(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images that an order names, batch by batch, at their own size; the last batch is what is left."""
        labels = self.labels[order.to(self.labels.device)]
        yield from self._moved(self._decoded(order.tolist(), batch_size), labels, batch_size)

    def first(self, count: int) -> "ImageFiles":
        """Return the first files, or all of them where there are fewer."""
        return replace(self, names=self.names[:count], labels=self.labels[:count])

    def resident(self) -> Split:
        """Decode everything once, and keep it in memory."""
        return self.read()[0]

    def read(self) -> tuple[Split, Mapping[str, str]]:
        """Decode everything once, to be kept in memory, and return the SHA-256 of every file, by its name, as well."""
        images, hashes = self._empty(), list[str]()
        for batch in _ahead(self._read_one, range(len(self)), _READ_AT_ONCE):
            for content_sha256, pixels in batch:
                images[len(hashes)] = pixels.permute(2, 0, 1)
                hashes.append(content_sha256)
        split = Split(images=images, labels=self.labels, normalisation=self.normalisation)
        return split, dict(zip(self.names, hashes, strict=True))

    def _moved(self, decoded: Iterator[Tensor], labels: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Bring batches of bytes to the device as floats, and their labels with them."""
        start = 0
        for pixels in decoded:
            y_B = labels[start : start + batch_size]
            start += batch_size
            if y_B.device.type == "cuda":
                # From pinned memory a copy runs beside the work that is queued already.
                pixels = pixels.pin_memory()
            yield self.normalisation(pixels.to(y_B.device, non_blocking=True)), y_B

    def _in_order(self, batch_size: int) -> Iterator[Tensor]:
        key = (self.folder, self.names, self.size, self.centre_fraction)
        kept = self.shelf.find(key)
        if kept is not None:
            yield from (kept[start : start + batch_size] for start in range(0, len(self), batch_size))
            return
        images, start = self._empty() if self.shelf.has_room(self.bytes_when_resident) else None, 0
        for pixels in self._decoded(range(len(self)), batch_size):
            if images is not None:
                images[start : start + len(pixels)] = pixels
                start += len(pixels)
            yield pixels
        if images is not None:
            self.shelf.keep(key, images)

    def _empty(self) -> Tensor:
        shape = (len(self), self.size, self.size, CHANNELS)
        return torch.empty(shape, dtype=torch.uint8).permute(0, 3, 1, 2)

    def _decoded(self, order: Sequence[int], batch_size: int) -> Iterator[Tensor]:
        for batch in _ahead(self._decode_one, order, batch_size):
            yield torch.stack(batch).permute(0, 3, 1, 2)

    def _decode_one(self, index: int) -> Tensor:
        return decode(self.folder / self.names[index], self.size, self.centre_fraction)

    def _read_one(self, index: int) -> tuple[str, Tensor]:
        path = self.folder / self.names[index]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _unreadable(path, error) from error
        return sha256(content), _decode(BytesIO(content), path, self.size, self.centre_fraction)


def _ahead(work: Callable[[int], _Result], order: Sequence[int], batch_size: int) -> Iterator[list[_Result]]:
    """Yield what comes of work on some numbers, in batches; it is done on threads, some batches ahead."""
    starts = iter(range(0, len(order), batch_size))
    ahead: deque[list[Future[_Result]]] = deque()
    pool = _decoders()
    try:
        while True:
            while len(ahead) < _AHEAD and (start := next(starts, None)) is not None:
                ahead.append([pool.submit(work, index) for index in order[start : start + batch_size]])
            if not ahead:
                return
            yield [future.result() for future in ahead.popleft()]
    finally:
        # Also when the training stops in the middle: nothing goes on behind its back.
        pool.shutdown(cancel_futures=True)


def _decoders() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1), thread_name_prefix="carbon-nas-decoder")
