"""Search spaces as values: which choices there are, and what an architecture turns into, layer by layer.

Source: the MobileNetV3 space of Once-for-All (Cai et al., ICLR 2020, section 3.1 and appendix): stages of inverted
bottleneck blocks, elastic in kernel size, expand ratio, depth and input resolution.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod
from operator import index
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture, decoded
from carbon_nas.supernet.layers import (
    Activation,
    BlockSpec,
    HeadSpec,
    LayerSpec,
    SeparableSpec,
    Stage,
    StemSpec,
    block_specs,
)

__all__ = ["Choices", "SearchSpace"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What may be sampled from a space in a phase of progressive shrinking."""

    kernel_sizes: tuple[int, ...]
    expand_ratios: tuple[int, ...]
    depths: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpace:
    """A space of MobileNetV3-style networks, checked at birth.

    Attributes:
        in_channels: channels of the images.
        stem_channels, stem_stride: the first convolution.
        separable_channels: the output of a separable block behind it that no architecture changes; None without one.
        stages: the stage table.
        kernel_sizes, expand_ratios, depths: the choices, ascending; depths count active blocks per stage.
        resolutions: the sides of the input images in pixels, ascending.
        head_channels: output of the last 1x1 convolution and of the feature mix.

    Raises:
        UsageError: if the table cannot be a network.
    """

    name: str
    in_channels: int
    stem_channels: int
    stem_stride: int
    stages: tuple[Stage, ...]
    kernel_sizes: tuple[int, ...]
    expand_ratios: tuple[int, ...]
    depths: tuple[int, ...]
    resolutions: tuple[int, ...]
    head_channels: tuple[int, int]
    separable_channels: int | None = None

    def __post_init__(self) -> None:
        for name in ("kernel_sizes", "expand_ratios", "depths", "resolutions", "head_channels"):
            # Frozen, and hashed: whatever sequence was given becomes a tuple of Python's whole numbers.
            object.__setattr__(self, name, self._whole(name, getattr(self, name)))
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise self._refused("needs at least one stage")
        counts = [self.in_channels, self.stem_channels, self.stem_stride, *self.head_channels]
        counts += [1 if self.separable_channels is None else self.separable_channels]
        counts += [value for row in self.stages for value in (row.out_channels, row.stride)]
        if min(self._whole("channels and strides", counts)) < 1 or len(self.head_channels) != 2:
            raise self._refused("needs channels and strides of at least 1, and two of head_channels")
        wrong = [row.activation for row in self.stages if row.activation not in get_args(Activation)]
        if wrong:
            raise self._refused(f"knows no activation {wrong[0]!r}, only {' and '.join(get_args(Activation))}")
        for name in ("kernel_sizes", "expand_ratios", "depths", "resolutions"):
            choices = getattr(self, name)
            if not choices or choices[0] < 1 or any(small >= large for small, large in pairwise(choices)):
                raise self._refused(f"{name} must be positive and ascending, not {choices}")
        if any(kernel_size % 2 == 0 for kernel_size in self.kernel_sizes):
            raise self._refused(f"kernel_sizes must be odd, to keep a feature map's size, not {self.kernel_sizes}")

    def _refused(self, what: str) -> UsageError:
        return UsageError(what, where=f"space {self.name}")

    def _whole(self, name: str, values: object) -> tuple[int, ...]:
        # Whole numbers of any kind become Python's: an architecture has one key, whoever wrote it down.
        try:
            return tuple(map(index, values))  # type: ignore[call-overload]
        except TypeError:
            raise self._refused(f"{name} needs whole numbers, not {values!r}") from None

    @property
    def num_blocks(self) -> int:
        """The number of elastic blocks with every stage at full depth."""
        return len(self.stages) * self.depths[-1]

    @property
    def size(self) -> int:
        """The number of distinct architectures, resolution not counted."""
        per_block = len(self.kernel_sizes) * len(self.expand_ratios)
        return prod(sum(per_block**depth for depth in self.depths) for _ in self.stages)

    def architecture(
        self,
        *,
        ks: int | Sequence[int],
        e: int | Sequence[int],
        d: int | Sequence[int],
        resolution: int | None = None,
    ) -> Architecture:
        """Make a valid, canonical architecture from the official encoding.

        Args:
            ks: kernel size per block, skipped blocks included; one number stands for all.
            e: expand ratio per block, likewise.
            d: depth per stage, likewise.
            resolution: the input size in pixels; the largest of the space if not given.

        Raises:
            UsageError: if a list has the wrong length or a value is no choice of this space.
        """
        depths = self._checked("d", d, len(self.stages), self.depths)
        active = self._active(depths)
        resolution = self.resolutions[-1] if resolution is None else resolution
        (at,) = self._checked("resolution", [resolution], 1, self.resolutions)
        return Architecture(
            kernel_sizes=self._genes("ks", ks, active, self.kernel_sizes),
            expand_ratios=self._genes("e", e, active, self.expand_ratios),
            depths=depths,
            resolution=at,
        )

    def _genes(
        self, name: str, given: int | Sequence[int], active: list[bool], choices: tuple[int, ...]
    ) -> tuple[int, ...]:
        if isinstance(given, Sequence) and len(given) == len(active):
            # The OFA code writes 0 or None where a block is skipped; here it is the smallest choice.
            given = [value if on else choices[0] for value, on in zip(given, active, strict=True)]
        values = self._checked(name, given, len(active), choices)
        return tuple(value if on else choices[0] for value, on in zip(values, active, strict=True))

    def _checked(self, name: str, given: int | Sequence[int], count: int, choices: tuple[int, ...]) -> tuple[int, ...]:
        values = self._whole(name, given if isinstance(given, Iterable) else [given] * count)
        if len(values) != count:
            raise self._refused(f"{name} needs {count} values, not {len(values)}")
        wrong = [value for value in values if value not in choices]
        if wrong:
            raise self._refused(f"{name} holds {wrong[0]}; the choices are {', '.join(map(str, choices))}")
        return values

    def check(self, arch: Architecture) -> None:
        """Make sure that an architecture is one of this space; its resolution may be any.

        Raises:
            UsageError: if it is not.
        """
        _check(self, arch)

    def _active(self, depths: Sequence[int]) -> list[bool]:
        return [position < depth for depth in depths for position in range(self.depths[-1])]

    def from_json(self, data: Mapping[str, Any]) -> Architecture:
        """Read what `Architecture.to_json` or the OFA code wrote: `{ks, e, d, r}`, or `image_size` in place of `r`.

        Raises:
            UsageError: if something is missing or unknown, or is no choice of this space.
        """
        return self.architecture(**decoded(data, where=f"space {self.name}"))

    def max(self, choices: Choices | None = None) -> Architecture:
        """Return the largest architecture, of those that may be sampled if that is narrowed."""
        return self._extreme(-1, choices or self.restricted())

    def min(self, choices: Choices | None = None) -> Architecture:
        """Return the smallest architecture, of those that may be sampled if that is narrowed."""
        return self._extreme(0, choices or self.restricted())

    def _extreme(self, which: int, choices: Choices) -> Architecture:
        return self.architecture(
            ks=choices.kernel_sizes[which],
            e=choices.expand_ratios[which],
            d=choices.depths[which],
            resolution=self.resolutions[which],
        )

    def restricted(
        self,
        *,
        kernel_sizes: tuple[int, ...] | None = None,
        expand_ratios: tuple[int, ...] | None = None,
        depths: tuple[int, ...] | None = None,
    ) -> Choices:
        """Narrow what is sampled, as the phases of progressive shrinking do; the space itself stays.

        Raises:
            UsageError: if nothing is left, or something is no choice of this space.
        """

        def some(name: str, given: tuple[int, ...] | None, choices: tuple[int, ...]) -> tuple[int, ...]:
            if given is None:
                return choices
            return self._checked(name, given, max(1, len(given)), choices)

        return Choices(
            kernel_sizes=some("kernel_sizes", kernel_sizes, self.kernel_sizes),
            expand_ratios=some("expand_ratios", expand_ratios, self.expand_ratios),
            depths=some("depths", depths, self.depths),
        )

    def sample(self, rng: random.Random, choices: Choices | None = None) -> Architecture:
        """Draw every choice uniformly and independently, as the OFA code does (not uniform over architectures)."""
        choices = choices or self.restricted()
        return self.architecture(
            ks=[rng.choice(choices.kernel_sizes) for _ in range(self.num_blocks)],
            e=[rng.choice(choices.expand_ratios) for _ in range(self.num_blocks)],
            d=[rng.choice(choices.depths) for _ in self.stages],
            resolution=rng.choice(self.resolutions),
        )

    def mutate(self, parent: Architecture, rng: random.Random, probability: float) -> Architecture:
        """Draw each choice of an architecture again with the given probability.

        A block that a greater depth brings in was not chosen by the parent, and so its choices are always drawn.
        """

        def redraw(values: Iterable[int], choices: tuple[int, ...], chosen: Iterable[bool]) -> list[int]:
            return [
                rng.choice(choices) if rng.random() < probability or not known else value
                for value, known in zip(values, chosen, strict=True)
            ]

        self.check(parent)
        active = self._active(parent.depths)
        return self.architecture(
            ks=redraw(parent.kernel_sizes, self.kernel_sizes, active),
            e=redraw(parent.expand_ratios, self.expand_ratios, active),
            d=redraw(parent.depths, self.depths, [True] * len(self.stages)),
            resolution=redraw([parent.resolution], self.resolutions, [True])[0],
        )

    def crossover(self, one: Architecture, other: Architecture, rng: random.Random) -> Architecture:
        """Take each choice from either parent with equal chance, and those of a block from a parent that has it."""
        self.check(one)
        self.check(other)
        has = list(zip(self._active(one.depths), self._active(other.depths), strict=True))

        def mix(first: Iterable[int], second: Iterable[int]) -> list[int]:
            return [
                pair[0] if in_one > in_other else pair[1] if in_other > in_one else rng.choice(pair)
                for *pair, (in_one, in_other) in zip(first, second, has, strict=True)
            ]

        return self.architecture(
            ks=mix(one.kernel_sizes, other.kernel_sizes),
            e=mix(one.expand_ratios, other.expand_ratios),
            d=[rng.choice(pair) for pair in zip(one.depths, other.depths, strict=True)],
            resolution=rng.choice((one.resolution, other.resolution)),
        )

    def encode(self, arch: Architecture) -> NDArray[np.float32]:
        """Return the architecture as features of a predictor: one-hot, zeros for skipped blocks, depth implied.

        In the official order: resolution, kernel size per block, expand ratio per block. Shape (F,) with
        `F = len(resolutions) + num_blocks x (len(kernel_sizes) + len(expand_ratios))`.
        Source: Cai et al., ICLR 2020, appendix A.
        """
        self.check(arch)
        active = np.array(self._active(arch.depths))[:, None]
        kernels = np.equal.outer(arch.kernel_sizes, self.kernel_sizes) & active
        ratios = np.equal.outer(arch.expand_ratios, self.expand_ratios) & active
        features = [np.equal(self.resolutions, arch.resolution), kernels.ravel(), ratios.ravel()]
        return np.concatenate(features).astype(np.float32)

    def stem(self, resolution: int) -> StemSpec:
        """Describe the first convolution at a resolution."""
        return StemSpec(
            in_channels=self.in_channels, out_channels=self.stem_channels, stride=self.stem_stride, size=resolution
        )

    def separable(self, resolution: int) -> SeparableSpec | None:
        """Describe the separable block behind the stem; None if there is none."""
        if self.separable_channels is None:
            return None
        stem = self.stem(resolution)
        return SeparableSpec(in_channels=stem.out_channels, out_channels=self.separable_channels, size=stem.out_size)

    def blocks(self, arch: Architecture) -> tuple[BlockSpec, ...]:
        """Describe the active elastic blocks of an architecture, in the order of the data.

        Raises:
            UsageError: if it is an architecture of another space.
        """
        return _blocks(self, arch)

    def head(self, arch: Architecture, num_classes: int) -> HeadSpec:
        """Describe the end of the network."""
        return HeadSpec(
            in_channels=self.stages[-1].out_channels,
            expand_channels=self.head_channels[0],
            feature_channels=self.head_channels[1],
            num_classes=num_classes,
            size=self.blocks(arch)[-1].out_size,
        )

    def layers(self, arch: Architecture, num_classes: int) -> tuple[LayerSpec, ...]:
        """Describe every layer of an architecture, from the stem to the head."""
        separable = self.separable(arch.resolution)
        return (
            self.stem(arch.resolution),
            *(() if separable is None else (separable,)),
            *self.blocks(arch),
            self.head(arch, num_classes),
        )


@lru_cache(maxsize=1_024)
def _check(space: SearchSpace, arch: Architecture) -> None:
    try:
        same = space.architecture(ks=arch.kernel_sizes, e=arch.expand_ratios, d=arch.depths)
    except UsageError as error:
        raise UsageError(f"{arch} is an architecture of another space: {error.what}", where=error.where) from error
    if same.at(arch.resolution) != arch:
        raise UsageError(f"{arch} is not canonical", where=f"space {space.name}", cure="make it with architecture()")


# A training step asks for the same description several times; a search, never again.
@lru_cache(maxsize=1_024)
def _blocks(space: SearchSpace, arch: Architecture) -> tuple[BlockSpec, ...]:
    space.check(arch)
    separable, stem = space.separable_channels, space.stem(arch.resolution)
    in_channels = stem.out_channels if separable is None else separable
    return block_specs(space.stages, arch, deepest=space.depths[-1], in_channels=in_channels, size=stem.out_size)
