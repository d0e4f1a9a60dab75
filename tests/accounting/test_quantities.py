"""Kinds of energy and of CO2e cannot be mixed, and conversions lose nothing."""

import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.accounting.quantities import (
    EmbodiedMass,
    FacilityEnergy,
    ItEnergy,
    LocationBasedMass,
    MarginalMass,
    MarketBasedMass,
)
from carbon_nas.errors import CarbonNasError, InvalidSite, MixedQuantities, UnknownQuantity

ENERGIES = (ItEnergy, FacilityEnergy)
MASSES = (LocationBasedMass, MarketBasedMass, MarginalMass, EmbodiedMass)
KINDS = (*ENERGIES, *MASSES)
numbers = st.floats(min_value=-1e15, max_value=1e15, allow_subnormal=False)


@given(numbers)
@pytest.mark.parametrize("kind", ENERGIES)
def test_kilowatt_hours_there_and_back_are_the_same_number(kind, number: float) -> None:
    assert kind.of_kwh(number).kwh == number
    assert kind(number).joules == number
    assert kind.of_kwh(kind(number).kwh).joules == pytest.approx(number)


@given(numbers)
@pytest.mark.parametrize("kind", MASSES)
def test_pounds_and_grams_there_and_back_are_the_same_number(kind, number: float) -> None:
    assert kind.of_lb(number).lb == number
    assert kind.of_g(number).g == number
    assert kind(number).kg == number


def test_a_pound_is_the_exact_decimal_that_defines_it() -> None:
    assert (LocationBasedMass.of_lb(100_000_000) - LocationBasedMass(45_359_237)).kg == 0.0


@given(st.lists(st.floats(min_value=0, max_value=1e12), max_size=6))
@pytest.mark.parametrize("kind", KINDS)
def test_a_sum_does_not_depend_on_its_order(kind, parts: list[float]) -> None:
    assert len({sum(map(kind, order), kind(0)) for order in permutations(parts)}) == 1


@given(st.floats(min_value=0, max_value=1e12), st.integers(1, 1_000), st.floats(1.0, 3.0), st.floats(0, 2_000))
def test_co2e_is_linear_in_energy_to_the_last_digit(energy_j: float, times: int, pue: float, intensity: float) -> None:
    one = LocationBasedMass.emitted(ItEnergy(energy_j).through(pue), intensity)
    many = LocationBasedMass.emitted((ItEnergy(energy_j) * times).through(pue), intensity)
    assert many == one * times == sum([one] * times, LocationBasedMass(0))


@pytest.mark.parametrize(("one", "other"), list(permutations(KINDS, 2)))
def test_two_kinds_cannot_be_added_subtracted_or_compared(one, other) -> None:
    for act in (
        lambda: one(1.0) + other(1.0),
        lambda: one(1.0) - other(1.0),
        lambda: one(1.0) < other(1.0),
        lambda: sum([one(1.0), other(1.0)]),
    ):
        with pytest.raises(MixedQuantities, match=f"{one.__name__}|{other.__name__}"):
            act()
    assert one(1.0) != other(1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_added_to_a_bare_number_or_to_what_is_not_known(kind) -> None:
    for other in (None, 1.0, 0.0, True):
        with pytest.raises(TypeError):
            kind(1.0) + other
        with pytest.raises(TypeError):
            other + kind(1.0)
    with pytest.raises(UnknownQuantity, match="not known"):
        kind(None)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_finite_number_is_refused_in_words(kind, number: float) -> None:
    takes = [kind, lambda given: kind(1.0) * given]
    takes += [kind.of_kwh] if kind in (ItEnergy, FacilityEnergy) else [kind.of_g, kind.of_lb]
    for take in takes:
        with pytest.raises(UnknownQuantity, match=f"of {number} is not known"):
            take(number)


def test_an_intensity_that_is_no_number_is_refused_in_words() -> None:
    with pytest.raises(UnknownQuantity, match="an intensity of nan is not known"):
        LocationBasedMass.emitted(ItEnergy(1.0), float("nan"))


def test_the_error_is_one_of_ours_and_a_type_error() -> None:
    assert issubclass(MixedQuantities, CarbonNasError)
    assert issubclass(MixedQuantities, TypeError)


@pytest.mark.parametrize("pue", [0.99, 0.0, -1.0, float("nan"), float("inf")])
def test_a_pue_below_one_is_refused(pue: float) -> None:
    with pytest.raises(InvalidSite, match="PUE"):
        ItEnergy(1.0).through(pue)


def test_a_pue_cannot_be_applied_twice() -> None:
    assert not hasattr(ItEnergy(1.0).through(1.2), "through")


def test_the_type_checker_refuses_what_raises_at_run_time(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    names = ", ".join(kind.__name__ for kind in KINDS)
    lines = [f"from carbon_nas.accounting.quantities import {names}"]
    wrong = [
        "LocationBasedMass(1.0) + MarketBasedMass(1.0)",
        "ItEnergy(1.0) + FacilityEnergy(1.0)",
        "LocationBasedMass(1.0) + MarginalMass(1.0)",
        "LocationBasedMass(1.0) + None",
        "FacilityEnergy(1.0).through(1.2)",
    ]
    right = ["LocationBasedMass(1.0) + LocationBasedMass(1.0)", "ItEnergy(1.0).through(1.2) + FacilityEnergy(1.0)"]
    source = tmp_path / "sums.py"
    source.write_text("\n".join([*lines, *wrong, *right]) + "\n")
    repository = Path(__file__).parents[2]
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--config-file", "", "--ignore-missing-imports"]
    told = subprocess.run([*command, str(source)], capture_output=True, text=True, cwd=repository, check=False).stdout
    faulty = {int(line.split(":")[1]) for line in told.splitlines() if "sums.py:" in line and ": error:" in line}
    assert faulty == set(range(2, 2 + len(wrong))), told
