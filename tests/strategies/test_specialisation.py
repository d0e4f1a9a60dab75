import random
from dataclasses import replace

import pytest
import torch

from carbon_nas.ledger.records import PredictorCheck, Scope, Selection
from carbon_nas.strategies import Artefact
from carbon_nas.strategies.constraint import Constraint
from carbon_nas.strategies.predictor import PredictorPlan
from carbon_nas.strategies.search import SearchPlan
from carbon_nas.strategies.selection import SelectionPlan
from carbon_nas.strategies.specialisation import FineTuningPlan, Specialisation, SpecialisationPlan
from carbon_nas.supernet import ElasticMobileNetV3, StaticMobileNetV3
from carbon_nas.training import supernet_accuracy
from carbon_nas.training.tally import Tally
from tests.strategies import bench as small
from tests.strategies.bench import CLASSES, STEPS_PER_EPOCH, assert_goes_on, assert_same, attempt
from tests.supernet.spaces import ONE, TINY, images, scrambled

PLAN = SpecialisationPlan(
    calibration_images=16,
    predictor=PredictorPlan(architectures=33, hidden=8, layers=1, epochs=2),
    search=SearchPlan(population=8, generations=2),
    selection=SelectionPlan(finalists=2),
)
ALONE = PLAN.model_copy(update={"predictor": None})
TUNED = PLAN.model_copy(update={"fine_tuning": FineTuningPlan(epochs=3, learning_rate=0.05)})
MEASURE, PREDICT, SEARCH, EXTRACT, TUNE = (
    "measure accuracies",
    "train predictor",
    "search / eager-b1",
    "extract / eager-b1",
    "fine-tune / eager-b1",
)


class Specialised:
    """What follows a supernet's training as a strategy, which is all that the bench asks of one."""

    name = "specialised"

    def __init__(self, bench, plan=PLAN):
        self._own = Specialisation(bench, plan, "the supernet")
        self.phases, self.made_by = self._own.phases, self._own.made_by


