"""Six methods on the same activity data: what the papers printed, what they share, and when they have no number."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting.methods import (
    GREEN_ALGORITHMS_MEMORY,
    METHODS,
    ActivityData,
    Conditions,
    MethodResult,
    Processor,
    metered_kg,
)
from carbon_nas.errors import InvalidSite, UnknownName
from carbon_nas.meters.memory import MEMORY_W_PER_GIB
from carbon_nas.sources import BIBLIOGRAPHY
from carbon_nas.units import J_PER_KWH, KG_PER_LB

HOUR_S, DAY_S = 3_600.0, 86_400.0
FROM_METERS = {"strubell2019", "patterson2021", "sci", "metered"}
FROM_DATA_SHEETS = {"lacoste2019", "green-algorithms"}

GPU = Processor(kind="gpu", name="A100", count=2, tdp_w=400.0, tdp_source="data sheet")
CPU = Processor(kind="cpu", name="EPYC", count=2, cores=32, tdp_w=200.0, tdp_source="data sheet")
SITE = Conditions(intensity_g_per_kwh=100.0, intensity_from="a made-up grid", pue=1.5)
# Ten hours: both GPUs held for nine, and 16 of 64 cores busy throughout. 2 + 0.5 + 0.3 kWh.
RUN = ActivityData(
    energy_j={"gpu": 2.0 * J_PER_KWH, "cpu": 0.5 * J_PER_KWH, "dram": 0.3 * J_PER_KWH},
    duration_s=10 * HOUR_S,
    device_s={"gpu": 18 * HOUR_S, "cpu": 160 * HOUR_S},
    processors=(GPU, CPU),
    memory_gib=100.0,
    outputs=4,
    embodied_kg=0.06,
)

# The same without a GPU.
HOST = replace(RUN, device_s={"cpu": 160 * HOUR_S}, processors=(CPU,))


def apply(method: str, activity: ActivityData = RUN, conditions: Conditions = SITE) -> MethodResult:
    return METHODS[method](activity, conditions)


def value_of(result: MethodResult, name: str) -> float | None:
    (found,) = [one.value for one in result.inputs if one.name == name]
    return found


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_says_whose_formula_and_what_it_leaves_out(self, method: str) -> None:
        result = apply(method)
        assert result.method == method
        assert result.source.key in BIBLIOGRAPHY
        assert result.source.where
        assert "=" in result.equation
        assert "\n" not in result.equation
        assert result.differs.endswith(".")

    def test_has_a_number_where_everything_is_known(self, method: str) -> None:
        result = apply(method)
        assert result.missing == ()
        assert result.energy_kwh is not None
        assert result.mass_kg is not None
        assert result.per_output_kg == pytest.approx(result.mass_kg / 4)
        assert result.energy_boundary in {"IT", "facility"}

    def test_names_the_source_of_every_input(self, method: str) -> None:
        inputs = apply(method).inputs
        assert all(one.name and one.unit and one.source for one in inputs)
        assert len({one.name for one in inputs}) == len(inputs)

    def test_has_no_rate_without_a_delivered_network(self, method: str) -> None:
        assert apply(method, replace(RUN, outputs=0)).per_output_kg is None

    @settings(max_examples=25)
    @given(st.floats(min_value=1e-3, max_value=1e6), st.floats(min_value=0.0, max_value=1e4))
    def test_is_linear_in_what_was_done(self, method: str, factor: float, intensity_g_per_kwh: float) -> None:
        more = replace(
            RUN,
            energy_j={kind: (joules or 0.0) * factor for kind, joules in RUN.energy_j.items()},
            device_s={kind: (seconds or 0.0) * factor for kind, seconds in RUN.device_s.items()},
            duration_s=RUN.duration_s * factor,
            embodied_kg=0.06 * factor,
        )
        conditions = replace(SITE, intensity_g_per_kwh=intensity_g_per_kwh)
        once, often = apply(method, RUN, conditions), apply(method, more, conditions)
        assert once.energy_kwh is not None
        assert once.mass_kg is not None
        assert often.energy_kwh == pytest.approx(once.energy_kwh * factor)
        assert often.mass_kg == pytest.approx(once.mass_kg * factor)


@pytest.mark.parametrize("method", sorted(FROM_METERS))
class TestMethodsOnMeteredEnergy:
    @pytest.mark.parametrize("kind", ["gpu", "cpu", "dram"])
    def test_energy_that_is_not_known_is_missing_and_never_zero(self, method: str, kind: str) -> None:
        result = apply(method, replace(RUN, energy_j={**RUN.energy_j, kind: None}))
        assert (result.energy_kwh, result.mass_kg, result.per_output_kg) == (None, None, None)
        assert result.missing == (f"the energy of {kind} is not known",)

    def test_no_metered_energy_is_missing(self, method: str) -> None:
        assert "no energy was metered" in apply(method, replace(RUN, energy_j={})).missing

    def test_a_measured_zero_is_a_number(self, method: str) -> None:
        result = apply(method, replace(RUN, energy_j={"gpu": 0.0}))
        assert (result.energy_kwh, result.missing) == (0.0, ())

    @settings(max_examples=25)
    @given(st.lists(st.floats(min_value=0.0, max_value=1e12), min_size=2, max_size=2))
    def test_energy_adds_up(self, method: str, joules: list[float]) -> None:
        def energy_kwh(gpu_j: float) -> float:
            found = apply(method, replace(RUN, energy_j={"gpu": gpu_j})).energy_kwh
            assert found is not None
            return found

        assert energy_kwh(sum(joules)) == pytest.approx(sum(map(energy_kwh, joules)))

    def test_metered_energy_of_a_building_has_no_pue_applied(self, method: str) -> None:
        result = apply(method, conditions=replace(SITE, facility_metered=True))
        assert result.energy_boundary == "facility"
        if method == "strubell2019":
            assert result.energy_kwh is None
            assert "twice" in result.missing[0]
        else:
            assert result.energy_kwh == pytest.approx(2.8)
            assert value_of(result, "PUE") is None


@pytest.mark.parametrize("method", sorted(FROM_DATA_SHEETS))
class TestMethodsOnDataSheets:
    def test_what_was_metered_does_not_matter(self, method: str) -> None:
        assert apply(method, replace(RUN, energy_j={"gpu": None})) == apply(method)

    def test_a_used_processor_without_a_design_power_is_missing(self, method: str) -> None:
        result = apply(method, replace(HOST, processors=(replace(CPU, tdp_w=None),)))
        assert (result.energy_kwh, result.mass_kg) == (None, None)
        assert result.missing == ("the thermal design power of EPYC is not known",)

    def test_a_cpu_without_its_number_of_cores_is_missing(self, method: str) -> None:
        result = apply(method, replace(HOST, processors=(replace(CPU, cores=None),)))
        assert result.missing == ("the number of cores of EPYC is not known",)

    def test_a_processor_that_was_used_and_is_not_described_is_missing(self, method: str) -> None:
        alone = replace(RUN, device_s={"gpu": 18 * HOUR_S}, processors=())
        assert apply(method, alone).missing == ("a gpu was used, and none is described",)
        assert apply(method, replace(HOST, processors=())).missing == ("a cpu was used, and none is described",)

    @pytest.mark.parametrize("kind", ["gpu", "cpu"])
    @pytest.mark.parametrize("none", [True, False])
    def test_busy_time_that_is_not_known_is_missing(self, method: str, kind: str, none: bool) -> None:
        run = replace(HOST if kind == "cpu" else RUN, processors=(CPU if kind == "cpu" else GPU,))
        result = apply(method, replace(run, device_s={kind: None} if none else {}))
        assert result.missing == (f"it is not known for how long a {kind} was busy",)

    def test_a_processor_that_rested_needs_no_design_power(self, method: str) -> None:
        resting = replace(
            RUN, device_s={"gpu": 18 * HOUR_S, "cpu": 0.0}, processors=(GPU, replace(CPU, tdp_w=None, cores=None))
        )
        alone = replace(RUN, device_s={"gpu": 18 * HOUR_S}, processors=(GPU,))
        assert apply(method, resting).missing == ()
        assert apply(method, resting).energy_kwh == apply(method, alone).energy_kwh

    def test_nothing_known_about_processors_is_missing(self, method: str) -> None:
        result = apply(method, replace(RUN, processors=(), device_s={}))
        assert result.missing == ("no processor was used, as far as is known",)

    def test_processors_of_one_kind_share_the_busy_time_evenly(self, method: str) -> None:
        mixed = (replace(GPU, name="small", count=1, tdp_w=200.0), replace(GPU, name="big", count=1, tdp_w=600.0))
        assert apply(method, replace(RUN, processors=(*mixed, CPU))).energy_kwh == pytest.approx(
            apply(method).energy_kwh
        )


class TestStrubell2019:
    def test_table_3_transformer_big(self) -> None:
        # The table prints the sum of the three terms: 1515.43 W for 84 h are 201 kWh with the PUE, and 192 lb.
        row = ActivityData(energy_j={"gpu": 1515.43 * 84 * HOUR_S}, duration_s=84 * HOUR_S, outputs=1)
        result = apply("strubell2019", row, Conditions(intensity_g_per_kwh=0.0, intensity_from="ignored"))
        assert result.energy_kwh == pytest.approx(201.13, abs=0.005)
        assert result.mass_kg is not None
        assert result.mass_kg / KG_PER_LB == pytest.approx(191.88, abs=0.005)
        assert value_of(result, "g p_g") == pytest.approx(1515.43)
        assert value_of(result, "t") == 84.0

    def test_the_grid_and_the_pue_of_the_site_do_not_matter(self) -> None:
        elsewhere = Conditions(intensity_g_per_kwh=900.0, intensity_from="a coal grid", pue=3.0)
        assert apply("strubell2019", RUN, elsewhere).mass_kg == apply("strubell2019").mass_kg

    def test_a_term_that_was_not_metered_is_shown_as_left_out(self) -> None:
        result = apply("strubell2019", replace(RUN, energy_j={"gpu": 2.0 * J_PER_KWH}))
        assert value_of(result, "p_r") is None
        assert {one.source for one in result.inputs if one.name in {"p_c", "p_r"}} == {"not metered, so left out"}

    def test_without_time_there_is_no_power(self) -> None:
        assert apply("strubell2019", replace(RUN, duration_s=0.0)).missing == ("no time passed",)


class TestLacoste2019:
    def test_bloom(self) -> None:
        # Luccioni et al. 2023: 1,082,990 hours of A100 at 400 W are 433,196 kWh, at 57 g/kWh 24.69 t.
        training = ActivityData(
            energy_j={},
            duration_s=118 * DAY_S,
            device_s={"gpu": 1_082_990 * HOUR_S},
            processors=(replace(GPU, count=384),),
        )
        result = apply("lacoste2019", training, Conditions(intensity_g_per_kwh=57.0, intensity_from="France"))
        assert result.energy_kwh == pytest.approx(433_196)
        assert result.mass_kg == pytest.approx(24_690, abs=5)
        assert result.energy_boundary == "IT"

    def test_where_there_are_gpus_they_are_all_that_counts(self) -> None:
        # 18 GPU-hours at 400 W, whatever is known of the CPUs beside them.
        for cpus in ((CPU,), (replace(CPU, tdp_w=None, cores=None),), ()):
            assert apply("lacoste2019", replace(RUN, processors=(GPU, *cpus))).energy_kwh == pytest.approx(7.2)
        result = apply("lacoste2019")
        assert result.differs.startswith("GPUs alone")
        assert not [one.name for one in result.inputs if "EPYC" in one.name or one.name.startswith("cpu")]

    def test_without_a_gpu_a_cpu_counts_by_the_part_of_its_cores_that_was_busy(self) -> None:
        # A quarter of 400 W of CPUs for ten hours.
        assert apply("lacoste2019", HOST).energy_kwh == pytest.approx(1.0)

    def test_no_pue_is_applied(self) -> None:
        assert apply("lacoste2019") == apply("lacoste2019", conditions=replace(SITE, pue=None))


class TestGreenAlgorithms:
    def test_by_hand(self) -> None:
        # 10 h x (2 x 400 W x 0.9 + 64 x 6.25 W x 0.25 + 100 x 0.3725 W) x 1.5
        result = apply("green-algorithms")
        assert result.energy_kwh == pytest.approx(10 * (720 + 100 + 37.25) * 1.5 / 1000)
        assert value_of(result, "PUE") == 1.5

    def test_without_a_pue_the_default_of_the_tool_is_visible(self) -> None:
        result = apply("green-algorithms", conditions=replace(SITE, pue=None))
        assert value_of(result, "PUE") == 1.67
        assert next(one.source for one in result.inputs if one.name == "PUE").startswith("lannelongue2021, default")
        assert result.energy_kwh == pytest.approx(10 * (720 + 100 + 37.25) * 1.67 / 1000)

    def test_memory_is_taken_as_the_meter_takes_it(self) -> None:
        assert GREEN_ALGORITHMS_MEMORY.value == MEMORY_W_PER_GIB

    def test_memory_that_is_not_known_is_missing(self) -> None:
        assert apply("green-algorithms", replace(RUN, memory_gib=None)).missing == (
            "the size of the memory is not known",
        )

    def test_more_busy_time_than_there_can_have_been_is_missing(self) -> None:
        result = apply("green-algorithms", replace(RUN, device_s={**RUN.device_s, "gpu": 30 * HOUR_S}))
        assert result.energy_kwh is None
        assert result.missing == ("gpu time is 1.5 times what the processors described can have been busy",)

    def test_clocks_that_disagree_a_little_are_no_mistake(self) -> None:
        assert apply("green-algorithms", replace(RUN, device_s={**RUN.device_s, "gpu": 20.01 * HOUR_S})).missing == ()

    def test_where_the_building_is_metered_no_pue_is_applied(self) -> None:
        result = apply("green-algorithms", conditions=replace(SITE, facility_metered=True))
        assert result.energy_kwh is None
        assert len(result.missing) == 1
        assert "no PUE applies" in result.missing[0]


class TestPatterson2021:
    def test_table_4_evolved_transformer_search(self) -> None:
        # 200 TPUv2 for 6.8 days at 208 W, PUE 1.10, 0.431 kg/kWh: 7,468 kWh and 3.219 t.
        row = ActivityData(
            energy_j={"gpu": 200 * 6.8 * DAY_S * 208},
            duration_s=6.8 * DAY_S,
            processors=(Processor(kind="gpu", name="TPUv2", count=200),),
        )
        result = apply("patterson2021", row, Conditions(intensity_g_per_kwh=431, intensity_from="Georgia", pue=1.10))
        assert result.energy_kwh == pytest.approx(7_468, abs=0.5)
        assert result.mass_kg == pytest.approx(3_219, abs=0.5)
        assert value_of(result, "power of the system per gpu") == pytest.approx(208)

    def test_without_a_pue_it_has_no_number(self) -> None:
        result = apply("patterson2021", conditions=replace(SITE, pue=None))
        assert result.energy_kwh is None
        assert "PUE" in result.missing[0]

    def test_without_a_processor_it_has_no_number(self) -> None:
        assert apply("patterson2021", replace(RUN, processors=())).missing == ("no processor is described",)

    def test_without_gpus_the_cpus_are_the_processors(self) -> None:
        result = apply("patterson2021", replace(RUN, processors=(CPU,)))
        assert value_of(result, "cpus") == 2.0
        assert value_of(result, "power of the system per cpu") == pytest.approx(140.0)


class TestSci:
    def test_by_hand(self) -> None:
        # (2.8 kWh x 1.5 x 0.1 kg/kWh + 0.06 kg) per 4 networks
        result = apply("sci")
        assert result.energy_kwh == pytest.approx(4.2)
        assert result.mass_kg == pytest.approx(0.48)
        assert result.per_output_kg == pytest.approx(0.12)

    def test_hardware_that_is_not_quantified_leaves_it_without_a_number(self) -> None:
        result = apply("sci", replace(RUN, embodied_kg=None))
        assert (result.mass_kg, result.per_output_kg) == (None, None)
        assert result.missing == ("M, the share of making the hardware, is not quantified",)
        assert result.energy_kwh == pytest.approx(4.2)

    def test_hardware_that_cost_nothing_is_a_number(self) -> None:
        assert apply("sci", replace(RUN, embodied_kg=0.0)).mass_kg == pytest.approx(0.42)

    def test_a_rate_needs_something_that_was_delivered(self) -> None:
        result = apply("sci", replace(RUN, outputs=0))
        assert result.per_output_kg is None
        assert "rate per network" in result.missing[0]


class TestMetered:
    def test_by_hand(self) -> None:
        result = apply("metered")
        assert (result.energy_kwh, result.energy_boundary) == (pytest.approx(4.2), "facility")
        assert result.mass_kg == pytest.approx(0.42)

    def test_it_is_what_a_statement_computes(self) -> None:
        assert apply("metered").mass_kg == metered_kg(2.8 * J_PER_KWH, factor_ratio=1.5, intensity_g_per_kwh=100.0)

    def test_without_a_pue_it_is_it_energy(self) -> None:
        result = apply("metered", conditions=replace(SITE, pue=None))
        assert (result.energy_kwh, result.energy_boundary) == (pytest.approx(2.8), "IT")
        assert value_of(result, "PUE") is None


@pytest.mark.parametrize(
    "wrong", [{"kind": "tpu"}, {"count": 0}, {"cores": 0}, {"tdp_w": 0.0}, {"tdp_w": float("nan")}, {"tdp_w": -1.0}]
)
def test_a_processor_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidSite, match="EPYC"):
        replace(CPU, **wrong)


@pytest.mark.parametrize("where", ["energy_j", "device_s"])
def test_a_kind_that_no_method_knows_is_refused_and_not_dropped(where: str) -> None:
    with pytest.raises(UnknownName, match="GPU"):
        replace(RUN, **{where: {"GPU": 1.0}})
