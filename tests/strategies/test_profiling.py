from dataclasses import replace

import pytest

from carbon_nas.devices import ProfilePlan, profile
from carbon_nas.devices.kept_table import write_table
from carbon_nas.devices.profiler import check_table
from carbon_nas.errors import LedgerMismatch, UsageError
from carbon_nas.ledger.records import LatencyLimit, LatencyTableRecord, Scope
from carbon_nas.strategies import PhaseContext, Profiling
from tests.strategies.bench import CLASSES
from tests.supernet.spaces import TINY

PLAN = ProfilePlan(passes=2, fit_networks=3, check_networks=4)


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
        found = phase.run(one)
        table, limit = found.events
        expected = profile(scenario.device, TINY, CLASSES, PLAN, context().rng)
        assert table == LatencyTableRecord(scenario=scenario.name, table=expected.table.to_json())
        assert table.table["kept_sha256"] is None
        assert table.table["verdict"] == found.facts["verdict"] == expected.table.verdict
        assert isinstance(limit, LatencyLimit)
        assert (limit.limit_ms, limit.sample_ms) == (expected.limit_ms, expected.sample_ms)
        assert limit.rule == "median of 7 random architectures, each timed end to end"
        assert (one.tally.steps, one.tally.macs) == (0, expected.macs)


@pytest.fixture
def kept(bench, tmp_path):
    """The tables of both scenarios in a folder, by scenario, and the plan that takes them."""
    tables = {}
    for scenario in bench.scenarios:
        tables[scenario.name] = profile(scenario.device, TINY, CLASSES, PLAN, context().rng).table
        write_table(tmp_path / "tables", tables[scenario.name])
    return tables, PLAN.model_copy(update={"tables": str(tmp_path / "tables")})


def test_a_kept_table_is_checked_and_the_limit_set_with_networks_timed_now(bench, kept):
    tables, plan = kept
    phases = list(Profiling(TINY, CLASSES, bench.scenarios, plan).phases())
    building = list(Profiling(TINY, CLASSES, bench.scenarios, PLAN).phases())
    for phase, longer, scenario in zip(phases, building, bench.scenarios, strict=True):
        one = context()
        record, limit = phase.run(one).events
        expected = check_table(scenario.device, tables[scenario.name], TINY, plan, context().rng)
        assert record.table == expected.table.to_json()
        assert record.table["kept_sha256"] == tables[scenario.name].digest
        assert record.table["entries_ms"] == tables[scenario.name].entries_ms
        assert limit.rule == "median of 4 random architectures, each timed end to end"
        assert limit.limit_ms == expected.limit_ms
        assert one.tally.macs == expected.macs > 0
        assert phase.image_passes < longer.image_passes


def test_a_kept_table_that_does_not_fit_is_refused(bench, kept, tmp_path):
    tables, plan = kept

    def first(space=TINY, classes=CLASSES):
        return next(Profiling(space, classes, bench.scenarios, plan).phases()).run(context())

    with pytest.raises(UsageError, match="classes"):
        first(classes=CLASSES + 1)
    with pytest.raises(UsageError, match="lacks"):
        first(space=replace(TINY, resolutions=(4, 8)))
    table = tables["eager-b1"]
    write_table(tmp_path / "tables", replace(table, fingerprint={**table.fingerprint, "torch": "1.0"}))
    with pytest.raises(LedgerMismatch, match=r"torch was '1.0' and is"):
        first()
    (tmp_path / "tables" / "eager-b1.json").unlink()
    with pytest.raises(UsageError, match="carbon-nas profile --target eager-b1"):
        first()
