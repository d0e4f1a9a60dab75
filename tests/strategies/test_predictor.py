import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.overrides import TorchFunctionMode

from carbon_nas.errors import CheckpointError, UsageError
from carbon_nas.strategies.artefact import Artefact, Artefacts
from carbon_nas.strategies.predictor import AccuracyPredictor, PredictorPlan, fit_predictor
from carbon_nas.supernet.population import Population
from carbon_nas.training.tally import Tally
from experiments.benchmarks.search import made_up_accuracy
from tests.supernet.spaces import SMALL, TINY

PLAN = PredictorPlan(hidden=32, epochs=30)
IMAGES = 200


def measured(count, *, seed=0, images=IMAGES):
    """Architectures with an accuracy as it is measured on so many images, and the accuracy itself."""
    rng = np.random.default_rng(seed)
    population = Population.sampled(SMALL, 2 * count, rng).distinct().take(slice(count))
    true = made_up_accuracy(SMALL, seed, interplay_ratio=0.03)(population)
    true = 0.88 + 0.03 * (true - true.mean()) / true.std()
    return population, true, true if images is None else rng.binomial(images, np.minimum(true, 1.0)) / images


def fitted(count, *, seed=0, images=IMAGES, plan=PLAN, tally=None):
    population, _, accuracies = measured(count, seed=seed, images=images)
    generator = torch.Generator().manual_seed(seed)
    return fit_predictor(SMALL, list(population), list(accuracies), plan, generator, tally)


def ranks(values):
    return np.argsort(np.argsort(values))


def correlation(one, other):
    return np.corrcoef(ranks(one), ranks(other))[0, 1]


def test_what_is_measured_exactly_is_predicted_well_on_architectures_that_were_held_out():
    predictor, check = fitted(600, images=None)
    assert (check.trained_on, check.held_out) == (480, 120)
    assert check.rank_correlation_ratio > 0.95
    assert check.rmse_fraction < 0.01
    assert predictor.space == SMALL


@pytest.mark.parametrize("seed", range(3))
def test_a_small_noisy_sample_is_predicted_about_as_well_as_its_noise_allows(seed):
    """On 200 images even the truth itself correlates with what is measured only to about 0.8."""
    predictor, _ = fitted(160, seed=seed)
    population, true, accuracies = measured(1_000, seed=seed)
    predicted = predictor.score(population)
    allowed = correlation(true, accuracies)
    assert 0.6 < allowed < 0.9
    assert correlation(predicted, accuracies) > 0.8 * allowed


def test_the_check_is_of_architectures_that_the_fit_did_not_see():
    """Accuracies of pure noise can be learnt by heart, and not be predicted."""
    population, _, _ = measured(200)
    noise = np.random.default_rng(7).uniform(0, 1, 200)
    _, check = fit_predictor(SMALL, list(population), list(noise), PLAN, torch.Generator().manual_seed(0))
    assert abs(check.rank_correlation_ratio) < 0.5
    assert check.rmse_fraction > 0.2


def test_the_same_generator_makes_the_same_predictor():
    population = measured(50)[0]
    one, other, third = (fitted(60, seed=seed)[0].score(population) for seed in (1, 1, 2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_a_predictor_survives_being_kept(tmp_path):
    predictor, _ = fitted(60)
    artefacts = Artefacts(tmp_path)
    artefacts.save("predictor", Artefact(tensors=predictor.tensors()))
    again = AccuracyPredictor.of(SMALL, artefacts.load("predictor").tensors)
    population = measured(50)[0]
    assert np.array_equal(again.score(population), predictor.score(population))
    assert again.score(population).dtype == np.float64


def test_a_large_population_is_scored_as_its_members_are():
    predictor, _ = fitted(60)
    population = Population.sampled(SMALL, 5_000, np.random.default_rng(0))
    scores = predictor.score(population)
    for number in (0, 4_095, 4_096, 4_999):
        assert predictor.score(population.take([number]))[0] == pytest.approx(scores[number], abs=1e-5)
    assert len(predictor.score(population.take([]))) == 0


class Threads(TorchFunctionMode):
    """Writes down on how many threads each layer of a predictor is computed."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.nn.functional.linear:
            self.seen.add(torch.get_num_threads())
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("count", "threads"), [(75, 1), (5_000, 2)])
def test_a_generation_is_scored_on_one_thread_and_a_large_population_on_all_that_there_were(count, threads):
    predictor, _ = fitted(60)
    population, before = Population.sampled(SMALL, count, np.random.default_rng(0)), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with Threads() as seen:
            predictor.score(population)
        assert (seen.seen, torch.get_num_threads()) == ({threads}, 2)
    finally:
        torch.set_num_threads(before)


def test_the_work_is_counted():
    tally = Tally()
    predictor, _ = fitted(60, tally=tally)
    features = SMALL.encode(SMALL.max()).size
    assert predictor.macs == features + features * 32 + 2 * 32 * 32 + 32
    assert tally.macs > 3 * 48 * predictor.macs
    before = tally.macs
    predictor.score(measured(50)[0], tally)
    assert tally.macs == before + 50 * predictor.macs
    assert (tally.steps, tally.image_passes) == (0, 0)


def test_accuracies_that_are_all_alike_have_no_rank_correlation():
    population = measured(40)[0]
    predictor, check = fit_predictor(SMALL, list(population), [0.5] * 40, PLAN, torch.Generator().manual_seed(0))
    assert check.rank_correlation_ratio is None
    assert predictor.score(population) == pytest.approx([0.5] * 40, abs=0.01)


def test_too_few_or_repeated_architectures_are_refused():
    archs = list(measured(10)[0])
    for these, accuracies in ((archs[:5], [0.5] * 5), (archs[:9] + archs[:1], [0.5] * 10), (archs, [0.5] * 9)):
        with pytest.raises(UsageError, match="at least 6 different architectures"):
            fit_predictor(SMALL, these, accuracies, PLAN, torch.Generator())


def test_a_handful_is_enough_to_fit_to():
    _, check = fitted(6)
    assert (check.trained_on, check.held_out) == (5, 1)
    assert check.rank_correlation_ratio is None


def test_tensors_of_something_else_are_refused():
    tensors = fitted(30)[0].tensors()
    with pytest.raises(CheckpointError, match="not fitted to this space"):
        AccuracyPredictor.of(TINY, tensors)
    with pytest.raises(CheckpointError, match="no accuracy predictor"):
        AccuracyPredictor.of(SMALL, {"weight": torch.zeros(3)})


@pytest.mark.parametrize("wrong", [{"architectures": 2}, {"held_out_fraction": 1}, {"hidden": 0}, {"size": 3}])
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        PredictorPlan(**wrong)
