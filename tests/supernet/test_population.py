import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.errors import UsageError
from carbon_nas.supernet import mobilenet_v3_space
from carbon_nas.supernet.population import Population
from tests.supernet.spaces import ONE, SMALL, TINY, architectures, drawn, few, seeds

SPACES = (TINY, SMALL, mobilenet_v3_space())
MANY = 4_000

spaces = st.sampled_from(SPACES)


def chance(seed):
    return np.random.default_rng(seed)


def parts(arch):
    """Every choice of an architecture by its place."""
    yield "resolution", arch.resolution
    for name in ("kernel_sizes", "expand_ratios", "depths"):
        yield from (((name, place), value) for place, value in enumerate(getattr(arch, name)))


def shares(archs):
    """How often each choice is taken at each place."""
    counted = Counter(part for arch in archs for part in parts(arch))
    return {part: count / len(archs) for part, count in counted.items()}


def alike(these, those):
    """Whether two samples can be of one law: no share differs by more than 5 standard errors at the least."""
    one, other = shares(these), shares(those)
    return all(abs(one.get(part, 0) - other.get(part, 0)) < 5 * (0.5 / MANY) ** 0.5 for part in one | other)


@few
@given(spaces, st.integers(0, 20), seeds)
def test_what_goes_in_comes_out(space, count, seed):
    archs = drawn(space, count, seed)
    population = Population.of(space, archs)
    assert list(population) == archs
    assert [population[number] for number in range(len(population))] == archs


@few
@given(spaces, seeds)
def test_whatever_is_proposed_is_an_architecture_of_the_space(space, seed):
    rng = chance(seed)
    one, other = (Population.sampled(space, 10, rng) for _ in range(2))
    for population in (one, one.mutated(0.3, rng), one.crossed(other, rng)):
        for arch in population:
            space.check(arch)
            assert arch.resolution in space.resolutions
        assert Population.of(space, population).keys() == population.keys()


@few
@given(spaces, st.integers(0, 20), seeds)
def test_features_are_those_of_the_space_row_by_row(space, count, seed):
    population = Population.sampled(space, count, chance(seed))
    features = population.features()
    assert features.dtype == np.float32
    assert features.shape[0] == count
    for number, arch in enumerate(population):
        assert np.array_equal(features[number], space.encode(arch))


@few
@given(st.lists(architectures(TINY), max_size=30))
def test_keys_tell_architectures_apart_and_what_was_there_before_is_left_out(archs):
    population = Population.of(TINY, archs)
    assert len(set(population.keys())) == len(set(archs))
    assert list(population.distinct()) == list(dict.fromkeys(archs))


def test_populations_are_joined_and_taken_from():
    archs = drawn(SMALL, 6)
    whole = Population.of(SMALL, archs[:4]) + Population.of(SMALL, archs[4:])
    assert list(whole) == archs
    assert list(whole.take([5, 0])) == [archs[5], archs[0]]
    assert list(whole.take(slice(2))) == archs[:2]
    assert list(whole.take(np.arange(6) > 3)) == archs[4:]


def test_samples_follow_the_law_of_the_space():
    rng = random.Random(1)
    assert alike(Population.sampled(TINY, MANY, chance(1)), [TINY.sample(rng) for _ in range(MANY)])


@pytest.mark.parametrize("parent", [TINY.min(), TINY.max(), *drawn(TINY, 2, 3)])
@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_mutants_follow_the_law_of_the_space(parent, probability):
    rng = random.Random(2)
    mutants = Population.of(TINY, [parent] * MANY).mutated(probability, chance(2))
    assert alike(mutants, [TINY.mutate(parent, rng, probability) for _ in range(MANY)])


@pytest.mark.parametrize("parents", [(TINY.min(), TINY.max()), tuple(drawn(TINY, 2, 4)), tuple(drawn(TINY, 2, 5))])
def test_crossovers_follow_the_law_of_the_space(parents):
    rng, (one, other) = random.Random(3), parents
    crossed = Population.of(TINY, [one] * MANY).crossed(Population.of(TINY, [other] * MANY), chance(3))
    assert alike(crossed, [TINY.crossover(one, other, rng) for _ in range(MANY)])


@few
@given(spaces, seeds)
def test_a_block_comes_from_a_parent_that_has_it(space, seed):
    rng = chance(seed)
    one, other = (Population.sampled(space, 20, rng) for _ in range(2))
    for child, mother, father in zip(one.crossed(other, rng), one, other, strict=True):
        for place, value in enumerate(child.kernel_sizes):
            stage, position = divmod(place, space.depths[-1])
            having = [parent for parent in (mother, father) if position < parent.depths[stage]]
            if position < child.depths[stage]:
                assert value in {parent.kernel_sizes[place] for parent in having}


def test_a_mutation_without_probability_changes_nothing_and_the_resolution_has_its_own():
    population = Population.sampled(SMALL, 200, chance(5))
    assert population.mutated(0.0, chance(6)).keys() == population.keys()
    moved = population.mutated(0.0, chance(6), resolution_probability_fraction=1.0)
    assert {arch.resolution for arch in moved} == set(SMALL.resolutions)
    assert all(new.at(old.resolution) == old for new, old in zip(moved, population, strict=True))
    still = population.mutated(1.0, chance(6), resolution_probability_fraction=0.0)
    assert [arch.resolution for arch in still] == [arch.resolution for arch in population]


def test_a_parent_is_not_touched_by_its_children():
    one, other = (Population.sampled(SMALL, 50, chance(seed)) for seed in (1, 2))
    before = one.keys(), other.keys()
    one.mutated(0.5, chance(3))
    one.crossed(other, chance(3))
    assert (one.keys(), other.keys()) == before


def test_the_same_chance_proposes_the_same():
    assert Population.sampled(SMALL, 9, chance(1)).keys() == Population.sampled(SMALL, 9, chance(1)).keys()
    assert Population.sampled(SMALL, 9, chance(1)).keys() != Population.sampled(SMALL, 9, chance(2)).keys()


def test_a_space_of_one_architecture_proposes_it():
    assert set(Population.sampled(ONE, 5, chance(0)).mutated(1.0, chance(0))) == {ONE.max()}


def test_an_architecture_of_another_space_or_resolution_is_refused():
    with pytest.raises(UsageError, match="another space"):
        Population.of(TINY, [SMALL.max()])
    with pytest.raises(UsageError, match="224 pixels are no choice; they are 4, 6"):
        Population.of(TINY, [TINY.max().at(224)])


def test_a_space_with_more_choices_than_a_gene_can_hold_is_refused():
    with pytest.raises(UsageError, match="at most 256 choices"):
        Population.sampled(replace(TINY, resolutions=tuple(range(4, 304))), 1, chance(0))
