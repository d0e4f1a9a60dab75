"""The spaces that come with the tool, and a way to make others from a stage table."""

import math
from collections.abc import Iterable
from dataclasses import replace

from carbon_nas.errors import UsageError
from carbon_nas.supernet.layers import Activation, Stage, make_divisible
from carbon_nas.supernet.space import SearchSpace

__all__ = ["OFFICIAL_RESOLUTIONS", "mobilenet_v3_space", "small_image_space", "table_space", "thumbnail_space"]

OFFICIAL_RESOLUTIONS = tuple(range(128, 225, 4))


def _rows(*rows: tuple[int, int, Activation, bool]) -> tuple[Stage, ...]:
    return tuple(
        Stage(out_channels=channels, stride=stride, activation=activation, squeeze_excite=squeeze)
        for channels, stride, activation, squeeze in rows
    )


_MOBILENET_V3 = _rows(
    (24, 2, "relu", False),
    (40, 2, "relu", True),
    (80, 2, "h_swish", False),
    (112, 1, "h_swish", True),
    (160, 2, "h_swish", True),
)


def table_space(
    name: str,
    stages: Iterable[Stage],
    *,
    width_mult: float = 1.0,
    in_channels: int = 3,
    stem_channels: int = 16,
    stem_stride: int = 2,
    separable_channels: int | None = 16,
    kernel_sizes: tuple[int, ...] = (3, 5, 7),
    expand_ratios: tuple[int, ...] = (3, 4, 6),
    depths: tuple[int, ...] = (2, 3, 4),
    resolutions: tuple[int, ...] = OFFICIAL_RESOLUTIONS,
    head_channels: tuple[int, int] = (960, 1280),
) -> SearchSpace:
    """Make a space from a stage table; whatever is not given is as in the official space.

    `width_mult` scales every width but that of the images, rounded by MobileNetV3's rule; `name` stands in ledgers and
    error messages; all else is as in `SearchSpace`.

    Raises:
        UsageError: if the table cannot be a network.
    """
    if not (math.isfinite(width_mult) and width_mult > 0):
        raise UsageError(f"width_mult must be a number above 0, not {width_mult}", where=f"space {name}")

    def wide(channels: int) -> int:
        # What is not there is not rounded up to something.
        return make_divisible(channels * width_mult) if channels > 0 else channels

    return SearchSpace(
        name=name,
        in_channels=in_channels,
        stem_channels=wide(stem_channels),
        stem_stride=stem_stride,
        separable_channels=None if separable_channels is None else wide(separable_channels),
        stages=tuple(replace(stage, out_channels=wide(stage.out_channels)) for stage in stages),
        kernel_sizes=kernel_sizes,
        expand_ratios=expand_ratios,
        depths=depths,
        resolutions=resolutions,
        head_channels=(wide(head_channels[0]), wide(head_channels[1])),
    )


def mobilenet_v3_space(
    width_mult: float = 1.0, *, in_channels: int = 3, resolutions: tuple[int, ...] = OFFICIAL_RESOLUTIONS
) -> SearchSpace:
    """Return the official OFAMobileNetV3 space: 5 stages, 20 elastic blocks, 7371^5 = 2.2e19 architectures.

    Kernels 3, 5, 7; expand ratios 3, 4, 6; depths 2, 3, 4; 25 resolutions from 128 to 224 pixels unless others are
    given. Weights were released for the width multipliers 1.0 and 1.2.
    Source: Cai et al., ICLR 2020, section 3.1 and 4.1; the OFA code, `ofa_mbv3.py`.
    """
    return table_space(
        f"mobilenet_v3_w{float(width_mult)}",
        _MOBILENET_V3,
        width_mult=width_mult,
        in_channels=in_channels,
        resolutions=resolutions,
    )


def thumbnail_space(
    width_mult: float = 1.0, *, in_channels: int = 3, resolutions: tuple[int, ...] = (20, 24, 28, 32)
) -> SearchSpace:
    """Return the official space for images of about 32 pixels, such as CIFAR's.

    Widths and choices are the official ones; the stem and the first stage keep the size of the image, so that an
    image of 32 pixels ends as a feature map of 4.
    """
    first, *others = _MOBILENET_V3
    return table_space(
        f"thumbnail_w{float(width_mult)}",
        (replace(first, stride=1), *others),
        width_mult=width_mult,
        in_channels=in_channels,
        stem_stride=1,
        resolutions=resolutions,
    )


def small_image_space(
    width_mult: float = 1.0, *, in_channels: int = 1, resolutions: tuple[int, ...] = (8, 12)
) -> SearchSpace:
    """Return a MobileNetV3-style space for images of about ten pixels.

    The stem has no stride, three stages halve the feature map twice, widths are a fraction of MobileNetV3's.
    """
    return table_space(
        "small_image" if width_mult == 1.0 else f"small_image_w{width_mult}",
        _rows((8, 1, "relu", False), (16, 2, "relu", True), (24, 2, "h_swish", True)),
        width_mult=width_mult,
        in_channels=in_channels,
        stem_channels=8,
        stem_stride=1,
        separable_channels=None,
        kernel_sizes=(3, 5),
        expand_ratios=(2, 3, 4),
        depths=(1, 2, 3),
        resolutions=resolutions,
        head_channels=(64, 96),
    )
