"""Search spaces as values: which choices there are, and what an architecture turns into, layer by layer.

Source: the MobileNetV3 space of Once-for-All (Cai et al., ICLR 2020, section 3.1 and appendix): stages of inverted
bottleneck blocks, elastic in kernel size, expand ratio, depth and input resolution.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from carbon_nas.errors import CarbonNasError
from carbon_nas.supernet.architecture import Architecture, encoded

__all__ = [
    "Activation",
    "BlockSpec",
    "HeadSpec",
    "SearchSpace",
    "Stage",
    "StemSpec",
    "make_divisible",
    "small_image_space",
]

Activation = Literal["relu", "h_swish"]
SE_REDUCTION = 4


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round a channel count to a multiple of `divisor`, never more than 10 % below it (MobileNetV3's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A row of the stage table: blocks of one width, the first of which has the stride."""

    out_channels: int
    stride: int
    activation: Activation
    squeeze_excite: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StemSpec:
    """The first convolution: 3x3, batch norm, h_swish."""

    in_channels: int
    out_channels: int
    stride: int
    size: int

    @property
    def key(self) -> str:
        """Name the layer by everything that its cost depends on."""
        return f"stem-{self.size}px-{self.in_channels}-{self.out_channels}-s{self.stride}"


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockSpec:
    """One active inverted bottleneck block: 1x1 expansion, depthwise kxk (and squeeze-excite), 1x1 projection.

    Attributes:
        index: the position of the block among all blocks of the space, skipped ones included.
        squeeze_channels: hidden units of squeeze-excite; None without it.
        size: the side of the input feature map in pixels.
    """

    index: int
    in_channels: int
    mid_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    activation: Activation
    squeeze_channels: int | None
    size: int

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.in_channels == self.out_channels

    @property
    def out_size(self) -> int:
        """The side of the output feature map in pixels."""
        return -(-self.size // self.stride)

    @property
    def key(self) -> str:
        """Name the layer by everything that its cost depends on."""
        squeeze = "" if self.squeeze_channels is None else f"-se{self.squeeze_channels}"
        return (
            f"block-{self.size}px-{self.in_channels}-{self.mid_channels}-{self.out_channels}"
            f"-k{self.kernel_size}-s{self.stride}{squeeze}-{self.activation}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadSpec:
    """The end: 1x1 convolution with batch norm, global average pool, 1x1 feature mix, linear classifier."""

    in_channels: int
    expand_channels: int
    feature_channels: int
    num_classes: int
    size: int

    @property
    def key(self) -> str:
        """Name the layer by everything that its cost depends on."""
        return (
            f"head-{self.size}px-{self.in_channels}-{self.expand_channels}-{self.feature_channels}-{self.num_classes}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpace:
    """A space of MobileNetV3-style networks.

    Attributes:
        in_channels: channels of the images.
        stem_channels, stem_stride: the first convolution.
        stages: the stage table.
        kernel_sizes, expand_ratios, depths: the choices, ascending; depths count active blocks per stage.
        resolutions: the sides of the input images in pixels, ascending.
        head_channels: output of the last 1x1 convolution and of the feature mix.
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

    @property
    def num_blocks(self) -> int:
        """The number of blocks with every stage at full depth."""
        return len(self.stages) * self.depths[-1]

    @property
    def size(self) -> int:
        """The number of distinct architectures, resolution not counted."""
        per_block = len(self.kernel_sizes) * len(self.expand_ratios)
        return prod(sum(per_block**depth for depth in self.depths) for _ in self.stages)

    def architecture(
        self,
        *,
        ks: Sequence[int],
        e: Sequence[int],
        d: Sequence[int],
        resolution: int | None = None,
    ) -> Architecture:
        """Make a valid, canonical architecture from the official encoding.

        Args:
            ks: kernel size per block, skipped blocks included.
            e: expand ratio per block.
            d: depth per stage.
            resolution: the input size in pixels; the largest of the space if not given.

        Raises:
            CarbonNasError: if a list has the wrong length or a value is no choice of this space.
        """
        resolution = self.resolutions[-1] if resolution is None else resolution
        for name, values, count, choices in (
            ("ks", ks, self.num_blocks, self.kernel_sizes),
            ("e", e, self.num_blocks, self.expand_ratios),
            ("d", d, len(self.stages), self.depths),
            ("resolution", [resolution], 1, self.resolutions),
        ):
            if len(values) != count:
                raise CarbonNasError(f"{name} needs {count} values, not {len(values)}", where=f"space {self.name}")
            wrong = [value for value in values if value not in choices]
            if wrong:
                raise CarbonNasError(
                    f"{name} holds {wrong[0]}; the choices are {', '.join(map(str, choices))}",
                    where=f"space {self.name}",
                )
        skipped = [position >= d[stage] for stage, position in self._positions()]
        return Architecture(
            kernel_sizes=tuple(self.kernel_sizes[0] if skip else k for k, skip in zip(ks, skipped, strict=True)),
            expand_ratios=tuple(
                self.expand_ratios[0] if skip else ratio for ratio, skip in zip(e, skipped, strict=True)
            ),
            depths=tuple(d),
            resolution=resolution,
        )

    def from_json(self, data: Mapping[str, Any]) -> Architecture:
        """Read the official encoding `{ks, e, d, r}`."""
        return self.architecture(**encoded(data))

    def _positions(self) -> list[tuple[int, int]]:
        return [(stage, position) for stage in range(len(self.stages)) for position in range(self.depths[-1])]

    def max(self) -> Architecture:
        """Return the largest architecture."""
        return self._extreme(-1)

    def min(self) -> Architecture:
        """Return the smallest architecture."""
        return self._extreme(0)

    def _extreme(self, which: int) -> Architecture:
        return self.architecture(
            ks=[self.kernel_sizes[which]] * self.num_blocks,
            e=[self.expand_ratios[which]] * self.num_blocks,
            d=[self.depths[which]] * len(self.stages),
            resolution=self.resolutions[which],
        )

    def restricted(
        self,
        *,
        kernel_sizes: tuple[int, ...] | None = None,
        expand_ratios: tuple[int, ...] | None = None,
        depths: tuple[int, ...] | None = None,
    ) -> "Choices":
        """Narrow what is sampled, as the phases of progressive shrinking do; the space itself stays."""
        return Choices(
            kernel_sizes=kernel_sizes or self.kernel_sizes,
            expand_ratios=expand_ratios or self.expand_ratios,
            depths=depths or self.depths,
        )

    def sample(self, rng: random.Random, choices: "Choices | None" = None) -> Architecture:
        """Draw every choice uniformly and independently, as the OFA code does (not uniform over architectures)."""
        choices = choices or self.restricted()
        return self.architecture(
            ks=[rng.choice(choices.kernel_sizes) for _ in range(self.num_blocks)],
            e=[rng.choice(choices.expand_ratios) for _ in range(self.num_blocks)],
            d=[rng.choice(choices.depths) for _ in self.stages],
            resolution=rng.choice(self.resolutions),
        )

    def mutate(self, parent: Architecture, rng: random.Random, probability: float) -> Architecture:
        """Draw each choice of an architecture again with the given probability."""

        def redraw(values: tuple[int, ...], choices: tuple[int, ...]) -> list[int]:
            return [rng.choice(choices) if rng.random() < probability else value for value in values]

        return self.architecture(
            ks=redraw(parent.kernel_sizes, self.kernel_sizes),
            e=redraw(parent.expand_ratios, self.expand_ratios),
            d=redraw(parent.depths, self.depths),
            resolution=redraw((parent.resolution,), self.resolutions)[0],
        )

    def crossover(self, one: Architecture, other: Architecture, rng: random.Random) -> Architecture:
        """Take each choice from either parent with equal chance."""

        def mix(first: tuple[int, ...], second: tuple[int, ...]) -> list[int]:
            return [rng.choice(pair) for pair in zip(first, second, strict=True)]

        return self.architecture(
            ks=mix(one.kernel_sizes, other.kernel_sizes),
            e=mix(one.expand_ratios, other.expand_ratios),
            d=mix(one.depths, other.depths),
            resolution=rng.choice((one.resolution, other.resolution)),
        )

    def stem(self, resolution: int) -> StemSpec:
        """Describe the first convolution at a resolution."""
        return StemSpec(
            in_channels=self.in_channels, out_channels=self.stem_channels, stride=self.stem_stride, size=resolution
        )

    def blocks(self, arch: Architecture) -> tuple[BlockSpec, ...]:
        """Describe the active blocks of an architecture, in the order of the data."""
        specs, channels = [], self.stem_channels
        size = -(-arch.resolution // self.stem_stride)
        for index, (stage, position) in enumerate(self._positions()):
            row = self.stages[stage]
            if position >= arch.depths[stage]:
                continue
            mid = make_divisible(round(channels * arch.expand_ratios[index]))
            spec = BlockSpec(
                index=index,
                in_channels=channels,
                mid_channels=mid,
                out_channels=row.out_channels,
                kernel_size=arch.kernel_sizes[index],
                stride=row.stride if position == 0 else 1,
                activation=row.activation,
                squeeze_channels=make_divisible(mid // SE_REDUCTION) if row.squeeze_excite else None,
                size=size,
            )
            specs.append(spec)
            channels, size = spec.out_channels, spec.out_size
        return tuple(specs)

    def head(self, arch: Architecture, num_classes: int) -> HeadSpec:
        """Describe the end of the network."""
        return HeadSpec(
            in_channels=self.stages[-1].out_channels,
            expand_channels=self.head_channels[0],
            feature_channels=self.head_channels[1],
            num_classes=num_classes,
            size=self.blocks(arch)[-1].out_size,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What may be sampled from a space in a phase of progressive shrinking."""

    kernel_sizes: tuple[int, ...]
    expand_ratios: tuple[int, ...]
    depths: tuple[int, ...]


def small_image_space(*, in_channels: int = 1, resolutions: tuple[int, ...] = (8, 12)) -> SearchSpace:
    """Return a MobileNetV3-style space for images of about ten pixels.

    The stem has no stride, three stages halve the feature map twice, widths are a fraction of MobileNetV3's.
    """
    return SearchSpace(
        name="small_image",
        in_channels=in_channels,
        stem_channels=8,
        stem_stride=1,
        stages=(
            Stage(out_channels=8, stride=1, activation="relu", squeeze_excite=False),
            Stage(out_channels=16, stride=2, activation="relu", squeeze_excite=True),
            Stage(out_channels=24, stride=2, activation="h_swish", squeeze_excite=True),
        ),
        kernel_sizes=(3, 5),
        expand_ratios=(2, 3, 4),
        depths=(1, 2, 3),
        resolutions=resolutions,
        head_channels=(64, 96),
    )
