"""Decoded images that are kept, so that nobody decodes them twice."""

from pathlib import Path

from torch import Tensor

__all__ = ["KEPT_BYTES", "Key", "Shelf"]

KEPT_BYTES = 2**31
"""2 GiB: ImageNet's 10,000 images to decide with take 1.4 GiB at 224 rows and columns. Our choice."""

Key = tuple[Path, tuple[str, ...], int, float]
"""Which images they are: their folder and names, the size they have, and how much of the middle square they show."""


class Shelf:
    """Decoded images as bytes, of shape (B, C, H, W), on the CPU; once it is full, what comes later is not kept.

    Networks are judged on the same images again and again, so that the first that come are the ones to keep. The
    parts of a workload share one shelf.
    """

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self._left_bytes = limit_bytes
        self._kept: dict[Key, Tensor] = {}

    def find(self, key: Key) -> Tensor | None:
        """Return images that are kept; None: they are not."""
        return self._kept.get(key)

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether so many bytes can be kept as well."""
        return size_bytes <= self._left_bytes

    def keep(self, key: Key, images: Tensor) -> None:
        """Keep images, if there is still room and they are not there yet."""
        if key not in self._kept and self.has_room(images.numel()):
            self._kept[key] = images
            self._left_bytes -= images.numel()
