"""A statement: every entry of a run with its site applied, as quantities that keep their kind."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting import Statement, account, metered_kg, site
from carbon_nas.accounting.grid import Kind
from carbon_nas.accounting.quantities import (
    FacilityEnergy,
    ItEnergy,
    LocationBasedMass,
    MarketBasedMass,
)
from carbon_nas.accounting.series import Gaps
from carbon_nas.errors import IncompleteSeries, InvalidSite, MixedQuantities, UnknownQuantity
from carbon_nas.ledger import Run, Scope, read, read_run
from carbon_nas.meters import Component, ManualClock, Reading
from carbon_nas.recorder import Recorder
from carbon_nas.sources import Tier
from tests.accounting.places import KWH_J, NEW_YEAR, a_grid, a_place, a_series, an_item, record
from tests.gauge import Gauge
from tests.recorded import record_study

KEPT = Path(__file__).parents[2] / "reports"

joules = st.floats(min_value=0, max_value=1e15)


def test_one_kilowatt_hour_on_a_100_gram_grid_is_100_grams() -> None:
    assert metered_kg(3.6e6, factor_ratio=1.0, intensity_g_per_kwh=100.0) == 0.1
    assert metered_kg(3.6e6, factor_ratio=1.5, intensity_g_per_kwh=100.0) == pytest.approx(0.15)


@given(joules, joules)
def test_emissions_are_linear_in_energy(one_j: float, other_j: float) -> None:
    def mass(energy_j: float) -> float:
        return metered_kg(energy_j, factor_ratio=1.2, intensity_g_per_kwh=56.0)

    assert mass(one_j + other_j) == pytest.approx(mass(one_j) + mass(other_j))


@pytest.mark.parametrize("pue", [0.99, 0.0, -1.0, float("nan"), float("inf")])
def test_a_pue_below_one_is_refused(pue: float) -> None:
    with pytest.raises(InvalidSite, match="PUE"):
        site("FR", pue)


def test_without_a_site_three_grids_stand_in_and_say_so() -> None:
    unknown = site()
    assert len(unknown.grids) == 3
    assert unknown.label == "site not given; IT energy only"
    assert unknown.factor_ratio == 1.0


def test_a_site_names_its_place_and_its_boundary() -> None:
    assert site("FR", 1.2).label == "France, 2023; facility energy, PUE 1.2"


def test_a_statement_has_an_entry_per_phase_with_its_tier(tmp_path: Path) -> None:
    run = next(run for run in read(record_study(tmp_path) / "ledger") if run.header.strategy == "upfront")
    statement = account(run, site("FR"))
    assert [(entry.name, entry.scenario, entry.energy_j) for entry in statement.entries] == [
        ("train", None, 100.0),
        ("search", "slow", 2.0),
        ("search", "fast", 4.0),
    ]
    assert {entry.tier for entry in statement.entries} == {Tier.MODELLED}


class _LostGpu:
    """A CPU that is known and a GPU that stops answering."""

    components = (
        Component(name="cpu:process", tier=Tier.ESTIMATED, method="made up"),
        Component(name="gpu:lost", tier=Tier.MEASURED, method="made up"),
    )

    def __init__(self) -> None:
        self._reads = 0

    def read(self) -> tuple[Reading, ...]:
        self._reads += 1
        gpu_j = 0.0 if self._reads == 1 else None
        return (
            Reading(component="cpu:process", energy_j=float(self._reads), device_s=0.0),
            Reading(component="gpu:lost", energy_j=gpu_j, device_s=0.0),
        )

    def close(self) -> None:
        pass


def test_an_unknown_component_makes_the_sum_unknown_and_the_weakest_tier_wins(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with (
        Recorder(path, strategy="a", meters=[_LostGpu()], clock=ManualClock(), heartbeat_interval_s=None) as recorder,
        recorder.phase("train", scope=Scope.ONCE),
    ):
        pass
    (entry,) = account(read_run(path), site("FR")).entries
    assert entry.energy_j is None
    assert entry.known_energy_j == 1.0
    assert entry.tier is Tier.ESTIMATED


# Totals are of one kind each.


def test_totals_are_sums_over_entries_each_of_its_kind(tmp_path):
    place = a_place(100.0, pue=1.5, market=a_grid(10.0, Kind.MARKET), embodied=(an_item(mass_kg=50.0),))
    # A kilowatt-hour in an hour, and two in half an hour.
    found = account(record(tmp_path / "run.jsonl", (3600.0, 1000.0), (1800.0, 4000.0)), place)
    assert found.energy == FacilityEnergy(1.5 * 3 * KWH_J)
    assert found.location_based == LocationBasedMass.of_g(100.0 * 1.5 * 3)
    assert found.market_based == MarketBasedMass.of_g(10.0 * 1.5 * 3)
    assert found.embodied.kg == 50.0 * 5400 / 1e5
    assert [entry.facility_j for entry in found.entries] == [1.5 * KWH_J, 3.0 * KWH_J]


def test_location_based_and_market_based_stand_side_by_side(tmp_path):
    place = a_place(100.0, market=a_grid(10.0, Kind.MARKET))
    found = account(record(tmp_path / "run.jsonl", (3600.0, 1000.0)), place)
    (entry,) = found.entries
    assert entry.mass_kg == {"location": 0.1, "market": 0.01}
    with pytest.raises(MixedQuantities):
        found.location_based + found.market_based
    with pytest.raises(MixedQuantities):
        sum(entry.masses.values(), LocationBasedMass(0))


def test_energies_of_computers_and_of_their_building_have_no_sum(tmp_path):
    run = record(tmp_path / "run.jsonl", (3600.0, 1000.0))
    assert account(run, a_place()).energy == ItEnergy(KWH_J)
    with pytest.raises(MixedQuantities):
        account(run, a_place()).energy + account(run, a_place(pue=1.0)).energy


def test_a_pue_is_applied_once_to_everything_by_electricity_and_to_no_hardware(tmp_path):
    run = record(tmp_path / "run.jsonl", (3600.0, 1000.0))
    facts = {"market": a_grid(10.0, Kind.MARKET), "marginal": a_grid(900.0, Kind.MARGINAL), "embodied": (an_item(),)}
    bare, housed = (account(run, a_place(pue=pue, **facts)).entries[0] for pue in (None, 2.0))
    metered = account(run, a_place(facility_metered=True, **facts)).entries[0]
    for view in ("location", "market", "marginal"):
        assert housed.masses[view] == bare.masses[view] * 2
        assert metered.masses[view] == bare.masses[view]
    assert housed.masses["embodied"] == bare.masses["embodied"]


@pytest.mark.parametrize(("total", "view"), [("market_based", "market"), ("embodied", "embodied")])
def test_what_the_site_does_not_tell_is_not_known_and_not_zero(tmp_path, total, view):
    found = account(record(tmp_path / "run.jsonl", (1.0, 1.0)), a_place())
    # Nor is it zero where there is nothing to add up.
    for one in (found, replace(found, entries=())):
        with pytest.raises(
            UnknownQuantity, match=f"^the lab's grid: the {view} CO2e is not known; describe the site in a site file$"
        ):
            getattr(one, total)


def test_nothing_at_a_site_that_tells_everything_is_zero(tmp_path):
    place = a_place(pue=1.5, market=a_grid(10.0, Kind.MARKET), embodied=(an_item(),))
    found = replace(account(record(tmp_path / "run.jsonl", (1.0, 1.0)), place), entries=())
    assert (found.location_based.kg, found.market_based.kg, found.embodied.kg) == (0.0, 0.0, 0.0)


def test_a_site_that_was_not_named_has_no_location_based_total(tmp_path):
    found = account(record(tmp_path / "run.jsonl", (1.0, 1.0)), site())
    with pytest.raises(UnknownQuantity):
        _ = found.location_based
    assert len(found.entries[0].masses) == 3


def test_an_entry_of_unknown_energy_has_no_mass_and_no_total(tmp_path):
    whole = account(record(tmp_path / "run.jsonl", (3600.0, 1000.0)), a_place(market=a_grid(1.0, Kind.MARKET)))
    blind = replace(whole, entries=(*whole.entries, replace(whole.entries[0], energy_j=None, masses={})))
    for total in ("energy", "location_based", "market_based"):
        with pytest.raises(UnknownQuantity):
            getattr(blind, total)


def test_lost_components_leave_an_entry_without_facility_energy_and_mass(tmp_path):
    path = tmp_path / "run.jsonl"
    with (
        Recorder(path, strategy="a", meters=[_LostGpu()], clock=ManualClock(), heartbeat_interval_s=None) as recorder,
        recorder.phase("train", scope=Scope.ONCE),
    ):
        pass
    place = a_place(pue=1.5, embodied=(an_item("cpu:*"),), hourly=a_series(None, 1.0), hourly_gaps=Gaps.FILL)
    (entry,) = account(read_run(path), place).entries
    assert (entry.facility_j, entry.mass_kg, entry.filled_share) == (None, {}, {})


# Linear in energy, exactly.


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An hour, and half of the next one after it."""
    return record(tmp_path_factory.mktemp("hours") / "run.jsonl", (3600.0, 1000.0), (1800.0, 2000.0))


