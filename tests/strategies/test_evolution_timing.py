"""What evolution times, what it does when a table errs, and that it can be stopped at any time."""

import random
from dataclasses import replace

import pytest

from carbon_nas.devices import SimulatedDevice, target_named
from carbon_nas.errors import InfeasibleScenario
from carbon_nas.ledger.records import Selection
from carbon_nas.strategies import Evolution, EvolutionPlan
from carbon_nas.strategies.constraint import TIMING_PASSES
from carbon_nas.strategies.evolution import reward
from tests.strategies import bench as small
from tests.strategies.bench import assert_goes_on, attempt
from tests.supernet.spaces import TINY

PLAN = EvolutionPlan(candidates=6, population=3, tournament=2, proxy_epochs=1, final_epochs=3)
SEARCH, TRAIN = "search / eager-b1", "train / eager-b1"


class Biased:
    """A simulated device on which some networks are slower than any table of it says."""

    def __init__(self, ratio_of=lambda macs: 1.0):
        self._plain = SimulatedDevice(target_named("eager-b1"), call_ms=0.0)
        self.target, self._ratio_of, self.timed = self._plain.target, ratio_of, []

    def time(self, subjects, *, passes, rng, anchor_ms=None):
        found = self._plain.time(subjects, passes=passes, rng=rng, anchor_ms=anchor_ms)
        self.timed += [subject.macs for subject in subjects]
        latency_ms = {one.key: found.latency_ms[one.key] * self._ratio_of(one.macs) for one in subjects}
        return replace(found, latency_ms=latency_ms)

    def run(self, subject, *, duration_s):
        return self._plain.run(subject, duration_s=duration_s)


def bench_with(folder, device, *, limit_ms=None, **changes):
    """A bench whose table is right about a plain device, or as the changes make it, with a device in its place."""
    found = small.bench(folder, scenarios=("eager-b1",))
    constraint = found.constraints["eager-b1"]
    constraint = replace(
        constraint,
        device=device,
        table=replace(constraint.table, **changes),
        limit_ms=limit_ms or constraint.limit_ms,
    )
    scenario = replace(found.scenarios[0], device=device)
    return replace(found, scenarios=(scenario,), constraints={"eager-b1": constraint})


DOUBTED = {"error_fraction": None, "rank_correlation_ratio": None}
GENEROUS_MS = 1e6


def searched(folder, device, **changes):
    bench = bench_with(folder / "bench", device, **changes)
    found = attempt(bench, Evolution(bench, PLAN), SEARCH, folder / "states")
    trained = found.states[PLAN.candidates].facts["facts"]["trained"]
    history = {TINY.from_json(arch): (rewarded, correct) for arch, rewarded, correct in trained}
    return bench, found, history


def best_first(history):
    return sorted(history, key=lambda arch: history[arch][0], reverse=True)


def chosen(found):
    (how,) = found.artefact.events
    assert isinstance(how, Selection)
    return TINY.from_json(found.artefact.facts["architecture"]), how


def test_a_search_goes_on_after_any_candidate_as_if_nothing_had_happened(tmp_path):
    bench = bench_with(tmp_path / "bench", Biased())
    whole = assert_goes_on(bench, Evolution(bench, PLAN), SEARCH, tmp_path / "states")
    assert [*whole.states] == [1, 2, 3, 4, 5, 6]


def test_a_search_that_times_its_candidates_goes_on_likewise(tmp_path):
    bench = bench_with(tmp_path / "bench", Biased(lambda macs: 1 + macs % 3), **DOUBTED)
    assert bench.constraints["eager-b1"].timed
    assert_goes_on(bench, Evolution(bench, PLAN), SEARCH, tmp_path / "states")


def test_the_training_of_the_winner_goes_on_from_any_epoch(tmp_path):
    bench = bench_with(tmp_path / "bench", Biased())
    strategy = Evolution(bench, PLAN)
    bench.artefacts.save(SEARCH, attempt(bench, strategy, SEARCH, tmp_path / "states").artefact)
    assert [*assert_goes_on(bench, strategy, TRAIN, tmp_path / "states").states] == [1, 2]


def test_a_search_tells_how_the_winner_was_selected(tmp_path):
    device = Biased()
    bench, found, history = searched(tmp_path, device)
    arch, how = chosen(found)
    assert arch == best_first(history)[0]
    assert (how.scenario, how.scored, how.timed) == ("eager-b1", 6, 1)
    assert how.predicted_ms == bench.constraints["eager-b1"].table.predict_ms(TINY, arch)
    assert how.measured_ms == bench.macs(arch) * 0.5 / 1e6
    assert how.validation_accuracy_fraction == history[arch][1]
    assert how.predicted_accuracy_fraction is None
    assert device.timed == [bench.macs(arch)]


