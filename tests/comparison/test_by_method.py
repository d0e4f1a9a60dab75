"""Published methods beside ours, on one study: the same joules, seconds and machines for all of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.accounting.methods import METHODS, STRUBELL_FACTOR, STRUBELL_PUE
from carbon_nas.accounting.site import Site, site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison.by_method import MethodCost, by_method
from carbon_nas.ledger import Scope
from carbon_nas.meters import ManualClock
from carbon_nas.meters.nvml import NvmlMeter
from carbon_nas.meters.simulated_gpu import SimulatedGpu
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant
from carbon_nas.recorder import Recorder
from carbon_nas.units import KG_PER_LB
from tests.accounting.places import KWH_J, a_place, an_item
from tests.comparison.gauged import Looked, gauged, look
from tests.recorded import record_study

KEPT = Path(__file__).parents[2] / "reports" / "digits-host"
TWO = {"a": (10.0, 2.0), "b": (0.0, 8.0)}


def methods_of(found: Looked, *names: str) -> dict[tuple[str, str], MethodCost]:
    costs = by_method(found.runs, found.statements, found.order, found.done, names or tuple(METHODS))
    return {(cost.strategy, cost.result.method): cost for cost in costs}


def mass_kg(costs: dict[tuple[str, str], MethodCost], strategy: str, method: str) -> float | None:
    return costs[strategy, method].result.mass_kg


def inputs(cost: MethodCost) -> dict[str, float | None]:
    return {one.name: one.value for one in cost.result.inputs}


def test_all_methods_stand_side_by_side_for_every_strategy(tmp_path):
    costs = methods_of(look(record_study(tmp_path), Sites(sites=(a_place(),))))
    assert list(costs) == [(strategy, method) for strategy in ("upfront", "repeated") for method in METHODS]
    for cost in costs.values():
        assert (cost.result.mass_kg is None) == bool(cost.result.missing)


@pytest.mark.parametrize(
    "place",
    [a_place(), a_place(pue=1.5), a_place(facility_metered=True), a_place(pue=1.5, idle_ratio=0.25)],
    ids=["IT", "PUE", "facility", "idle share"],
)
def test_metered_is_what_the_comparison_says(tmp_path, place):
    found = look(record_study(tmp_path, seeds=2), Sites(sites=(place,)))
    costs = methods_of(found, "metered")
    for cost in found.comparison.strategies:
        assert mass_kg(costs, cost.strategy, "metered") == pytest.approx(cost.masses_kg["location"])


def test_strubell_takes_its_own_pue_and_factor_whatever_the_site_is(tmp_path):
    found = look(record_study(tmp_path), Sites(sites=(a_place(1.0, pue=1.1),)))
    expected_kg = 118.0 / KWH_J * STRUBELL_PUE.value * STRUBELL_FACTOR.value * KG_PER_LB
    assert mass_kg(methods_of(found), "upfront", "strubell2019") == pytest.approx(expected_kg)


def test_no_pue_is_applied_to_energy_that_has_it(tmp_path):
    costs = methods_of(look(record_study(tmp_path), Sites(sites=(a_place(facility_metered=True),))))
    assert mass_kg(costs, "upfront", "strubell2019") is None
    assert any("twice" in why for why in costs["upfront", "strubell2019"].result.missing)


def test_time_is_that_in_which_anything_ran_and_networks_are_those_delivered(tmp_path):
    found = look(record_study(tmp_path), Sites(sites=(a_place(pue=1.2, embodied=(an_item("simulated"),)),)))
    costs = methods_of(found)
    # 100 s once, 2 and 4 s of search, 12 s for tables.
    assert inputs(costs["upfront", "patterson2021"])["t"] == pytest.approx(118.0 / 3600.0)
    sci = costs["upfront", "sci"].result
    assert inputs(costs["upfront", "sci"])["R"] == 2.0
    assert inputs(costs["upfront", "sci"])["M"] == pytest.approx(0.118)
    assert sci.per_output_kg == pytest.approx((118.0 / KWH_J * 1.2 * 0.1 + 0.118) / 2)


def test_without_hardware_the_sci_is_not_quantified_and_not_smaller(tmp_path):
    sci = methods_of(look(record_study(tmp_path), Sites(sites=(a_place(),))))["upfront", "sci"].result
    assert (sci.mass_kg, sci.per_output_kg) == (None, None)
    assert any(why.startswith("M, ") for why in sci.missing)


def test_an_unnamed_site_has_every_method_on_every_grid_that_stands_in():
    found = look(KEPT, Sites(sites=(site(),)))
    costs = by_method(found.runs, found.statements, ["evolution"], found.done, ["metered"])
    assert [cost.grid for cost in costs] == ["Sweden", "world average", "India"]
    masses = [cost.result.mass_kg for cost in costs]
    assert masses == sorted(masses)


def test_a_kept_study_without_a_known_processor_says_what_is_missing():
    found = look(KEPT, Sites(sites=(a_place(pue=1.2),)))
    costs = methods_of(found)
    for strategy in ("once_for_all", "evolution"):
        assert costs[strategy, "lacoste2019"].result.missing == (
            "the thermal design power of Intel(R) Xeon(R) Processor is not known",
        )
        assert mass_kg(costs, strategy, "patterson2021") == pytest.approx(mass_kg(costs, strategy, "metered"))
        # The whole memory that the ledger knows of.
        memory = inputs(costs[strategy, "green-algorithms"])["n_m"]
        assert memory == pytest.approx(23.54, abs=0.01)


def test_a_strategy_whose_ledgers_are_of_two_sites_has_no_number_and_it_is_said_why(tmp_path):
    here = a_place(name="here", ledgers=("upfront*", "profiling*"))
    there = a_place(300.0, name="there", ledgers=("repeated*",))
    costs = methods_of(look(record_study(tmp_path), Sites(sites=(here, there))))
    assert {method for strategy, method in costs if strategy == "repeated"} == METHODS.keys()
    for (strategy, _), cost in costs.items():
        several = "its ledgers were recorded at several sites" in cost.result.missing
        assert several == (strategy == "repeated")
        assert not several or (cost.result.mass_kg, cost.result.energy_kwh, cost.grid) == (None, None, "several")


# GPUs.

LIMIT_W = 400.0


def gpu_study(folder: Path, boards: dict[str, tuple[str, ...]]) -> Path:
    """Record strategies on simulated GPUs, at 100 W each: an hour of training, half an hour of search."""
    for strategy, uuids in boards.items():
        clock = ManualClock()
        gpus = [SimulatedGpu(uuid=uuid, wave=Constant(level_w=100.0), power_limit_w=LIMIT_W) for uuid in uuids]
        meter = NvmlMeter(clock, SimulatedNvml(clock, gpus), environment={})
        path = folder / "ledger" / f"{strategy}.jsonl"
        with Recorder(path, strategy=strategy, meters=[meter], clock=clock, heartbeat_interval_s=None) as own:
            with own.phase("train"):
                clock.advance(3600.0)
            with own.phase("search", scope=Scope.PER_SCENARIO, scenario="s"):
                clock.advance(1800.0)
            own.result(scenario="s", accuracy=0.9)
    return folder


@pytest.fixture
def place() -> Site:
    return a_place(100.0, pue=1.2)


def test_six_methods_on_two_gpus(tmp_path, place):
    found = look(gpu_study(tmp_path, {"a": ("GPU-aaaa1111", "GPU-bbbb2222")}), Sites(sites=(place,)))
    costs = methods_of(found)
    metered_kwh = 2 * 0.1 * 1.5
    assert mass_kg(costs, "a", "metered") == pytest.approx(metered_kwh * 1.2 * 0.1, rel=1e-4)
    assert mass_kg(costs, "a", "patterson2021") == pytest.approx(metered_kwh * 1.2 * 0.1, rel=1e-4)
    strubell_kg = metered_kwh * STRUBELL_PUE.value * STRUBELL_FACTOR.value * KG_PER_LB
    assert mass_kg(costs, "a", "strubell2019") == pytest.approx(strubell_kg, rel=1e-4)
    # Two boards held for an hour and a half at the 400 W to which their driver limits them, and no PUE.
    assert mass_kg(costs, "a", "lacoste2019") == pytest.approx(2 * 0.4 * 1.5 * 0.1)
    assert costs["a", "green-algorithms"].result.missing == ("the size of the memory is not known",)
    assert inputs(costs["a", "patterson2021"])["power of the system per gpu"] == pytest.approx(100.0, rel=1e-4)


def test_busy_time_of_one_gpu_that_is_not_known_leaves_none_for_all(tmp_path, place):
    found = look(gpu_study(tmp_path, {"a": ("GPU-aaaa1111", "GPU-bbbb2222")}), Sites(sites=(place,)))
    (statement,) = found.statements
    first, *rest = statement.entries
    blind = replace(first, parts=(replace(first.parts[0], device_s=None), *first.parts[1:]))
    costs = by_method(
        found.runs, [replace(statement, entries=(blind, *rest))], found.order, found.done, ["lacoste2019"]
    )
    assert [cost.result.missing for cost in costs] == [("it is not known for how long a gpu was busy",)]


def test_a_strategy_is_described_by_the_processors_that_its_own_ledgers_metered(tmp_path, place):
    boards = {"a": ("GPU-aaaa1111",), "b": ("GPU-bbbb2222", "GPU-cccc3333")}
    found = look(gpu_study(tmp_path, boards), Sites(sites=(place,)))
    costs = methods_of(found, "patterson2021")
    assert {name: inputs(costs[name, "patterson2021"])["gpus"] for name in boards} == {"a": 1.0, "b": 2.0}


def test_the_design_power_of_a_rival_s_processor_is_not_ones_own(tmp_path, place):
    facts = {"gain_fraction": 0.05}
    components = {
        "a gpu:a": facts | {"inputs": {"name": "small", "power_limit_w": 100.0}},
        "b gpu:b": facts | {"inputs": {"name": "large", "power_limit_w": 700.0}},
    }
    costs = methods_of(look(gauged(tmp_path, TWO, components), Sites(sites=(place,))), "lacoste2019")
    powers = {name: [one for one in inputs(costs[name, "lacoste2019"]) if "design power" in one] for name in TWO}
    assert powers == {"a": ["thermal design power of small"], "b": ["thermal design power of large"]}
