from carbon_nas.devices import ProfilePlan, profile
from carbon_nas.ledger.records import LatencyLimit, LatencyTableRecord, Scope
from carbon_nas.strategies import PhaseContext, Profiling
from tests.strategies.bench import CLASSES
from tests.supernet.spaces import TINY

PLAN = ProfilePlan(passes=2, fit_networks=3, check_networks=2)


def context():
    return PhaseContext(seed=0, job="profile", log=print)


def test_every_scenario_is_profiled_and_its_table_and_limit_go_into_the_ledger(bench):
    phases = list(Profiling(TINY, CLASSES, bench.scenarios, PLAN).phases())
    assert [(phase.name, phase.scope, phase.scenario) for phase in phases] == [
        ("profile", Scope.PER_SCENARIO, "eager-b1"),
        ("profile", Scope.PER_SCENARIO, "eager-b32"),
    ]
    for phase, scenario in zip(phases, bench.scenarios, strict=True):
        one = context()
        table, limit = phase.run(one).events
        expected = profile(scenario.device, TINY, CLASSES, PLAN, context().rng)
        assert table == LatencyTableRecord(scenario=scenario.name, table=expected.table.to_json())
        assert isinstance(limit, LatencyLimit)
        assert (limit.limit_ms, limit.sample_ms) == (expected.limit_ms, expected.sample_ms)
        assert limit.rule == "median of 5 random architectures, each timed end to end"
        assert (one.tally.steps, one.tally.macs) == (0, expected.macs)
