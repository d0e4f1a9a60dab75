from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.accounting import Site, account, site
from carbon_nas.accounting.grid import Kind
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.errors import LedgerError, UnknownQuantity
from carbon_nas.ledger import Scope, read
from carbon_nas.meters import ManualClock
from tests.accounting.places import a_grid, a_place, an_item
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


# CO2e, by every view that the site allows.

FULL = a_place(
    100.0,
    pue=1.5,
    market=a_grid(10.0, Kind.MARKET),
    marginal=a_grid(700.0, Kind.MARGINAL),
    embodied=(an_item("*", includes=("cpu", "dram")),),
)


def at(folder: Path, place: Site) -> Comparison:
    runs = read(folder / "ledger")
    return compare([account(run, place) for run in runs], deliveries(runs))


def test_every_view_of_a_strategy_is_the_sum_of_those_of_its_phases(tmp_path: Path) -> None:
    comparison = at(record_study(tmp_path, seeds=2), FULL)
    assert [view.key for view in comparison.views] == ["location", "market", "marginal", "embodied"]
    for cost in comparison.strategies:
        mine = [phase for phase in comparison.phases if phase.strategy == cost.strategy]
        assert cost.facility_j == pytest.approx(cost.energy_j * 1.5)
        for view in comparison.views:
            assert sum(phase.masses_kg[view.key] for phase in mine) == pytest.approx(cost.masses_kg[view.key])


def test_masses_are_the_mean_over_seeds_of_the_energy_of_each(tmp_path: Path) -> None:
    upfront, _ = at(record_study(tmp_path, seeds=2), FULL).strategies
    # 118 J and 218 J.
    assert upfront.masses_kg["location"] == pytest.approx(168.0 * 1.5 / 3.6e6 * 0.1)
    assert upfront.masses_kg["market"] == pytest.approx(168.0 * 1.5 / 3.6e6 * 0.01)
    # A kilogram for every thousand seconds, at 1 W.
    assert upfront.masses_kg["embodied"] == pytest.approx(0.168)


def test_no_view_holds_a_part_of_another(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    plain, full = (at(folder, place).strategies for place in (a_place(100.0, pue=1.5), FULL))
    assert [cost.masses_kg["location"] for cost in plain] == [cost.masses_kg["location"] for cost in full]
    assert [cost.masses_kg.keys() for cost in plain] == [{"location"}, {"location"}]


def test_it_energy_curves_and_break_even_do_not_move_with_the_site(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    one, other = at(folder, FULL), at(folder, site())
    assert (one.curves, one.break_evens, one.work) == (other.curves, other.break_evens, other.work)
    assert [cost.energy_j for cost in one.strategies] == [cost.energy_j for cost in other.strategies]


def test_masses_that_one_seed_does_not_know_are_not_known(tmp_path: Path) -> None:
    runs = read(record_study(tmp_path, seeds=2) / "ledger")
    statements = [account(run, FULL) for run in runs]
    number = next(n for n, one in enumerate(statements) if (one.strategy, one.seed) == ("upfront", 1))
    first, *rest = statements[number].entries
    without = {view: mass for view, mass in first.masses.items() if view != "market"}
    statements[number] = replace(statements[number], entries=(replace(first, masses=without), *rest))
    upfront, repeated = compare(statements, deliveries(runs)).strategies
    assert upfront.masses_kg["market"] is None
    assert repeated.masses_kg["market"] is not None
    assert upfront.masses_kg["location"] is not None


def test_phases_without_a_single_known_mass_are_compared_all_the_same(tmp_path: Path) -> None:
    runs = read(record_study(tmp_path) / "ledger")
    statements = [account(run, FULL) for run in runs]
    blind = [replace(one, entries=tuple(replace(entry, masses={}) for entry in one.entries)) for one in statements]
    for cost in compare(blind, deliveries(runs)).strategies:
        assert set(cost.masses_kg.values()) == {None}
        assert cost.energy_j > 0


def test_networks_at_work_are_in_no_cost(tmp_path: Path) -> None:
    folder = record_study(tmp_path)
    clock = ManualClock()
    with (
        recorder(folder, "repeated-seed0", {"name": "study"}, clock, strategy="repeated", resume=True) as own,
        own.phase("use", scope=Scope.USE, scenario="slow") as window,
    ):
        clock.advance(1e6)
        window.images = 1
    assert at(folder, FULL).strategies[1].energy_j == 92.0
