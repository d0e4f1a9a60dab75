"""An attempt at a phase goes on from the state that the one before it kept, and ends where a single one does."""

import multiprocessing
import os
import signal
from functools import partial

import pytest
import torch

from carbon_nas.errors import OutputError
from carbon_nas.ledger import Scope, read_run
from carbon_nas.ledger.verify import verify_chain
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.recorder import Recorder
from carbon_nas.strategies.artefact import Artefact, Artefacts
from carbon_nas.strategies.base import Phase
from carbon_nas.study.attempt import Attempt
from tests.conftest import block_network

EPOCHS, STEPS, MACS, POWER_W = 6, 2, 100, 8.0
PASSES = 7  # images through the network, an epoch


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def press_ctrl_c():
    raise KeyboardInterrupt


class Training:
    """A phase that takes a second an epoch, and has an accident in the middle of one."""

    def __init__(self, clock, recorder, *, at=None, accident=die):
        self.clock, self.recorder, self.at, self.accident = clock, recorder, at, accident

    def __call__(self, context):
        # As networks do: first weights are drawn, and replaced by those that were kept.
        weights, done = torch.rand(4, generator=context.generator), 0
        if (kept := context.resume()) is not None:
            weights, done = kept.tensors["weights"], kept.progress
        for epoch in range(done + 1, EPOCHS + 1):
            self.clock.advance(0.5)
            self.recorder.beat()
            if epoch == self.at:
                self.accident()
            self.clock.advance(0.5)
            weights = weights + torch.rand(4, generator=context.generator) * context.rng.random()
            context.tally.steps += STEPS
            context.tally.macs += MACS
            context.tally.image_passes += PASSES
            context.log("largest", epoch, float(weights.mean()) % 1.0, loss_nats=float(weights.sum()))
            context.keep(epoch, {"weights": weights}, {"epochs": epoch})
        return Artefact(tensors={"weights": weights})


def unwatched(context, passes_before):
    """Watch nothing."""


def attempt(folder, *, artefacts=Artefacts, save_interval_s=0.0, watch=unwatched, **accident):
    """Open the ledger of a folder and try to train; return what the ledger says."""
    clock, path = ManualClock(100.0), folder / "ledger" / "run.jsonl"
    recorder = Recorder(
        path,
        strategy="mine",
        clock=clock,
        meters=[SimulatedMeter(clock, power_w=POWER_W)],
        heartbeat_interval_s=None,
        resume=True,
    )
    with recorder:
        Attempt(
            phase=Phase("train", Scope.ONCE, Training(clock, recorder, **accident)),
            key="train",
            seed=0,
            job="mine/train",
            recorder=recorder,
            artefacts=artefacts(folder / "checkpoints"),
            clock=clock,
            save_interval_s=save_interval_s,
            watch=watch,
        ).run()
    return read_run(path)


def attempt_that_dies(folder, options):
    block_network()
    attempt(folder, **options)


