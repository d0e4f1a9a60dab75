"""How sure costs are, and how much surer their ratio: what both sides share cancels, to the last bit."""

from dataclasses import replace
from math import exp, log
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting.grid import Kind
from carbon_nas.accounting.model import draw
from carbon_nas.accounting.site import Site, site
from carbon_nas.accounting.site_file import FactorFile, SiteFile
from carbon_nas.accounting.sites import Sites
from carbon_nas.accounting.tornado import drawn, tornado
from carbon_nas.comparison.spread import break_even_name, power_name, ratio_name, same, spread_model
from carbon_nas.errors import UnknownQuantity
from carbon_nas.sources import Tier
from tests.accounting.places import KWH_J, a_grid, a_place, an_item
from tests.comparison.gauged import Looked, gauged, look
from tests.recorded import record_study

RATIO, CROSSING = ratio_name("a", "b"), break_even_name("a", "b")
# Once and for each scenario, in seconds: at 1 W `a` costs 12 J, and its rival 8 J.
TWO = {"a": (10.0, 2.0), "b": (0.0, 8.0)}
SURE = {"gpu:a": {"gain_fraction": 0.05}}
# Alike to the last joule, so that chance is known and nothing.
ALIKE = 3


def at(folder, place: Site | None = None, components=None, strategies=None, seeds=ALIKE) -> Looked:
    return look(
        gauged(folder, strategies or TWO, components or SURE, seeds=seeds),
        Sites(sites=(place or a_place(grids=(a_grid(gsd_ratio=1.1),)),)),
    )


def ends(found: Looked, name: str) -> tuple[float, float]:
    interval = found.spreads[name].interval
    assert interval is not None
    return interval.low, interval.high


# Its values are those of the comparison.


def test_costs_ratio_and_break_even_are_those_of_the_comparison(tmp_path):
    scattered = {"a": [(10.0, 2.0), (20.0, 3.0)], "b": [(0.0, 8.0), (0.0, 7.0)]}
    found = at(tmp_path, a_place(100.0, pue=1.5), strategies=scattered)
    spreads, (break_even,) = found.spreads, found.comparison.break_evens
    costs = {cost.strategy: cost.masses_kg["location"] for cost in found.comparison.strategies}
    assert {name: spreads[name].value for name in costs} == pytest.approx(costs)
    assert {spreads[name].unit for name in costs} == {"kg"}
    assert spreads[RATIO].value == pytest.approx(costs["a"] / costs["b"])
    assert (spreads[CROSSING].value, spreads[CROSSING].unit) == (pytest.approx(break_even.n_ratio), "scenarios")


def test_seeds_count_as_their_mean(tmp_path):
    scattered = {"a": [(10.0, 2.0), (20.0, 3.0), (30.0, 7.0)], "b": [(0.0, 8.0)] * 3}
    found = at(tmp_path, a_place(100.0), strategies=scattered)
    assert found.spreads["a, once"].value == pytest.approx(20.0 / KWH_J * 0.1)
    assert found.spreads["a, each"].value == pytest.approx(4.0 / KWH_J * 0.1)


def test_per_scenario_work_is_charged_as_often_as_there_are_scenarios(tmp_path):
    found = look(record_study(tmp_path), Sites(sites=(a_place(3.6e9),)))  # A kilogram for every joule.
    assert found.doubt.scenarios == 2
    assert found.spreads["upfront"].value == pytest.approx(118.0)
    assert found.spreads["repeated"].value == pytest.approx(92.0)
    assert found.spreads["repeated, each"].value == pytest.approx(46.0)


def test_without_a_named_site_there_are_joules_and_no_intensity(tmp_path):
    found = at(tmp_path, site())
    assert (found.spreads["a"].value, found.spreads["a"].unit) == (pytest.approx(12.0), "J")
    assert not [name for name in found.doubt.model.factors if "intensity" in name]


def test_an_unknown_energy_is_no_cost(tmp_path):
    found = at(tmp_path)
    first, *rest = found.statements
    entry = first.entries[0]
    blind = replace(entry, parts=tuple(replace(part, energy_j=None) for part in entry.parts))
    with pytest.raises(UnknownQuantity):
        spread_model([replace(first, entries=(blind, *first.entries[1:])), *rest], found.order, found.done)


