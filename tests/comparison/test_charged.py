"""What a strategy is charged with: all of its own that led to a network, and all shared work, in full."""

from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.accounting import Statement, account, site
from carbon_nas.comparison import deliveries
from carbon_nas.comparison.charged import charged, counted
from carbon_nas.comparison.finished import Finished, finished
from carbon_nas.ledger import Scope, read
from tests.recorded import record_study


def study(folder: Path, seeds: int = 1) -> tuple[list[Statement], Finished]:
    runs = read(record_study(folder, seeds=seeds) / "ledger")
    statements = [account(run, site("FR")) for run in runs]
    return statements, finished(statements, deliveries(runs))


def test_shared_ledgers_are_charged_once_for_every_seed(tmp_path):
    statements, done = study(tmp_path, seeds=2)
    found = [(one.statement.strategy, one.seed, one.shared) for one in charged(statements, "upfront", done)]
    assert sorted(found) == [
        ("profiling", 0, True),
        ("profiling", 1, True),
        ("upfront", 0, False),
        ("upfront", 1, False),
    ]


def test_every_strategy_is_charged_with_the_same_shared_entries(tmp_path):
    statements, done = study(tmp_path)
    shared = [
        [one.entries for one in charged(statements, name, done) if one.shared] for name in ("upfront", "repeated")
    ]
    assert shared[0] == shared[1] != []


def test_nobody_is_charged_with_a_rival(tmp_path):
    statements, done = study(tmp_path)
    names = {one.statement.strategy for one in charged(statements, "repeated", done)}
    assert names == {"repeated", "profiling"}
    assert list(charged(statements, "nobody", done)) == [
        one for one in charged(statements, "nobody", done) if one.shared
    ]


def test_seeds_that_are_not_compared_are_not_charged(tmp_path):
    statements, done = study(tmp_path, seeds=3)
    found = charged(statements, "upfront", replace(done, seeds=frozenset({1})))
    assert {one.seed for one in found} == {1}


def test_charges_add_up_to_what_was_recorded(tmp_path):
    statements, done = study(tmp_path)
    # 100 J once, 2 and 4 J a search, 5 and 7 J for tables.
    joules = [entry.energy_j for one in charged(statements, "upfront", done) for entry in one.entries]
    assert sum(filter(None, joules)) == 118.0


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Statement, Finished]:
    statements, done = study(tmp_path)
    return next(one for one in statements if one.strategy == "upfront"), done


def test_lost_attempts_are_not_counted(whole):
    statement, done = whole
    lost = replace(statement, entries=tuple(replace(entry, wasted=True) for entry in statement.entries))
    assert list(counted(lost, done)) == []


def test_a_network_at_work_is_no_cost_of_finding_it(whole):
    statement, done = whole
    train, *searches = statement.entries
    used = replace(statement, entries=(train, *(replace(entry, scope=str(Scope.USE)) for entry in searches)))
    assert list(counted(used, done)) == [train]


def test_scenarios_that_not_all_have_finished_are_not_counted_but_what_is_paid_once_is(whole):
    statement, done = whole
    found = counted(statement, replace(done, scenarios=("fast",)))
    assert [entry.phase for entry in found] == ["train", "search / fast"]
