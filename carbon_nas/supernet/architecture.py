"""An architecture is a value: what is active, and at which resolution. No torch needed to hold one."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

    def to_json(self) -> dict[str, Any]:
        """Return the official encoding `{ks, e, d, r}` of the OFA code."""
        return {
            "ks": list(self.kernel_sizes),
            "e": list(self.expand_ratios),
            "d": list(self.depths),
            "r": self.resolution,
        }

    @property
    def key(self) -> str:
        """A short name that is the same on every machine."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        depth = "".join(map(str, self.depths))
        kernels, ratios = "".join(map(str, self.kernel_sizes)), "".join(map(str, self.expand_ratios))
        return f"d{depth} k{kernels} e{ratios} @{self.resolution}px"


def encoded(data: Mapping[str, Any]) -> dict[str, Any]:
    """Take the official encoding apart into the keyword arguments of `SearchSpace.architecture`."""
    return {"ks": list(data["ks"]), "e": list(data["e"]), "d": list(data["d"]), "resolution": int(data["r"])}