@pytest.mark.parametrize("slow", [1, 2, 4])
def test_a_winner_that_is_too_slow_makes_way_for_the_next_best_that_is_not(tmp_path, slow):
    """The table is trusted and wrong about the best networks: the search is as before, and the choice is another."""
    bench, _, history = searched(tmp_path / "right", Biased(), limit_ms=GENEROUS_MS)
    ranked = best_first(history)
    wrong = {bench.macs(arch) for arch in ranked[:slow]}
    device = Biased(lambda macs: 1e12 if macs in wrong else 1.0)
    _, found, again = searched(tmp_path / "wrong", device, limit_ms=GENEROUS_MS)
    assert again == history
    fits = [place for place, arch in enumerate(ranked) if bench.macs(arch) not in wrong]
    arch, how = chosen(found)
    assert arch == ranked[fits[0]]
    assert how.timed == fits[0] + 1 > slow
    assert how.measured_ms <= GENEROUS_MS
    assert device.timed == [bench.macs(one) for one in ranked[: fits[0] + 1]]


def test_where_every_candidate_is_too_slow_the_fastest_of_the_space_is_taken_if_it_is_not(tmp_path):
    fastest = small.constraint(TINY).table.fastest(TINY)
    bench = bench_with(tmp_path, Biased())
    quick = bench.macs(fastest)
    device = Biased(lambda macs: 1.0 if macs == quick else 1e12)
    bench, found, history = searched(tmp_path, device)
    assert fastest not in history
    arch, how = chosen(found)
    assert arch == fastest
    assert (how.timed, how.validation_accuracy_fraction) == (7, None)
    assert found.artefact.facts["validation_accuracy_fraction"] is None


def test_where_nothing_is_fast_enough_the_fastest_that_was_timed_is_named(tmp_path):
    bench = bench_with(tmp_path / "bench", Biased(lambda macs: 1e12))
    fastest = bench.constraints["eager-b1"].table.fastest(TINY)
    with pytest.raises(InfeasibleScenario) as refusal:
        attempt(bench, Evolution(bench, PLAN), SEARCH, tmp_path / "states")
    said = str(refusal.value)
    assert str(fastest) in said
    assert "took" in said
    assert "scenario eager-b1" in said
    assert "raise its limit" in said


def test_candidates_are_rewarded_by_what_they_take_where_the_table_is_not_trusted(tmp_path):
    """Each is timed once, and the work of timing is counted."""
    device = Biased(lambda macs: 3.0)
    bench, found, history = searched(tmp_path, device, **DOUBTED)
    limit_ms = bench.constraints["eager-b1"].limit_ms
    for arch, (rewarded, correct) in history.items():
        taken_ms = 3.0 * bench.macs(arch) * 0.5 / 1e6
        assert rewarded == pytest.approx(reward(correct, taken_ms, limit_ms, PLAN.latency_exponent_ratio))
    assert any(rewarded < correct for rewarded, correct in history.values())
    assert device.timed[: len(history)] == [bench.macs(arch) for arch in history]
    assert len(device.timed) <= len(history) + 1  # The fastest of the space, where no candidate is fast enough.
    training = searched(tmp_path / "believed", Biased())[1].context.tally
    assert found.context.tally.steps == training.steps
    assert found.context.tally.macs > sum(TIMING_PASSES * macs for macs in device.timed)


def test_a_limit_that_chance_hardly_meets_takes_no_candidate_from_the_budget(tmp_path):
    """Only the fastest of the space is within it, and the others come of mutation."""
    table = small.constraint(TINY).table
    tight_ms = 1.001 * table.predict_ms(TINY, table.fastest(TINY))
    bench, found, history = searched(tmp_path, Biased(), limit_ms=tight_ms)
    assert len(history) == PLAN.candidates
    assert sum(bench.constraints["eager-b1"].met_by(TINY, arch) for arch in history) == 1
    assert chosen(found)[0] == table.fastest(TINY)


def test_where_the_table_is_trusted_only_what_may_be_chosen_is_timed(tmp_path):
    device = Biased()
    searched(tmp_path, device)
    assert len(device.timed) == 1


def test_a_doubted_table_that_takes_everything_for_too_slow_does_not_end_the_search(tmp_path):
    """It only proposes: what it takes to be nearly the fastest first, then what mutation makes of that."""
    table = small.constraint(TINY).table
    slow = {key: 100 * value for key, value in table.entries_ms.items()}
    device = Biased()
    bench, found, history = searched(tmp_path, device, entries_ms=slow, **DOUBTED)
    constraint = bench.constraints["eager-b1"]
    assert not constraint.met_by(TINY, constraint.table.fastest(TINY))
    assert len(history) == PLAN.candidates
    nearly_fastest = constraint.proposing(TINY)
    assert all(nearly_fastest.met_by(TINY, arch) for arch in [*history][:2])
    _, how = chosen(found)
    assert how.measured_ms <= constraint.limit_ms < how.predicted_ms


def test_all_chance_of_a_search_comes_from_its_phase(tmp_path):
    state = random.getstate()
    one, other = (searched(tmp_path / name, Biased())[2] for name in ("one", "other"))
    assert one == other
    assert random.getstate() == state
