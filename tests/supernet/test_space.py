import itertools
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.errors import CarbonNasError, UsageError
from carbon_nas.supernet import Stage, mobilenet_v3_space
from carbon_nas.supernet.layers import BlockSpec, HeadSpec, SeparableSpec, StemSpec, make_divisible
from tests.supernet.spaces import SMALL, TINY, architectures, drawn, few, genes, seeds

OFFICIAL = mobilenet_v3_space()


def is_valid(space, arch):
    return space.from_json(arch.to_json()) == arch


def everything(space):
    """Return every distinct architecture of a small space, at its largest resolution."""
    blocks, stages = space.num_blocks, len(space.stages)
    choices = itertools.product(
        itertools.product(space.kernel_sizes, repeat=blocks),
        itertools.product(space.expand_ratios, repeat=blocks),
        itertools.product(space.depths, repeat=stages),
    )
    return {space.architecture(ks=ks, e=e, d=d) for ks, e, d in choices}


def active(space, arch):
    """Return the indices of the blocks that take part."""
    return {block.index for block in space.blocks(arch)}


def test_size_counts_the_distinct_architectures_of_one_resolution():
    assert len(everything(TINY)) == TINY.size == 400


def test_the_small_image_space_has_seventeen_million_architectures():
    assert SMALL.size == (6 + 6**2 + 6**3) ** 3 == 17_173_512


@few
@given(st.data())
def test_what_skipped_blocks_are_set_to_makes_no_difference(data):
    one, other = (data.draw(st.fixed_dictionaries(genes(SMALL))) for _ in range(2))
    for index, (stage, position) in enumerate(itertools.product(range(3), range(3))):
        if position < one["d"][stage]:
            other["ks"][index], other["e"][index] = one["ks"][index], one["e"][index]
    other["d"], other["resolution"] = one["d"], one["resolution"]
    a, b = SMALL.architecture(**one), SMALL.architecture(**other)
    assert a == b
    assert hash(a) == hash(b)
    assert a.key == b.key
    assert SMALL.blocks(a) == SMALL.blocks(b)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ks": [9, 3, 3, 3]}, "ks holds 9; the choices are 3, 5"),
        ({"e": [1, 2, 2, 2]}, "e holds 1; the choices are 2, 3"),
        ({"d": [0, 1]}, "d holds 0; the choices are 1, 2"),
        ({"resolution": 7}, "resolution holds 7; the choices are 4, 6"),
        ({"ks": [3] * 3}, "ks needs 4 values, not 3"),
        ({"e": [2] * 5}, "e needs 4 values, not 5"),
        ({"d": [1]}, "d needs 2 values, not 1"),
    ],
)
def test_an_impossible_architecture_is_refused_and_the_choices_are_named(change, said):
    with pytest.raises(CarbonNasError) as refusal:
        TINY.architecture(**{"ks": [3] * 4, "e": [2] * 4, "d": [1, 1], "resolution": 4, **change})
    assert said in str(refusal.value)
    assert "space tiny" in str(refusal.value)


@pytest.mark.parametrize("nothing", [0, None])
def test_the_ofa_code_may_write_nothing_where_a_block_is_skipped(nothing):
    assert TINY.architecture(ks=[5, nothing, 5, 5], e=[3, nothing, 3, 3], d=[1, 2]) == TINY.architecture(
        ks=5, e=3, d=[1, 2]
    )
    with pytest.raises(UsageError):
        TINY.architecture(ks=[nothing, 5, 5, 5], e=3, d=2)


def test_the_resolution_is_the_largest_unless_it_is_given():
    assert TINY.architecture(ks=[3] * 4, e=[2] * 4, d=[1, 1]).resolution == 6


def test_the_extremes_take_every_largest_and_every_smallest_choice():
    assert SMALL.max().to_json() == {"ks": [5] * 9, "e": [4] * 9, "d": [3] * 3, "r": 12}
    assert SMALL.min().to_json() == {"ks": [3] * 9, "e": [2] * 9, "d": [1] * 3, "r": 8}