# What is shared cancels.


@pytest.mark.parametrize(
    "place",
    [
        a_place(grids=(a_grid(gsd_ratio=1.5),)),
        a_place(grids=(a_grid(gsd_ratio=1.5),), pue=1.3, pue_gsd_ratio=1.2),
        a_place(grids=(a_grid(900.0, gsd_ratio=None),), pue=1.3),
        a_place(grids=(a_grid(gsd_ratio=1.0),), idle_ratio=0.2),
    ],
    ids=["intensity", "PUE", "neither is quantified", "a share"],
)
def test_whatever_both_share_leaves_the_interval_of_their_ratio_as_it_is(tmp_path, place):
    # Two GPUs, one of each strategy, so that there is an interval to be left.
    components = {"a gpu:a": {"gain_fraction": 0.05}, "b gpu:b": {"gain_fraction": 0.02}}
    plain = at(tmp_path / "plain", a_place(grids=(a_grid(gsd_ratio=1.0),)), components)
    shared = at(tmp_path / "shared", place, components)
    assert ends(plain, RATIO) == pytest.approx(ends(shared, RATIO), rel=1e-12)
    assert ends(plain, RATIO)[0] < ends(plain, RATIO)[1]


def test_a_spread_alone_does_not_change_the_last_bit_of_the_ratio(tmp_path):
    components = {"a gpu:a": {"gain_fraction": 0.05}, "b gpu:b": {"gain_fraction": 0.02}}
    found = [
        at(tmp_path / str(number), a_place(grids=(a_grid(gsd_ratio=gsd),), pue=1.3, pue_gsd_ratio=pue_gsd), components)
        for number, (gsd, pue_gsd) in enumerate([(1.0, 1.0), (1.5, 1.0), (1.1, 1.4), (None, None)])
    ]
    assert len({ends(one, name) for one in found for name in [RATIO]}) == 1
    assert len({ends(one, name) for one in found for name in [CROSSING]}) == 1
    # Of the costs themselves it changes everything.
    assert len({one.spreads["a"].interval for one in found}) == 4


def test_the_gain_of_one_sensor_cancels_and_those_of_two_do_not(tmp_path):
    one = at(tmp_path / "one")
    low, high = ends(one, RATIO)
    assert low == high == one.spreads[RATIO].value
    two = at(tmp_path / "two", components={"a gpu:a": {"gain_fraction": 0.05}, "b gpu:b": {"gain_fraction": 0.05}})
    low, high = ends(two, RATIO)
    reach = exp(1.96 * 0.05 * 2**0.5)
    assert (low, high) == (pytest.approx(1.5 / reach, rel=0.02), pytest.approx(1.5 * reach, rel=0.02))


def test_an_unquantified_power_cancels_where_all_energy_is_one_component_s(tmp_path):
    found = at(tmp_path, components={"cpu:process": {"tier": Tier.ESTIMATED}})
    assert power_name("cpu:process") in found.spreads["a"].not_quantified
    assert found.spreads["a"].interval is None
    assert found.spreads[RATIO].not_quantified == ()
    assert found.spreads[CROSSING].not_quantified == ()


def test_unquantified_powers_of_two_components_in_other_proportions_do_not_cancel(tmp_path):
    # The memory of `b` draws more beside its processor than that of `a`.
    components = {
        "cpu:process": {"tier": Tier.ESTIMATED},
        "a dram": {"tier": Tier.ESTIMATED, "power_w": 1.0},
        "b dram": {"tier": Tier.ESTIMATED, "power_w": 3.0},
    }
    spread = at(tmp_path, components=components).spreads[RATIO]
    assert set(spread.not_quantified) == {power_name("cpu:process"), power_name("dram")}
    assert spread.interval is None


def test_two_components_in_the_same_proportions_move_no_ratio(tmp_path):
    components = {"cpu:process": {"tier": Tier.ESTIMATED}, "dram": {"tier": Tier.ESTIMATED}}
    found = at(tmp_path, components=components)
    assert found.spreads[RATIO].value == pytest.approx(1.5)


