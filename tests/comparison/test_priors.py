"""Work that was paid for before a run: its joules, and what a strategy costs when it is charged with it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting import account, site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.comparison.claims import why_not
from carbon_nas.comparison.findings import find, own_run
from carbon_nas.comparison.gpu_power import gpu_powers
from carbon_nas.comparison.priors import InFull, PriorWork, charged_in_full, prior_works
from carbon_nas.ledger import Run, read
from carbon_nas.ledger.findings import Prior
from carbon_nas.sources import Tier
from tests.trio import EARLIER, RELEASED, record_trio

OFA_H = 1_200
PAIR = ("once_for_all", "evolution")


def study(folder: Path, *priors: Prior, **facts) -> tuple[list[Run], Comparison]:
    runs = read(record_trio(folder, priors=priors, trained=not priors, **facts) / "ledger")
    return runs, compare([account(run, site()) for run in runs], deliveries(runs))


def in_full(folder: Path, *priors: Prior, **facts) -> tuple[InFull, ...]:
    runs, comparison = study(folder, *priors, **facts)
    return charged_in_full(comparison, prior_works(runs))


def test_released_weights_had_cost_their_published_training_hours_at_a_published_power(tmp_path):
    (work,) = prior_works(study(tmp_path, RELEASED)[0])
    assert (work.gpu_h, work.tier, work.origin) == (OFA_H, Tier.PUBLISHED, "cai2020-ofa")
    assert work.source.key == "cai2020"
    for power in gpu_powers().values():
        assert work.energy_j(power) == pytest.approx(OFA_H * 3_600 * power.power_w)
    assert 187 < gpu_powers()["strubell2019"].power_w < 189
    assert "40 of search are no part" in work.note


def test_own_weights_had_cost_what_their_ledger_metered(tmp_path):
    (work,) = prior_works(study(tmp_path, EARLIER)[0])
    assert (work.energy_j(None), work.gpu_h, work.tier) == (100.0, None, Tier.ESTIMATED)
    assert work.origin == "once_for_all-seed0.jsonl"


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (replace(RELEASED, reference="tan2019-mnasnet"), "hours of another machine"),
        (replace(RELEASED, reference="strubell2019-nas"), "no hours of an accelerator"),
        (replace(RELEASED, reference="nobody2031"), "no row of the register"),
        (replace(RELEASED, reference="cai2020-mobilenetv3-large"), "0 GPU-hours"),
        (replace(EARLIER, energy_j={"cpu:process": 90.0, "dram": None}), "does not know all of its joules"),
        (replace(EARLIER, energy_j={}, tiers={}), "does not know all of its joules"),
    ],
    ids=["hours of a TPU", "no hours", "no such row", "nothing paid once", "a gap", "no energy"],
)
def test_what_cannot_be_told_is_not_known_and_says_why(tmp_path, prior, words):
    runs, comparison = study(tmp_path, prior, strategies=PAIR)
    (work,) = prior_works(runs)
    assert words in work.note
    if "0 GPU-hours" not in words:
        for found in charged_in_full(comparison, [work]):
            assert (found.prior_j, found.full_j, found.full_ratio, found.full) == (None, None, None, None)
            assert found.spent_j > 0


def test_both_ways_of_counting_differ_by_the_earlier_work_alone(tmp_path):
    (found,) = in_full(tmp_path, EARLIER, strategies=PAIR)
    assert (found.strategy, found.rival, found.power, found.n) == (*PAIR, "", 2)
    # 10 J measured and fitted once, 2 J and 5 J for each scenario; the rival takes 45 J and 5 J.
    assert (found.spent_j, found.prior_j, found.full_j) == pytest.approx((24.0, 100.0, 124.0))
    assert (found.rival_spent_j, found.rival_prior_j, found.rival_full_j) == pytest.approx((100.0, 0.0, 100.0))
    assert found.spent_ratio == pytest.approx(0.24)
    assert found.full_ratio == pytest.approx(1.24)
    assert found.spent.n_ratio == pytest.approx(10 / 43)
    assert found.full.n_ratio == pytest.approx(110 / 43)


def test_every_published_power_gives_an_answer_of_its_own(tmp_path):
    found = in_full(tmp_path, RELEASED, strategies=PAIR)
    assert [one.power for one in found] == list(gpu_powers())
    assert found[0].prior_j < found[1].prior_j
    assert {one.tier for one in found} == {Tier.MODELLED}


def test_hours_are_published_and_their_joules_modelled(tmp_path):
    (work,) = prior_works(study(tmp_path, RELEASED)[0])
    assert (work.tier, work.energy_tier) == (Tier.PUBLISHED, Tier.MODELLED)
    (own,) = prior_works(study(tmp_path / "own", EARLIER)[0])
    assert (own.tier, own.energy_tier) == (Tier.ESTIMATED, Tier.ESTIMATED)


def test_hours_that_are_not_known_are_multiplied_by_no_power(tmp_path):
    unknown = replace(RELEASED, reference="nobody2031")
    assert [(one.power, one.full_j) for one in in_full(tmp_path, unknown, strategies=PAIR)] == [("", None)]


def test_charged_in_full_only_those_are_kin_that_do_the_same_per_scenario(tmp_path):
    assert {one.rival: one.kin for one in in_full(tmp_path, EARLIER)} == {"sandwich": True, "evolution": False}
    tuned = in_full(tmp_path / "tuned", EARLIER, tuned={"sandwich": 5})
    assert {one.kin for one in tuned} == {False}


def test_a_strategy_is_set_beside_every_other_one_and_others_not_beside_each_other(tmp_path):
    found = in_full(tmp_path, EARLIER)
    assert {(one.strategy, one.rival) for one in found} == {("once_for_all", "sandwich"), PAIR}


def test_alone_it_has_totals_and_no_ratio(tmp_path):
    (found,) = in_full(tmp_path, EARLIER, strategies=("once_for_all",))
    assert (found.rival, found.spent_ratio, found.full_ratio, found.spent, found.full) == (None,) * 5
    assert found.full_j == pytest.approx(124.0)


def test_without_earlier_work_there_is_nothing_to_charge(tmp_path):
    assert in_full(tmp_path) == ()


def test_every_seed_is_charged_with_what_it_started_from(tmp_path):
    (found,) = in_full(tmp_path, EARLIER, strategies=PAIR, seeds=3)
    assert found.prior_j == pytest.approx(100.0)
    runs, comparison = study(tmp_path / "again", EARLIER, strategies=PAIR, seeds=2)
    first = [work for work in prior_works(runs) if work.seed == 0]
    (half,) = charged_in_full(comparison, first)
    assert half.prior_j == pytest.approx(50.0)


def test_a_start_that_a_ledger_tells_twice_is_charged_once(tmp_path):
    runs, comparison = study(tmp_path, EARLIER, EARLIER, strategies=PAIR)
    assert len(prior_works(runs)) == 1
    assert charged_in_full(comparison, prior_works(runs))[0].prior_j == pytest.approx(100.0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Comparison:
    return study(tmp_path_factory.mktemp("pair"), EARLIER, strategies=PAIR)[1]


@settings(max_examples=30, deadline=None)
@given(metered_j=st.floats(min_value=0.0, max_value=1e12, allow_subnormal=False))
def test_the_more_was_paid_before_the_later_it_breaks_even(pair, metered_j):
    work = PriorWork(
        strategy="once_for_all",
        seed=0,
        phase="train",
        weights_hash="1",
        origin="a.jsonl",
        gpu_h=None,
        metered_j=metered_j,
        tier=Tier.MEASURED,
        source=None,
        note="",
    )
    (found,) = charged_in_full(pair, [work])
    assert found.full_j >= found.spent_j
    assert found.full_ratio >= found.spent_ratio
    assert found.full.n_ratio >= found.spent.n_ratio


def test_the_comparison_itself_knows_nothing_of_earlier_work(tmp_path):
    runs, comparison = study(tmp_path, RELEASED)
    findings = find(runs, Sites(sites=(site(),)))
    assert findings.comparison.strategies == comparison.strategies
    assert findings.in_full == charged_in_full(comparison, findings.priors) != ()


def test_the_way_from_the_claim_says_that_such_a_run_is_no_full_one(tmp_path):
    runs, comparison = study(tmp_path, RELEASED)
    own = own_run(comparison, "this study", prior_works(runs))
    steps = why_not(own)
    (step,) = [step for step in steps if step.label == "charged in full"]
    assert not step.applies
    assert step.note.startswith("its training (train supernet) was paid before: the published ratio holds it")
    assert "without what was paid before" in steps[-1].label
    assert not [step for step in why_not(replace(own, left_out="")) if step.label == "charged in full"]
