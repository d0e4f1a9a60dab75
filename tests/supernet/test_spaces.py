"""The official space, number by number as the OFA code has it, and spaces made from other stage tables."""

from dataclasses import replace

import pytest
import torch

from carbon_nas.errors import UsageError
from carbon_nas.supernet import StaticMobileNetV3, cost, mobilenet_v3_space, small_image_space, table_space
from carbon_nas.supernet.layers import BlockSpec, HeadSpec, SeparableSpec, Stage, StemSpec
from carbon_nas.supernet.spaces import thumbnail_space
from tests.supernet.spaces import ONE, TINY

OFFICIAL, WIDE = mobilenet_v3_space(), mobilenet_v3_space(1.2)


def test_the_official_space_has_seven_thousand_three_hundred_and_seventy_one_to_the_fifth_architectures():
    assert OFFICIAL.size == 7371**5 == (9**2 + 9**3 + 9**4) ** 5
    assert f"{OFFICIAL.size:.4e}" == "2.1759e+19"
    assert WIDE.size == OFFICIAL.size


def test_the_official_space_has_five_stages_of_four_blocks_and_three_choices_of_each_kind():
    assert (len(OFFICIAL.stages), OFFICIAL.num_blocks) == (5, 20)
    assert OFFICIAL.kernel_sizes == (3, 5, 7)
    assert OFFICIAL.expand_ratios == (3, 4, 6)
    assert OFFICIAL.depths == (2, 3, 4)


def test_the_official_resolutions_are_twenty_five_from_128_to_224_in_steps_of_four():
    assert len(OFFICIAL.resolutions) == 25
    assert OFFICIAL.resolutions[::6] == (128, 152, 176, 200, 224)


def test_other_resolutions_and_images_of_one_channel_may_be_asked_for():
    space = mobilenet_v3_space(in_channels=1, resolutions=(32, 64))
    assert (space.max().resolution, space.stem(64).in_channels) == (64, 1)
    assert space.stages == OFFICIAL.stages


def test_spaces_made_alike_are_equal_and_those_of_another_width_are_not():
    assert mobilenet_v3_space(1.2) == WIDE != OFFICIAL
    assert small_image_space() == small_image_space()
    assert len({OFFICIAL.name, WIDE.name, small_image_space().name}) == 3


@pytest.mark.parametrize(
    ("space", "stem", "separable", "stages", "head"),
    [
        pytest.param(OFFICIAL, 16, 16, [24, 40, 80, 112, 160], (960, 1280), id="width 1.0"),
        pytest.param(WIDE, 24, 24, [32, 48, 96, 136, 192], (1152, 1536), id="width 1.2"),
    ],
)
def test_the_widths_are_those_of_the_ofa_code(space, stem, separable, stages, head):
    first, second, *blocks, last = space.layers(space.max(), 1000)
    assert (first.in_channels, first.out_channels) == (3, stem)
    assert second.out_channels == separable
    assert [block.out_channels for block in blocks] == [width for width in stages for _ in range(4)]
    assert (last.expand_channels, last.feature_channels) == head


def test_strides_activations_and_squeeze_excite_are_those_of_the_ofa_code():
    rows = [(stage.stride, stage.activation, stage.squeeze_excite) for stage in OFFICIAL.stages]
    assert rows == [
        (2, "relu", False),
        (2, "relu", True),
        (2, "h_swish", False),
        (1, "h_swish", True),
        (2, "h_swish", True),
    ]


def test_only_the_first_block_of_a_stage_has_its_stride_and_only_the_others_add_their_input():
    blocks = OFFICIAL.blocks(OFFICIAL.max())
    assert [block.stride for block in blocks[::4]] == [2, 2, 2, 1, 2]
    assert {block.stride for block in blocks if block.index % 4} == {1}
    assert [block.residual for block in blocks] == [False, True, True, True] * 5


def test_maps_shrink_from_112_to_7_pixels_on_the_way():
    stem, separable, *blocks, head = OFFICIAL.layers(OFFICIAL.max(), 1000)
    assert (stem.out_size, separable.size, head.size) == (112, 112, 7)
    assert [block.out_size for block in blocks[::4]] == [56, 28, 14, 14, 7]


