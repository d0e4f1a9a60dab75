"""The parts of a data set, cut by fixed permutations: the same images are learnt from on every machine and day."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from carbon_nas.errors import UsageError

__all__ = ["HELD_OUT_FRACTION", "cut", "permutation", "stratified"]

_SEED = 20_260
HELD_OUT_FRACTION = 0.15
"""Of every class, for a part that a data set comes without. Our choice: most images are there to be learnt from."""


def permutation(count: int) -> Tensor:
    """Return the fixed permutation of so many images."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(_SEED))


def cut(count: int, sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Cut the fixed permutation of so many images into parts of given sizes, in their order."""
    order, parts, start = permutation(count), {}, 0
    for name, size in sizes.items():
        parts[name] = order[start : start + size]
        start += size
    return parts


def stratified(labels: Tensor, classes: Sequence[str], missing: Sequence[str], *, where: str) -> dict[str, Tensor]:
    """Cut missing parts from images, the same share of every class and at least one image; "train" is what is left.

    Args:
        labels: the number of every image's class.
        classes: their names.
        missing: the parts to cut.
        where: where the images are from.

    Returns:
        The numbers of the images of every part, shuffled.

    Raises:
        UsageError: if a class has too few images to be in every part.
    """
    generator = torch.Generator().manual_seed(_SEED)
    parts: dict[str, list[Tensor]] = {name: [] for name in (*missing, "train")}
    by_class = torch.argsort(labels, stable=True)
    ends = torch.bincount(labels, minlength=len(classes)).cumsum(0).tolist()
    for name, start, end in zip(classes, (0, *ends), ends, strict=False):
        members = by_class[start:end]
        share = max(1, round(HELD_OUT_FRACTION * len(members)))
        if len(members) < len(missing) * share + 1:
            raise UsageError(
                f"class {name!r} has {len(members)} images, too few to be in {' and '.join(sorted(parts))}",
                where=where,
                cure=f"give it at least {len(missing) + 1}, or give the parts yourself",
            )
        shuffled = members[torch.randperm(len(members), generator=generator)]
        for place, part in enumerate(missing):
            parts[part].append(shuffled[place * share : (place + 1) * share])
        parts["train"].append(shuffled[len(missing) * share :])
    mixed = {}
    for part, some in parts.items():
        together = torch.cat(some)
        # Class by class, the first images would all show the same thing.
        mixed[part] = together[torch.randperm(len(together), generator=generator)]
    return mixed
