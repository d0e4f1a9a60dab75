import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.references import REFERENCES, Equivalent, equivalents
from carbon_nas.sources import BIBLIOGRAPHY
from carbon_nas.units import KG_PER_LB

FIVE_CARS_KG = REFERENCES["strubell2019-nas"].printed.value * KG_PER_LB


def by_key(mass_kg: float) -> dict[str, float]:
    return {like.equivalent.key: like.value for like in equivalents(mass_kg)}


def kinds() -> dict[str, Equivalent]:
    return {like.equivalent.key: like.equivalent for like in equivalents(0.0)}


def test_the_lifetime_of_a_car_and_a_year_of_a_vehicle_are_two_different_things() -> None:
    like = by_key(FIVE_CARS_KG)
    assert like["strubell2019-car-lifetime"] == pytest.approx(4.97, abs=0.005)
    assert like["epa-vehicle-year"] == pytest.approx(66.2, abs=0.05)
    labels = {one.label for one in kinds().values()}
    assert {"lifetime of a car, fuel included", "passenger vehicle driven for one year in the United States"} <= labels


def test_scope_says_year_manufacture_and_what_was_not_verified() -> None:
    assert kinds()["strubell2019-car-lifetime"].scope == "2019, manufacture not stated"
    assert kinds()["epa-vehicle-year"].scope == "year not stated, manufacture not included, not verified"


def test_every_equivalent_has_a_source() -> None:
    assert all(one.source.key in BIBLIOGRAPHY and one.source.where for one in kinds().values())


def test_a_negative_mass_is_refused() -> None:
    with pytest.raises(ValueError, match="like nothing"):
        equivalents(-1.0)


@settings(max_examples=30)
@given(st.floats(min_value=0.0, max_value=1e12))
def test_a_mass_is_like_as_many_as_make_it_up(mass_kg: float) -> None:
    for like in equivalents(mass_kg):
        assert like.value * like.equivalent.mass_kg == pytest.approx(mass_kg, rel=1e-12)
        assert like.unit == like.equivalent.label
