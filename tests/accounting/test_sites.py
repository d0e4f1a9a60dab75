"""Several sites in one report: every ledger is charged by its own, and by no other."""

from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.accounting import account
from carbon_nas.accounting.grid import Kind
from carbon_nas.accounting.quantities import LocationBasedMass
from carbon_nas.accounting.site import Site, site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.comparison.findings import find
from carbon_nas.errors import InvalidSite, MixedQuantities
from carbon_nas.ledger import read
from tests.accounting.places import a_grid, a_place, an_item
from tests.recorded import record_study

# One strategy in a hall of 100 g/kWh with a contract, its rival in one of 400 g/kWh without, tables made at the first.
HERE = a_place(100.0, name="here", pue=1.5, market=a_grid(10.0, Kind.MARKET), ledgers=("upfront-*", "profiling*"))
THERE = a_place(400.0, name="there", pue=1.25, ledgers=("repeated-*",))
G_PER_J = {"here": 100.0 * 1.5 / 3.6e6, "there": 400.0 * 1.25 / 3.6e6}


def compared(folder: Path, *places: Site) -> Comparison:
    sites, runs = Sites(sites=places), read(folder / "ledger")
    return compare([account(run, sites.of(run.path.name)) for run in runs], deliveries(runs))


@pytest.mark.parametrize(
    ("ledger", "why"), [("c.jsonl", "no site"), ("ab.jsonl", r"2 sites \(one and two\)"), ("A.jsonl", "no site")]
)
def test_a_ledger_belongs_to_one_site_and_the_error_names_the_cure(ledger, why):
    sites = Sites(sites=(a_place(name="one", ledgers=("a*",)), a_place(name="two", ledgers=("*b.jsonl",))))
    with pytest.raises(InvalidSite, match=rf"the ledger {ledger} belongs to {why}; name the ledgers .* ledgers = \["):
        sites.of(ledger)


def test_the_site_of_a_ledger_is_the_one_that_claims_it():
    sites = Sites(sites=(HERE, THERE))
    assert sites.of("upfront-seed0.jsonl") is HERE
    assert sites.of("repeated-seed7.jsonl") is THERE


def test_one_site_may_leave_ledgers_out_and_then_says_so():
    with pytest.raises(InvalidSite, match="no site"):
        Sites(sites=(HERE,)).of("repeated-seed0.jsonl")


def test_places_that_stand_in_cannot_be_one_of_several():
    with pytest.raises(InvalidSite, match="not all of them say where they are"):
        Sites(sites=(HERE, site()))


@pytest.mark.parametrize(
    "building", [a_place(name="hall", pue=1.2), a_place(name="hall", pue=1.0), a_place(facility_metered=True)]
)
def test_computers_at_one_site_and_a_building_at_another_have_no_sum(building):
    for places in ((a_place(name="bare"), building), (building, a_place(name="bare"))):
        with pytest.raises(InvalidSite, match=r"IT energy at one site.*have no sum; give every site a PUE, or none"):
            Sites(sites=places)


def test_a_building_that_was_metered_and_one_that_was_reckoned_are_two_buildings():
    sites = Sites(sites=(a_place(name="reckoned", pue=1.2), a_place(name="metered", facility_metered=True)))
    assert sites.boundary == "facility energy, PUE 1.2 or facility energy as metered"


def test_several_sites_say_what_each_of_them_covers():
    sites = Sites(sites=(HERE, THERE))
    assert sites.only is None
    assert sites.boundary == "facility energy, PUE 1.5 or facility energy, PUE 1.25"
    assert sites.place == "here: the lab's grid and there: the lab's grid"
    assert sites.label.count(";") == 3


@pytest.mark.parametrize(
    ("place", "beside", "bare"),
    [
        (a_place(), a_place(name="bare"), True),
        (a_place(pue=1.0), a_place(name="bare", pue=1.0), True),
        (a_place(pue=1.1), a_place(name="bare", pue=1.0), False),
        (a_place(host_ratio=0.1), a_place(name="bare"), False),
        (a_place(facility_metered=True), a_place(name="bare", pue=1.0), False),
    ],
)
def test_energy_is_bare_where_nothing_is_added_to_what_was_metered(place, beside, bare):
    assert Sites(sites=(place,)).bare is bare
    assert Sites(sites=(beside, place)).bare is bare


def test_a_title_names_a_grid_only_where_there_is_one():
    assert [view.title for view in Sites(sites=(a_place(),)).views] == ["CO2e, the lab's grid"]
    two = Sites(sites=(a_place(name="one"), a_place(name="two")))
    assert [view.title for view in two.views] == ["CO2e, location-based"]


def test_each_strategy_is_charged_by_its_own_site_and_shared_work_by_its(tmp_path):
    upfront, repeated = compared(record_study(tmp_path), HERE, THERE).strategies
    # 100 J once, 2 and 4 J a search; tables for 12 J, charged in full to both and made here.
    assert upfront.masses_kg["location"] == pytest.approx((106.0 + 12.0) * G_PER_J["here"] / 1e3)
    assert repeated.masses_kg["location"] == pytest.approx((80.0 * G_PER_J["there"] + 12.0 * G_PER_J["here"]) / 1e3)
    assert upfront.facility_j == pytest.approx(118.0 * 1.5)
    assert repeated.facility_j == pytest.approx(80.0 * 1.25 + 12.0 * 1.5)


