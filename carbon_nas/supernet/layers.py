"""What an architecture turns into, layer by layer: sizes and nothing else, so that costs can be counted by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from carbon_nas.supernet.architecture import Architecture

__all__ = [
    "Activation",
    "BlockSpec",
    "HeadSpec",
    "LayerSpec",
    "SeparableSpec",
    "Stage",
    "StemSpec",
    "block_specs",
    "make_divisible",
]

Activation = Literal["relu", "h_swish"]


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
    def out_size(self) -> int:
        """The side of the output feature map in pixels."""
        return -(-self.size // self.stride)

    @property
    def key(self) -> str:
        """Name the layer by everything that its cost depends on."""
        return f"stem-{self.size}px-{self.in_channels}-{self.out_channels}-s{self.stride}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparableSpec:
    """The block that no architecture changes: depthwise 3x3, batch norm, relu, then 1x1 with batch norm.

    It is MobileNetV3's first block, an inverted bottleneck that does not expand.
    """

    in_channels: int
    out_channels: int
    size: int

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.in_channels == self.out_channels

    @property
    def key(self) -> str:
        """Name the layer by everything that its cost depends on."""
        return f"separable-{self.size}px-{self.in_channels}-{self.out_channels}"


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockSpec:
    """One active inverted bottleneck block: 1x1 expansion, depthwise kxk (and squeeze-excite), 1x1 projection.

    Attributes:
        index: the position of the block among all elastic blocks of the space, skipped ones included.
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


LayerSpec = StemSpec | SeparableSpec | BlockSpec | HeadSpec

SE_REDUCTION = 4


def block_specs(
    stages: Sequence[Stage], arch: Architecture, *, deepest: int, in_channels: int, size: int
) -> tuple[BlockSpec, ...]:
    """Describe the active blocks of an architecture, in the order of the data.

    Args:
        stages: the stage table.
        arch: which blocks are active, and how wide.
        deepest: the blocks of a stage at full depth.
        in_channels: of the first block.
        size: the side of its input in pixels.
    """
    specs: list[BlockSpec] = []
    channels = in_channels
    for stage, row in enumerate(stages):
        for position in range(arch.depths[stage]):
            place = stage * deepest + position
            mid = make_divisible(round(channels * arch.expand_ratios[place]))
            spec = BlockSpec(
                index=place,
                in_channels=channels,
                mid_channels=mid,
                out_channels=row.out_channels,
                kernel_size=arch.kernel_sizes[place],
                stride=row.stride if position == 0 else 1,
                activation=row.activation,
                squeeze_channels=make_divisible(mid // SE_REDUCTION) if row.squeeze_excite else None,
                size=size,
            )
            specs.append(spec)
            channels, size = spec.out_channels, spec.out_size
    return tuple(specs)
