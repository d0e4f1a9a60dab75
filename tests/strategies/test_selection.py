import random
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from carbon_nas.errors import InfeasibleScenario
from carbon_nas.strategies.search import Ranking, SearchPlan, evolve, one_by_one
from carbon_nas.strategies.selection import SelectionPlan, select
from carbon_nas.supernet import cost, small_image_space
from tests.strategies.bench import constraint

SPACE = small_image_space()
LIMIT = constraint(SPACE)
PLAN = SelectionPlan(finalists=4, tries=10)
SEARCH = SearchPlan(population=32, generations=8)


def worth(arch):
    return cost(SPACE, arch, 3).macs / 1e9


def rank(limit=LIMIT):
    return evolve(SPACE, limit, one_by_one(worth), SEARCH, random.Random(0))


RANKING = rank()


class Device:
    """Takes what the table says times a factor, and writes down what was timed."""

    def __init__(self, factor=1.0):
        self.factor, self.timed = factor, []

    def __call__(self, arch):
        self.timed.append(arch)
        return self.factor * LIMIT.table.predict_ms(SPACE, arch)


def chosen(device, *, score=None, plan=PLAN, **others):
    return select(RANKING, LIMIT, scenario="phone", time_ms=device, score=score, plan=plan, **others)


def test_where_the_table_is_right_the_first_finalists_are_timed_and_no_more():
    device = Device(0.999)
    arch, told = chosen(device)
    assert device.timed == [RANKING[number].architecture for number in range(4)]
    assert arch == RANKING.best.architecture
    assert (told.scenario, told.scored, told.timed) == ("phone", RANKING.scored, 4)
    assert told.predicted_ms == RANKING.best.predicted_ms
    assert told.measured_ms == 0.999 * LIMIT.table.predict_ms(SPACE, arch)
    assert told.predicted_accuracy_fraction == RANKING.best.accuracy_fraction
    assert told.validation_accuracy_fraction is None


def test_the_finalist_that_the_supernet_finds_best_is_taken():
    favourite = RANKING[2].architecture
    scores = {RANKING[number].architecture: 0.5 for number in range(4)} | {favourite: 0.75}
    arch, told = chosen(Device(0.999), score=scores.__getitem__)
    assert arch == favourite
    assert told.validation_accuracy_fraction == 0.75
    assert told.predicted_accuracy_fraction == RANKING[2].accuracy_fraction


def test_among_equal_finalists_the_one_that_is_ranked_best_is_taken():
    assert chosen(Device(0.999), score=lambda arch: 0.5)[0] == RANKING.best.architecture


def ranked(*accuracies_and_latencies):
    """A ranking by hand."""
    accuracies, predicted_ms = zip(*accuracies_and_latencies, strict=True)
    count = len(accuracies)
    return Ranking(
        population=RANKING.population.take(slice(count)),
        accuracy_fraction=np.array(accuracies),
        predicted_ms=np.array(predicted_ms),
        proposed=count,
        scored=count,
    )


@pytest.mark.parametrize("score", [None, lambda arch: 0.5])
def test_a_finalist_that_was_held_back_at_first_and_timed_later_keeps_its_rank(score):
    """The first takes twice what was said, so the second is passed over, until the third takes less than was said."""
    ranking = ranked((0.9, 6.0), (0.8, 6.0), (0.3, 4.0))
    first, second, third = ranking.population
    times_ms, timed = {first: 12.0, second: 9.0, third: 3.2}, []

    def time_ms(arch):
        timed.append(arch)
        return times_ms[arch]

    limit = replace(LIMIT, limit_ms=10.0)
    arch, told = select(ranking, limit, scenario="phone", time_ms=time_ms, score=score, plan=SelectionPlan(finalists=2))
    assert timed == [first, third, second]
    assert arch == second
    assert (told.measured_ms, told.timed, told.predicted_accuracy_fraction) == (9.0, 3, 0.8)


def test_of_the_fastest_that_are_timed_when_nothing_else_fits_the_one_that_is_ranked_best_is_taken():
    ranking = ranked((0.9, 9.0), (0.8, 8.0), (0.7, 7.0), (0.6, 6.0))
    slow = ranking[0].architecture
    limit, plan = replace(LIMIT, limit_ms=10.0), SelectionPlan(finalists=2, tries=1)
    arch, told = select(
        ranking, limit, scenario="phone", time_ms=lambda arch: 99.0 if arch == slow else 5.0, score=None, plan=plan
    )
    assert arch == ranking[2].architecture
    assert told.timed == 3


