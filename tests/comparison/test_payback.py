"""When cheaper work has returned what search and training took: counted in images, and in the days of a fleet."""

from math import inf, nan

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from carbon_nas.comparison import CostCurve, SeedCost
from carbon_nas.comparison.payback import FleetPayback, Payback, paybacks, spent_on_networks
from carbon_nas.comparison.use_phase import Fleet, Inference
from carbon_nas.sources import Tier

few = settings(max_examples=100, deadline=None)
joules = st.floats(min_value=0.0, max_value=1e9)
image_joules = st.floats(min_value=1e-9, max_value=1e3)
counts = st.integers(1, 10**6)


def payback(
    spent_j: float = 100.0, image_j: float | None = 0.25, rival_image_j: float | None = 0.75, **facts
) -> Payback:
    usual = {"strategy": "own", "seed": 0, "scenario": "phone", "rival": "rival", "rival_spent_j": None}
    return Payback(spent_j=spent_j, image_j=image_j, rival_image_j=rival_image_j, **(usual | facts))


def inference(strategy: str, image_j: float | None, **facts) -> Inference:
    usual = {
        "seed": 0,
        "scenario": "phone",
        "images": 1_000,
        "duration_s": 1.0,
        "random_u_j": None,
        "below_resolution": None,
    }
    return Inference(
        strategy=strategy,
        image_j=image_j,
        tier=Tier.MEASURED,
        **({"latency_ms": None, "accuracy_fraction": None} | usual | facts),
    )


def test_it_pays_back_after_as_many_images_as_their_savings_make_up_what_was_spent():
    found = payback(spent_j=100.0, image_j=0.25, rival_image_j=0.75)
    assert (found.saved_image_j, found.images, found.reason) == (0.5, 200, "")


def test_an_image_is_not_cut_in_two():
    assert payback(spent_j=100.25).images == 201


def test_so_many_images_take_as_much_energy_as_finding_the_network():
    assert payback(spent_j=100.0, image_j=0.25).equal_images == 400
    assert payback(spent_j=100.0, image_j=0.0).equal_images is None


@pytest.mark.parametrize(
    ("image_j", "rival_image_j", "said"),
    [
        (0.5, 0.5, "does not use less than with rival"),
        (0.6, 0.5, "does not use less than with rival"),
        (None, 0.5, "not known for own"),
        (0.5, None, "not known for rival"),
    ],
)
def test_without_a_saving_it_never_pays_back_and_says_why(image_j, rival_image_j, said):
    found = payback(image_j=image_j, rival_image_j=rival_image_j)
    assert (found.images, found.extra_images) == (None, None)
    assert said in found.reason


@pytest.mark.parametrize(("rival_spent_j", "images"), [(0.0, 200), (40.0, 120), (100.0, 0), (500.0, 0), (None, None)])
def test_against_a_rival_that_had_to_be_found_as_well_only_what_was_spent_more_has_to_come_back(rival_spent_j, images):
    assert payback(spent_j=100.0, rival_spent_j=rival_spent_j).extra_images == images


@pytest.mark.parametrize("spent_j", [-1.0, nan, inf])
def test_what_cannot_have_been_spent_is_refused(spent_j):
    with pytest.raises(ValueError, match=r"own: .* cannot have been spent"):
        payback(spent_j=spent_j)


@few
@given(joules, image_joules, image_joules, st.integers(1, 1_000))
def test_payback_is_linear_in_what_was_spent(spent_j, image_j, rival_image_j, times):
    assume(rival_image_j > image_j and spent_j * times < inf)
    once = payback(spent_j, image_j, rival_image_j).images
    often = payback(spent_j * times, image_j, rival_image_j).images
    assert once is not None
    # Up to the one image that is not cut in two, and the rounding of the product.
    assert times * (once - 1) - 1 <= often * (1 + 1e-12)
    assert often <= times * once * (1 + 1e-12) + 1


@few
@given(joules, image_joules, image_joules)
def test_never_exactly_where_nothing_is_saved(spent_j, image_j, rival_image_j):
    found = payback(spent_j, image_j, rival_image_j)
    assert (found.images is None) == (rival_image_j <= image_j) == bool(found.reason)