def test_it_energy_is_the_same_wherever_it_was_used(tmp_path):
    folder = record_study(tmp_path)
    costs = [compared(folder, *places).strategies for places in ((HERE, THERE), (a_place(),))]
    assert [[cost.energy_j for cost in found] for found in costs] == [[118.0, 92.0]] * 2


def test_a_view_that_one_site_lacks_is_not_known_there(tmp_path):
    comparison = compared(record_study(tmp_path), HERE, THERE)
    assert [view.key for view in comparison.views] == ["location", "market"]
    upfront, repeated = comparison.strategies
    assert upfront.masses_kg["market"] == pytest.approx(118.0 * 10.0 * 1.5 / 3.6e6 / 1e3)
    assert repeated.masses_kg["market"] is None
    own = {phase.name: phase.masses_kg["market"] for phase in comparison.phases if phase.strategy == "repeated"}
    # The tables have a contract, and what is not known about the rest is not put in its place.
    assert own["search"] is None
    assert own["profile"] == pytest.approx(12.0 * 10.0 * 1.5 / 3.6e6 / 1e3)


def test_energies_of_a_hall_and_of_computers_have_no_sum(tmp_path):
    bare = replace(THERE, pue=None)
    one, other, _ = (account(run, bare if "repeated" in run.path.name else HERE) for run in _runs(tmp_path))
    with pytest.raises(MixedQuantities):
        one.energy + other.energy
    assert isinstance(one.location_based + other.location_based, LocationBasedMass)


def _runs(folder: Path):
    runs = {run.header.strategy: run for run in read(record_study(folder) / "ledger")}
    return runs["upfront"], runs["repeated"], runs["profiling"]


def test_a_ledger_that_no_site_claims_is_in_no_finding(tmp_path):
    folder = record_study(tmp_path)
    with pytest.raises(InvalidSite, match=r"profiling.jsonl belongs to no site"):
        find(read(folder / "ledger"), Sites(sites=(replace(HERE, ledgers=("upfront*",)), THERE)))


def test_findings_at_two_sites_are_those_of_the_comparison(tmp_path):
    folder = record_study(tmp_path)
    found = find(read(folder / "ledger"), Sites(sites=(HERE, THERE)))
    assert found.comparison.strategies == compared(folder, HERE, THERE).strategies
    for cost in found.comparison.strategies:
        assert found.spreads[cost.strategy].value == pytest.approx(cost.masses_kg["location"])


def test_sites_are_used_whatever_their_order(tmp_path):
    folder = record_study(tmp_path)
    assert compared(folder, HERE, THERE).strategies == compared(folder, THERE, HERE).strategies


# Hardware that is charged is hardware that was there.

METERED = {"a-0.jsonl": ("gpu:a", "dram"), "b-0.jsonl": ("cpu:package-0",)}


@pytest.mark.parametrize("component", ["gpu:*", "gpu:a", "*", "dram", "cpu:package-?"])
def test_hardware_that_any_ledger_of_the_site_metered_is_there(component):
    # A pattern for several kinds has to tell what it is for.
    includes = ("cpu", "dram") if component == "*" else ()
    Sites(sites=(a_place(embodied=(an_item(component, includes=includes),)),)).check_hardware(METERED)


@pytest.mark.parametrize("component", ["tpu:*", "gpu", "GPU:*", "gpu:b"])
def test_hardware_that_no_ledger_metered_is_refused_by_name(component):
    pieces = (an_item("dram"), an_item(component, name="a board"))
    with pytest.raises(InvalidSite) as refusal:
        Sites(sites=(a_place(embodied=pieces),)).check_hardware(METERED)
    assert str(refusal.value) == (
        f"embodied: the embodied carbon of a board belongs to {component}, which was never metered here; "
        "give a component that matches one of cpu:package-0, dram, gpu:a"
    )


def test_hardware_of_one_site_is_not_there_because_another_has_it():
    here = a_place(name="here", ledgers=("a-*",), embodied=(an_item("gpu:*"),))
    there = a_place(name="there", ledgers=("b-*",))
    Sites(sites=(here, there)).check_hardware(METERED)
    with pytest.raises(InvalidSite, match=r"gpu:\*.*matches one of cpu:package-0"):
        Sites(sites=(replace(here, ledgers=("b-*",)), replace(there, ledgers=("a-*",)))).check_hardware(METERED)


@pytest.mark.parametrize("pieces", [(), (an_item("gpu:*"),)])
def test_a_site_without_a_ledger_is_refused_and_the_ledgers_are_named(pieces):
    sites = Sites(sites=(a_place(ledgers=("a-*", "b-*")), a_place(name="idle", ledgers=("c-*",), embodied=pieces)))
    with pytest.raises(
        InvalidSite, match=r"^ledgers: the patterns of idle match no ledger; there are a-0\.jsonl, b-0\.jsonl$"
    ):
        sites.check_hardware(METERED)


def test_a_site_without_hardware_asks_for_no_component():
    Sites(sites=(a_place(name="here", ledgers=("a-*",)), a_place(ledgers=("b-*",)))).check_hardware(METERED)
