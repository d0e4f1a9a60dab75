"""How good what decides is, as ledgers have it."""

from pathlib import Path

import pytest

from carbon_nas.comparison.quality import TableQuality, quality
from carbon_nas.ledger import read
from tests.recorded import record_study
from tests.trio import SCENARIOS, record_trio

KEPT = Path(__file__).parents[2] / "reports" / "digits-cpu" / "ledger"


def table(error_fraction: float | None, rank_correlation_ratio: float | None) -> TableQuality:
    return TableQuality(
        scenario="a",
        limit_ms=1.0,
        rule="",
        made="",
        error_fraction=error_fraction,
        rank_correlation_ratio=rank_correlation_ratio,
        anchor_spread_ratio=None,
        timed=None,
    )


@pytest.mark.parametrize(
    ("error", "rank", "trusted"),
    [
        (0.10, 0.9, True),
        (0.03, 0.99, True),
        (0.11, 0.99, False),
        (0.03, 0.89, False),
        (None, 0.99, False),
        (0.03, None, False),
    ],
)
def test_a_table_is_trusted_if_it_predicts_and_ranks_well_enough_and_was_checked(error, rank, trusted):
    assert table(error, rank).trusted is trusted


def test_every_run_of_the_family_tells_of_its_predictor_and_its_choices(tmp_path):
    found = quality(read(record_trio(tmp_path, seeds=2) / "ledger"))
    pairs = [(name, seed) for name in ("once_for_all", "sandwich") for seed in (0, 1)]
    assert [(one.strategy, one.seed) for one in found.predictions] == pairs
    assert {(one.strategy, one.seed, one.scenario) for one in found.choices} == {
        (*pair, name) for pair in pairs for name in SCENARIOS
    }
    choice = found.choices[0]
    assert (choice.scored, choice.timed, choice.predicted_ms, choice.measured_ms) == (5_000, 4, 1.8, 1.9)
    assert choice.latency_error_fraction == pytest.approx(1.9 / 1.8 - 1)
    assert choice.test_accuracy_fraction == 0.95
    assert choice.accuracy_error_fraction == pytest.approx(-0.01)


def test_a_choice_says_what_was_validated(tmp_path):
    found = quality(read(record_trio(tmp_path, proxy_epochs=3) / "ledger")).choices
    assert {one.strategy: one.validated for one in found} == {
        "once_for_all": "the supernet with this architecture",
        "sandwich": "the supernet with this architecture",
        "evolution": "the architecture after 3 proxy epochs of its own",
    }


def test_what_was_trained_on_after_it_was_chosen_does_not_check_the_predictor(tmp_path):
    found = quality(read(record_trio(tmp_path, tuned={"once_for_all": 5}) / "ledger")).choices
    assert {(one.strategy, one.fine_tuned, one.accuracy_error_fraction is None) for one in found} == {
        ("once_for_all", True, True),
        ("sandwich", False, False),
    }


def test_a_table_says_whether_networks_were_timed_for_want_of_trust(tmp_path):
    found = quality(read(record_trio(tmp_path, trusted=False) / "ledger"))
    assert [(one.scenario, one.trusted, one.timed) for one in found.tables] == [
        ("slow", True, True),
        ("fast", False, True),
    ]


def test_ledgers_that_are_older_than_such_records_tell_of_tables_alone(tmp_path):
    for runs in (read(KEPT), read(record_study(tmp_path) / "ledger")):
        found = quality(runs)
        assert (found.predictions, found.choices) == ((), ())
        assert found.tables
        assert {one.timed for one in found.tables} == {None}
