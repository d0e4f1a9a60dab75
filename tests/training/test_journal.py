"""A training that is stopped after any epoch ends where one does that was never stopped, to the last bit."""

import pytest
import torch

from carbon_nas.strategies import Artefact, Artefacts, PhaseContext
from carbon_nas.supernet import ElasticMobileNetV3, StaticMobileNetV3, cost
from carbon_nas.supernet.static import channels_last, initialise
from carbon_nas.training import ElasticLearner, SandwichLearner, Split, StaticLearner, TrainerPlan, fit
from carbon_nas.training.augmentation import SHIFT_AND_CONTRAST
from carbon_nas.training.learners import Dropout
from tests.supernet.spaces import TINY, images, scrambled

EPOCHS, STEPS = 5, 3
SPLIT = Split(images=images(6, count=13), labels=torch.arange(13) % 3)
PLAN = TrainerPlan(batch_size=4, weight_decay=0.01)


def static(context):
    arch = TINY.max()
    net = StaticMobileNetV3(TINY, arch, 3)
    initialise(net, context.generator)
    macs = cost(TINY, arch, 3).macs
    return StaticLearner(channels_last(net), resolution=6, macs_per_image=macs, tally=context.tally)


def elastic(context):
    return ElasticLearner(
        channels_last(ElasticMobileNetV3(TINY, 3, context.generator)),
        choices=TINY.restricted(),
        subnets=2,
        teacher=scrambled(ElasticMobileNetV3(TINY, 3), seed=1).requires_grad_(False),
        rng=context.rng,
        tally=context.tally,
        dropout=Dropout(0.2, context.generator),
    )


def largest(context):
    """As in the first stage: the matrices are no parameters of the optimiser, and are kept all the same."""
    return ElasticLearner(
        channels_last(ElasticMobileNetV3(TINY, 3, context.generator)),
        choices=TINY.restricted(kernel_sizes=(5,), expand_ratios=(3,), depths=(2,)),
        subnets=1,
        teacher=None,
        rng=context.rng,
        tally=context.tally,
    )


def sandwich(context):
    return SandwichLearner(
        channels_last(ElasticMobileNetV3(TINY, 3, context.generator)),
        choices=TINY.restricted(),
        subnets=3,
        rng=context.rng,
        tally=context.tally,
        dropout=Dropout(0.2, context.generator),
    )


class Training:
    """One attempt at a training whose states go through files; `stop` ends it right after that epoch was kept."""

    def __init__(self, build, folder, *, before=None, stop=None, epochs=EPOCHS):
        self.states, self.losses, self._files = {}, {}, Artefacts(folder)
        context = PhaseContext(seed=1, job="training", log=print, keep=self._keep, before=before)
        self._stop, self.context, self.learner = stop, context, build(context)
        try:
            fit(
                self.learner,
                SPLIT,
                PLAN,
                augmentation=SHIFT_AND_CONTRAST,
                epochs=epochs,
                learning_rate=0.05,
                generator=context.generator,
                tally=context.tally,
                after_epoch=self.losses.__setitem__,
                journal=context,
            )
        except KeyboardInterrupt:
            assert stop is not None

    def _keep(self, progress, state):
        digest = self._files.save_state("training", progress, state)
        self.states[progress] = self._files.load_state("training", progress, digest)
        if progress == self._stop:
            raise KeyboardInterrupt

    @property
    def weights(self):
        return self.learner.net.state_dict()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.fixture(scope="module", params=[static, elastic, largest, sandwich], ids=lambda build: build.__name__)
def build(request):
    return request.param


@pytest.fixture(scope="module")
def whole(build, tmp_path_factory):
    """A training that was never stopped; look, do not touch."""
    return Training(build, tmp_path_factory.mktemp("whole"))


def test_the_state_is_kept_after_every_epoch_but_the_last(whole):
    assert [*whole.states] == [1, 2, 3, 4]


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_weights_losses_momentum_and_chance_go_on_as_if_nothing_had_happened(build, whole, tmp_path, stop):
    first = Training(build, tmp_path, stop=stop)
    rest = Training(build, tmp_path, before=first.states[stop])
    assert first.losses | rest.losses == whole.losses
    assert not first.losses.keys() & rest.losses.keys()
    assert same(rest.weights, whole.weights)
    assert [*first.states, *rest.states] == [*whole.states]
    for progress, state in rest.states.items():
        assert same(state.tensors, whole.states[progress].tensors)
        assert state.facts == whole.states[progress].facts
    assert rest.context.rng.getstate() == whole.context.rng.getstate()
    assert torch.equal(rest.context.generator.get_state(), whole.context.generator.get_state())


def test_what_was_done_before_is_not_counted_again(build, whole, tmp_path):
    rest = Training(build, tmp_path, before=whole.states[3])
    assert rest.context.tally.steps == 2 * STEPS
    assert rest.context.steps == whole.context.steps == EPOCHS * STEPS
    assert 0 < rest.context.tally.macs < whole.context.tally.macs


def test_a_training_may_be_stopped_after_every_single_epoch(build, whole, tmp_path):
    before, losses = None, {}
    for stop in range(1, EPOCHS + 1):
        part = Training(build, tmp_path, before=before, stop=stop)
        losses |= part.losses
        assert [*part.losses] == [stop]
        before = part.states.get(stop)
    assert losses == whole.losses
    assert same(part.weights, whole.weights)


def test_without_its_momentum_a_training_would_end_elsewhere(build, whole, tmp_path):
    """So the tests above would notice if it were lost."""
    state = whole.states[2]
    momentum = {name for name in state.tensors if name.startswith("momentum.")}
    assert momentum
    without = {name: tensor for name, tensor in state.tensors.items() if name not in momentum}
    rest = Training(build, tmp_path, before=Artefact(tensors=without, facts=state.facts))
    assert not same(rest.weights, whole.weights)


def test_a_state_of_the_last_epoch_leaves_nothing_to_do(build, whole, tmp_path):
    done = Training(build, tmp_path, before=whole.states[4], epochs=4)
    assert (done.losses, done.states, done.context.tally.steps) == ({}, {}, 0)
    kept = {name.removeprefix("net."): tensor for name, tensor in whole.states[4].tensors.items() if "net." in name}
    assert same(done.weights, kept)


def test_chance_is_read_where_the_work_goes_on():
    """First weights are drawn in a resumed attempt, too, and must not move what is drawn after."""
    states = {}
    context = PhaseContext(seed=0, job="job", log=print, keep=states.__setitem__)
    context.keep(1)
    expected = context.rng.random(), torch.rand(3, generator=context.generator).tolist()
    again = PhaseContext(seed=0, job="job", log=print, before=states[1])
    again.rng.shuffle(list(range(9)))
    torch.rand(99, generator=again.generator)
    assert again.resume().progress == 1
    assert (again.rng.random(), torch.rand(3, generator=again.generator).tolist()) == expected