# What is not quantified is named and never zero.


def test_a_spread_that_nobody_states_leaves_a_cost_without_an_interval(tmp_path):
    found = at(tmp_path, a_place(pue=1.3, idle_ratio=0.1), {"gpu:a": {}})
    spread = found.spreads["a"]
    assert spread.interval is None
    assert set(spread.not_quantified) == {
        power_name("gpu:a"),
        "PUE overhead at the lab's grid",
        "intensity of the lab's grid",
        "shares at the lab's grid",
    }
    origins = {name: factor.origin for name, factor in found.doubt.model.factors.items()}
    assert origins[power_name("gpu:a")] == "nobody states how accurate its sensor is"
    assert "states no spread" in origins["PUE overhead at the lab's grid"]


def test_a_cost_has_an_interval_where_every_factor_has_a_spread(tmp_path):
    found = at(tmp_path, a_place(grids=(a_grid(gsd_ratio=1.1),), pue=1.3, pue_gsd_ratio=1.05))
    for name in ("a", "b"):
        spread = found.spreads[name]
        assert spread.interval is not None
        assert spread.interval.low < spread.value < spread.interval.high
        assert spread.agree


def test_a_formula_has_no_gain(tmp_path):
    found = at(tmp_path, components={"cpu:process": {"tier": Tier.ESTIMATED, "gain_fraction": 0.05}})
    assert found.doubt.model.factors[power_name("cpu:process")].gsd_ratio is None


def test_the_edges_of_windows_are_of_the_ledger_in_which_they_stand(tmp_path):
    found = at(tmp_path, components={"gpu:a": {"gain_fraction": 0.0, "tick_s": 0.1}}, seeds=1)
    edges = [name for name in found.doubt.model.factors if name.startswith("edges of")]
    assert sorted(edges) == ["edges of a, each, gpu:a", "edges of a, once, gpu:a", "edges of b, each, gpu:a"]
    known = found.spreads[RATIO].quantified_only
    assert known.low < 1.5 < known.high


def test_edges_of_shared_work_are_the_same_for_both(tmp_path):
    found = look(record_study(tmp_path), Sites(sites=(a_place(),)))
    # Simulated power has no sensor, so it has neither a gain nor edges.
    assert not [name for name in found.doubt.model.factors if name.startswith("edges")]


@pytest.mark.parametrize("once_s", [1.0, 1e-3, 1e-6])
def test_a_phase_below_the_resolution_of_its_sensor_widens_a_cost_by_that_resolution(tmp_path, once_s):
    """Its joules are unsure by about what the sensor counts in a tick: 0.06 J of the 2 J that the search took."""
    components = {"gpu:a": {"gain_fraction": 0.0, "tick_s": 0.1}}
    exact, strategies = a_place(grids=(a_grid(gsd_ratio=1.0),)), {"a": (once_s, 2.0), "b": (0.0, 8.0)}
    spread = at(tmp_path, exact, components, strategies, seeds=1).spreads["a"]
    known = spread.quantified_only
    assert spread.value / 1.2 < known.low < known.high < spread.value * 1.2


# Two sites, two factors.


def two_sites(folder, one: Site, other: Site, components=None) -> Looked:
    sites = Sites(sites=(replace(one, ledgers=("a-*",)), replace(other, ledgers=("b-*",))))
    return look(
        gauged(
            folder,
            TWO,
            components or {"a gpu:a": {"gain_fraction": 0.0}, "b gpu:b": {"gain_fraction": 0.0}},
            seeds=ALIKE,
        ),
        sites,
    )


def test_intensities_of_two_grids_do_not_cancel(tmp_path):
    found = two_sites(
        tmp_path,
        a_place(grids=(a_grid(100.0, name="here", gsd_ratio=1.1),)),
        a_place(grids=(a_grid(200.0, name="there", gsd_ratio=1.1),)),
    )
    assert found.spreads[RATIO].value == pytest.approx(12.0 * 100.0 / (8.0 * 200.0))
    low, high = ends(found, RATIO)
    assert high / low == pytest.approx(1.1 ** (2 * 1.96 * 2**0.5), rel=0.1)


