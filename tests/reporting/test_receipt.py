"""The receipt of one metered command says what is known, how well, and what is not."""

from dataclasses import replace

import pytest

from carbon_nas.accounting.site import site
from carbon_nas.ledger.observations import Baseline
from carbon_nas.ledger.records import Outcome, PhaseEnd
from carbon_nas.meters.agreement import Agreement
from carbon_nas.meters.base import Component
from carbon_nas.meters.measurement import Measurement
from carbon_nas.reporting.receipt import aligned, receipt
from carbon_nas.sources import Tier

GPU = Component(name="gpu:a", tier=Tier.MEASURED, method="made up")
CPU = Component(name="cpu:command", tier=Tier.ESTIMATED, method="made up", low_ratio=0.5, high_ratio=2.0)


def found(component: str, energy_j: float | None, **facts) -> Measurement:
    usual = {"low_j": energy_j, "high_j": energy_j, "random_u_j": 3.0, "systematic_u_j": 4.0, "device_s": None}
    return Measurement(component=component, energy_j=energy_j, **(usual | facts))


def end(*measured: Measurement) -> PhaseEnd:
    return PhaseEnd(
        phase="train",
        outcome=Outcome.DONE,
        utc="",
        time_s=10.0,
        duration_s=10.0,
        readings=(),
        energy_j={one.component: one.energy_j for one in measured},
        device_s={},
        steps=None,
        macs=None,
        measured=measured,
    )


def said(*measured: Measurement, **facts) -> dict[str, str]:
    return dict(receipt([GPU, CPU], end(*measured), **facts))


BOTH = (found("gpu:a", 100.0), found("cpu:command", 10.0, random_u_j=0.0, systematic_u_j=None))


def test_each_component_has_its_tier_and_its_uncertainty():
    lines = said(*BOTH)
    assert lines["gpu:a"] == "100 J ± 5.00 J (k = 1), measured"
    assert lines["cpu:command"] == "10.0 J, estimated, 5.00 J to 20.0 J"
    assert lines["total"] == "110 J, estimated at its weakest"
    assert lines["phase"] == "train, done"


def test_what_is_not_known_is_no_zero_and_makes_the_sum_a_lower_bound():
    lines = said(found("gpu:a", None), BOTH[1], place=site("WORLD"))
    assert lines["gpu:a"] == "not known"
    assert lines["total"].startswith("at least 10.0 J")
    assert lines["CO2e"].startswith("at least ")
    assert "total" not in said(found("gpu:a", None))


def test_co2e_is_shown_for_a_named_site_only():
    assert "CO2e" not in said(*BOTH)
    assert "CO2e" not in said(*BOTH, place=site())
    assert "world average" in said(*BOTH, place=site("WORLD", 1.2))["CO2e"]


def test_gaps_and_short_windows_are_told():
    assert said(found("gpu:a", 1.0, complete=False, high_j=900.0))["gpu:a"].endswith("incomplete: at most 900 J")
    assert "no bound is known" in said(found("gpu:a", 1.0, complete=False, high_j=None))["gpu:a"]
    assert said(found("gpu:a", 1.0, below_resolution=True))["gpu:a"].endswith("told from zero")


def test_idle_power_stands_beside_and_is_not_subtracted():
    baseline = Baseline(utc="", duration_s=2.0, measured=(found("gpu:a", 12.0), found("cpu:command", None)))
    lines = said(*BOTH, baseline=baseline)
    assert lines["gpu:a"] == "100 J ± 5.00 J (k = 1), measured; idle draws 6 W, 60.0 J in this time"
    assert "idle" not in lines["cpu:command"]


def test_what_is_not_covered_is_said():
    assert "memory" in said(*BOTH)["not covered"]


def test_a_second_opinion_is_no_validation_and_its_warnings_are_shown():
    agreement = Agreement(
        tool="other 1.0",
        duration_s=10.0,
        ours_j={"gpu": 100.0, "cpu": None},
        theirs_j={"gpu": 150.0, "cpu": 3.0},
        reasons=("gpu: because",),
    )
    told = [text for label, text in receipt([GPU, CPU], end(*BOTH), agreement=agreement) if label == "same sensor"]
    assert told == ["other 1.0 says gpu 150 J, 1.50 of ours (no validation)", "warning: gpu: because"]
    failed = replace(agreement, error="it ended by itself")
    assert said(*BOTH, agreement=failed)["same sensor"] == "no second opinion: it ended by itself"


@pytest.mark.parametrize("labels", [["a", "bbb"], ["bbb", "a"]])
def test_labels_and_texts_stand_in_columns(labels):
    lines = aligned([(label, "text") for label in labels]).splitlines()
    assert {line.index("text") for line in lines} == {5}


def test_where_only_the_programs_own_work_is_counted_nothing_is_called_idle():
    baseline = Baseline(utc="", duration_s=10.0, measured=(found("gpu:a", 50.0), found("cpu:command", 0.0)))
    lines = dict(receipt([GPU, replace(CPU, own=True)], end(*BOTH), baseline=baseline))
    assert "idle draws 5.00 W" in lines["gpu:a"] or "idle draws 5 W" in lines["gpu:a"]
    assert "idle" not in lines["cpu:command"]