@few
@given(seeds)
def test_a_sampled_architecture_is_valid_and_decided_by_the_seed(seed):
    arch = SMALL.sample(random.Random(seed))
    assert is_valid(SMALL, arch)
    assert SMALL.sample(random.Random(seed)) == arch


def test_sampling_reaches_every_choice():
    sample = drawn(SMALL, 100)
    assert {d for arch in sample for d in arch.depths} == set(SMALL.depths)
    assert {k for arch in sample for k in arch.kernel_sizes} == set(SMALL.kernel_sizes)
    assert {e for arch in sample for e in arch.expand_ratios} == set(SMALL.expand_ratios)
    assert {arch.resolution for arch in sample} == set(SMALL.resolutions)


@few
@given(seeds)
def test_restricted_choices_narrow_what_is_sampled(seed):
    only_kernels = SMALL.restricted(expand_ratios=(4,), depths=(3,))
    arch = SMALL.sample(random.Random(seed), only_kernels)
    assert set(arch.expand_ratios) == {4}
    assert set(arch.depths) == {3}


@few
@given(architectures(SMALL), seeds, st.floats(0, 1))
def test_a_mutant_is_valid(parent, seed, probability):
    assert is_valid(SMALL, SMALL.mutate(parent, random.Random(seed), probability))


class Unlucky(random.Random):
    """Throws the lowest there is."""

    def random(self):
        return 0.0


@few
@given(architectures(SMALL), seeds)
def test_mutation_with_probability_zero_changes_nothing(parent, seed):
    assert SMALL.mutate(parent, random.Random(seed), 0.0) == parent
    assert SMALL.mutate(parent, Unlucky(), 0.0) == parent


def test_mutation_with_probability_one_forgets_the_parent():
    one, other = SMALL.min(), SMALL.max()
    assert SMALL.mutate(one, random.Random(1), 1.0) == SMALL.mutate(other, random.Random(1), 1.0) != one


def test_mutation_with_a_small_probability_changes_few_choices():
    rng, parent = random.Random(0), OFFICIAL.architecture(ks=5, e=4, d=4)
    kept = [
        sum(k == 5 for k in mutant.kernel_sizes[: mutant.depths[0]]) / mutant.depths[0]
        for mutant in (OFFICIAL.mutate(parent, rng, 0.1) for _ in range(500))
    ]
    # Of the tenth that is drawn again a third comes out as it was.
    assert sum(kept) / len(kept) == pytest.approx(1 - 0.1 * 2 / 3, abs=0.02)


def test_mutation_draws_the_choices_of_blocks_that_a_greater_depth_brings_in():
    """The parent never chose them, and what stands in their place is only the smallest choice."""
    rng, parent = random.Random(0), SMALL.architecture(ks=3, e=2, d=1)
    kernels, ratios = Counter(), Counter()
    for mutant in (SMALL.mutate(parent, rng, 0.1) for _ in range(2000)):
        for index in active(SMALL, mutant) - active(SMALL, parent):
            kernels[mutant.kernel_sizes[index]] += 1
            ratios[mutant.expand_ratios[index]] += 1
    for counts, choices in ((kernels, SMALL.kernel_sizes), (ratios, SMALL.expand_ratios)):
        assert counts.keys() == set(choices)
        assert all(count / counts.total() == pytest.approx(1 / len(choices), abs=0.1) for count in counts.values())


