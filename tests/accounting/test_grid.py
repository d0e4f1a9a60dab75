"""Grids: what the offline tables say of a zone, of which year, and by whom."""

from dataclasses import replace
from math import inf, nan

import pytest

from carbon_nas.accounting.grid import DIRECT, LIFE_CYCLE, NOT_STATED, Grid, Kind, counted, grid, named_grids
from carbon_nas.errors import InvalidSite, UnknownName
from carbon_nas.sources import Source

# GoogleCloudPlatform/region-carbon-info, data/yearly/2023.csv: "Grid carbon intensity (gCO2eq / kWh)".
GOOGLE_2023 = {
    "africa-south1": 646,
    "asia-east1": 451,
    "asia-east2": 360,
    "asia-northeast1": 459,
    "asia-northeast2": 385,
    "asia-northeast3": 378,
    "asia-south1": 648,
    "asia-south2": 529,
    "asia-southeast1": 369,
    "asia-southeast2": 580,
    "australia-southeast1": 501,
    "australia-southeast2": 456,
    "europe-central2": 723,
    "europe-north1": 46,
    "europe-southwest1": 131,
    "europe-west1": 122,
    "europe-west10": 345,
    "europe-west12": 249,
    "europe-west2": 136,
    "europe-west3": 345,
    "europe-west4": 236,
    "europe-west6": 59,
    "europe-west8": 249,
    "europe-west9": 34,
    "me-central1": 575,
    "me-central2": 569,
    "me-west1": 463,
    "northamerica-northeast1": 2,
    "northamerica-northeast2": 47,
    "southamerica-east1": 56,
    "southamerica-west1": 138,
    "us-central1": 430,
    "us-east1": 560,
    "us-east4": 322,
    "us-east5": 322,
    "us-south1": 321,
    "us-west1": 94,
    "us-west2": 198,
    "us-west3": 588,
    "us-west4": 373,
}
EVERY_SORT = ("FRA", "USA/texas", "CAN/ontario", "SWE/SE4", "CHN/sichuan", "gcp/europe-west1", "WORLD")


@pytest.mark.parametrize(
    ("zone", "intensity_g_per_kwh"),
    [
        ("FRA", 56.039),
        ("USA/california", 179.064206),
        ("CAN/quebec", 3.937355),
        ("POL", 661.926),
        ("SWE/SE1", 25.9),
        ("CHN/yunnan", 133.3),
        ("WORLD", 475.0),
    ],
)
def test_intensities_are_those_of_the_offline_tables(zone: str, intensity_g_per_kwh: float) -> None:
    assert grid(zone).intensity_g_per_kwh == pytest.approx(intensity_g_per_kwh, abs=1e-6)


@pytest.mark.parametrize("zone", ["FR", "fra", "France", "FRA"])
def test_a_country_has_several_names(zone: str) -> None:
    assert grid(zone).zone == "FRA"


@pytest.mark.parametrize("zone", ["CHN/nei mongol", "China/Inner Mongolia", "CN/neimenggu"])
def test_a_province_has_several_names(zone: str) -> None:
    assert grid(zone).zone == "CHN/inner mongolia"


@pytest.mark.parametrize(
    "zone",
    [
        *(
            "",
            "/",
            "XX",
            "Atlantis",
            "USA/CA",
            "USA/usa",
            "USA/_unit",
            "USA/_source",
            "CAN/",
            "FRA/bretagne",
            "SWE/NO1",
        ),
        *("CHN/tibet", "gcp", "gcp/", "gcp/europe-west7", "aws/us-east-1", "azure/westeurope"),
    ],
)
def test_an_unknown_zone_is_an_error_and_never_an_average(zone: str) -> None:
    with pytest.raises(UnknownName, match="--site"):
        grid(zone)


@pytest.mark.parametrize(
    ("zone", "suggestion"),
    [
        ("Framce", "france"),
        ("USA/califronia", "california"),
        ("gcp/me-cenrtal1", "me-central1"),
        ("CHN/sichaun", "sichuan"),
    ],
)
def test_a_typing_error_gets_a_suggestion(zone: str, suggestion: str) -> None:
    with pytest.raises(UnknownName, match=f"did you mean {suggestion}"):
        grid(zone)


def test_a_cloud_without_intensities_leads_to_the_country() -> None:
    with pytest.raises(UnknownName, match=r"no intensities of aws; give the country or state that us-east-1 lies in"):
        grid("aws/us-east-1")


def test_cloud_regions_have_the_values_that_google_published_for_the_year_they_claim() -> None:
    found = {region: grid(f"gcp/{region}") for region in GOOGLE_2023}
    assert {region: one.intensity_g_per_kwh for region, one in found.items()} == GOOGLE_2023
    assert {one.year for one in found.values()} == {2023}


