"""An architecture is a value: what is active, and at which resolution. No torch needed to hold one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from carbon_nas.errors import UsageError

__all__ = ["Architecture"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """One sub-network of a search space. Made by `SearchSpace.architecture`, which validates it.

    Entries of blocks that the depth skips are set to the space's smallest choice, so that two architectures that
    compute the same are equal and hash alike.

    Attributes:
        kernel_sizes: per block of the space, in order, stage after stage.
        expand_ratios: per block, likewise.
        depths: the number of active blocks per stage.
        resolution: the side of the square input in pixels.
    """

    kernel_sizes: tuple[int, ...]
    expand_ratios: tuple[int, ...]
    depths: tuple[int, ...]
    resolution: int

    def at(self, resolution: int) -> "Architecture":
        """Return the same sub-network for images of another size; the space has no say in it."""
        return self if resolution == self.resolution else replace(self, resolution=resolution)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, by the official names `{ks, e, d, r}`."""
        return {
            "ks": list(self.kernel_sizes),
            "e": list(self.expand_ratios),
            "d": list(self.depths),
            "r": self.resolution,
        }

    def to_official(self) -> dict[str, Any]:
        """Return what the OFA code's search hands out: `{ks, e, d, r}` with `r` a list of one, and `wid`, None."""
        return {"wid": None, **self.to_json(), "r": [self.resolution]}

    @property
    def key(self) -> str:
        """A short name that is the same on every machine."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        depth = "".join(map(str, self.depths))
        kernels, ratios = "".join(map(str, self.kernel_sizes)), "".join(map(str, self.expand_ratios))
        return f"d{depth} k{kernels} e{ratios} @{self.resolution}px"


def decoded(data: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Take an encoding apart into the keyword arguments of `SearchSpace.architecture`.

    The OFA code writes the resolution as `r`, a number or a list of one, or as `image_size`; and `wid`, which stands
    for None in this space.

    Raises:
        UsageError: if something is missing, or is there that means nothing here.
    """
    given = {key: value for key, value in data.items() if value is not None}
    parts = {"ks": given.pop("ks", None), "e": given.pop("e", None), "d": given.pop("d", None)}
    missing = [key for key, value in parts.items() if value is None]
    resolution = given.pop("r" if "r" in given else "image_size", None)
    if missing or given:
        what = f"lacks {missing[0]}" if missing else f"holds {next(iter(given))!r}, which is no choice here"
        raise UsageError(f"the architecture {what}", where=where, cure="write it as {ks, e, d, r}")
    if isinstance(resolution, Sequence) and len(resolution) == 1:
        resolution = resolution[0]
    return {**parts, "resolution": resolution}
