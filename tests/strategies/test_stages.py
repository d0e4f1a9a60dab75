from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch

from carbon_nas.ledger.records import Scope
from carbon_nas.strategies import Artefact
from carbon_nas.strategies.stages import Stages, kept_supernet
from carbon_nas.supernet import ElasticMobileNetV3
from carbon_nas.training.recipe import StagePlan, check_recipe
from tests.strategies import bench as small
from tests.strategies.bench import CLASSES, STEPS_PER_EPOCH, assert_goes_on, attempt
from tests.supernet.spaces import TINY, images, scrambled

# Too slow to move a weight by what a float can hold, so that a stage shows what it starts from.
STILL = 1e-30


def stage(**changes):
    return StagePlan(**{"epochs": 1, "learning_rate": 0.05, **changes})


NARROW = {"kernel_sizes": 1, "depths": 1, "expand_ratios": 1}
RECIPE = {
    "widest": stage(**NARROW, epochs=3),
    "depths": stage(depths=2, expand_ratios=1, taught_by="widest", subnets=2, epochs=3, dropout_fraction=0.2),
    "widths": stage(taught_by="widest", subnets=2, epochs=3, distillation_ratio=0.5),
    "all at once": stage(rule="sandwich", subnets=3, epochs=3, dropout_fraction=0.2),
}
LATER = [*RECIPE][1:]
THREE_WIDTHS = replace(TINY, name="three widths", expand_ratios=(2, 3, 4))


class Trained:
    """Stages as a strategy, which is all that the bench asks of one."""

    name = "trained"

    def __init__(self, bench, stages):
        self._stages = Stages(bench, check_recipe(stages), calibration_images=16)
        self.phases, self.last = self._stages.phases, self._stages.last


def run(bench, folder, stages):
    """Run stages one after the other, and keep what each leaves."""
    strategy = Trained(bench, stages)
    for name in stages:
        bench.artefacts.save(name, attempt(bench, strategy, name, folder).artefact)
    return strategy


