"""Images that stay on disk: decoded on threads, ahead of the training that uses them.

Shape letters: B batch, C channels, H height, W width.
"""

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from carbon_nas.errors import MissingExtra, UsageError
from carbon_nas.training.images import Normalisation, Split, resize

__all__ = ["CHANNELS", "ImageFiles", "decode", "require_pillow"]

CHANNELS = 3
_WORKERS = 8
"""As many as the OFA code has; threads suffice, for Pillow decodes without holding Python's lock."""
_AHEAD = 4
"""Batches that are decoded before they are asked for: enough to even out large files, few enough to hold."""
_DEEP = ("F", "I")


def require_pillow() -> None:
    """Make sure that image files can be decoded, before anything else is done.

    Raises:
        MissingExtra: if Pillow is not installed.
    """
    try:
        import PIL.Image  # noqa: F401 - here, for only image files need it
    except ModuleNotFoundError as error:
        raise MissingExtra.of(error.name, needed_by="image files") from error


def decode(path: Path, size: int, centre_fraction: float = 1.0) -> Tensor:
    """Read an image file and bring its middle square to a size: bytes of red, green and blue, of shape (H, W, C).

    Args:
        path: the file; its first frame is taken, as it lies, whatever its notes say of rotation.
        size: rows and columns of the result.
        centre_fraction: how much of the middle square's side is kept.

    Raises:
        UsageError: if it is no image, a damaged one, or one of more than 8 bits.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            # JPEG can be decoded at a half, a quarter or an eighth of its size, which saves most of the time.
            image.draft("RGB", (math.ceil(size / centre_fraction),) * 2)
            mode = image.mode
            # Through transparency, for Pillow warns when that of a palette is dropped unseen.
            opaque = (image.convert("RGBA") if "transparency" in image.info else image).convert("RGB")
        side = min(opaque.size) * centre_fraction
        left, top = (opaque.width - side) / 2, (opaque.height - side) / 2
        box = (left, top, left + side, top + side)
        small = opaque.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UsageError(
            f"this is no image that can be read ({error})", where=str(path), cure="replace the file or take it away"
        ) from error
    if mode.startswith(_DEEP):
        # Pillow would cut every value above 255 off.
        raise UsageError(
            f"this image has more than 8 bits (mode {mode})", where=str(path), cure="convert it to 8 bits per channel"
        )
    return torch.from_numpy(np.array(small))


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
    """

    folder: Path
    names: tuple[str, ...]
    labels: Tensor
    size: int
    normalisation: Normalisation
    centre_fraction: float = 1.0

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
        """Yield everything once, in order, at a resolution."""
        for x_BCHW, y_B in self.drawn(torch.arange(len(self)), batch_size):
            yield resize(x_BCHW, resolution), y_B

    def drawn(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images that an order names, batch by batch, at their own size; the last batch is what is left."""
        labels = self.labels[order.to(self.labels.device)]
        start = 0
        for pixels in self._decoded(order.tolist(), batch_size):
            y_B = labels[start : start + batch_size]
            start += batch_size
            if y_B.device.type == "cuda":
                # From pinned memory a copy runs beside the work that is queued already.
                pixels = pixels.pin_memory()
            yield self.normalisation(pixels.to(y_B.device, non_blocking=True)), y_B

    def first(self, count: int) -> "ImageFiles":
        """Return the first files, or all of them where there are fewer."""
        return replace(self, names=self.names[:count], labels=self.labels[:count])

    def resident(self) -> Split:
        """Decode everything once, and keep it in memory."""
        images = torch.empty((len(self), self.size, self.size, CHANNELS), dtype=torch.uint8).permute(0, 3, 1, 2)
        start = 0
        for pixels in self._decoded(list(range(len(self))), batch_size=64):
            images[start : start + len(pixels)] = pixels
            start += len(pixels)
        return Split(images=images, labels=self.labels, normalisation=self.normalisation)

    def _decoded(self, order: list[int], batch_size: int) -> Iterator[Tensor]:
        starts = iter(range(0, len(order), batch_size))
        ahead: deque[list[Future[Tensor]]] = deque()
        pool = ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1), thread_name_prefix="carbon-nas-decoder")
        try:
            while True:
                while len(ahead) < _AHEAD and (start := next(starts, None)) is not None:
                    chosen = order[start : start + batch_size]
                    ahead.append([pool.submit(self._decode, index) for index in chosen])
                if not ahead:
                    return
                pixels = torch.stack([future.result() for future in ahead.popleft()])
                yield pixels.permute(0, 3, 1, 2)
        finally:
            # Also when the training stops in the middle: nothing goes on behind its back.
            pool.shutdown(cancel_futures=True)

    def _decode(self, index: int) -> Tensor:
        return decode(self.folder / self.names[index], self.size, self.centre_fraction)
