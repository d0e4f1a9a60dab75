from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.accounting import account, site
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.errors import LedgerError, UnknownQuantity
from carbon_nas.ledger import Scope, read
from carbon_nas.meters import ManualClock
from tests.recorded import record_study, recorder


def _fail_after(clock: ManualClock, duration_s: float) -> None:
    clock.advance(duration_s)
    raise RuntimeError


def comparison_of(folder: Path) -> Comparison:
    runs, place = read(folder / "ledger"), site("FR")
    return compare([account(run, place) for run in runs], deliveries(runs))


def test_shared_work_is_charged_in_full_to_each_strategy(tmp_path: Path) -> None:
    comparison = comparison_of(record_study(tmp_path))
    shared = [phase for phase in comparison.phases if phase.shared]
    assert [(phase.strategy, phase.name, phase.energy_j) for phase in shared] == [
        ("upfront", "profile", 12.0),
        ("repeated", "profile", 12.0),
    ]


def test_totals_are_sums_of_what_was_run(tmp_path: Path) -> None:
    upfront, repeated = comparison_of(record_study(tmp_path)).strategies
    assert (upfront.strategy, upfront.energy_j) == ("upfront", 100.0 + 2.0 + 4.0 + 12.0)
    assert (repeated.strategy, repeated.energy_j) == ("repeated", 50.0 + 30.0 + 12.0)
    assert (upfront.steps, repeated.steps) == (10 + 5 + 5, 5 + 5)
    assert upfront.scenarios == 2


def test_phases_add_up_to_strategies_and_strategies_to_curves(tmp_path: Path) -> None:
    comparison = comparison_of(record_study(tmp_path, seeds=3))
    for cost, curve in zip(comparison.strategies, comparison.curves, strict=True):
        mine = [phase.energy_j for phase in comparison.phases if phase.strategy == cost.strategy]
        assert sum(mine) == pytest.approx(cost.energy_j)
        assert curve.points_j()[-1] == pytest.approx(cost.energy_j)


def test_work_runs_up_beside_the_energy_of_the_curve(tmp_path: Path) -> None:
    comparison = comparison_of(record_study(tmp_path))
    upfront, repeated = comparison.work
    # 1 W: a second of device time is a joule.
    assert upfront.device_s == comparison.curves[0].points_j() == (100.0, 107.0, 118.0)
    assert (upfront.steps, repeated.steps) == ((10, 15, 20), (0, 5, 10))
    assert repeated.macs == (0, 1_001_000, 2_002_000)


def test_several_seeds_give_a_mean_and_a_range(tmp_path: Path) -> None:
    upfront, _ = comparison_of(record_study(tmp_path, seeds=2)).strategies
    assert (upfront.low_j, upfront.energy_j, upfront.high_j) == (118.0, 168.0, 218.0)


def test_the_worst_scenario_is_named_beside_the_mean_gap(tmp_path: Path) -> None:
    (gap,) = comparison_of(record_study(tmp_path)).gaps
    assert gap.mean_fraction == pytest.approx(0.05)
    assert gap.worst_fraction == pytest.approx(0.05)


def test_a_missed_limit_shows_by_how_much(tmp_path: Path) -> None:
    over = {item.scenario: item.over_limit_fraction for item in comparison_of(record_study(tmp_path)).deliveries}
    assert over == {"slow": pytest.approx(-0.05), "fast": pytest.approx(0.05)}


def test_a_lost_attempt_is_in_no_total(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    clock = ManualClock()
    with (
        recorder(folder, "repeated-seed0", {"name": "study"}, clock, strategy="repeated", resume=True) as own,
        pytest.raises(RuntimeError),
        own.phase("search", scope=Scope.PER_SCENARIO, scenario="slow"),
    ):
        _fail_after(clock, 9.0)
    comparison = comparison_of(folder)
    assert [(lost.phase, lost.seen_j, lost.rest_max_j) for lost in comparison.lost] == [("search / slow", 9.0, 0.0)]
    assert comparison.strategies[1].energy_j == 92.0


def test_nothing_finished_is_said_plainly(tmp_path: Path) -> None:
    with recorder(tmp_path, "a-seed0", {"name": "study"}, ManualClock(), strategy="a") as own, own.phase("train"):
        pass
    with pytest.raises(LedgerError, match="not delivered a network"):
        comparison_of(tmp_path)


def _forget(folder: Path, run: str, scenario: str) -> None:
    """Cut a ledger off where the result of a scenario would come: the run was stopped there."""
    path = folder / "ledger" / f"{run}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    cut = next(n for n, line in enumerate(lines) if b'"result"' in line and f'"{scenario}"'.encode() in line)
    path.write_bytes(b"".join(lines[:cut]))


def test_only_scenarios_that_all_have_finished_are_compared(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    _forget(folder, "repeated-seed0", "fast")
    comparison = comparison_of(folder)
    assert comparison.scenarios == ("slow",)
    assert [cost.energy_j for cost in comparison.strategies] == [100.0 + 2.0 + 5.0, 50.0 + 5.0]
    assert comparison.unfinished == ("repeated, seed 0",)
    assert {item.scenario for item in comparison.deliveries} == {"slow"}


def test_a_strategy_without_a_single_network_is_not_compared_by_its_profiling(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    _forget(folder, "upfront-seed0", "slow")
    with pytest.raises(LedgerError, match="upfront has not delivered"):
        comparison_of(folder)


def test_a_seed_that_only_one_strategy_has_is_left_out(tmp_path: Path) -> None:
    folder = record_study(tmp_path, seeds=2)
    (folder / "ledger" / "repeated-seed1.jsonl").unlink()
    comparison = comparison_of(folder)
    assert [cost.seeds for cost in comparison.strategies] == [1, 1]
    assert comparison.unfinished == ("upfront, seed 1",)


def test_the_noise_of_the_test_split_stands_beside_the_gap(tmp_path: Path) -> None:
    (gap,) = comparison_of(record_study(tmp_path)).gaps
    assert gap.noise_fraction == pytest.approx((0.95 * 0.05 / 100 + 0.90 * 0.10 / 100) ** 0.5)


def test_a_phase_of_unknown_energy_forbids_the_comparison(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    runs, place = read(folder / "ledger"), site("FR")
    first, second, *rest = [account(run, place) for run in runs]
    blind = replace(second, entries=(replace(second.entries[0], energy_j=None),))
    with pytest.raises(UnknownQuantity, match="not known"):
        compare([first, blind, *rest], deliveries(runs))