def test_one_grid_at_two_sites_is_one_factor(tmp_path):
    grid = a_grid(gsd_ratio=1.5)
    found = two_sites(tmp_path, a_place(grids=(grid,), name="one"), a_place(grids=(grid,), name="two"))
    low, high = ends(found, RATIO)
    assert low == high


def test_two_pues_do_not_cancel_even_on_one_grid(tmp_path):
    grid = a_grid(gsd_ratio=1.0)
    found = two_sites(
        tmp_path,
        a_place(grids=(grid,), pue=1.2, pue_gsd_ratio=1.2),
        a_place(grids=(grid,), pue=2.0, pue_gsd_ratio=1.05),
    )
    low, high = ends(found, RATIO)
    assert low < found.spreads[RATIO].value < high


def test_own_factors_without_a_name_are_two_factors(tmp_path):
    one, other = (
        SiteFile(
            location=FactorFile(intensity_g_per_kwh=grams, basis="direct", source=source, gsd_ratio=gsd_ratio)
        ).site()
        for grams, source, gsd_ratio in ((100.0, "meter of one", 1.1), (500.0, "meter of the other", 1.5))
    )
    found = two_sites(tmp_path, one, other)
    low, high = ends(found, RATIO)
    assert low < found.spreads[RATIO].value < high


def test_sensors_of_two_sites_are_two_sensors_whatever_their_names(tmp_path):
    grid = a_grid(gsd_ratio=1.0)
    found = two_sites(
        tmp_path,
        a_place(grids=(grid,), name="one"),
        a_place(grids=(grid,), name="two"),
        {"cpu:package-0": {"gain_fraction": 0.05}},
    )
    low, high = ends(found, RATIO)
    assert low < high


def test_at_two_sites_the_crossing_is_one_of_co2e_from_whoever_emits_more_once(tmp_path):
    """By energy `a` pays more once and its rival is met at 1.5 scenarios; by CO2e it is the other way round."""
    here = a_place(grids=(a_grid(1.0, name="clean"),), ledgers=("a-*",))
    there = a_place(grids=(a_grid(1000.0, name="dirty"),), ledgers=("b-*",))
    found = look(gauged(tmp_path, {"a": (10.0, 2.0), "b": (1.0, 8.0)}), Sites(sites=(here, there)))
    (break_even,) = found.comparison.break_evens
    assert (break_even.upfront, break_even.n_ratio) == ("a", pytest.approx(1.5))
    assert found.spreads[RATIO].value == pytest.approx(12.0 / 9_000.0)
    assert CROSSING not in found.spreads
    assert break_even_name("b", "a") not in found.spreads
    assert found.spreads["N* by CO2e, b against a"].value is None
    assert found.doubt.of == "CO2e"


def test_a_spread_is_that_of_a_number_only_if_their_values_are_the_same(tmp_path):
    found = at(tmp_path)
    (break_even,) = found.comparison.break_evens
    assert found.doubt.of == "energy"
    assert same(found.spreads[CROSSING], break_even.n_ratio)
    assert not same(found.spreads[CROSSING], break_even.n_ratio * (1 + 1e-6))
    assert not same(found.spreads[CROSSING], None)
    assert not same(None, 1.0)


# A building never uses less than its computers.


@settings(max_examples=30, deadline=None)
@given(st.floats(1.0, 3.0), st.floats(1.0, 4.0), st.integers(0, 9))
def test_facility_energy_is_at_least_it_energy_in_every_draw(pue, gsd_ratio, seed):
    place = a_place(pue=pue, pue_gsd_ratio=gsd_ratio)
    with TemporaryDirectory() as folder:
        model = at(Path(folder), place, seeds=1).doubt.model
    name = "PUE overhead at the lab's grid"
    effective = pue * draw(model, seed=seed, draws=1_000)[name]
    assert effective.min() >= 1.0 - 1e-12
    assert effective.mean() == pytest.approx(1.0 + (pue - 1.0) * exp(log(gsd_ratio) ** 2 / 2), rel=0.5)