@few
@given(joules, image_joules, image_joules)
def test_after_that_many_images_both_have_used_the_same_and_not_one_image_before(spent_j, image_j, rival_image_j):
    found = payback(spent_j, image_j, rival_image_j)
    assume(found.images)
    saved_j = found.saved_image_j
    assert saved_j * found.images >= spent_j * (1 - 1e-12)
    assert saved_j * (found.images - 1) <= spent_j * (1 + 1e-12)


def test_a_saving_next_to_nothing_is_still_counted_exactly():
    assert payback(spent_j=1e300, image_j=0.0, rival_image_j=5e-324).images > 10**600


CURVES = [
    CostCurve(
        strategy="upfront",
        seeds=(SeedCost(seed=0, once_j=100.0, per_scenario_j={"phone": 2.0, "watch": 4.0}),),
    ),
    CostCurve(
        strategy="repeated",
        seeds=(SeedCost(seed=0, once_j=0.0, per_scenario_j={"phone": 50.0, "watch": 30.0}),),
    ),
]


def test_a_network_took_its_own_work_and_an_even_share_of_what_was_paid_once():
    assert spent_on_networks(CURVES) == {
        ("upfront", 0, "phone"): 52.0,
        ("upfront", 0, "watch"): 54.0,
        ("repeated", 0, "phone"): 50.0,
        ("repeated", 0, "watch"): 30.0,
    }


def test_what_the_networks_took_adds_up_to_what_the_strategies_cost():
    spent = spent_on_networks(CURVES)
    for curve in CURVES:
        assert sum(spent_j for (name, *_), spent_j in spent.items() if name == curve.strategy) == curve.total_j


def test_every_network_is_set_beside_those_of_other_strategies_for_the_same_scenario_and_seed():
    found = [
        inference("upfront", 0.25),
        inference("repeated", 0.75),
        inference("repeated", 0.75, scenario="watch"),
        inference("upfront", 0.25, seed=1),
    ]
    mine, theirs = paybacks(found, spent_on_networks(CURVES))
    assert (mine.strategy, mine.rival, mine.spent_j, mine.rival_spent_j) == ("upfront", "repeated", 52.0, 50.0)
    assert (mine.images, mine.extra_images) == (104, 4)
    assert (theirs.strategy, theirs.rival, theirs.images) == ("repeated", "upfront", None)


def test_a_network_whose_cost_is_not_known_is_nobody_s_to_pay_back_and_may_be_a_rival():
    found = [inference("upfront", 0.25), inference("elsewhere", 0.75)]
    (only,) = paybacks(found, spent_on_networks(CURVES))
    assert (only.strategy, only.rival, only.rival_spent_j, only.extra_images) == ("upfront", "elsewhere", None, None)


@pytest.mark.parametrize(("random_u_j", "told_apart"), [(0.1, True), (0.2, False), (None, None)])
def test_a_saving_within_the_noise_of_the_meters_says_so(random_u_j, told_apart):
    found = [inference("upfront", 0.25, random_u_j=random_u_j), inference("repeated", 0.75, random_u_j=random_u_j)]
    assert {one.told_apart for one in paybacks(found, spent_on_networks(CURVES))} == {told_apart}


FLEET = Fleet(devices=2, requests_per_day=25, lifetime_days=4)


def test_in_a_fleet_it_pays_back_on_a_day():
    found = FleetPayback(payback=payback(spent_j=50.5), fleet=FLEET)
    assert (found.payback.images, found.days, found.within_lifetime) == (101, 3, True)
    assert (found.use_j, found.rival_use_j) == (50.0, 150.0)
    assert found.use_share == 50.0 / 100.5


def test_a_fleet_that_dies_earlier_says_so():
    found = FleetPayback(payback=payback(spent_j=100.5), fleet=FLEET)
    assert (found.days, found.within_lifetime) == (5, False)


def test_what_never_pays_back_does_not_in_any_fleet():
    found = FleetPayback(payback=payback(image_j=None), fleet=FLEET)
    assert (found.days, found.within_lifetime, found.use_j, found.use_share) == (None, False, None, None)


@few
@given(joules, image_joules, image_joules, counts, counts, st.integers(1, 10_000))
def test_within_the_lifetime_is_as_many_images_as_the_fleet_sees(spent_j, image_j, rival_j, devices, requests, days):
    fleet = Fleet(devices=devices, requests_per_day=requests, lifetime_days=days)
    found = FleetPayback(payback=payback(spent_j, image_j, rival_j), fleet=fleet)
    images = found.payback.images
    assert found.within_lifetime == (images is not None and images <= fleet.images)
