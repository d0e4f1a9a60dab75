"""A site turns joules into the kinds of mass that it knows, and says what each of them covers."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting.grid import Kind, named_grids
from carbon_nas.accounting.quantities import (
    EmbodiedMass,
    FacilityEnergy,
    ItEnergy,
    LocationBasedMass,
    MarginalMass,
    MarketBasedMass,
)
from carbon_nas.accounting.series import Gaps
from carbon_nas.accounting.site import Site, Stretch, site
from carbon_nas.errors import IncompleteSeries, InvalidSite, MixedQuantities, UnknownName
from tests.accounting.places import KWH_J, NEW_YEAR, a_grid, a_place, a_series, an_item

# Whole joules and binary fractions: floats add and multiply these without rounding, so equality can be asked for.
joules = st.integers(min_value=0, max_value=2**40).map(float)
ratios = st.integers(min_value=1, max_value=64).map(lambda number: number / 16)
pues = st.integers(min_value=16, max_value=64).map(lambda number: number / 16)


def a_stretch(energy_j: float, *components: str, own_s: float = 0.0) -> Stretch:
    return Stretch(energy_j=energy_j, own_s=own_s, components=components)


# What the energy is.


def test_energy_stays_it_energy_until_somebody_gives_a_pue():
    assert a_place().energy(3.0) == ItEnergy(3.0)
    assert a_place(pue=1.5).energy(3.0) == FacilityEnergy(4.5)


def test_a_pue_of_one_is_facility_energy_and_no_pue_is_not():
    assert a_place(pue=1.0).energy(3.0) == FacilityEnergy(3.0)
    with pytest.raises(MixedQuantities):
        a_place(pue=1.0).energy(3.0) + a_place().energy(3.0)


def test_facility_metered_energy_is_taken_as_it_is():
    assert a_place(facility_metered=True).energy(3.0) == FacilityEnergy(3.0)


@pytest.mark.parametrize("pue", [1.0, 1.2])
def test_a_pue_is_refused_where_the_building_was_metered(pue):
    with pytest.raises(InvalidSite, match=r"has it already.*leave the PUE out"):
        a_place(pue=pue, facility_metered=True)


@pytest.mark.parametrize("pue", [0.99, 0.0, -1.0, float("nan"), float("inf")])
def test_a_pue_that_no_building_can_have_is_refused(pue):
    with pytest.raises(InvalidSite, match="PUE"):
        a_place(pue=pue)


def test_host_and_idle_shares_are_of_what_was_metered_and_come_before_the_pue():
    place = a_place(pue=2.0, host_ratio=0.5, idle_ratio=0.25)
    assert place.energy(4.0) == FacilityEnergy((4.0 + 2.0 + 1.0) * 2.0)
    assert place.factor_ratio == 3.5


@pytest.mark.parametrize("share", ["host_ratio", "idle_ratio"])
@pytest.mark.parametrize("ratio", [-0.1, float("nan"), float("inf")])
def test_a_share_that_cannot_be_is_refused(share, ratio):
    with pytest.raises(InvalidSite, match="share"):
        a_place(**{share: ratio})


def test_a_host_share_is_refused_where_the_building_was_metered():
    with pytest.raises(InvalidSite, match=r"host_share: a host share of 0\.2 .*has the host in it; leave it out"):
        a_place(host_ratio=0.2, facility_metered=True)


def test_idle_hardware_may_stand_in_another_building_than_the_one_that_was_metered():
    place = a_place(host_ratio=0.0, idle_ratio=0.25, facility_metered=True)
    assert place.energy(4.0) == FacilityEnergy(5.0)


def test_a_share_that_was_not_given_is_not_a_share_of_zero():
    assert a_place().host_ratio is None
    assert replace(a_place(), host_ratio=0.0).host_ratio == 0.0


# What it says of itself.


def test_every_factor_that_moves_the_number_stands_in_the_label():
    assert a_place().label == "the lab's grid; IT energy only"
    place = a_place(pue=1.25, host_ratio=0.5, idle_ratio=0.1, name="hall 3")
    assert place.label == ("hall 3: the lab's grid; facility energy, PUE 1.25, host share 0.5 and idle share 0.1 added")
    assert a_place(facility_metered=True).boundary == "facility energy as metered"


def test_without_a_zone_three_grids_stand_in_each_with_a_view_of_its_own():
    views = site().views
    assert [view.title for view in views] == [
        "CO2e, Sweden (low)",
        "CO2e, world average (mean)",
        "CO2e, India (high)",
    ]
    masses = site().masses(a_stretch(KWH_J))
    assert [masses[view.key] for view in views] == [
        LocationBasedMass.of_g(one.intensity_g_per_kwh) for one in named_grids()
    ]


def test_a_zone_alone_has_one_view():
    assert [view.key for view in site("FR").views] == ["location"]
    with pytest.raises(UnknownName):
        site("Atlantis")


# The views stand side by side.


def everything() -> Site:
    return a_place(
        pue=1.5,
        market=a_grid(20.0, Kind.MARKET),
        hourly=a_series(300.0),
        marginal=a_grid(800.0, Kind.MARGINAL),
        embodied=(an_item(),),
    )


def a_metered_hour(energy_j: float = KWH_J, own_s: float = 3600.0) -> Stretch:
    return Stretch(
        energy_j=energy_j,
        own_s=own_s,
        components=("gpu:a",),
        began=NEW_YEAR,
        ended=NEW_YEAR.replace(hour=1),
    )


def test_one_kilowatt_hour_by_every_view():
    assert everything().masses(a_metered_hour(own_s=2500.0)) == {
        "location": LocationBasedMass.of_g(1.5 * 100.0),
        "market": MarketBasedMass.of_g(1.5 * 20.0),
        "hourly": LocationBasedMass.of_g(1.5 * 300.0),
        "marginal": MarginalMass.of_g(1.5 * 800.0),
        # No electricity, and so no PUE.
        "embodied": EmbodiedMass(2.5),
    }


def test_masses_and_views_have_the_same_keys_in_the_same_order():
    place = everything()
    assert list(place.masses(a_metered_hour())) == [view.key for view in place.views]


@pytest.mark.parametrize("one", ["location", "market", "marginal", "embodied"])
@pytest.mark.parametrize("other", ["location", "market", "marginal", "embodied"])
def test_two_views_cannot_be_added(one, other):
    masses = everything().masses(a_metered_hour())
    if one == other:
        assert (masses[one] + masses[other]).kg == 2 * masses[one].kg
    else:
        with pytest.raises(MixedQuantities):
            masses[one] + masses[other]


@settings(max_examples=50, deadline=None)
@given(joules, joules, pues, st.sampled_from([100.0, 56.039, 0.1]))
def test_masses_are_linear_in_energy_exactly(one_j, other_j, pue, intensity_g_per_kwh):
    place = a_place(intensity_g_per_kwh, pue=pue, market=a_grid(7.3, Kind.MARKET), hourly=a_series(33.3))
    one, other, both = (place.masses(a_metered_hour(energy_j)) for energy_j in (one_j, other_j, one_j + other_j))
    assert {view: one[view] + other[view] for view in one} == both


@settings(max_examples=50, deadline=None)
@given(joules, ratios)
def test_a_multiple_of_the_energy_is_that_multiple_of_every_mass(energy_j, ratio):
    once, often = (everything().masses(a_metered_hour(part_j)) for part_j in (energy_j, energy_j * ratio))
    for view in ("location", "market", "hourly", "marginal"):
        assert once[view] * ratio == often[view]
    # Hardware wears by the clock.
    assert once["embodied"] == often["embodied"]


@settings(max_examples=50, deadline=None)
@given(joules, joules, st.sampled_from([0.1, 0.3, 1.7]))
def test_shares_leave_it_linear(one_j, other_j, host_ratio):
    place = a_place(pue=1.2, host_ratio=host_ratio, idle_ratio=0.15)
    assert place.energy(one_j) + place.energy(other_j) == place.energy(one_j + other_j)


# Every kind in its place.


@pytest.mark.parametrize(
    "facts",
    [
        {"market": a_grid(1.0)},
        {"market": a_grid(1.0, Kind.MARGINAL)},
        {"marginal": a_grid(1.0)},
        {"marginal": a_series(1.0)},
        {"hourly": a_series(1.0, kind=Kind.MARGINAL)},
        {"hourly": a_series(1.0, kind=Kind.MARKET)},
    ],
)
def test_a_factor_of_one_kind_is_refused_in_the_place_of_another(facts):
    with pytest.raises(InvalidSite, match="is wanted here"):
        a_place(**facts)


def test_a_marginal_series_gives_marginal_mass():
    place = a_place(marginal=a_series(800.0, kind=Kind.MARGINAL))
    assert place.masses(a_metered_hour())["marginal"] == MarginalMass.of_g(800.0)


def test_a_series_cannot_be_used_where_nobody_knows_when_the_work_ran():
    place = a_place(hourly=a_series(1.0))
    for asked in (place.masses, place.means):
        with pytest.raises(
            InvalidSite, match=r"the lab's hours: nobody knows when this energy was used.*yearly factor"
        ):
            asked(a_stretch(1.0))


# What a series did not know.


def two_hours(place: Site) -> Mapping[str, float]:
    means = place.means(Stretch(energy_j=1.0, own_s=0.0, began=NEW_YEAR, ended=NEW_YEAR.replace(hour=2)))
    return {view: mean.filled_share for view, mean in means.items()}


@pytest.mark.parametrize(("series", "share"), [((300.0, 400.0), 0.0), ((300.0, None), 0.5), ((None, None, 300.0), 1.0)])
def test_the_part_of_the_time_for_which_a_series_has_no_value_is_told(series, share):
    assert two_hours(a_place(hourly=a_series(*series), hourly_gaps=Gaps.FILL)) == {"hourly": share}


def test_each_series_tells_its_own_gaps_and_a_yearly_factor_has_none():
    marginal = a_series(800.0, None, kind=Kind.MARGINAL)
    place = a_place(hourly=a_series(300.0, 400.0), marginal=marginal, marginal_gaps=Gaps.FILL)
    assert two_hours(place) == {"hourly": 0.0, "marginal": 0.5}
    assert two_hours(a_place(market=a_grid(1.0, Kind.MARKET), marginal=a_grid(800.0, Kind.MARGINAL))) == {}


def test_gaps_that_nobody_asked_to_fill_have_no_share():
    with pytest.raises(IncompleteSeries):
        two_hours(a_place(hourly=a_series(300.0, None)))


# Hardware.


def test_hardware_is_worn_by_work_that_its_component_took_part_in():
    place = a_place(embodied=(an_item("gpu:*"), an_item("cpu:*", mass_kg=50.0)))

    def worn(*components: str) -> object:
        return place.masses(a_stretch(0.0, *components, own_s=1000.0))["embodied"]

    assert worn("gpu:a", "cpu:package-0") == EmbodiedMass(1.5)
    assert worn("cpu:package-0") == EmbodiedMass(0.5)
    assert worn("dram") == EmbodiedMass(0.0)


def test_a_piece_is_worn_once_however_many_of_its_components_are_metered():
    place = a_place(embodied=(an_item("*", count=2, includes=("cpu", "dram", "gpu")),))
    assert place.masses(a_stretch(0.0, "gpu:a", "gpu:b", "dram", own_s=500.0))["embodied"] == EmbodiedMass(1.0)


def test_without_hardware_there_is_no_embodied_view_rather_than_one_of_zero():
    assert "embodied" not in a_place().masses(a_stretch(1.0, "gpu:a", own_s=1.0))


@pytest.mark.parametrize("gpus", ["gpu:*", "gpu:a", "gpu*"])
def test_a_gpu_within_a_server_figure_is_refused(gpus):
    with pytest.raises(InvalidSite, match="counted twice"):
        a_place(embodied=(an_item("cpu:*", includes=("gpu",)), an_item(gpus)))


# Whose ledger it is.


def test_a_site_without_patterns_has_every_ledger_and_patterns_mind_their_case():
    assert a_place().has("anything.jsonl")
    place = a_place(ledgers=("team-a-*.jsonl", "x.jsonl"))
    assert [place.has(name) for name in ("team-a-1.jsonl", "x.jsonl", "Team-a-1.jsonl", "y.jsonl")] == [
        True,
        True,
        False,
        False,
    ]