def scaled(run: Run, factor: float) -> Run:
    activities = (
        replace(one, energy_j={name: (joules or 0.0) * factor for name, joules in one.energy_j.items()})
        for one in run.activities
    )
    return replace(run, activities=tuple(activities))


def everywhere(**facts: object):
    return a_place(
        56.039,
        market=a_grid(7.3, Kind.MARKET),
        hourly=a_series(33.3, 512.7),
        marginal=a_series(700.1, 0.1, kind=Kind.MARGINAL),
        **facts,
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**20), st.integers(0, 2**20), st.sampled_from([None, 1.0, 1.1, 1.58]))
def test_a_statement_is_linear_in_energy_by_every_view(hours, one, other, pue):
    place = everywhere(pue=pue)
    parts, whole = (
        [account(scaled(hours, factor), place).entries for factor in factors]
        for factors in ((one, other), (one + other,))
    )
    for first, second, both in zip(*parts, *whole, strict=True):
        assert {view: first.masses[view] + second.masses[view] for view in first.masses} == both.masses


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from([None, 1.25, 1.58]))
def test_totals_are_linear_in_energy(hours, factor, pue):
    once, often = (account(scaled(hours, number), everywhere(pue=pue)) for number in (1, factor))
    assert often.energy == once.energy * factor
    assert often.location_based == once.location_based * factor
    assert often.market_based == once.market_based * factor


