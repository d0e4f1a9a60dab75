import pytest

from carbon_nas.accounting import grid, named_grids
from carbon_nas.errors import UnknownName


@pytest.mark.parametrize(
    ("zone", "intensity_g_per_kwh"),
    [
        ("FRA", 56.039),
        ("USA/california", 179.064206),
        ("CAN/quebec", 3.937355),
        ("POL", 661.926),
        ("SWE/SE1", 25.9),
        ("WORLD", 475.0),
    ],
)
def test_intensities_are_those_of_the_offline_tables(zone: str, intensity_g_per_kwh: float) -> None:
    assert grid(zone).intensity_g_per_kwh == pytest.approx(intensity_g_per_kwh, abs=1e-6)


@pytest.mark.parametrize("zone", ["FR", "fra", "France", "FRA"])
def test_a_country_has_several_names(zone: str) -> None:
    assert grid(zone).zone == "FRA"


@pytest.mark.parametrize("zone", ["XX", "Atlantis", "USA/CA", "FRA/bretagne", "SWE/NO1", "USA/_unit", "", "CAN/"])
def test_an_unknown_zone_is_an_error_and_never_an_average(zone: str) -> None:
    with pytest.raises(UnknownName, match="--site"):
        grid(zone)


def test_a_typing_error_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="france"):
        grid("Framce")


def test_every_grid_says_where_its_value_stands() -> None:
    for zone in ("FRA", "USA/texas", "CAN/ontario", "WORLD"):
        found = grid(zone)
        assert found.source.key == "codecarbon"
        assert ".json" in found.source.where
        assert found.year is not None or zone == "WORLD"
        assert found.basis


def test_the_named_grids_are_low_mean_and_high() -> None:
    low, mean, high = (found.intensity_g_per_kwh for found in named_grids())
    assert low < mean < high