@pytest.fixture(scope="module")
def killed():
    """Run an attempt in a process of its own, in which it is killed."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])

    def run(folder, **options):
        process = context.Process(target=attempt_that_dies, args=(folder, options))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return attempt(tmp_path_factory.mktemp("whole"))


def curve(run):
    return [(log.subject, log.epoch, log.steps, log.accuracy_fraction, log.loss_nats) for log in run.epochs]


def summed(run, what):
    return sum(getattr(one, what) for one in run.kept("train"))


def joules(activities):
    return sum(one.energy_j["simulated"] for one in activities)


def assert_same(run, whole):
    """The same curve, weights, work and joules as without an accident; what comes on top is waste."""
    assert curve(run) == curve(whole)
    assert run.done["train"].artefact_hash == whole.done["train"].artefact_hash
    assert (summed(run, "steps"), summed(run, "macs")) == (STEPS * EPOCHS, MACS * EPOCHS)
    assert joules(run.kept("train")) == joules(whole.activities) == EPOCHS * POWER_W
    assert verify_chain(run.path).difference is None


def states(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir() if "state" in path.name)


def test_an_attempt_without_an_accident_keeps_its_states_to_itself(tmp_path, whole):
    run = attempt(tmp_path)
    assert_same(run, whole)
    assert states(tmp_path) == []
    assert (len(run.activities), run.saved) == (1, {})


@pytest.mark.parametrize("epoch", [2, 3, EPOCHS])
def test_killed_in_an_epoch_only_that_epoch_is_done_again(tmp_path, whole, killed, epoch):
    killed(tmp_path, at=epoch)
    assert states(tmp_path) == [f"train.state-{epoch - 1}.safetensors"]
    run = attempt(tmp_path)
    assert_same(run, whole)
    assert joules(one for one in run.activities if one.wasted) == 0.5 * POWER_W
    assert states(tmp_path) == []


@pytest.mark.parametrize("epoch", [2, 4])
def test_ctrl_c_in_an_epoch_leaves_as_much(tmp_path, whole, epoch):
    with pytest.raises(KeyboardInterrupt):
        attempt(tmp_path, at=epoch, accident=press_ctrl_c)
    run = attempt(tmp_path)
    assert_same(run, whole)
    (lost,) = [one for one in run.activities if one.wasted]
    assert (lost.energy_j, lost.steps, lost.macs) == ({"simulated": 0.5 * POWER_W}, 0, 0)


def test_who_watches_is_told_how_much_the_attempts_before_have_done(tmp_path):
    """Those that it goes on from; what they did after their last saved state is done again."""
    told = []

    def watch(context, passes_before):
        told.append(passes_before)

    for epoch in (1, 3, 4):
        with pytest.raises(KeyboardInterrupt):
            attempt(tmp_path, at=epoch, accident=press_ctrl_c, watch=watch)
    attempt(tmp_path, watch=watch)
    assert told == [0, 0, 2 * PASSES, 3 * PASSES]


def test_killed_before_the_first_state_it_begins_anew(tmp_path, whole, killed):
    killed(tmp_path, at=1)
    run = attempt(tmp_path)
    assert_same(run, whole)
    assert [one.partial for one in run.activities] == [False, False]


def test_killed_again_and_again_it_comes_to_the_same_end(tmp_path, whole, killed):
    for epoch in range(1, EPOCHS + 1):
        killed(tmp_path, at=epoch)
    run = attempt(tmp_path)
    assert_same(run, whole)
    assert len(run.kept("train")) == EPOCHS
    assert joules(one for one in run.activities if one.wasted) == EPOCHS * 0.5 * POWER_W


class KilledBeforeTheLine(Artefacts):
    """Dies when the state of the third epoch is in its file and not in the ledger."""

    def save_state(self, phase, progress, state):
        digest = super().save_state(phase, progress, state)
        if progress == 3:
            die()
        return digest


class KilledAfterTheLine(Artefacts):
    """Dies when the state of the third epoch is in the ledger and the one before it not yet deleted."""

    def forget_states(self, phase, *, besides=None):
        if besides == 3:
            die()
        super().forget_states(phase, besides=besides)


@pytest.mark.parametrize(("artefacts", "good"), [(KilledBeforeTheLine, 2), (KilledAfterTheLine, 3)])
def test_killed_between_the_file_and_the_ledger_the_one_that_the_ledger_names_is_gone_on_from(
    tmp_path, whole, killed, artefacts, good
):
    killed(tmp_path, artefacts=artefacts)
    assert states(tmp_path) == ["train.state-2.safetensors", "train.state-3.safetensors"]
    assert read_run(tmp_path / "ledger" / "run.jsonl").saved["train"].progress == good
    run = attempt(tmp_path)
    assert_same(run, whole)
    assert [one.steps for one in run.kept("train")] == [STEPS * good, STEPS * (EPOCHS - good)]
    assert states(tmp_path) == []


def test_what_a_killed_process_left_half_written_is_taken_away(tmp_path, whole):
    half = tmp_path / "checkpoints" / ".train.state-2.safetensors.x1y2z3"
    half.parent.mkdir()
    half.write_bytes(b"half")
    assert_same(attempt(tmp_path), whole)
    assert not half.exists()


def vanish(path):
    path.unlink()


def change(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [vanish, change, empty])
def test_a_state_that_is_gone_or_another_one_is_not_used_and_the_phase_begins_anew(tmp_path, whole, harm):
    with pytest.raises(KeyboardInterrupt):
        attempt(tmp_path, at=3, accident=press_ctrl_c)
    harm(tmp_path / "checkpoints" / "train.state-2.safetensors")
    run = attempt(tmp_path)
    assert_same(run, whole)
    assert [(one.wasted, joules([one])) for one in run.activities] == [(True, 2.5 * POWER_W), (False, 6 * POWER_W)]
    (incident,) = run.incidents
    assert (incident.what, "it begins anew" in incident.detail) == ("state lost", True)


def test_states_are_not_saved_more_often_than_asked_for(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        attempt(tmp_path, at=6, accident=press_ctrl_c, save_interval_s=2.0)
    assert states(tmp_path) == ["train.state-4.safetensors"]
    run = attempt(tmp_path, save_interval_s=2.0)
    assert_same(run, whole)
    assert [one.steps for one in run.activities] == [STEPS * 4, STEPS * 1, STEPS * 2]


class FullDisk(Artefacts):
    """Has room for outcomes and for no state."""

    def save_state(self, phase, progress, state):
        raise OutputError("cannot be written (No space left on device)", where=phase)


def test_a_disk_without_room_for_states_costs_them_and_not_the_work(tmp_path, whole):
    run = attempt(tmp_path, artefacts=FullDisk)
    assert_same(run, whole)
    assert {incident.what for incident in run.incidents} == {"state not saved"}


def test_states_of_other_phases_are_left_alone(tmp_path):
    artefacts = Artefacts(tmp_path)
    for phase in ("train", "train teacher", "search / eager-b1"):
        artefacts.save_state(phase, 1, Artefact())
    artefacts.forget_states("train")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "search-eager-b1.state-1.safetensors",
        "train-teacher.state-1.safetensors",
    ]


def test_a_state_is_loaded_as_it_was_saved_and_by_its_hash_only(tmp_path):
    artefacts = Artefacts(tmp_path)
    digest = artefacts.save_state("train", 3, Artefact(tensors={"weights": torch.arange(3.0)}, facts={"epochs": 3}))
    load = partial(artefacts.load_state, "train", 3)
    state = load(digest)
    assert state.facts == {"epochs": 3}
    assert torch.equal(state.tensors["weights"], torch.arange(3.0))
    assert load("0" * 64) is None
    assert artefacts.load_state("train", 4, digest) is None
