from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.accounting import account, metered_kg, site
from carbon_nas.errors import InvalidSite
from carbon_nas.ledger import Scope, read, read_run
from carbon_nas.meters import Component, ManualClock, Reading
from carbon_nas.recorder import Recorder
from carbon_nas.sources import Tier
from tests.recorded import record_study

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
    with pytest.raises(InvalidSite, match="--pue"):
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