@pytest.mark.parametrize(
    ("ratio", "plain", "squeezed"),
    [
        (
            3,
            {(16, 48), (24, 72), (40, 120), (80, 240)},
            {(24, 72, 24), (40, 120, 32), (80, 240, 64), (112, 336, 88), (160, 480, 120)},
        ),
        (
            4,
            {(16, 64), (24, 96), (40, 160), (80, 320)},
            {(24, 96, 24), (40, 160, 40), (80, 320, 80), (112, 448, 112), (160, 640, 160)},
        ),
        (
            6,
            {(16, 96), (24, 144), (40, 240), (80, 480)},
            {(24, 144, 40), (40, 240, 64), (80, 480, 120), (112, 672, 168), (160, 960, 240)},
        ),
    ],
)
def test_channels_inside_a_block_are_those_of_the_ofa_code(ratio, plain, squeezed):
    """By input: expanded channels, and hidden units of squeeze-excite where there are some."""
    blocks = OFFICIAL.blocks(OFFICIAL.architecture(ks=3, e=ratio, d=4))
    with_squeeze = [block for block in blocks if block.squeeze_channels is not None]
    assert [block.index for block in with_squeeze] == [*range(4, 8), *range(12, 20)]
    assert {(block.in_channels, block.mid_channels, block.squeeze_channels) for block in with_squeeze} == squeezed
    assert {(block.in_channels, block.mid_channels) for block in blocks if block.squeeze_channels is None} == plain


@pytest.mark.parametrize(
    ("d", "e", "ks", "macs_m", "parameters_m"),
    [
        (4, 6, 7, 566.2, 7.665),
        (4, 6, 3, 433.1, 7.300),
        (4, 3, 7, 292.7, 4.554),
        (4, 3, 3, 226.2, 4.372),
        (2, 6, 7, 282.6, 4.838),
        (2, 6, 3, 222.6, 4.673),
        (2, 3, 7, 151.3, 3.493),
        (2, 3, 3, 121.3, 3.411),
    ],
)
def test_costs_at_224_pixels_and_1000_classes_are_those_that_the_ofa_code_counts(d, e, ks, macs_m, parameters_m):
    arch = OFFICIAL.architecture(ks=ks, e=e, d=d)
    found = cost(OFFICIAL, arch, 1000)
    assert found.macs / 1e6 == pytest.approx(macs_m, abs=0.05)
    assert found.parameters / 1e6 == pytest.approx(parameters_m, abs=0.0005)
    with torch.device("meta"):
        static = StaticMobileNetV3(OFFICIAL, arch, 1000)
    assert sum(parameter.numel() for parameter in static.parameters()) == found.parameters


def test_the_smallest_network_costs_a_third_at_128_pixels_and_holds_the_same():
    found = cost(OFFICIAL, OFFICIAL.min(), 1000)
    assert found.macs / 1e6 == pytest.approx(41.5, abs=0.05)
    assert found.parameters == cost(OFFICIAL, OFFICIAL.min().at(224), 1000).parameters


def test_the_largest_network_of_width_1_2_costs_what_the_ofa_code_counts():
    assert cost(WIDE, WIDE.max(), 1000).macs / 1e6 == pytest.approx(843.1, abs=0.05)


def test_the_space_for_images_of_32_pixels_has_the_official_widths_and_choices():
    space = thumbnail_space()
    strides = [stage.stride for stage in OFFICIAL.stages]
    stages = tuple(replace(stage, stride=stride) for stage, stride in zip(space.stages, strides, strict=True))
    changed = {"name": OFFICIAL.name, "stem_stride": 2, "stages": stages, "resolutions": OFFICIAL.resolutions}
    assert replace(space, **changed) == OFFICIAL
    assert space.size == OFFICIAL.size
    assert space.resolutions == (20, 24, 28, 32)


def test_an_image_of_32_pixels_ends_as_a_map_of_four():
    space = thumbnail_space()
    stem, separable, *blocks, head = space.layers(space.max(), 10)
    assert (stem.out_size, separable.size, head.size) == (32, 32, 4)
    assert [block.out_size for block in blocks[::4]] == [32, 16, 8, 8, 4]