def test_the_spread_of_a_pue_is_one_of_the_overhead(tmp_path):
    place = a_place(grids=(a_grid(gsd_ratio=1.0),), pue=1.05, pue_gsd_ratio=1.3)
    found = at(tmp_path, place, {"gpu:a": {"gain_fraction": 0.0}})
    low, high = ends(found, "a")
    it_kg, reach = 12.0 / KWH_J * 0.1, 1.3**1.959964
    assert low == pytest.approx(it_kg * (1.0 + 0.05 / reach), rel=3e-3)
    assert high == pytest.approx(it_kg * (1.0 + 0.05 * reach), rel=3e-3)


# By contract, at the margin, and with the making of hardware.

TOLD = a_place(
    # So dirty that it can be seen beside hardware.
    grids=(a_grid(1e6, gsd_ratio=1.1),),
    market=a_grid(9.0, Kind.MARKET, name="a contract", gsd_ratio=1.2),
    marginal=a_grid(700.0, Kind.MARGINAL, name="the margin", gsd_ratio=1.3),
    embodied=(an_item("gpu:*", gsd_ratio=2.0),),
)


def test_other_views_have_the_values_of_the_comparison_and_spreads_of_their_own(tmp_path):
    found = at(tmp_path, TOLD, {"gpu:a": {"gain_fraction": 0.0}})
    spreads = found.spreads
    for cost in found.comparison.strategies:
        masses, name = cost.masses_kg, cost.strategy
        assert spreads[f"{name}, market-based"].value == pytest.approx(masses["market"])
        assert spreads[f"{name}, marginal"].value == pytest.approx(masses["marginal"])
        assert spreads[f"{name}, embodied"].value == pytest.approx(masses["embodied"])
        whole = spreads[f"{name}, in operation and embodied"]
        assert whole.value == pytest.approx(masses["location"] + masses["embodied"])
        for view, gsd_ratio in (("market-based", 1.2), ("marginal", 1.3), ("embodied", 2.0)):
            low, high = ends(found, f"{name}, {view}")
            assert high / low == pytest.approx(gsd_ratio ** (2 * 1.96), rel=0.1)
        swings = tornado(found.doubt.model, found.doubt.derived, whole.name)
        assert swings[0].factor == "making of gpu:*"
        assert {"intensity of the lab's grid", "making of gpu:*"} == {swing.factor for swing in drawn(swings)}
    assert "intensity of a contract" in found.doubt.model.factors


def test_several_seeds_and_scenarios_count_as_in_the_comparison(tmp_path):
    place = replace(TOLD, embodied=(an_item("*", includes=("cpu",)),))
    found = look(record_study(tmp_path, seeds=2), Sites(sites=(place,)))
    for cost in found.comparison.strategies:
        for view, key in (("market-based", "market"), ("embodied", "embodied")):
            assert found.spreads[f"{cost.strategy}, {view}"].value == pytest.approx(cost.masses_kg[key])


def test_a_view_that_one_of_its_sites_does_not_tell_of_is_not_there(tmp_path):
    found = two_sites(tmp_path, TOLD, a_place(300.0, name="there"))
    assert {"a, market-based", "a, embodied", "a, in operation and embodied"} <= set(found.doubt.shown)
    assert not [name for name in found.doubt.shown if name.startswith("b,")]


def test_a_contract_and_a_grid_of_one_name_are_two_factors(tmp_path):
    found = at(tmp_path, a_place(market=a_grid(9.0, Kind.MARKET)))
    assert {name for name in found.doubt.model.factors if name.startswith("intensity")} == {
        "intensity of the lab's grid (1)",
        "intensity of the lab's grid (2)",
    }


def test_a_spread_of_hardware_that_nobody_states_is_named(tmp_path):
    found = at(tmp_path, a_place(grids=(a_grid(gsd_ratio=1.1),), embodied=(an_item(),)))
    assert found.spreads["a, embodied"].not_quantified == ("making of gpu:*",)
    assert found.spreads["a"].interval is not None


def test_without_a_named_site_joules_are_not_added_to_kilograms(tmp_path):
    found = at(tmp_path, replace(site(), embodied=(an_item(),)))
    assert "a, embodied" in found.doubt.shown
    assert "a, in operation and embodied" not in found.doubt.shown
