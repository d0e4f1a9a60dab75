from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carbon_nas.strategies import OnceForAllPlan
from carbon_nas.study import load_study
from carbon_nas.study.plan import built_in_studies
from carbon_nas.supernet import mobilenet_v3_space
from carbon_nas.training.recipe import TEACHER, StagePlan, check_recipe, progressive_shrinking, sandwich
from tests.supernet.spaces import ONE, SMALL, TINY, few

OFFICIAL = mobilenet_v3_space()
NAMES = ("train teacher", "shrink kernel", "shrink depth 1", "shrink depth 2", "shrink width 1", "shrink width 2")
EPOCHS = (180, 125, 25, 125, 25, 125)
LEARNING_RATES = (2.6, 0.96, 0.08, 0.24, 0.08, 0.24)
SUBNETS = (1, 1, 2, 2, 4, 4)
WARMUPS = (5, 5, 0, 5, 0, 5)
# Of the official space: kernel sizes, expand ratios, depths.
CHOICES = (
    ((7,), (6,), (4,)),
    ((3, 5, 7), (6,), (4,)),
    ((3, 5, 7), (6,), (3, 4)),
    ((3, 5, 7), (6,), (2, 3, 4)),
    ((3, 5, 7), (4, 6), (2, 3, 4)),
    ((3, 5, 7), (3, 4, 6), (2, 3, 4)),
)


def studies():
    return [load_study(name) for name in built_in_studies()]


def assert_shaped_as_in_the_paper(stages):
    """Check everything of the paper's table that does not depend on the size of the task."""
    assert tuple(stages) == NAMES
    assert tuple(stage.subnets for stage in stages.values()) == SUBNETS
    assert [stage.taught_by for stage in stages.values()] == [None, *[TEACHER] * 5]
    assert {(stage.rule, stage.distillation_ratio) for stage in stages.values()} == {("sampled", 1.0)}
    for stage, expected in zip(stages.values(), CHOICES, strict=True):
        found = stage.choices(OFFICIAL)
        assert (found.kernel_sizes, found.expand_ratios, found.depths) == expected


def assert_in_proportion(stages):
    """Check that epochs are in the paper's proportions, but for being whole, of which each has at least one."""
    scale = stages[TEACHER].epochs / EPOCHS[0]
    for stage, expected in zip(stages.values(), EPOCHS, strict=True):
        assert abs(stage.epochs - scale * expected) < 1


def test_the_study_imagenet_holds_the_table_of_the_paper():
    """Cai et al., ICLR 2020, section 4.1 and appendix B."""
    study = load_study("imagenet")
    stages = study.once_for_all.stages
    assert_shaped_as_in_the_paper(stages)
    assert tuple(stage.epochs for stage in stages.values()) == EPOCHS
    assert tuple(stage.learning_rate for stage in stages.values()) == LEARNING_RATES
    assert tuple(stage.warmup_epochs for stage in stages.values()) == WARMUPS
    assert tuple(stage.dropout_fraction for stage in stages.values()) == (0.0, *[0.1] * 5)
    assert study.resolutions == tuple(range(128, 225, 4))
    trainer = study.trainer
    assert (trainer.batch_size, trainer.momentum, trainer.weight_decay) == (2048, 0.9, 3e-5)
    assert trainer.label_smoothing_fraction == 0.1
    assert study.once_for_all.calibration_images == 2_000
    assert study.once_for_all.predictor.architectures == 16_000


@pytest.mark.parametrize("study", studies(), ids=lambda study: study.name)
def test_every_study_has_the_stages_of_the_paper_in_its_proportions(study):
    assert_shaped_as_in_the_paper(study.once_for_all.stages)
    assert_in_proportion(study.once_for_all.stages)


@pytest.mark.parametrize("study", studies(), ids=lambda study: study.name)
def test_a_network_that_is_trained_from_scratch_gets_the_teachers_epochs(study):
    assert study.evolution.final_epochs == study.once_for_all.stages[TEACHER].epochs
    assert study.evolution.learning_rate == study.once_for_all.stages[TEACHER].learning_rate


def test_a_plan_without_stages_has_those_of_the_study_digits():
    digits = load_study("digits")
    assert OnceForAllPlan().stages == progressive_shrinking() == digits.once_for_all.stages
    assert sandwich() == digits.sandwich.stages