def test_the_space_for_images_of_32_pixels_may_be_thinner_and_read_grey_images():
    space = thumbnail_space(0.5, in_channels=1, resolutions=(28,))
    assert space.name == "thumbnail_w0.5" != thumbnail_space().name
    assert (space.in_channels, space.stem_channels, space.head_channels) == (1, 8, (480, 640))
    assert [stage.out_channels for stage in space.stages] == [16, 24, 40, 56, 80]
    net = StaticMobileNetV3(space, space.min(), 10).eval()
    assert net(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


ROWS = (
    Stage(out_channels=12, stride=1, activation="h_swish", squeeze_excite=True),
    Stage(out_channels=20, stride=2, activation="relu", squeeze_excite=False),
)


def test_another_stage_table_makes_another_space():
    space = table_space(
        "mine", ROWS, stem_stride=1, separable_channels=None, kernel_sizes=(3, 5), expand_ratios=(2,), depths=(1, 3)
    )
    assert (space.num_blocks, space.size) == (6, (2**1 + 2**3) ** 2)
    layers = space.layers(space.max(), 7)
    assert [type(spec) for spec in layers] == [StemSpec, *[BlockSpec] * 6, HeadSpec]
    assert [(block.in_channels, block.stride, block.activation) for block in layers[1:-1]] == [
        (16, 1, "h_swish"),
        (16, 1, "h_swish"),  # 12 rounds up to 16
        (16, 1, "h_swish"),
        (16, 2, "relu"),
        (24, 1, "relu"),
        (24, 1, "relu"),
    ]


def test_what_a_stage_table_leaves_open_is_as_in_the_official_space():
    space = table_space("mine", ROWS)
    changed = {"name": OFFICIAL.name, "stages": OFFICIAL.stages}
    assert replace(space, **changed) == OFFICIAL
    assert isinstance(space.layers(space.max(), 7)[1], SeparableSpec)


def test_a_width_multiplier_scales_all_widths_but_that_of_the_images():
    space = table_space("mine", ROWS, width_mult=2.0)
    assert (space.in_channels, space.stem_channels, space.separable_channels) == (3, 32, 32)
    assert [stage.out_channels for stage in space.stages] == [24, 40]
    assert space.head_channels == (1920, 2560)


def test_a_space_of_a_single_architecture_is_allowed():
    assert ONE.size == 1
    assert ONE.min() == ONE.max()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stages": ()}, "at least one stage"),
        ({"in_channels": 0}, "channels and strides of at least 1"),
        ({"stem_channels": 0}, "channels and strides of at least 1"),
        ({"stem_stride": 0}, "channels and strides of at least 1"),
        ({"separable_channels": -8}, "channels and strides of at least 1"),
        pytest.param(
            {"separable_channels": 0},
            "channels and strides of at least 1",
        ),
        ({"head_channels": (0, 12)}, "channels and strides of at least 1"),
        ({"head_channels": (8, 0)}, "channels and strides of at least 1"),
        ({"stages": (replace(TINY.stages[0], out_channels=0),)}, "channels and strides of at least 1"),
        ({"stages": (TINY.stages[0], replace(TINY.stages[1], stride=0))}, "channels and strides of at least 1"),
        ({"kernel_sizes": (5, 3)}, "kernel_sizes must be positive and ascending, not (5, 3)"),
        ({"kernel_sizes": (3, 3)}, "kernel_sizes must be positive and ascending, not (3, 3)"),
        ({"kernel_sizes": (2, 3)}, "kernel_sizes must be odd, to keep a feature map's size, not (2, 3)"),
        ({"kernel_sizes": (3, 4, 5)}, "kernel_sizes must be odd, to keep a feature map's size, not (3, 4, 5)"),
        ({"expand_ratios": (4, 3, 6)}, "expand_ratios must be positive and ascending, not (4, 3, 6)"),
        ({"expand_ratios": ()}, "expand_ratios must be positive and ascending, not ()"),
        ({"depths": (0, 1)}, "depths must be positive and ascending, not (0, 1)"),
        ({"depths": ()}, "depths must be positive and ascending, not ()"),
        ({"resolutions": (6, 4)}, "resolutions must be positive and ascending, not (6, 4)"),
        ({"resolutions": (-4, 4)}, "resolutions must be positive and ascending, not (-4, 4)"),
    ],
)
def test_a_space_that_cannot_be_a_network_is_refused_at_birth(change, said):
    with pytest.raises(UsageError) as refusal:
        replace(TINY, **change)
    assert said in str(refusal.value)
    assert "space tiny" in str(refusal.value)


def test_a_stage_table_is_checked_as_well():
    with pytest.raises(UsageError, match="space mine: kernel_sizes must be odd"):
        table_space("mine", ROWS, kernel_sizes=(3, 4))
    with pytest.raises(UsageError, match="space mine: needs at least one stage"):
        table_space("mine", ())


@pytest.mark.parametrize("change", [{"stages": (replace(ROWS[0], out_channels=0),)}, {"stem_channels": 0}])
def test_no_channels_in_a_stage_table_are_refused_and_not_rounded_up(change):
    with pytest.raises(UsageError, match="at least 1"):
        table_space("mine", **{"stages": ROWS, **change})


@pytest.mark.parametrize("width_mult", [0.0, -1.0, float("inf"), float("nan")])
def test_a_width_multiplier_is_a_number_above_zero(width_mult):
    with pytest.raises(UsageError, match="width_mult must be a number above 0"):
        mobilenet_v3_space(width_mult)


def test_any_sequence_of_choices_makes_the_same_space():
    assert mobilenet_v3_space(resolutions=range(128, 225, 4)) == OFFICIAL
    assert hash(mobilenet_v3_space(resolutions=list(OFFICIAL.resolutions))) == hash(OFFICIAL)


def test_an_unknown_activation_is_refused_at_birth():
    with pytest.raises(UsageError, match="knows no activation 'gelu', only relu and h_swish"):
        table_space("mine", [replace(ROWS[0], activation="gelu")])
