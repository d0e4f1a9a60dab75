"""The headline ratios, how they move, and the way from 1,300x to what a run measured."""

import json
from fractions import Fraction
from itertools import pairwise
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.comparison.claim_points import NUMBERS_OF_SCENARIOS, claim_points
from carbon_nas.comparison.claims import ClaimStep, OwnRun, claims, why_not
from carbon_nas.comparison.published_hours import FineTuning, MnasNetHours
from carbon_nas.sources import BIBLIOGRAPHY, Tier

JOULES = st.floats(min_value=1e-3, max_value=1e15)
SWITCHES = st.sampled_from([None, *MnasNetHours])


def own(**facts) -> OwnRun:
    usual = {"label": "digits", "rival": "evolution", "n": 2, "ofa_j": 100.0, "rival_j": 130.0, "tier": Tier.ESTIMATED}
    return OwnRun(**(usual | facts))


def ratios(rival: str, **facts) -> list[float]:
    usual = {"fine_tuning": FineTuning.NONE, "mnasnet": MnasNetHours.TABLE if rival == "MnasNet" else None} | facts
    points = [point for point in claim_points() if point.rival == rival]
    return [
        point.unrounded_ratio for point in points if all(getattr(point, name) == value for name, value in usual.items())
    ]


def product(steps: tuple[ClaimStep, ...]) -> Fraction:
    return prod((Fraction(step.after_ratio) / Fraction(step.before_ratio) for step in steps), start=Fraction(1))


def test_the_claims_are_those_of_the_paper_and_follow_from_its_printed_pounds():
    assert [(claim.rival, claim.text, claim.scenarios) for claim in claims()] == [
        ("ProxylessNAS", "16", 40),
        ("FBNet-C", "19", 40),
        ("MnasNet", "1,300", 40),
    ]
    assert all(claim.agrees and claim.printed_ratio.meets(claim.from_hours_ratio) for claim in claims())


def test_without_rounding_and_with_its_search_once_for_all_is_a_little_less_far_ahead():
    found = {claim.rival: claim for claim in claims()}
    assert found["MnasNet"].unrounded_ratio == 1_600_000 / 1_240
    assert found["MnasNet"].without_search_ratio == 1_600_000 / 1_200
    assert found["ProxylessNAS"].unrounded_ratio == pytest.approx(16.13, abs=0.005)
    assert found["FBNet-C"].unrounded_ratio == pytest.approx(18.58, abs=0.005)
    assert all(claim.unrounded_ratio < claim.without_search_ratio for claim in found.values())


def test_a_claim_against_a_method_that_leaves_something_out_says_so():
    assert {claim.rival: claim.unreported for claim in claims()} == {
        "ProxylessNAS": (),
        "FBNet-C": (),
        "MnasNet": ("training",),
    }


def test_a_headline_is_rounded_to_its_last_digit_that_is_not_zero():
    assert [(claim.printed_ratio.low, claim.printed_ratio.high) for claim in claims()] == [
        (15.5, 16.5),
        (18.5, 19.5),
        (1_250.0, 1_350.0),
    ]


@pytest.mark.parametrize("rival", ["ProxylessNAS", "FBNet-C", "MnasNet"])
@pytest.mark.parametrize("fine_tuning", FineTuning)
def test_every_claim_grows_with_the_number_of_scenarios(rival, fine_tuning):
    found = ratios(rival, fine_tuning=fine_tuning)
    assert len(found) == len(NUMBERS_OF_SCENARIOS)
    assert all(one < other for one, other in pairwise(found))


def test_for_one_or_two_networks_once_for_all_costs_more_than_searching_each():
    found = dict(zip(NUMBERS_OF_SCENARIOS, ratios("ProxylessNAS"), strict=True))
    assert found[1] == 500 / 1_240
    assert found[2] < 1.0 < found[3]
    assert found[40] == pytest.approx(16.13, abs=0.005)


@settings(max_examples=30, deadline=None)
@given(st.integers(min_value=1, max_value=10**6), st.integers(min_value=1, max_value=10**6))
def test_without_fine_tuning_a_claim_is_proportional_to_n_if_the_rival_pays_nothing_once(n, other):
    found = {
        point.n: point.unrounded_ratio for point in claim_points((n, other)) if point.fine_tuning is FineTuning.NONE
    }
    assert found[n] * other == pytest.approx(found[other] * n)


def test_fine_tuning_takes_most_of_a_claim_away():
    at_40 = NUMBERS_OF_SCENARIOS.index(40)
    assert [ratios("MnasNet", fine_tuning=kind)[at_40] for kind in FineTuning] == [
        1_600_000 / 1_240,
        1_600_000 / 2_240,
        1_600_000 / 4_240,
    ]


def test_the_published_costs_of_mnasnet_span_a_factor_of_thirteen():
    at_40 = NUMBERS_OF_SCENARIOS.index(40)
    low, usual, high = sorted(ratios("MnasNet", mnasnet=hours)[at_40] for hours in MnasNetHours)
    assert (round(low), round(usual), round(high)) == (223, 1_290, 2_926)
    assumed = {point.mnasnet for point in claim_points() if point.assumption}
    assert assumed == {MnasNetHours.OWN_PAPER}


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=1, max_value=10**6), JOULES, JOULES, st.sampled_from([None, *FineTuning]), SWITCHES)
def test_the_product_of_all_factors_is_the_runs_own_ratio(n, ofa_j, rival_j, fine_tuning, mnasnet):
    run = own(n=n, ofa_j=ofa_j, rival_j=rival_j, fine_tuning=fine_tuning)
    steps = why_not(run, mnasnet=mnasnet)
    assert steps[-1].after_ratio == run.own_ratio == rival_j / ofa_j
    assert product(steps) == Fraction(run.own_ratio)
    assert all(step.before_ratio == before.after_ratio for before, step in pairwise(steps))
    assert prod(step.factor_ratio for step in steps) == pytest.approx(run.own_ratio)