def test_scores_that_the_supernet_gave_are_told_as_such():
    _, told = chosen(Device(0.999), ranked_by="supernet")
    assert told.predicted_accuracy_fraction is None
    assert told.validation_accuracy_fraction == RANKING.best.accuracy_fraction


@pytest.mark.parametrize("factor", [1.1, 1.5])
def test_a_table_that_promises_too_much_leads_to_other_candidates_and_nothing_too_slow_is_taken(factor):
    device = Device(factor)
    arch, told = chosen(device)
    assert told.measured_ms <= LIMIT.limit_ms
    # The first one told how far the table is off; from then on only such are timed as fit with that.
    assert told.timed == len(device.timed) <= 1 + PLAN.finalists
    fits = [one for one in RANKING if factor * one.predicted_ms <= LIMIT.limit_ms]
    assert arch == fits[0].architecture


def test_where_the_whole_ranking_is_too_slow_the_search_is_repeated_under_a_corrected_limit():
    asked = []

    def again(narrower):
        asked.append(narrower.limit_ms)
        return rank(narrower)

    ranking = rank()
    slow = max(LIMIT.limit_ms / one.predicted_ms for one in ranking) * 1.01
    arch, told = chosen(Device(slow), again=again)
    assert asked == [pytest.approx(LIMIT.limit_ms / slow)]
    assert arch not in {one.architecture for one in RANKING}
    assert told.measured_ms <= LIMIT.limit_ms
    assert told.timed == 1 + PLAN.finalists
    assert told.scored > RANKING.scored


def test_a_search_is_repeated_only_so_often():
    calls = []

    def useless(narrower):
        calls.append(narrower)
        return RANKING

    slow = max(LIMIT.limit_ms / one.predicted_ms for one in RANKING) * 1.01
    chosen(Device(slow), again=useless, plan=SelectionPlan(searches=2))
    assert len(calls) == 2


def test_a_table_that_finds_everything_too_slow_is_proved_wrong_by_the_first_that_is_timed():
    limit = replace(LIMIT, limit_ms=0.6 * RANKING.predicted_ms.min())
    device = Device(0.5 * limit.limit_ms / RANKING.best.predicted_ms)
    arch, told = select(RANKING, limit, scenario="phone", time_ms=device, score=None, plan=PLAN)
    assert arch == RANKING.best.architecture
    assert told.timed == PLAN.finalists
    assert told.measured_ms < limit.limit_ms < told.predicted_ms


def test_after_so_many_tries_the_fastest_are_taken():
    """A device of which the table knows nothing: what it takes grows with what is not in the table."""
    fastest = LIMIT.table.fastest(SPACE)

    def erratic(arch):
        return 0.5 * LIMIT.limit_ms if arch == fastest else 1.0001 * LIMIT.limit_ms

    arch, told = chosen(erratic, plan=SelectionPlan(finalists=2, tries=3))
    assert arch == fastest
    assert told.timed <= 3 + 2 + 1
    assert told.predicted_accuracy_fraction is None


def test_where_even_the_fastest_misses_the_limit_the_fastest_that_was_timed_is_named():
    device = Device(1_000.0)
    with pytest.raises(InfeasibleScenario) as refusal:
        chosen(device)
    fastest = LIMIT.table.fastest(SPACE)
    assert fastest in device.timed
    assert len(device.timed) <= PLAN.tries + PLAN.finalists + 1
    assert f"the fastest, {fastest}, was timed at {device(fastest):.3g} ms" in str(refusal.value)
    assert str(refusal.value).startswith("scenario phone: ")


def test_nothing_is_timed_twice():
    for factor in (0.9, 1.1, 1.5, 1_000.0):
        device = Device(factor)
        try:
            chosen(device)
        except InfeasibleScenario:
            assert factor == 1_000.0
        assert len(device.timed) == len(set(device.timed)) > 0


@pytest.mark.parametrize("wrong", [{"finalists": 0}, {"tries": 0}, {"searches": -1}, {"size": 3}])
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        SelectionPlan(**wrong)


def test_the_choice_of_a_looser_limit_is_no_worse():
    found = [
        select(rank(limit), limit, scenario="phone", time_ms=Device(0.999), score=worth, plan=PLAN)[
            1
        ].validation_accuracy_fraction
        for limit in (LIMIT, replace(LIMIT, limit_ms=2 * LIMIT.limit_ms))
    ]
    assert found[0] < found[1]