@few
@given(architectures(SMALL), architectures(SMALL), seeds)
def test_a_child_is_valid_and_takes_the_choices_of_every_block_from_a_parent_that_has_it(one, other, seed):
    child = SMALL.crossover(one, other, random.Random(seed))
    assert is_valid(SMALL, child)
    assert child.resolution in {one.resolution, other.resolution}
    assert all(d in pair for d, *pair in zip(child.depths, one.depths, other.depths, strict=True))
    for at in active(SMALL, child):
        having = [parent for parent in (one, other) if at in active(SMALL, parent)]
        assert child.kernel_sizes[at] in {parent.kernel_sizes[at] for parent in having}
        assert child.expand_ratios[at] in {parent.expand_ratios[at] for parent in having}


@few
@given(seeds)
def test_where_only_one_parent_has_a_block_the_child_has_it_from_there(seed):
    shallow, deep = SMALL.architecture(ks=3, e=2, d=1), SMALL.architecture(ks=5, e=4, d=3)
    for parents in ((shallow, deep), (deep, shallow)):
        child = SMALL.crossover(*parents, random.Random(seed))
        brought = active(SMALL, child) - active(SMALL, shallow)
        assert {(child.kernel_sizes[at], child.expand_ratios[at]) for at in brought} <= {(5, 4)}


def test_both_parents_have_an_equal_say_in_every_choice():
    one, other = TINY.architecture(ks=3, e=2, d=2, resolution=4), TINY.architecture(ks=5, e=3, d=2, resolution=6)
    rng = random.Random(0)
    children = [TINY.crossover(one, other, rng) for _ in range(1000)]
    for choice in ("kernel_sizes", "expand_ratios"):
        for at in range(TINY.num_blocks):
            from_one = sum(getattr(child, choice)[at] == getattr(one, choice)[at] for child in children)
            assert from_one == pytest.approx(500, abs=60)
    assert sum(child.resolution == 4 for child in children) == pytest.approx(500, abs=60)


def test_an_encoding_is_the_resolution_then_the_kernel_sizes_then_the_expand_ratios():
    arch = TINY.architecture(ks=[5, 3, 3, 5], e=[2, 3, 3, 2], d=[1, 2], resolution=6)
    resolution, kernels, ratios = [0, 1], [0, 1, 0, 0, 1, 0, 0, 1], [1, 0, 0, 0, 0, 1, 1, 0]
    assert TINY.encode(arch).tolist() == resolution + kernels + ratios


@few
@given(architectures(OFFICIAL))
def test_an_encoding_marks_one_choice_of_every_block_that_takes_part_and_none_of_the_others(arch):
    features = OFFICIAL.encode(arch)
    assert features.dtype == np.float32
    assert features.shape == (25 + 20 * (3 + 3),)
    resolution, kernels, ratios = features[:25], features[25:85].reshape(20, 3), features[85:].reshape(20, 3)
    assert set(features.tolist()) <= {0.0, 1.0}
    assert resolution.sum() == 1
    taking_part = [float(index in active(OFFICIAL, arch)) for index in range(20)]
    assert kernels.sum(1).tolist() == ratios.sum(1).tolist() == taking_part


@few
@given(architectures(OFFICIAL))
def test_an_architecture_can_be_read_off_its_encoding(arch):
    features = OFFICIAL.encode(arch)
    kernels, ratios = features[25:85].reshape(20, 3), features[85:].reshape(20, 3)
    again = OFFICIAL.architecture(
        ks=[OFFICIAL.kernel_sizes[at] for at in kernels.argmax(1)],
        e=[OFFICIAL.expand_ratios[at] for at in ratios.argmax(1)],
        d=kernels.sum(1).reshape(5, 4).sum(1).astype(int).tolist(),
        resolution=OFFICIAL.resolutions[features[:25].argmax()],
    )
    assert again == arch


def test_no_two_architectures_have_the_same_encoding():
    encodings = {TINY.encode(arch.at(r)).tobytes() for arch in everything(TINY) for r in TINY.resolutions}
    assert len(encodings) == TINY.size * 2