def test_a_table_of_cloud_regions_that_nobody_has_looked_at_gets_no_year(monkeypatch: pytest.MonkeyPatch) -> None:
    from codecarbon.input import DataSource

    table = DataSource().get_cloud_emissions_data().assign(impact=100)
    monkeypatch.setattr(DataSource, "get_cloud_emissions_data", lambda self: table)
    found = grid("gcp/europe-west1")
    assert (found.intensity_g_per_kwh, found.year) == (100.0, None)
    assert "2023" not in found.source.where


@pytest.mark.parametrize("zone", EVERY_SORT)
def test_every_grid_says_where_its_value_stands_of_which_year_and_what_it_counts(zone: str) -> None:
    found = grid(zone)
    assert found.source.key == "codecarbon"
    assert ".json" in found.source.where or "impact.csv" in found.source.where
    assert (found.year is None) == (zone == "WORLD")
    assert found.basis
    assert found.licence
    assert found.kind is Kind.LOCATION
    assert found.gsd_ratio is None


def test_the_year_of_a_state_is_the_one_that_its_table_names() -> None:
    assert (grid("USA/texas").year, grid("USA/texas").source.where.count("eGRID2023")) == (2023, 1)


def test_a_table_of_states_that_names_no_year_has_that_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from codecarbon.input import DataSource

    # So codecarbon 3.3.0 shipped the rates of 2016.
    whole = DataSource().get_country_emissions_data("usa")
    table = {name: facts for name, facts in whole.items() if name != "_source"}
    monkeypatch.setattr(DataSource, "get_country_emissions_data", lambda self, country: table)
    path = DataSource().country_emissions_data_path("usa").parents[1] / "2016" / "usa_emissions.json"
    monkeypatch.setattr(DataSource, "country_emissions_data_path", lambda self, country: path)
    found = grid("USA/texas")
    assert found.year == 2016
    assert "eGRID2023" not in found.source.where


def test_what_a_value_leaves_out_is_part_of_its_basis() -> None:
    assert "CO2 only" in grid("CHN/hebei").basis
    assert "all other sources counted as zero" in grid("CAN/quebec").basis
    assert "uncovered: Other 14.95%" in grid("SWE/SE4").basis


@pytest.mark.parametrize(
    ("zone", "scope"),
    [
        ("FRA", LIFE_CYCLE),
        ("USA/texas", DIRECT),
        ("CHN/sichuan", DIRECT),
        ("CAN/ontario", NOT_STATED),
        ("SWE/SE4", NOT_STATED),
        ("gcp/europe-west1", NOT_STATED),
        ("WORLD", NOT_STATED),
    ],
)
def test_every_grid_says_whether_it_counts_the_life_cycle(zone: str, scope: str) -> None:
    basis = grid(zone).basis
    assert basis.startswith(scope)
    assert counted(basis) == scope


@pytest.mark.parametrize(
    ("basis", "scope"),
    [
        ("life-cycle emissions of the mix", LIFE_CYCLE),
        ("Lifecycle, residual mix", LIFE_CYCLE),
        ("Direct, at the stack", DIRECT),
        ("direct and life cycle", NOT_STATED),
        ("indirect", NOT_STATED),
        ("made up", NOT_STATED),
    ],
)
def test_a_basis_in_words_is_read_for_what_it_counts(basis: str, scope: str) -> None:
    assert counted(basis) == scope


def test_the_named_grids_are_low_mean_and_high() -> None:
    low, mean, high = (found.intensity_g_per_kwh for found in named_grids())
    assert low < mean < high


def test_a_fallback_that_is_asked_for_by_name_stays_visible() -> None:
    assert replace(grid("IRL"), stands_in_for="aws/eu-west-1").stands_in_for == "aws/eu-west-1"
    assert grid("IRL").stands_in_for == ""


def made(**fields: float) -> Grid:
    whole = {"intensity_g_per_kwh": 100.0, **fields}
    return Grid(zone="FRA", name="supplier", year=None, basis="mix", source=Source(key="", where="bill"), **whole)


@pytest.mark.parametrize("intensity_g_per_kwh", [-0.001, inf, nan])
def test_an_intensity_that_cannot_be_is_refused_at_birth(intensity_g_per_kwh: float) -> None:
    with pytest.raises(InvalidSite, match=r"supplier: an intensity of .* g/kWh cannot be"):
        made(intensity_g_per_kwh=intensity_g_per_kwh)


def test_a_contract_without_emissions_is_zero_and_allowed() -> None:
    assert made(intensity_g_per_kwh=0.0).intensity_g_per_kwh == 0.0


@pytest.mark.parametrize("gsd_ratio", [0.9, inf, nan])
def test_a_spread_below_one_is_refused_at_birth(gsd_ratio: float) -> None:
    with pytest.raises(InvalidSite, match="geometric standard deviation"):
        made(gsd_ratio=gsd_ratio)