# By the hour.


def test_by_the_hour_energy_is_weighed_by_when_it_was_used(tmp_path):
    # 3 kWh in the first hour at 100 g, 1 kWh in the second at 500 g: 800 g, where the mean over time gives 1,200 g.
    run = record(tmp_path / "run.jsonl", (3600.0, 3000.0), (3600.0, 1000.0))
    place = a_place(300.0, hourly=a_series(100.0, 500.0))
    first, second = account(run, place).entries
    assert (first.mass_kg["hourly"], second.mass_kg["hourly"]) == (0.3, 0.5)
    assert (first.mass_kg["location"], second.mass_kg["location"]) == (0.9, 0.3)


def test_a_phase_across_the_hour_has_the_mean_over_its_time(tmp_path):
    run = record(tmp_path / "run.jsonl", (2700.0, 0.0), (3600.0, 1000.0))
    _, across = account(run, a_place(hourly=a_series(100.0, 500.0))).entries
    assert across.masses["hourly"] == LocationBasedMass.of_g(0.25 * 100.0 + 0.75 * 500.0)


def test_hours_beyond_the_series_are_refused_or_filled_as_was_asked(tmp_path):
    run = record(tmp_path / "run.jsonl", (3600.0, 1000.0), (3600.0, 1000.0), (3600.0, 1000.0))
    place = a_place(hourly=a_series(100.0, None, 500.0))
    with pytest.raises(IncompleteSeries, match="2020-01-01T01:00"):
        account(run, place)
    filled = account(run, replace(place, hourly_gaps=Gaps.FILL)).entries
    assert [entry.mass_kg["hourly"] for entry in filled] == [0.1, 0.3, 0.5]
    assert [entry.filled_share for entry in filled] == [{"hourly": 0.0}, {"hourly": 1.0}, {"hourly": 0.0}]