def left_by(bench, name):
    """Keep made-up weights as what a stage left, and return their supernet."""
    net = scrambled(ElasticMobileNetV3(bench.space, CLASSES))
    bench.artefacts.save(name, Artefact(tensors=net.state_dict()))
    return net


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bench on which the whole recipe ran, and that recipe as a strategy; look, do not touch."""
    bench = small.bench(tmp_path_factory.mktemp("trained"))
    return bench, run(bench, tmp_path_factory.mktemp("states"), RECIPE)


def logits(net, arch):
    return net(images(arch.resolution, count=8), arch)


def test_every_stage_is_a_phase_that_is_paid_once(bench):
    strategy = Trained(bench, RECIPE)
    phases = list(strategy.phases())
    assert [(phase.name, phase.scope, phase.scenario) for phase in phases] == [
        (name, Scope.ONCE, None) for name in RECIPE
    ]
    assert strategy.last == "all at once"


def test_the_plan_counts_three_passes_for_every_sub_network_and_one_for_a_teacher(bench):
    drawn, scoring = STEPS_PER_EPOCH * 12, 12 + 16
    assert [phase.image_passes for phase in Trained(bench, RECIPE).phases()] == [
        3 * (drawn * passes + scoring) for passes in (3 * 1, 3 * 2 + 1, 3 * 2 + 1, 3 * 3)
    ]


def test_what_is_planned_is_what_is_counted(trained, tmp_path):
    bench, strategy = trained
    for phase in strategy.phases():
        assert attempt(bench, strategy, phase.name, tmp_path).context.tally.image_passes == phase.image_passes


@pytest.mark.parametrize("before", [*RECIPE][:-1])
def test_every_stage_starts_from_what_the_one_before_it_left(bench, tmp_path, before):
    """Sorted, where new widths come in, which no largest network notices."""
    after = [*RECIPE][[*RECIPE].index(before) + 1]
    left_by(bench, "widest")
    start = left_by(bench, before)
    stages = {**RECIPE, after: RECIPE[after].model_copy(update={"learning_rate": STILL})}
    bench.artefacts.save(after, attempt(bench, Trained(bench, stages), after, tmp_path).artefact)
    torch.testing.assert_close(logits(kept_supernet(bench, after), TINY.max()), logits(start, TINY.max()))


@pytest.mark.parametrize(
    ("ratios", "sorts"),
    [
        pytest.param((1, 1), [False], id="no new widths"),
        pytest.param((1, 2), [True], id="one new width"),
        pytest.param(("all", "all"), [False], id="all widths from the beginning"),
        pytest.param((1, 2, 2), [True, False], id="new widths stay"),
        pytest.param((2, 1, 2), [False, False], id="widths that were trained before another stage left them out"),
    ],
)
def test_channels_are_sorted_exactly_when_new_widths_come_in(bench, tmp_path, ratios, sorts):
    """A recipe without learning shows what else a stage does to weights."""
    stages = {f"stage {at}": stage(expand_ratios=ratio, learning_rate=STILL) for at, ratio in enumerate(ratios)}
    run(bench, tmp_path, stages)
    left = [bench.artefacts.load(name).tensors for name in stages]
    moved = [
        any(not torch.allclose(tensor, after[name], rtol=0, atol=1e-12) for name, tensor in before.items())
        for before, after in pairwise(left)
    ]
    assert moved == sorts


def test_a_width_that_has_been_trained_keeps_its_sub_networks_when_the_next_one_comes_in(tmp_path):
    """Ratios 4 and 3 first, then 2: the sub-networks of 4 and 3 compute what they did, and those of 2 need not."""
    bench = small.bench(tmp_path / "bench", space=THREE_WIDTHS)
    stages = {
        "largest": stage(expand_ratios=1),
        "width 1": stage(expand_ratios=2),
        "width 2": stage(learning_rate=STILL),
    }
    before = left_by(bench, "width 1")
    bench.artefacts.save("width 2", attempt(bench, Trained(bench, stages), "width 2", tmp_path / "states").artefact)
    after = kept_supernet(bench, "width 2")
    for ratio, same in ((4, True), (3, True), (2, False)):
        arch = THREE_WIDTHS.architecture(ks=5, e=ratio, d=2)
        assert torch.allclose(logits(before, arch), logits(after, arch), rtol=1e-4, atol=1e-4) is same


@pytest.mark.parametrize("name", RECIPE)
def test_a_stage_that_is_resumed_ends_where_one_does_that_was_never_stopped(trained, tmp_path, name):
    bench, strategy = trained
    whole = assert_goes_on(bench, strategy, name, tmp_path)
    assert [*whole.states] == [1, 2]
    assert [epoch for _, epoch, *_ in whole.epochs] == [1, 2, 3]


def test_a_stage_leaves_the_same_whether_or_not_its_states_are_kept(trained, tmp_path):
    bench, strategy = trained
    for name in LATER:
        kept = bench.artefacts.load(name).tensors
        found = attempt(bench, strategy, name, tmp_path).artefact.tensors
        assert all(torch.equal(tensor, found[at]) for at, tensor in kept.items())


def test_the_teacher_is_the_stage_that_is_named_and_not_the_one_before(trained, tmp_path):
    bench, strategy = trained
    taught = partial(attempt, bench, key="widths", folder=tmp_path)
    other = {**RECIPE, "widths": RECIPE["widths"].model_copy(update={"taught_by": "depths"})}
    one, two = taught(strategy), taught(Trained(bench, other))
    assert [epoch[-1] for epoch in one.epochs] != [epoch[-1] for epoch in two.epochs]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("widths", {"distillation_ratio": 2.0}),
        ("widths", {"taught_by": None}),
        ("widths", {"dropout_fraction": 0.5}),
        ("widths", {"warmup_epochs": 3}),
        ("widths", {"learning_rate": 0.01}),
        ("widths", {"subnets": 1}),
        ("all at once", {"dropout_fraction": 0.0}),
        ("all at once", {"subnets": 2}),
    ],
    ids=str,
)
def test_whatever_a_recipe_says_of_a_stage_matters(trained, tmp_path, name, change):
    bench, strategy = trained
    changed = Trained(bench, {**RECIPE, name: RECIPE[name].model_copy(update=change)})
    one, other = (attempt(bench, each, name, tmp_path) for each in (strategy, changed))
    assert [loss_nats for *_, loss_nats in one.epochs] != [loss_nats for *_, loss_nats in other.epochs]


def test_whichever_network_is_the_smallest_so_far_is_scored(trained, tmp_path):
    bench, strategy = trained
    subjects = {name: {subject for subject, *_ in attempt(bench, strategy, name, tmp_path).epochs} for name in RECIPE}
    assert subjects == {"widest": {"largest"}} | {name: {"smallest"} for name in LATER}