@few
@given(data=st.data(), space=st.sampled_from([SMALL, replace(SMALL, separable_channels=16), OFFICIAL]))
def test_layers_fit_together_from_the_images_to_the_head(data, space):
    arch = data.draw(architectures(space))
    layers = space.layers(arch, 10)
    channels, size = space.in_channels, arch.resolution
    for spec in layers:
        assert (spec.in_channels, spec.size) == (channels, size)
        if not isinstance(spec, HeadSpec):
            # The separable block leaves the size as it is.
            channels, size = spec.out_channels, getattr(spec, "out_size", spec.size)
    strides = [spec.stride for spec in layers if isinstance(spec, StemSpec | BlockSpec)]
    assert Counter(strides)[2] == (2 if space.stem_stride == 1 else 5)


@few
@given(data=st.data(), space=st.sampled_from([SMALL, OFFICIAL]))
def test_layers_are_the_stem_the_separable_block_if_any_the_active_blocks_and_the_head(data, space):
    arch = data.draw(architectures(space))
    stem, *rest = space.layers(arch, 10)
    assert stem == space.stem(arch.resolution)
    assert isinstance(stem, StemSpec)
    if space is OFFICIAL:
        assert isinstance(rest[0], SeparableSpec)
        assert rest.pop(0) == space.separable(arch.resolution)
    *blocks, head = rest
    assert head == space.head(arch, 10)
    assert isinstance(head, HeadSpec)
    assert tuple(blocks) == space.blocks(arch)
    per_stage = space.depths[-1]
    assert [block.index for block in blocks] == [
        stage * per_stage + position for stage, depth in enumerate(arch.depths) for position in range(depth)
    ]


def test_a_layer_s_key_tells_apart_whatever_costs_differently():
    specs = {spec for arch in drawn(OFFICIAL, 100) for spec in OFFICIAL.layers(arch, 10)}
    # Where a block stands among the others costs nothing.
    alike = {replace(spec, index=0) if isinstance(spec, BlockSpec) else spec for spec in specs}
    assert len({spec.key for spec in specs}) == len(alike) < len(specs)


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(SMALL.max(), id="other stages"),
        pytest.param(replace(TINY, depths=(1, 2, 3)).max(), id="deeper stages"),
        *(
            pytest.param(
                replace(TINY, **change).max(),
                id=f"other {next(iter(change))}",
            )
            for change in ({"kernel_sizes": (3, 5, 7)}, {"expand_ratios": (2, 3, 4)})
        ),
    ],
)
def test_an_architecture_of_another_space_is_refused(stranger):
    with pytest.raises(UsageError, match=r"space tiny: .* is an architecture of another space"):
        TINY.blocks(stranger)
    with pytest.raises(UsageError, match="is an architecture of another space"):
        TINY.layers(stranger, 10)


@pytest.mark.parametrize(
    ("stride", "out_channels", "residual"), [(1, 8, True), (2, 8, False), (1, 16, False), (2, 16, False)]
)
def test_the_input_is_added_where_the_shape_stays_the_same(stride, out_channels, residual):
    stages = (Stage(out_channels=out_channels, stride=stride, activation="relu", squeeze_excite=False),)
    space = replace(SMALL, stages=stages, depths=(1,))
    assert [block.residual for block in space.blocks(space.max())] == [residual]


@pytest.mark.parametrize(
    ("value", "channels"),
    [(1, 8), (8, 8), (8.8, 8), (9, 16), (11, 16), (12, 16), (20, 24), (33, 32), (35, 32), (36, 40), (67.2, 64)],
)
def test_channels_are_rounded_as_in_mobilenet(value, channels):
    assert make_divisible(value) == channels


@few
@given(st.floats(1, 4096), st.sampled_from([2, 4, 8, 16]))
def test_rounded_channels_are_divisible_and_lose_at_most_a_tenth(value, divisor):
    rounded = make_divisible(value, divisor)
    assert rounded % divisor == 0
    assert rounded >= max(divisor, 0.9 * value)
    assert rounded < value + divisor + 1 or rounded == divisor
