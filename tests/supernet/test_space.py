import itertools
import json
import random
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carbon_nas.errors import CarbonNasError
from carbon_nas.supernet.layers import make_divisible
from carbon_nas.supernet.space import Stage
from tests.supernet.spaces import SMALL, TINY, architectures, drawn, few, genes, seeds


def is_valid(space, arch):
    return space.from_json(arch.to_json()) == arch


def test_size_counts_the_distinct_architectures_of_one_resolution():
    blocks, stages = TINY.num_blocks, len(TINY.stages)
    everything = itertools.product(
        itertools.product(TINY.kernel_sizes, repeat=blocks),
        itertools.product(TINY.expand_ratios, repeat=blocks),
        itertools.product(TINY.depths, repeat=stages),
    )
    assert len({TINY.architecture(ks=ks, e=e, d=d) for ks, e, d in everything}) == TINY.size == 400


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


@few
@given(architectures(SMALL), architectures(SMALL))
def test_different_architectures_have_different_keys(a, b):
    assume(a != b)
    assert a.key != b.key


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ks": [3, 3, 3, 9]}, "ks holds 9; the choices are 3, 5"),
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


@few
@given(architectures(SMALL))
def test_the_official_encoding_survives_json(arch):
    text = json.dumps(arch.to_json())
    assert json.loads(text).keys() == {"ks", "e", "d", "r"}
    assert SMALL.from_json(json.loads(text)) == arch


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


@few
@given(architectures(SMALL), architectures(SMALL), seeds)
def test_a_child_is_valid_and_takes_every_active_choice_from_a_parent(one, other, seed):
    child = SMALL.crossover(one, other, random.Random(seed))
    assert is_valid(SMALL, child)
    assert child.resolution in {one.resolution, other.resolution}
    assert all(d in pair for d, *pair in zip(child.depths, one.depths, other.depths, strict=True))
    for block in SMALL.blocks(child):
        at = block.index
        assert child.kernel_sizes[at] in {one.kernel_sizes[at], other.kernel_sizes[at]}
        assert child.expand_ratios[at] in {one.expand_ratios[at], other.expand_ratios[at]}


@few
@given(architectures(SMALL))
def test_active_blocks_fit_together_from_stem_to_head(arch):
    blocks, stem, head = SMALL.blocks(arch), SMALL.stem(arch.resolution), SMALL.head(arch, 10)
    assert len(blocks) == sum(arch.depths)
    channels, size = stem.out_channels, stem.size
    for block in blocks:
        assert (block.in_channels, block.size) == (channels, size)
        channels, size = block.out_channels, block.out_size
    assert (head.in_channels, head.size) == (channels, size)
    assert sum(block.stride == 2 for block in blocks) == 2


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
