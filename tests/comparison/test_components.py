"""Energy by component: the same joules as everywhere else, split, with idle power and uncertainty beside them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting import Statement, account, site
from carbon_nas.accounting.statement import Entry, Part
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.comparison.components import component_costs
from carbon_nas.comparison.finished import Finished
from carbon_nas.ledger import Role, Scope, read
from carbon_nas.ledger.idle import idle_powers_w
from carbon_nas.ledger.observations import Baseline
from carbon_nas.meters import ManualClock
from carbon_nas.meters.measurement import Measurement
from carbon_nas.recorder import Recorder
from carbon_nas.sources import Tier
from tests.gauge import Gauge
from tests.recorded import record_study

ALL = Finished(seeds=frozenset({0}), scenarios=("s",), unfinished=())


def comparison_of(folder: Path) -> Comparison:
    runs = read(folder / "ledger")
    idle_w = idle_powers_w(baseline for run in runs for baseline in run.baselines)
    return compare([account(run, site("FR")) for run in runs], deliveries(runs), idle_w)


def part(energy_j: float, **facts) -> Part:
    usual = {"low_j": energy_j, "high_j": energy_j, "random_u_j": None, "systematic_u_j": None, "complete": True}
    return Part(component="gpu:a", tier=Tier.MEASURED, energy_j=energy_j, **(usual | facts))


def entry(*parts: Part, began_s: float | None = None, ended_s: float | None = None, **facts) -> Entry:
    usual = {"duration_s": 0.0 if began_s is None or ended_s is None else ended_s - began_s, "scenario": None}
    return Entry(
        phase="p",
        name="p",
        energy_j=None,
        known_energy_j=None,
        estimated_j=0.0,
        device_s=None,
        steps=None,
        macs=None,
        tier=Tier.MEASURED,
        rest_max_j=None,
        bounded=True,
        parts=parts,
        began_s=began_s,
        ended_s=ended_s,
        **({"scope": Scope.ONCE, "wasted": False} | usual | facts),
    )


def statement(*entries: Entry, strategy="a", role=Role.STRATEGY) -> Statement:
    return Statement(strategy=strategy, seed=0, role=str(role), entries=entries, site=site("FR"))


def cost(*statements: Statement, idle_w: float | None = None):
    (found,) = component_costs(statements, ALL, ["a"], {} if idle_w is None else {"gpu:a": idle_w})
    return found


def test_components_add_up_to_what_the_strategy_cost(tmp_path):
    comparison = comparison_of(record_study(tmp_path, seeds=2))
    for strategy in comparison.strategies:
        mine = [cost.energy_j for cost in comparison.components if cost.strategy == strategy.strategy]
        assert sum(mine) == pytest.approx(strategy.energy_j)


def test_without_a_baseline_there_is_no_net():
    found = cost(statement(entry(part(5.0), began_s=0.0, ended_s=1.0)))
    assert (found.idle_j, found.net_j) == (None, None)


def test_net_is_gross_without_the_idle_power_of_the_same_time():
    found = cost(statement(entry(part(50.0), began_s=0.0, ended_s=10.0)), idle_w=2.0)
    assert (found.energy_j, found.idle_j, found.net_j) == (50.0, 20.0, 30.0)


def test_energy_with_a_gap_has_no_net():
    found = cost(statement(entry(part(5.0, complete=False), began_s=0.0, ended_s=10.0)), idle_w=2.0)
    assert (found.complete, found.idle_j, found.net_j) == (False, 20.0, None)


def test_a_time_in_which_phases_nest_or_run_side_by_side_is_idle_once():
    outer, inner = entry(part(12.0), began_s=0.0, ended_s=10.0), entry(part(8.0), began_s=3.0, ended_s=7.0)
    beside = entry(part(5.0), began_s=8.0, ended_s=12.0)
    found = cost(statement(inner, outer, beside), idle_w=1.0)
    assert (found.duration_s, found.idle_j) == (12.0, 12.0)


def test_clocks_of_two_sessions_are_not_compared():
    first, second = (entry(part(1.0), began_s=0.0, ended_s=4.0, session=session) for session in (0, 1))
    assert cost(statement(first, second), idle_w=1.0).idle_j == 8.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1))
def test_the_time_covered_is_the_seconds_in_which_anything_ran(spans):
    entries = [entry(part(1.0), began_s=float(begin), ended_s=float(begin + length)) for begin, length in spans]
    ticks = {tick for begin, length in spans for tick in range(begin, begin + length)}
    assert cost(statement(*entries)).duration_s == len(ticks)


def test_a_phase_without_edges_counts_with_its_duration():
    assert cost(statement(entry(part(1.0), duration_s=3.0)), idle_w=2.0).idle_j == 6.0


def test_shared_work_is_charged_and_lost_work_and_unfinished_scenarios_are_not():
    shared = statement(entry(part(1.0), began_s=0.0, ended_s=1.0), strategy="profiling", role=Role.SHARED)
    lost = entry(part(100.0), began_s=0.0, ended_s=1.0, wasted=True)
    elsewhere = entry(part(1000.0), began_s=2.0, ended_s=3.0, scope=Scope.PER_SCENARIO, scenario="not common")
    own = entry(part(10.0), began_s=4.0, ended_s=5.0, scope=Scope.PER_SCENARIO, scenario="s")
    assert cost(shared, statement(lost, elsewhere, own)).energy_j == 11.0


def test_random_parts_add_in_quadrature_and_systematic_ones_in_full():
    parts = [part(10.0, random_u_j=3.0, systematic_u_j=1.0), part(20.0, random_u_j=4.0, systematic_u_j=2.0)]
    found = cost(statement(*(entry(one, duration_s=1.0) for one in parts)))
    assert (found.random_u_j, found.systematic_u_j) == (pytest.approx(5.0), pytest.approx(3.0))


def test_one_phase_of_unknown_uncertainty_makes_the_whole_unknown():
    parts = [part(10.0, random_u_j=3.0, systematic_u_j=1.0), part(20.0)]
    found = cost(statement(*(entry(one, duration_s=1.0) for one in parts)))
    assert (found.random_u_j, found.systematic_u_j) == (None, None)


def test_idle_power_is_the_mean_over_baselines_and_no_gap_is_taken_for_zero():
    def baseline(energy_j: float | None, duration_s: float = 10.0) -> Baseline:
        one = Measurement(
            component="gpu:a",
            energy_j=energy_j,
            low_j=None,
            high_j=None,
            random_u_j=None,
            systematic_u_j=None,
            device_s=None,
        )
        return Baseline(utc="", duration_s=duration_s, measured=(one,))

    assert idle_powers_w([baseline(100.0), baseline(300.0), baseline(None), baseline(5.0, 0.0)]) == {"gpu:a": 20.0}
    assert idle_powers_w([]) == {}


def test_a_recorded_baseline_is_set_beside_the_gross_and_taken_off_nothing(tmp_path):
    clock = ManualClock()
    gauge = Gauge(clock, power_w=1.0)
    path = tmp_path / "ledger" / "a.jsonl"
    with Recorder(path, strategy="a", meters=[gauge], clock=clock, heartbeat_interval_s=None) as recorder:
        recorder.baseline(10.0, wait=clock.advance)
        gauge.power_w = 5.0
        with recorder.phase("outer"):
            clock.advance(1.0)
            with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario="s"):
                clock.advance(3.0)
        recorder.result(scenario="s", accuracy=0.5)
    comparison = comparison_of(tmp_path)
    (found,) = comparison.components
    assert comparison.strategies[0].energy_j == found.energy_j == 20.0
    assert (found.duration_s, found.idle_j, found.net_j) == (4.0, 4.0, 16.0)


def test_phases_with_gaps_are_listed_with_their_bounds(tmp_path):
    clock = ManualClock()
    gauge = Gauge(clock, power_w=1.0)
    path = tmp_path / "ledger" / "a.jsonl"
    with Recorder(path, strategy="a", meters=[gauge], clock=clock, heartbeat_interval_s=None) as recorder:
        with recorder.phase("train"):
            clock.advance(3.0)
            recorder.sample()
            gauge.broken = True
            clock.advance(5.0)
        gauge.broken = False
        recorder.sample()
        with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario="s"):
            clock.advance(1.0)
        recorder.result(scenario="s", accuracy=0.5)
    (gap,) = comparison_of(tmp_path).incomplete
    assert (gap.strategy, gap.seed, gap.phase, gap.components) == ("a", 0, "train", ("gpu:a",))
    assert gap.low_j is not None
    assert gap.high_j is not None
    assert gap.low_j <= 8.0 <= gap.high_j