def test_a_phase_that_begins_in_a_gap_tells_for_how_much_of_it_nobody_knows(tmp_path):
    run = record(tmp_path / "run.jsonl", (2700.0, 0.0), (3600.0, 1000.0))
    _, across = account(run, a_place(hourly=a_series(None, 500.0), hourly_gaps=Gaps.FILL)).entries
    assert across.filled_share == {"hourly": 0.25}
    assert across.masses["hourly"] == LocationBasedMass.of_g(500.0)


def test_only_what_goes_by_the_clock_can_have_gaps(tmp_path):
    run = record(tmp_path / "run.jsonl", (3600.0, 1000.0))
    place = a_place(market=a_grid(1.0, Kind.MARKET), marginal=a_grid(700.0, Kind.MARGINAL), embodied=(an_item(),))
    assert account(run, place).entries[0].filled_share == {}


def test_marginal_hours_have_a_rule_for_gaps_of_their_own(tmp_path):
    run = record(tmp_path / "run.jsonl", (3600.0, 1000.0), (3600.0, 1000.0))
    place = a_place(hourly=a_series(100.0, None), marginal=a_series(800.0, 900.0, kind=Kind.MARGINAL))
    with pytest.raises(IncompleteSeries):
        account(run, replace(place, marginal_gaps=Gaps.FILL))
    found = account(run, replace(place, hourly_gaps=Gaps.FILL)).entries
    assert [entry.mass_kg["marginal"] for entry in found] == [0.8, 0.9]


def test_times_are_counted_from_the_wall_clock_of_each_session(tmp_path):
    run = record(tmp_path / "run.jsonl", (3600.0, 1000.0))
    (session,) = run.sessions
    later = replace(session, utc=(NEW_YEAR + timedelta(hours=1)).isoformat())
    (entry,) = account(replace(run, sessions=(later,)), a_place(hourly=a_series(100.0, 500.0))).entries
    assert entry.mass_kg["hourly"] == 0.5


@pytest.mark.parametrize("forget", ["edges", "session"])
def test_a_ledger_that_does_not_tell_the_time_cannot_be_charged_by_the_hour(tmp_path, forget):
    run = record(tmp_path / "run.jsonl", (3600.0, 1000.0))
    if forget == "edges":
        run = replace(run, activities=tuple(replace(one, began_s=None, ended_s=None) for one in run.activities))
    else:
        run = replace(run, sessions=tuple(replace(one, utc="") for one in run.sessions))
    assert account(run, a_place()).entries[0].mass_kg == {"location": 0.1}
    with pytest.raises(InvalidSite, match=r"nobody knows when this energy was used.*use a yearly factor"):
        account(run, a_place(hourly=a_series(1.0)))


