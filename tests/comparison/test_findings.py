"""Everything that a report says, as numbers, from kept studies: the same every time, and fit for JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.accounting import account, site
from carbon_nas.accounting.grid import Kind
from carbon_nas.accounting.methods import METHODS
from carbon_nas.accounting.series import Gaps
from carbon_nas.accounting.site import Site
from carbon_nas.accounting.sites import Sites
from carbon_nas.accounting.tornado import SwingKind
from carbon_nas.comparison import compare, deliveries
from carbon_nas.comparison.findings import Findings, find
from carbon_nas.comparison.use_phase import Fleet
from carbon_nas.errors import IncompleteSeries, InvalidSite, LedgerOverlap
from carbon_nas.ledger import read
from carbon_nas.ledger.merge import Overlap
from carbon_nas.reporting.renderers import _plain
from tests.accounting.places import a_grid, a_place, a_series, an_item
from tests.comparison.gauged import gauged
from tests.recorded import record_study

KEPT = Path(__file__).parents[2] / "reports"
NAMES = ("digits-cpu", "digits-host")
FULL = a_place(
    grids=(a_grid(56.0, gsd_ratio=1.1),),
    pue=1.3,
    pue_gsd_ratio=1.05,
    market=a_grid(9.0, Kind.MARKET),
    marginal=a_grid(700.0, Kind.MARGINAL),
    embodied=(an_item("cpu:*"),),
)
# The same, on whatever machine it was.
ANYWHERE = replace(FULL, embodied=(an_item("*", includes=("cpu", "dram")),))


def found(name: str, place: Site) -> Findings:
    return find(
        read(KEPT / name / "ledger"),
        Sites(sites=(place,)),
        methods=tuple(METHODS),
        fleet=Fleet(devices=10, requests_per_day=1_000, lifetime_days=365),
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [site(), site("FR"), FULL], ids=["no site", "zone", "everything"])
def test_kept_studies_are_found_the_same_twice_and_fit_for_json(name, place):
    one, two = found(name, place), found(name, place)
    assert one == two
    text = json.dumps(_plain(one), allow_nan=False, sort_keys=True)
    assert text == json.dumps(_plain(two), allow_nan=False, sort_keys=True)


@pytest.mark.parametrize("name", NAMES)
def test_no_number_of_a_kept_study_had_to_be_hidden_from_json(name):
    """What is not finite is written as nothing, so nothing that is not finite may be there."""

    def numbers(value: object):
        if isinstance(value, dict):
            for part in value.values():
                yield from numbers(part)
        elif isinstance(value, list):
            for part in value:
                yield from numbers(part)
        elif isinstance(value, float):
            yield value

    findings = found(name, FULL)
    for spread in findings.spreads.values():
        for interval in (spread.interval, spread.analytic, spread.quantified_only):
            assert interval is None or 0.0 <= interval.low <= interval.high < float("inf")
    assert all(abs(number) < float("inf") for number in numbers(_plain(findings)))


@pytest.mark.parametrize("name", NAMES)
def test_the_comparison_within_is_the_comparison(name):
    runs = read(KEPT / name / "ledger")
    alone = compare([account(run, FULL) for run in runs], deliveries(runs))
    assert found(name, FULL).comparison.strategies == alone.strategies
    assert found(name, FULL).comparison.break_evens == alone.break_evens


@pytest.mark.parametrize("name", NAMES)
def test_costs_ratios_and_break_evens_have_a_spread_ranges_and_swings_each(name):
    findings = found(name, FULL)
    names = {"once_for_all", "evolution", "once_for_all / evolution", "N*, once_for_all against evolution"}
    views = ("market-based", "marginal", "embodied", "in operation and embodied")
    names |= {f"{strategy}, {view}" for strategy in ("once_for_all", "evolution") for view in views}
    assert names == {spread.name for spread in findings.spreads.values() if not spread.total}
    assert names == findings.ranges.keys() == findings.swings.keys()
    (break_even,) = findings.comparison.break_evens
    assert findings.spreads["N*, once_for_all against evolution"].value == pytest.approx(break_even.n_ratio)


def test_the_range_of_an_assumed_power_is_a_swing_of_its_own_kind():
    swings = found("digits-host", FULL).swings["once_for_all"]
    kinds = {swing.factor: swing.kind for swing in swings}
    assert kinds["power assumed for cpu:process"] is SwingKind.CHOICE
    assert kinds["power of cpu:process"] is SwingKind.PARAMETRIC
    assert not next(swing for swing in swings if swing.factor == "power of cpu:process").quantified


def test_methods_are_those_that_were_asked_for():
    runs = read(KEPT / "digits-host" / "ledger")
    assert find(runs, Sites(sites=(FULL,))).methods == ()
    asked = find(runs, Sites(sites=(FULL,)), methods=("sci",)).methods
    assert [(cost.strategy, cost.result.method) for cost in asked] == [("once_for_all", "sci"), ("evolution", "sci")]


def test_the_claim_leads_to_the_ratio_of_this_study_where_somebody_paid_once():
    claim = found("digits-host", FULL).claim
    assert claim
    assert "this study" in json.dumps(_plain(claim))


def test_without_once_for_all_there_is_no_claim(tmp_path):
    assert find(read(record_study(tmp_path) / "ledger"), Sites(sites=(ANYWHERE,))).claim == ()


def test_curves_that_never_cross_have_a_spread_without_a_value_and_no_swing(tmp_path):
    folder = gauged(tmp_path, {"a": (10.0, 8.0), "b": (0.0, 2.0)})
    findings = find(read(folder / "ledger"), Sites(sites=(ANYWHERE,)))
    crossing = findings.spreads["N*, a against b"]
    assert (crossing.value, crossing.undefined_share) == (None, 1.0)
    assert "N*, a against b" not in findings.swings


def test_one_strategy_alone_has_a_cost_and_no_ratio(tmp_path):
    findings = find(read(gauged(tmp_path, {"a": (10.0, 2.0)}) / "ledger"), Sites(sites=(ANYWHERE,)))
    assert not [name for name in findings.ranges if "/" in name or name.startswith("N*")]


def test_a_clean_grid_has_costs_of_zero_and_no_ratio(tmp_path):
    folder = gauged(tmp_path, {"a": (10.0, 2.0), "b": (0.0, 8.0)})
    findings = find(read(folder / "ledger"), Sites(sites=(a_place(0.0, pue=1.2),)))
    assert findings.spreads["a"].value == 0.0
    assert findings.spreads["a / b"].value is None
    assert "a / b" not in findings.swings


def test_joules_in_two_ledgers_are_refused_or_settled_by_the_rule_that_was_asked_for(tmp_path):
    folder = gauged(tmp_path, {"a": (0.0, 8.0), "b": (0.0, 8.0)}, {"gpu:a": {"own": False}})
    runs = read(folder / "ledger")
    with pytest.raises(LedgerOverlap):
        find(runs, Sites(sites=(ANYWHERE,)))
    findings = find(runs, Sites(sites=(ANYWHERE,)), overlap=Overlap.SPLIT)
    assert [cost.energy_j for cost in findings.comparison.strategies] == [4.0, 4.0]
    assert findings.comparison.overlap == "split"
    assert len(findings.comparison.attributed) == 2
    assert findings.spreads["a"].value == pytest.approx(findings.comparison.strategies[0].masses_kg["location"])


def test_a_site_that_does_not_fit_what_was_recorded_is_refused():
    with pytest.raises(InvalidSite, match="counts the host twice"):
        found("digits-host", a_place(host_ratio=0.3))


def test_a_fleet_is_in_the_findings_only_if_one_was_named(tmp_path):
    runs = read(record_study(tmp_path) / "ledger")
    assert find(runs, Sites(sites=(ANYWHERE,))).fleets == ()


def test_a_fleet_that_was_named_is_known_even_where_no_network_was_put_to_work():
    findings = found("digits-host", FULL)
    assert findings.fleet == Fleet(devices=10, requests_per_day=1_000, lifetime_days=365)
    assert findings.fleets == ()
    assert find(read(KEPT / "digits-host" / "ledger"), Sites(sites=(FULL,))).fleet is None


def test_hardware_that_was_never_metered_is_refused_rather_than_made_for_nothing():
    place = replace(FULL, embodied=(an_item("gpu:*"),))
    with pytest.raises(InvalidSite, match=r"embodied carbon of gpu:\* belongs to gpu:\*, which was never metered"):
        found("digits-host", place)


# Gaps of a series.

# `a` trains in the first hour and searches in the second, at 1 W; `b` searches in the first, at 3 W.
HOURS = {"a": (3600.0, 1800.0), "b": (0.0, 1800.0)}
WATTS = {"a gpu:a": {"power_w": 1.0}, "b gpu:b": {"power_w": 3.0}}


@pytest.mark.parametrize(
    ("facts", "shares"),
    [
        # 1.8 kJ of 10.8 kJ in the second hour, which is a quarter of the time.
        ({"hourly": a_series(100.0, None)}, {"hourly": 1 / 6}),
        ({"hourly": a_series(100.0, 200.0)}, {"hourly": 0.0}),
        ({"marginal": a_series(None, 700.0, kind=Kind.MARGINAL)}, {"marginal": 5 / 6}),
        (
            {"hourly": a_series(100.0, None), "marginal": a_series(600.0, 700.0, kind=Kind.MARGINAL)},
            {"hourly": 1 / 6, "marginal": 0.0},
        ),
        ({"marginal": a_grid(700.0, Kind.MARGINAL)}, {}),
        ({}, {}),
    ],
    ids=["a gap", "no gap", "a marginal gap", "one of two", "a factor", "no series"],
)
def test_what_fell_into_gaps_is_a_share_of_the_energy(tmp_path, facts, shares):
    place = a_place(hourly_gaps=Gaps.FILL, marginal_gaps=Gaps.FILL, **facts)
    runs = read(gauged(tmp_path, HOURS, WATTS) / "ledger")
    assert find(runs, Sites(sites=(place,))).filled_share == pytest.approx(shares)


def test_gaps_that_nobody_asked_to_fill_are_refused(tmp_path):
    runs = read(gauged(tmp_path, HOURS, WATTS) / "ledger")
    with pytest.raises(IncompleteSeries):
        find(runs, Sites(sites=(a_place(hourly=a_series(100.0, None)),)))


def test_energy_at_a_site_without_a_series_is_no_part_of_that_share(tmp_path):
    """Of what `a` used, a third fell into the gap; at the rival's site there is no gap to fall into."""
    here = a_place(name="here", ledgers=("a-*",), hourly=a_series(100.0, None), hourly_gaps=Gaps.FILL)
    there = a_place(name="there", ledgers=("b-*",))
    runs = read(gauged(tmp_path, HOURS, WATTS) / "ledger")
    (share,) = find(runs, Sites(sites=(here, there))).filled_share.items()
    assert share == ("hourly (here: the lab's grid)", pytest.approx(1 / 3))


# Chance.


def test_from_three_seeds_on_an_interval_and_a_swing_know_chance(tmp_path):
    place = a_place(grids=(a_grid(gsd_ratio=1.1),))
    scattered = {"a": [(10.0, 2.0), (20.0, 3.0), (40.0, 4.0)], "b": [(0.0, 8.0), (0.0, 9.0), (0.0, 7.0)]}
    runs = read(gauged(tmp_path, scattered, {"gpu:a": {"gain_fraction": 0.05}}) / "ledger")
    findings = find(runs, Sites(sites=(place,)))
    for name in ("a", "a / b"):
        assert findings.spreads[name].interval is not None
        assert findings.swings[name][0].factor == "chance in a, once"
    two = find([run for run in runs if run.header.seed < 2], Sites(sites=(place,)))
    assert two.spreads["a / b"].interval is None
    assert {"chance in a, once", "chance in a, each", "chance in b, each"} == set(two.spreads["a / b"].not_quantified)