def test_the_way_leads_over_rounding_rival_and_n_to_the_run():
    steps = why_not(own())
    assert steps[0].before_ratio == 1.0
    assert [step.after_ratio for step in steps] == [
        1_300.0,
        1_600_000 / 1_240,
        6_912 * 40 / 1_240,
        20_000 / 1_240,
        1_000 / 1_240,
        1_000 / 1_240,
        1.3,
    ]
    assert "TPUv2-hours are taken for GPU-hours" in steps[2].note
    assert (round(steps[2].low_ratio), round(steps[2].high_ratio)) == (223, 2_926)


@pytest.mark.parametrize("mnasnet", [None, MnasNetHours.TABLE])
def test_what_mnasnet_cost_can_be_left_out_and_the_way_leads_to_the_same_rival(mnasnet):
    short, long = why_not(own(), mnasnet=mnasnet), why_not(own())
    assert len(short) == len(long) - 1
    assert [step.after_ratio for step in short[2:]] == [step.after_ratio for step in long[3:]]


def test_steps_that_a_run_skips_change_nothing_and_say_why():
    run = own(accuracy_gap_fraction=0.0123, fine_tuning=FineTuning.NONE)
    skipped = [step for step in why_not(run) if not step.applies]
    assert [step.factor_ratio for step in skipped] == [1.0, 1.0]
    assert "does not fine-tune" in skipped[0].note
    assert "+1.2 percentage points" in skipped[1].note
    assert "not known" in why_not(own())[-2].note


def test_whether_a_run_fine_tunes_is_not_said_where_nobody_knows():
    assert [step.label for step in why_not(own()) if "fine-tun" in f"{step.label}{step.note}"] == []


def test_a_run_that_fine_tunes_for_other_epochs_skips_that_step_and_says_where_its_joules_are():
    steps = why_not(own(tuned="10 epochs"))
    (step,) = [step for step in steps if step.label == "fine-tuning of every network"]
    assert (step.applies, step.factor_ratio) == (False, 1.0)
    assert "fine-tunes for 10 epochs, not 25 or 75" in step.note
    assert "in the last step" in step.note
    assert steps[-1].after_ratio == 1.3


def test_a_run_that_fine_tunes_takes_that_step():
    steps = why_not(own(fine_tuning=FineTuning.EPOCHS_75))
    assert steps[5].applies
    assert steps[5].after_ratio == 1_000 / (1_240 + 2 * 75)


def test_without_a_run_the_way_ends_at_the_published_table_and_the_range_is_that_of_n():
    last = why_not()[-1]
    assert last.after_ratio == last.before_ratio == last.high_ratio == 20_000 / 1_240
    assert (last.low_ratio, last.over) == (500 / 1_240, "for N from 1 to 40")


@pytest.mark.parametrize(
    ("n", "over"), [(1, "for N from 1 to 40"), (5, "for N from 1 to 40"), (100, "for N from 1 to 100")]
)
@pytest.mark.parametrize("fine_tuning", FineTuning)
def test_without_a_run_the_way_ends_where_it_was_asked_to(n, over, fine_tuning):
    last = why_not(n=n, fine_tuning=fine_tuning)[-1]
    epochs = {FineTuning.NONE: 0, FineTuning.EPOCHS_25: 25, FineTuning.EPOCHS_75: 75}[fine_tuning]
    assert last.after_ratio == n * 500 / (1_240 + n * epochs)
    assert last.low_ratio <= last.after_ratio <= last.high_ratio
    assert last.over == over


def test_every_published_step_can_be_looked_up_and_a_measured_one_names_its_tier():
    steps = why_not(own())
    assert {step.source.key for step in steps if step.source} <= BIBLIOGRAPHY.keys()
    assert [step.source is None for step in steps] == [False] * 5 + [True] * 2
    assert steps[-1].note.endswith("digits, estimated")


def test_a_range_says_what_it_is_over_and_nothing_else_does():
    for step in (*why_not(), *why_not(own()), *why_not(n=5, fine_tuning=FineTuning.EPOCHS_25)):
        assert (step.low_ratio is None) == (step.high_ratio is None) == (step.over == "")


@pytest.mark.parametrize("facts", [{"n": 0}, {"ofa_j": 0.0}, {"rival_j": -1.0}, {"ofa_j": float("nan")}])
def test_a_run_without_a_ratio_is_no_run(facts):
    with pytest.raises(ValueError, match="a ratio needs joules"):
        own(**facts)


def test_claims_and_steps_are_data_for_a_report():
    from carbon_nas.reporting.renderers import _plain

    plain = json.loads(
        json.dumps([_plain(part) for part in (claims(), claim_points(), why_not(own()))], allow_nan=False)
    )
    assert plain[0][2]["agrees"] is True
    assert plain[1][0]["fine_tuning"] == "none"
    assert plain[2][0]["factor_ratio"] == 1_300.0