def supernet(bench, *, seed=0):
    """Keep a made-up supernet as the phase left it that trained one."""
    net = scrambled(ElasticMobileNetV3(bench.space, CLASSES), seed=seed)
    bench.artefacts.save("the supernet", Artefact(tensors=net.state_dict()))
    return net


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bench with a supernet, on which all phases but the last ran, and what came of each; look, do not touch."""
    bench = small.bench(tmp_path_factory.mktemp("bench"), scenarios=("eager-b1",))
    supernet(bench)
    return bench, run(bench, tmp_path_factory.mktemp("states"), (MEASURE, PREDICT, SEARCH, EXTRACT))


def run(bench, folder, keys, plan=PLAN):
    """Run some phases, and keep what each leaves."""
    done = {}
    for key in keys:
        done[key] = attempt(bench, Specialised(bench, plan), key, folder)
        bench.artefacts.save(key, done[key].artefact)
    return done


def scored(bench, arch):
    net = scrambled(ElasticMobileNetV3(bench.space, CLASSES))
    split = bench.workload.validation
    return supernet_accuracy(net, arch, bench.workload, split=split, images=16, tally=Tally())


def test_the_predictor_is_paid_once_and_the_rest_for_every_scenario(bench):
    def scopes(plan):
        return {phase.name: phase.scope for phase in Specialised(bench, plan).phases()}

    once, each = Scope.ONCE, Scope.PER_SCENARIO
    common = {"search": each, "extract": each, "evaluate": each, "use": Scope.USE}
    assert scopes(PLAN) == {"measure accuracies": once, "train predictor": once} | common
    assert scopes(ALONE) == common
    assert scopes(TUNED) == scopes(PLAN) | {"fine-tune": each}
    assert (Specialised(bench, PLAN).made_by, Specialised(bench, TUNED).made_by) == ("extract", "fine-tune")


def test_pairs_are_distinct_architectures_with_what_each_scores_on_the_supernet(made):
    bench, done = made
    pairs = [(TINY.from_json(arch), score) for arch, score in done[MEASURE].artefact.facts["pairs"]]
    assert len(pairs) == len({arch for arch, _ in pairs}) == 33
    for arch, score in pairs[::11]:
        assert score == scored(bench, arch)
    assert done[MEASURE].context.tally.steps == 0


def test_what_is_planned_is_what_is_counted(made):
    bench, done = made
    planned = {phase.name: phase.image_passes for phase in Specialised(bench).phases()}
    scoring = len(bench.workload.validation) + 16
    assert planned["measure accuracies"] == done[MEASURE].context.tally.image_passes == 33 * scoring
    assert planned["search"] == 2 * scoring >= done[SEARCH].context.tally.image_passes > 0


def test_measuring_goes_on_from_any_state_it_keeps(made, tmp_path):
    bench, _ = made
    whole = assert_goes_on(bench, Specialised(bench), MEASURE, tmp_path)
    assert [*whole.states] == [10, 20, 30]


def test_measuring_ends_where_a_space_holds_fewer_architectures_than_are_wanted(tmp_path):
    """Twelve here, and one: resumed or not, it draws as often and no more."""
    space = replace(
        TINY, name="twelve", stages=TINY.stages[:1], kernel_sizes=(5,), expand_ratios=(1, 2, 3), depths=(1, 2)
    )
    space = replace(space, resolutions=(6,))
    bench = small.bench(tmp_path / "bench", space=space)
    supernet(bench)
    whole = assert_goes_on(bench, Specialised(bench), MEASURE, tmp_path / "states")
    assert [*whole.states] == [10]
    assert 10 <= len(whole.artefact.facts["pairs"]) <= 12
    only = small.bench(tmp_path / "only", space=ONE)
    supernet(only)
    facts = attempt(only, Specialised(only), MEASURE, tmp_path / "states").artefact.facts
    assert [arch for arch, _ in facts["pairs"]] == [ONE.max().to_json()]


def test_the_predictor_is_checked_on_architectures_it_did_not_see(made):
    (check,) = made[1][PREDICT].artefact.events
    assert isinstance(check, PredictorCheck)
    assert check.trained_on + check.held_out == 33
    assert check.held_out > 0


@pytest.mark.parametrize("plan", [PLAN, ALONE], ids=["predictor", "supernet"])
def test_a_search_tells_how_the_network_was_selected(made, tmp_path, plan):
    bench, _ = made
    constraint = bench.constraints["eager-b1"]
    found = attempt(bench, Specialised(bench, plan), SEARCH, tmp_path)
    (how,) = found.artefact.events
    arch = TINY.from_json(found.artefact.facts["architecture"])
    assert isinstance(how, Selection)
    assert how.scenario == "eager-b1"
    assert 1 <= how.timed <= how.scored <= plan.search.evaluations
    assert how.predicted_ms == pytest.approx(constraint.table.predict_ms(TINY, arch))
    assert how.measured_ms == bench.macs(arch) * 0.5 / 1e6 <= constraint.limit_ms
    assert how.validation_accuracy_fraction == scored(bench, arch)
    assert (how.predicted_accuracy_fraction is None) is (plan.predictor is None)
    assert how.predicted_accuracy_fraction != how.validation_accuracy_fraction


def test_without_a_predictor_every_architecture_is_scored_on_the_supernet_once(made, tmp_path):
    bench, _ = made
    found = attempt(bench, Specialised(bench, ALONE), SEARCH, tmp_path)
    (how,) = found.artefact.events
    assert found.context.tally.image_passes == how.scored * (len(bench.workload.validation) + 16)


def test_without_a_predictor_the_best_that_was_scored_is_taken_and_no_kept_predictor_is_read(tmp_path):
    """All that a search of a whole space proposes is scored, so nothing that is fast enough is better."""
    space = replace(TINY, name="few", stages=TINY.stages[:1], resolutions=(6,))
    bench = small.bench(tmp_path / "bench", space=space, scenarios=("eager-b1",))
    wide = small.constraint(space)
    bench = replace(bench, constraints={"eager-b1": replace(wide, limit_ms=10 * wide.limit_ms)})
    supernet(bench)
    plan = ALONE.model_copy(update={"search": SearchPlan(population=40, generations=30)})
    found = attempt(bench, Specialised(bench, plan), SEARCH, tmp_path / "states").artefact
    everything = {space.sample(random.Random(seed)) for seed in range(400)}
    assert len(everything) == space.size
    (how,) = found.events
    assert how.scored == space.size
    assert how.validation_accuracy_fraction == max(scored(bench, arch) for arch in everything)


def test_another_supernet_gives_other_scores(made, tmp_path):
    _, done = made
    other = small.bench(tmp_path / "bench", scenarios=("eager-b1",))
    supernet(other, seed=1)
    pairs = attempt(other, Specialised(other), MEASURE, tmp_path / "states").artefact.facts["pairs"]
    before = done[MEASURE].artefact.facts["pairs"]
    assert [arch for arch, _ in pairs] == [arch for arch, _ in before]
    assert pairs != before


def logits(net, arch):
    return net.eval()(images(arch.resolution, count=8))


def static(bench, artefact):
    arch = TINY.from_json(artefact.facts["architecture"])
    net = StaticMobileNetV3(TINY, arch, CLASSES)
    net.load_state_dict(dict(artefact.tensors))
    return net, arch


def test_what_is_extracted_scores_what_it_scored_in_the_supernet(made):
    bench, done = made
    net, arch = static(bench, done[EXTRACT].artefact)
    (how,) = done[SEARCH].artefact.events
    ((x, y),) = bench.workload.validation.batches(arch.resolution)
    right = float((net.eval()(x).argmax(1) == y).float().mean())
    assert right == pytest.approx(how.validation_accuracy_fraction)


def test_fine_tuning_goes_on_from_the_extracted_weights(made, tmp_path):
    """One that learns next to nothing ends where it began, but for the statistics of its batch norms."""
    bench, done = made
    still = TUNED.model_copy(update={"fine_tuning": FineTuningPlan(epochs=1, learning_rate=1e-30)})
    tuned = attempt(bench, Specialised(bench, still), TUNE, tmp_path).artefact
    extracted = done[EXTRACT].artefact
    assert tuned.facts == extracted.facts
    for name, _ in static(bench, extracted)[0].named_parameters():
        torch.testing.assert_close(tuned.tensors[name], extracted.tensors[name], rtol=0, atol=1e-12)


def test_fine_tuning_takes_as_many_steps_as_planned_and_changes_the_network(made, tmp_path):
    bench, done = made
    found = attempt(bench, Specialised(bench, TUNED), TUNE, tmp_path)
    assert found.context.tally.steps == 3 * STEPS_PER_EPOCH
    assert [(subject, epoch) for subject, epoch, *_ in found.epochs] == [("sub-network", at) for at in (1, 2, 3)]
    (one, arch), (other, _) = (static(bench, artefact) for artefact in (found.artefact, done[EXTRACT].artefact))
    assert not torch.allclose(logits(one, arch), logits(other, arch), atol=1e-2)


def test_fine_tuning_goes_on_from_any_epoch(made, tmp_path):
    bench, _ = made
    whole = assert_goes_on(bench, Specialised(bench, TUNED), TUNE, tmp_path)
    assert [*whole.states] == [1, 2]


def test_the_network_that_is_evaluated_is_the_fine_tuned_one(made, tmp_path):
    """If there is one, and the extracted one otherwise."""
    bench, _ = made
    run(bench, tmp_path, (TUNE,), TUNED)
    for plan, key in ((PLAN, EXTRACT), (TUNED, TUNE)):
        (result,) = attempt(bench, Specialised(bench, plan), "evaluate / eager-b1", tmp_path).artefact.events
        net, arch = static(bench, bench.artefacts.load(key))
        ((x, y),) = bench.workload.test.batches(arch.resolution)
        assert result.accuracy_fraction == pytest.approx(float((net.eval()(x).argmax(1) == y).float().mean()))


def test_the_same_phase_done_twice_leaves_the_same(made, tmp_path):
    bench, done = made
    for key in (MEASURE, PREDICT, SEARCH, EXTRACT):
        assert_same(attempt(bench, Specialised(bench), key, tmp_path).artefact, done[key].artefact)


def test_where_a_table_is_not_trusted_a_search_ends_with_a_network_that_was_timed(made, tmp_path):
    """The table takes every network for too slow, which is wrong: the device has no trouble with them."""
    bench, _ = made
    found = bench.constraints["eager-b1"]
    table = replace(found.table, error_fraction=None, rank_correlation_ratio=None)
    slow = replace(table, entries_ms={key: 100 * value for key, value in table.entries_ms.items()})
    doubted = Constraint(table=slow, limit_ms=found.limit_ms, device=found.device)
    assert doubted.timed
    assert not doubted.met_by(TINY, slow.fastest(TINY))
    other = replace(bench, constraints={"eager-b1": doubted})
    (how,) = attempt(other, Specialised(other), SEARCH, tmp_path).artefact.events
    assert how.measured_ms <= found.limit_ms < how.predicted_ms


@pytest.mark.parametrize(
    "wrong",
    [{"calibration_images": 1}, {"predictor": {"architectures": 0}}, {"fine_tuning": {"epochs": 0}}, {"seeds": 3}],
)
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="SpecialisationPlan"):
        SpecialisationPlan.model_validate(wrong)


@pytest.mark.parametrize("learning_rate", [0.0, -1.0, float("inf"), float("nan")])
def test_fine_tuning_needs_a_learning_rate(learning_rate):
    with pytest.raises(ValueError, match="learning_rate"):
        FineTuningPlan(epochs=1, learning_rate=learning_rate)
