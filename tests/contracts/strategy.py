"""What every strategy must keep: subclass the contract and say how the strategy is built on a bench."""

from dataclasses import replace

import pytest

from carbon_nas.ledger.records import Scope, phase_key
from carbon_nas.strategies import Bench, Strategy
from tests.strategies.bench import bench as small_bench
from tests.strategies.bench import play, sealed


class StrategyContract:
    @staticmethod
    def build(bench: Bench) -> Strategy:
        raise NotImplementedError

    @pytest.fixture
    def strategy(self, bench):
        return self.build(bench)

    @pytest.fixture(scope="class")
    @classmethod
    def played(cls, tmp_path_factory):
        """What came of all phases with seed 3; look, do not touch."""
        bench = small_bench(tmp_path_factory.mktemp("played"))
        return play(bench, cls.build(bench), seed=3)

    @pytest.fixture(scope="class")
    @classmethod
    def again(cls, tmp_path_factory):
        """The same once more, elsewhere, with a test split that only an evaluation can look at; and that split."""
        bench, seal = sealed(small_bench(tmp_path_factory.mktemp("again")))

        def open_for_evaluation(phase):
            seal.open = phase.name == "evaluate"

        return play(bench, cls.build(bench), seed=3, before=open_for_evaluation), seal

    def test_phases_have_unique_keys(self, strategy):
        keys = [phase_key(phase.name, phase.scenario) for phase in strategy.phases()]
        assert keys
        assert len(set(keys)) == len(keys)

    def test_a_phase_names_a_scenario_exactly_when_it_is_not_done_once_for_all(self, bench, strategy):
        scenarios = {scenario.name for scenario in bench.scenarios}
        for phase in strategy.phases():
            assert phase.scenario in ({None} if phase.scope is Scope.ONCE else scenarios)

    def test_what_is_paid_once_comes_before_every_scenario(self, strategy):
        once = [phase.scope is Scope.ONCE for phase in strategy.phases()]
        assert once == sorted(once, reverse=True)

    def test_phases_listed_twice_are_the_same_list(self, strategy):
        one, other = (
            [(phase.name, phase.scope, phase.scenario, phase.image_passes) for phase in strategy.phases()] for _ in "12"
        )
        assert one == other

    def test_every_phase_says_about_how_much_work_it_is(self, strategy):
        assert all(phase.image_passes > 0 for phase in strategy.phases())

    def test_listing_the_phases_needs_no_latency_tables(self, bench):
        class Closed(dict):
            def __getitem__(self, name):
                raise AssertionError("the phases are listed before the devices are profiled")

        assert list(self.build(replace(bench, constraints=Closed())).phases())

    def test_every_scenario_gets_a_result_with_an_architecture_of_the_space_within_the_limit(self, bench, played):
        assert played.results.keys() == {scenario.name for scenario in bench.scenarios}
        for scenario, result in played.results.items():
            arch = bench.space.from_json(result.architecture)
            assert bench.constraints[scenario].met_by(bench.space, arch)
            assert 0 <= result.accuracy_fraction <= 1
            assert result.latency_ms > 0
            assert result.latency_limit_ms == bench.constraints[scenario].limit_ms
            assert result.test_size == len(bench.workload.test)
            assert result.workload == bench.workload.name
            assert result.macs == bench.macs(arch)

    def test_every_delivered_network_is_let_work_after_it_is_evaluated_and_is_trained_no_more(self, bench, played):
        keys = list(played.images)
        for scenario in bench.scenarios:
            result, key = played.results[scenario.name], phase_key("use", scenario.name)
            assert keys[keys.index(key) - 1] == phase_key("evaluate", scenario.name)
            fitting = int(bench.use_s / (result.latency_ms / 1_000))
            assert played.images[key] == fitting * scenario.device.target.batch_size
            assert (played.steps[key], played.macs[key]) == (0, played.images[key] * result.macs)

    def test_images_are_counted_in_the_use_phase_only(self, bench, strategy, played):
        at_work = {phase_key(phase.name, phase.scenario) for phase in strategy.phases() if phase.scope is Scope.USE}
        assert {key for key, images in played.images.items() if images is not None} == at_work
        assert len(at_work) == len(bench.scenarios)

    def test_without_a_time_to_work_everything_else_is_as_it_is_with_one(self, bench, strategy):
        listed = [(phase.name, phase.scenario) for phase in strategy.phases() if phase.scope is not Scope.USE]
        idle = self.build(replace(bench, use_s=0.0))
        assert [(phase.name, phase.scenario) for phase in idle.phases()] == listed

    def test_the_test_split_is_not_touched_before_the_evaluation(self, again):
        _, seal = again
        assert seal.looks

    def test_the_same_seed_gives_the_same_networks_steps_and_accuracies(self, again, played):
        assert again[0] == played

    def test_another_seed_gives_other_accuracies(self, bench, strategy, played):
        other = play(bench, strategy, seed=4, phases=1).epochs
        (key,) = {key for key, *_ in other}
        same = [epoch for epoch in played.epochs if epoch[0] == key]
        assert len(other) == len(same)
        assert other != same

    def test_the_trainer_logs_every_epoch_with_steps_that_never_fall(self, played):
        assert {key for key, *_ in played.epochs} == {key for key, steps in played.steps.items() if steps}
        for key, total in played.steps.items():
            steps = [logged for where, _, _, logged, *_ in played.epochs if where == key]
            assert steps == sorted(steps)
            assert not steps or steps[-1] == total
        assert all(0 <= accuracy <= 1 and loss_nats > 0 for *_, accuracy, loss_nats in played.epochs)