def test_the_sandwich_trains_all_sizes_at_once_and_teaches_itself():
    ((_, stage),) = sandwich().items()
    assert (stage.rule, stage.taught_by) == ("sandwich", None)
    assert stage.choices(OFFICIAL) == OFFICIAL.restricted()


def stage(**changes):
    return StagePlan(**{"epochs": 2, "learning_rate": 0.1, **changes})


def test_of_a_space_with_fewer_choices_all_of_them_may_be_sampled():
    greedy = stage(kernel_sizes=9, depths=9, expand_ratios=9)
    for space in (TINY, SMALL, ONE):
        assert greedy.choices(space) == stage().choices(space) == space.restricted()


@few
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_the_largest_choices_are_sampled_and_the_largest_network_is_always_among_them(kernels, ratios, depths):
    found = stage(kernel_sizes=kernels, expand_ratios=ratios, depths=depths).choices(SMALL)
    assert found.kernel_sizes == SMALL.kernel_sizes[-min(kernels, 2) :]
    assert found.expand_ratios == SMALL.expand_ratios[-min(ratios, 3) :]
    assert found.depths == SMALL.depths[-min(depths, 3) :]
    assert SMALL.max(found) == SMALL.max()


def test_in_a_space_of_one_architecture_every_stage_trains_that_one():
    assert {one.choices(ONE) for one in progressive_shrinking().values()} == {ONE.restricted()}


def test_every_stage_samples_all_that_the_one_before_it_did():
    for space in (TINY, SMALL, OFFICIAL, replace(TINY, expand_ratios=(1, 2, 3, 4, 6))):
        found = [one.choices(space) for one in progressive_shrinking().values()]
        for before, after in pairwise(found):
            for name in ("kernel_sizes", "expand_ratios", "depths"):
                assert set(getattr(before, name)) <= set(getattr(after, name))


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({}, "at least one stage"),
        (
            {"a": stage(taught_by="b")},
            r"stage 'a' is taught by 'b', which is no stage before it \(none: it is the first\)",
        ),
        ({"a": stage(taught_by="a")}, "stage 'a' is taught by 'a'"),
        ({"a": stage(), "b": stage(), "c": stage(taught_by="d"), "d": stage()}, r"taught by 'd', .* \(a, b\)"),
        ({"a": stage(rule="sandwich")}, "stage 'a': a sandwich is of at least 2"),
        ({"a": stage(), "b": stage(rule="sandwich", subnets=3, taught_by="a")}, "stage 'b': .* teaches itself"),
        ({"a": stage(warmup_epochs=3)}, "stage 'a' warms up for longer than it lasts"),
        ({"one more": stage(), "one-more": stage()}, "'one more' and another one would be kept in the same file"),
        ({"Teacher": stage(), "teacher": stage()}, "'Teacher' and another one would be kept in the same file"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused_with_the_stage_named(stages, said):
    with pytest.raises(ValueError, match=said):
        check_recipe(stages)
    with pytest.raises(ValidationError, match=said):
        OnceForAllPlan(stages=stages)


def test_a_recipe_that_can_be_followed_is_returned_as_it_is():
    for stages in (
        progressive_shrinking(),
        sandwich(),
        {"a": stage(warmup_epochs=2), "b": stage(taught_by="a"), "c": stage(taught_by="a", warmup_epochs=0)},
        {"a": stage(rule="sandwich", subnets=2), "b": stage(taught_by="a")},
    ):
        assert check_recipe(stages) is stages


@pytest.mark.parametrize("name", ["measure accuracies", "train predictor", "Train-Predictor"])
def test_a_stage_takes_no_name_of_a_phase_that_comes_after_the_training(name):
    """It would be taken for done, or its weights would be written over."""
    with pytest.raises(ValidationError, match="a phase after the training is called so"):
        OnceForAllPlan(stages={name: stage()})


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("inf")},
        {"learning_rate": float("nan")},
        {"warmup_epochs": -1},
        {"subnets": 0},
        {"rule": "slicing"},
        {"kernel_sizes": 0},
        {"depths": "some"},
        {"expand_ratios": -1},
        {"distillation_ratio": -0.1},
        {"distillation_ratio": float("inf")},
        {"dropout_fraction": 1.0},
        {"dropout_fraction": -0.1},
        {"seeds": 3},
    ],
)
def test_a_stage_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        stage(**wrong)
