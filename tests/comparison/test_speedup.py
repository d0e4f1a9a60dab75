"""Latency beside the fastest hand-scaled network that is as accurate, on the same device and with the same seed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.comparison import Delivery
from carbon_nas.comparison.speedup import PUBLISHED_SPEEDUPS, fastest_rival, speedups
from carbon_nas.sources import BIBLIOGRAPHY

few = settings(max_examples=50, deadline=None)


def delivery(strategy: str, accuracy_fraction: float | None = 0.9, latency_ms: float | None = 1.0, **facts) -> Delivery:
    usual = {"seed": 0, "scenario": "phone", "test_size": 100, "latency_limit_ms": None, "parameters": None}
    return Delivery(
        strategy=strategy,
        accuracy_fraction=accuracy_fraction,
        latency_ms=latency_ms,
        **({"macs": None, "architecture": ""} | usual | facts),
    )


OWN = delivery("once_for_all", 0.90, 2.0)


def rival_of_own(*others: Delivery, margin_fraction: float = 0.01) -> Delivery | None:
    return fastest_rival(OWN, [OWN, *others], margin_fraction=margin_fraction)


def test_the_rival_is_the_fastest_hand_scaled_network_that_is_as_accurate():
    slow, fast, coarse = delivery("manual", 0.95, 5.0), delivery("manual", 0.90, 3.0), delivery("manual", 0.5, 1.0)
    assert rival_of_own(slow, fast, coarse) == fast


@pytest.mark.parametrize(("accuracy_fraction", "fits"), [(0.89, True), (0.8899, False), (0.9, True)])
def test_a_rival_may_be_less_accurate_by_the_margin_and_no_more(accuracy_fraction, fits):
    rival = delivery("manual", accuracy_fraction, 3.0)
    assert rival_of_own(rival, margin_fraction=0.90 - 0.89) == (rival if fits else None)


@pytest.mark.parametrize(
    "other",
    [
        delivery("evolution", 0.99, 0.1),
        delivery("manual", 0.99, 0.1, scenario="watch"),
        delivery("manual", 0.99, 0.1, seed=1),
        delivery("manual", None, 0.1),
        delivery("manual", 0.99, None),
    ],
    ids=["searched", "another device", "another seed", "accuracy not known", "latency not known"],
)
def test_what_is_not_comparable_is_no_rival(other):
    assert rival_of_own(other) is None
    (found,) = [one for one in speedups([OWN, other], margin_fraction=0.01) if one.strategy == OWN.strategy]
    assert (found.rival, found.rival_ms, found.speedup_ratio) == (None, None, None)


def test_without_an_accuracy_of_its_own_a_network_has_no_rival():
    unknown = delivery("once_for_all", None)
    assert fastest_rival(unknown, [delivery("manual", 1.0)], margin_fraction=1.0) is None


def test_who_scales_by_hand_can_be_said():
    ours = delivery("our-family", 0.95, 3.0)
    assert fastest_rival(OWN, [ours], margin_fraction=0.0, hand_scaled={"our-family"}) == ours


def test_a_speedup_is_the_latency_of_the_rival_over_its_own():
    found = speedups([OWN, delivery("manual", 0.95, 3.0), delivery("evolution", 0.90, 1.5)], margin_fraction=0.0)
    assert [(one.strategy, one.rival, one.speedup_ratio) for one in found] == [
        ("once_for_all", "manual", 1.5),
        ("evolution", "manual", 2.0),
    ]


def test_a_network_whose_latency_is_not_known_has_a_rival_and_no_speedup():
    (found,) = speedups([delivery("once_for_all", 0.9, None), delivery("manual", 0.95, 3.0)][:2], margin_fraction=0.0)
    assert (found.rival, found.speedup_ratio) == ("manual", None)


@few
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 100)), max_size=6),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
)
def test_a_wider_margin_never_makes_the_rival_slower(networks, margin, more):
    rivals = [delivery("manual", accuracy_fraction, latency_ms) for accuracy_fraction, latency_ms in networks]
    narrow, wide = (rival_of_own(*rivals, margin_fraction=size) for size in (margin, margin + more))
    assert narrow is None or (wide is not None and wide.latency_ms <= narrow.latency_ms)


def test_what_the_research_reports_stands_beside_it_with_its_source():
    assert [one.value for one in PUBLISHED_SPEEDUPS] == [1.5, 2.6]
    assert {one.source.key for one in PUBLISHED_SPEEDUPS} <= BIBLIOGRAPHY.keys()
    assert all("EfficientNet" in one.unit or "MobileNetV3" in one.unit for one in PUBLISHED_SPEEDUPS)