def test_ledgers_of_the_first_schema_tell_the_time():
    day = replace(a_series(*[100.0] * 24), start_utc=NEW_YEAR.replace(year=2026, month=11, day=22))
    for run in read(KEPT / "digits-cpu" / "ledger"):
        assert run.header.schema == 1
        for entry in account(run, a_place(100.0, hourly=day)).entries:
            assert entry.masses["hourly"] == entry.masses["location"]
        with pytest.raises(IncompleteSeries, match="2026-11-22"):
            account(run, a_place(hourly=a_series(100.0)))


# Hardware wears by the clock, once.


def nested(path: Path, *gauges: Gauge, clock: ManualClock) -> Statement:
    """Ten seconds, four of which belong to a phase within."""
    with (
        Recorder(path, strategy="a", meters=gauges, clock=clock, heartbeat_interval_s=None) as recorder,
        recorder.phase("outer"),
    ):
        clock.advance(3.0)
        with recorder.phase("inner"):
            clock.advance(4.0)
        clock.advance(3.0)
    # A gram a second for a GPU, a tenth of that for the machine.
    pieces = (an_item("gpu:*", lifetime_s=1e5, mass_kg=128.0), an_item("*", mass_kg=12.8, includes=("cpu", "dram")))
    return account(read_run(path), a_place(embodied=pieces))


def test_phases_within_phases_wear_hardware_once(tmp_path):
    clock = ManualClock()
    found = nested(tmp_path / "run.jsonl", Gauge(clock, "gpu:a"), Gauge(clock, "gpu:b"), clock=clock)
    assert {entry.phase: entry.own_s for entry in found.entries} == {"inner": 4.0, "outer": 6.0}
    worn = {entry.phase: entry.mass_kg["embodied"] for entry in found.entries}
    assert worn == {"inner": pytest.approx(4.0 * 1.408e-3), "outer": pytest.approx(6.0 * 1.408e-3)}
    assert found.embodied.kg == pytest.approx(10.0 * 1.408e-3)


def test_hardware_of_a_kind_that_nobody_metered_is_not_worn(tmp_path):
    clock = ManualClock()
    found = nested(tmp_path / "run.jsonl", Gauge(clock, "cpu:package-0"), clock=clock)
    assert found.embodied.kg == pytest.approx(10.0 * 0.128e-3)


# Nothing is counted twice.


@pytest.mark.parametrize("component", ["cpu:process", "cpu:package-0", "dram"])
def test_a_host_share_is_refused_beside_a_host_that_was_metered(tmp_path, component):
    run = record(tmp_path / "run.jsonl", (1.0, 1.0), component=component)
    with pytest.raises(InvalidSite, match=rf"0\.3 beside {component}.*counts the host twice; leave the share out"):
        account(run, a_place(host_ratio=0.3))
    assert account(run, a_place(host_ratio=0.0)).energy == ItEnergy(1.0)


def test_a_host_share_and_an_idle_share_are_added_where_only_gpus_were_metered(tmp_path):
    run = record(tmp_path / "run.jsonl", (1.0, 8.0))
    found = account(run, a_place(host_ratio=0.5, idle_ratio=0.25, pue=2.0))
    assert found.energy == FacilityEnergy(8.0 * 1.75 * 2.0)
    (entry,) = found.entries
    assert (entry.energy_j, entry.facility_j) == (8.0, 28.0)


def test_an_idle_share_may_stand_beside_a_host_that_was_metered(tmp_path):
    run = record(tmp_path / "run.jsonl", (1.0, 8.0), component="cpu:package-0")
    assert account(run, a_place(idle_ratio=0.25)).energy == ItEnergy(10.0)


def test_a_thousand_phases_weigh_what_one_of_their_length_does(tmp_path):
    many = record(tmp_path / "many.jsonl", *[(2.0, 64.0)] * 1000)
    one = record(tmp_path / "one.jsonl", (2000.0, 64.0))
    place = everywhere(pue=1.5, embodied=(an_item(),))
    assert account(many, place).location_based == account(one, place).location_based
    assert account(many, place).embodied == account(one, place).embodied
    assert account(many, place).energy == account(one, place).energy
