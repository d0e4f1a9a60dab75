"""Three strategies, two of which pay once: who is kin, whom a report is about, and how two trainings compare."""

from pathlib import Path

import pytest

from carbon_nas.accounting import account, site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.comparison.family import are_kin, protagonists, trainings
from carbon_nas.comparison.findings import find, own_run
from carbon_nas.comparison.published_hours import FineTuning
from carbon_nas.comparison.spread import break_even_name, ratio_name
from carbon_nas.ledger import read
from tests.trio import record_trio


def study(folder: Path, **facts) -> Comparison:
    runs = read(record_trio(folder, **facts) / "ledger")
    return compare([account(run, site()) for run in runs], deliveries(runs))


def test_strategies_that_train_one_network_for_all_and_do_the_same_per_scenario_are_kin():
    same = {"once_for_all": {"search", "extract"}, "sandwich": {"extract", "search"}, "evolution": {"search"}}
    assert are_kin("once_for_all", "sandwich", same)
    assert not are_kin("once_for_all", "evolution", same)
    assert not are_kin("upfront", "repeated", {})
    assert not are_kin("once_for_all", "sandwich", {**same, "sandwich": {"search"}})


def test_a_phase_that_one_of_them_alone_does_per_scenario_makes_them_any_pair(tmp_path):
    folder = record_trio(tmp_path, tuned={"once_for_all": 5})
    findings = find(read(folder / "ledger"), Sites(sites=(site(),)))
    assert not are_kin("once_for_all", "sandwich", findings.comparison.repeated())
    assert findings.comparison.repeated()["once_for_all"] == {"profile", "search", "fine-tune"}
    assert break_even_name("once_for_all", "sandwich") in findings.spreads


def test_a_report_is_about_whoever_pays_most_once_and_a_rival_that_is_no_kin(tmp_path):
    found = protagonists(study(tmp_path))
    assert [cost.strategy for cost in found] == ["once_for_all", "evolution"]


@pytest.mark.parametrize(
    "strategies", [("once_for_all", "sandwich"), ("sandwich", "evolution"), ("once_for_all", "evolution")]
)
def test_of_two_strategies_a_report_is_about_both(tmp_path, strategies):
    found = protagonists(study(tmp_path, strategies=strategies))
    assert tuple(cost.strategy for cost in found) == strategies


def test_one_strategy_is_no_pair(tmp_path):
    assert protagonists(study(tmp_path, strategies=("sandwich",))) is None


def test_trainings_are_compared_by_what_is_paid_once_and_by_accuracy(tmp_path):
    found = trainings(study(tmp_path, seeds=2))
    assert (found.strategy, found.rival, found.seeds) == ("sandwich", "once_for_all", 2)
    assert (found.once_j, found.rival_once_j) == pytest.approx((70.0 * 1.05, 120.0 * 1.05))
    assert found.once_ratio == pytest.approx(70 / 120)
    assert (found.low_ratio, found.high_ratio) == pytest.approx((70 / 120, 70 / 120))
    assert (found.accuracy_fraction, found.rival_accuracy_fraction) == pytest.approx((0.94, 0.95))


def test_a_network_that_was_not_trained_here_has_no_training_to_compare(tmp_path):
    comparison = study(tmp_path)
    assert trainings(comparison, {"once_for_all"}) is None
    assert trainings(study(tmp_path / "alone", strategies=("sandwich", "evolution"))) is None


def test_the_way_from_the_claim_ends_at_once_for_all_and_a_rival_that_is_no_kin(tmp_path):
    own = own_run(study(tmp_path), "this study")
    assert (own.label, own.rival) == ("this study", "evolution")
    assert own.ofa_j == pytest.approx(134.0)


def test_kin_stands_for_it_where_it_was_not_run_and_is_named(tmp_path):
    own = own_run(study(tmp_path, strategies=("sandwich", "evolution")), "this study")
    assert (own.label, own.rival) == ("this study, sandwich", "evolution")


@pytest.mark.parametrize(
    ("epochs", "published", "tuned"),
    [(25, FineTuning.EPOCHS_25, ""), (75, FineTuning.EPOCHS_75, ""), (10, None, "10 epochs"), (1, None, "1 epoch")],
)
def test_a_run_that_fine_tunes_says_for_how_long_if_its_plan_does(tmp_path, epochs, published, tuned):
    runs = read(record_trio(tmp_path, tuned={"once_for_all": epochs}) / "ledger")
    comparison = compare([account(run, site()) for run in runs], deliveries(runs))
    own = own_run(comparison, "this study", runs=runs)
    assert (own.fine_tuning, own.tuned) == (published, tuned)
    unknown = own_run(comparison, "this study")
    assert (unknown.fine_tuning, unknown.tuned) == (None, "epochs that its plan does not tell")


def test_a_rival_of_the_claim_is_never_of_the_family_even_if_it_is_no_kin(tmp_path):
    own = own_run(study(tmp_path, tuned={"sandwich": None}), "this study")
    assert (own.rival, own.fine_tuning, own.tuned) == ("evolution", None, "")


def test_kin_alone_is_no_rival(tmp_path):
    assert own_run(study(tmp_path, strategies=("once_for_all", "sandwich")), "this study") is None


def test_where_lines_run_side_by_side_no_crossing_is_a_result(tmp_path):
    findings = find(read(record_trio(tmp_path) / "ledger"), Sites(sites=(site(),)))
    assert ratio_name("once_for_all", "sandwich") in findings.spreads
    crossings = {spread.name for spread in findings.spreads.values() if spread.name.startswith("N*")}
    assert crossings == {break_even_name(name, "evolution") for name in ("once_for_all", "sandwich")}
