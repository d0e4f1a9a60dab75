"""What it cost to make the hardware: shares of a life, published figures, and nothing counted twice."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting.embodied import (
    EMBODIED,
    S_PER_YEAR,
    EmbodiedItem,
    check_double_counting,
    embodied_kg,
    embodied_mass,
)
from carbon_nas.accounting.methods import METHODS, ActivityData, Conditions, Processor
from carbon_nas.errors import InvalidSite
from carbon_nas.sources import BIBLIOGRAPHY, Source

HOUR_S = 3_600.0
BLOOM_SERVER = EMBODIED["bloom-server"].item(component="cpu:*")
BLOOM_GPU = EMBODIED["bloom-a100"].item(component="gpu:*")
BOARD = EMBODIED["hgx-h100-baseboard"].item(
    component="gpu:*", share_ratio=1 / 8, lifetime_s=5 * S_PER_YEAR, utilisation_ratio=0.85
)
WHOLE_SERVER = EMBODIED["ccf-p3.16xlarge"].item(component="*", utilisation_ratio=0.85)
OWN = EmbodiedItem(
    component="gpu:*",
    name="my GPU",
    mass_kg=200.0,
    lifetime_s=4 * S_PER_YEAR,
    utilisation_ratio=0.5,
    source=Source(key="", where="its maker"),
)
times_s = st.floats(min_value=0.0, max_value=1e9)


class TestShareOfALife:
    def test_a_server_for_an_hour(self) -> None:
        # Luccioni et al. 2023: 2,500 kg over six years of 8,760 hours, 85 % in use.
        assert embodied_kg(BLOOM_SERVER, HOUR_S) == pytest.approx(2500 / (6 * 8760 * 0.85))
        assert embodied_kg(BLOOM_SERVER, HOUR_S) == pytest.approx(0.0560, abs=5e-5)

    def test_a_gpu_for_an_hour(self) -> None:
        assert embodied_kg(BLOOM_GPU, HOUR_S) == pytest.approx(0.0034, abs=5e-5)

    def test_one_gpu_of_a_board_of_eight_for_an_hour(self) -> None:
        assert embodied_kg(BOARD, HOUR_S) == pytest.approx(164 / (5 * 8760 * 0.85))
        assert embodied_kg(BOARD, HOUR_S) == pytest.approx(0.0044, abs=5e-5)

    def test_a_life_in_use_wears_out_the_whole_piece(self) -> None:
        assert embodied_kg(OWN, OWN.lifetime_s * OWN.utilisation_ratio) == pytest.approx(200.0)

    def test_idle_life_is_charged_to_those_who_use_it(self) -> None:
        assert embodied_kg(OWN, HOUR_S) == pytest.approx(2 * embodied_kg(replace(OWN, utilisation_ratio=1.0), HOUR_S))

    @settings(max_examples=50)
    @given(times_s, st.integers(min_value=1, max_value=1000), st.floats(min_value=0.01, max_value=1.0))
    def test_it_is_linear_in_pieces_and_share(self, time_s: float, count: int, share_ratio: float) -> None:
        many = replace(OWN, count=count, share_ratio=share_ratio)
        assert embodied_kg(many, time_s) == pytest.approx(embodied_kg(OWN, time_s) * count * share_ratio)

    @settings(max_examples=50)
    @given(st.integers(min_value=0, max_value=2**40), st.integers(min_value=0, max_value=2**40))
    def test_times_that_add_up_give_masses_that_add_up_exactly(self, one_s: int, other_s: int) -> None:
        whole = embodied_mass(OWN, float(one_s + other_s))
        assert embodied_mass(OWN, float(one_s)) + embodied_mass(OWN, float(other_s)) == whole

    @pytest.mark.parametrize("time_s", [-1.0, float("nan"), float("inf")])
    def test_a_time_that_cannot_be_is_refused(self, time_s: float) -> None:
        with pytest.raises(InvalidSite, match="my GPU"):
            embodied_kg(OWN, time_s)


def test_bloom_adds_up() -> None:
    # Luccioni et al. 2023: 24.69 t of training, 14.6 t of idling, 11.2 t of hardware are 50.5 t.
    gpu_s = 1_082_990 * HOUR_S
    france = Conditions(intensity_g_per_kwh=57.0, intensity_from="France")
    training = METHODS["lacoste2019"](
        ActivityData(
            energy_j={},
            duration_s=gpu_s / 384,
            device_s={"gpu": gpu_s},
            processors=(Processor(kind="gpu", name="A100", count=384, tdp_w=400.0),),
        ),
        france,
    )
    idle = METHODS["metered"](ActivityData(energy_j={"other": 256_646 * 3.6e6}, duration_s=1.0), france)
    # Eight GPUs a server.
    servers_kg, gpus_kg = embodied_kg(BLOOM_SERVER, gpu_s / 8), embodied_kg(BLOOM_GPU, gpu_s)
    assert servers_kg == pytest.approx(7_570, abs=10)
    assert gpus_kg == pytest.approx(3_640, abs=5)
    assert training.mass_kg is not None
    assert idle.mass_kg is not None
    assert idle.mass_kg == pytest.approx(14_600, abs=50)
    assert training.mass_kg + idle.mass_kg + servers_kg + gpus_kg == pytest.approx(50_500, abs=50)


class TestCountedOnce:
    @pytest.mark.parametrize("items", list(permutations([WHOLE_SERVER, BLOOM_GPU])))
    def test_a_gpu_beside_a_server_that_includes_it_is_refused(self, items: tuple[EmbodiedItem, ...]) -> None:
        with pytest.raises(InvalidSite, match=r"p3\.16xlarge") as refused:
            check_double_counting(items)
        assert BLOOM_GPU.name in str(refused.value)
        assert "leave one of them out" in str(refused.value)

    @pytest.mark.parametrize("items", list(permutations([BOARD, BLOOM_GPU])))
    def test_a_gpu_beside_the_board_that_holds_it_is_refused(self, items: tuple[EmbodiedItem, ...]) -> None:
        with pytest.raises(InvalidSite, match="baseboard"):
            check_double_counting(items)

    def test_one_gpu_among_those_of_a_board_is_refused(self) -> None:
        with pytest.raises(InvalidSite, match="baseboard"):
            check_double_counting([replace(BLOOM_GPU, component="gpu:GPU-7"), BOARD])

    def test_a_board_in_a_server_that_includes_gpus_is_refused(self) -> None:
        with pytest.raises(InvalidSite, match=r"p3\.16xlarge"):
            check_double_counting([WHOLE_SERVER, BOARD])

    def test_a_cpu_beside_a_server_that_includes_it_is_refused(self) -> None:
        cpu = replace(OWN, name="my CPU", component="cpu:*")
        with pytest.raises(InvalidSite, match="my CPU"):
            check_double_counting([BLOOM_SERVER, cpu])

    def test_a_server_without_its_gpus_may_stand_beside_them(self) -> None:
        check_double_counting([BLOOM_SERVER, BLOOM_GPU])
        check_double_counting([replace(BLOOM_SERVER, component="*"), BOARD])

    def test_two_boards_with_different_gpus_may_stand_side_by_side(self) -> None:
        check_double_counting([replace(BOARD, component="gpu:a*"), replace(BOARD, component="gpu:b*")])

    def test_a_piece_does_not_collide_with_itself(self) -> None:
        check_double_counting([BOARD])
        check_double_counting([])


class TestPublishedFigures:
    def test_a_baseboard_is_eight_gpus(self) -> None:
        assert EMBODIED["hgx-h100-baseboard"].mass_kg == 8 * 164.0

    def test_every_figure_has_a_place_where_it_stands(self) -> None:
        assert all(product.source.key in BIBLIOGRAPHY and product.source.where for product in EMBODIED.values())

    def test_what_was_not_read_in_its_source_says_so_on_the_label(self) -> None:
        assert BOARD.label == "NVIDIA HGX H100 baseboard with 8 GPUs (not verified)"

    def test_an_assumption_says_so_on_the_label(self) -> None:
        assert BLOOM_GPU.label == "NVIDIA A100 as assumed for BLOOM (proxy)"

    def test_what_stands_in_for_something_else_says_so_on_the_label(self) -> None:
        lent = EMBODIED["a100-sxm-40gb"].item(
            component="gpu:*", stands_in_for="Tesla V100", lifetime_s=S_PER_YEAR, utilisation_ratio=1.0
        )
        assert lent.proxy
        assert lent.label == "NVIDIA A100 SXM 40 GB (in place of Tesla V100, proxy, not verified)"

    def test_a_piece_of_its_own_has_a_bare_label(self) -> None:
        assert OWN.label == "my GPU"

    def test_the_spread_of_a_published_figure_is_not_quantified(self) -> None:
        assert BLOOM_GPU.gsd_ratio is None

    @pytest.mark.parametrize("model", ["v100", "p100", "h200", "tpu"])
    def test_there_is_none_of_the_maker_for_what_no_maker_published(self, model: str) -> None:
        assert [key for key, product in EMBODIED.items() if model in f"{key} {product.name}".lower()] == []

    def test_a_life_that_the_source_does_not_tell_has_to_be_given(self) -> None:
        with pytest.raises(InvalidSite, match="lifetime"):
            EMBODIED["hgx-h100-baseboard"].item(component="gpu:*", utilisation_ratio=0.85)
        with pytest.raises(InvalidSite, match="utilisation"):
            EMBODIED["ccf-gpu"].item(component="gpu:*")

    def test_a_life_that_is_given_goes_before_that_of_the_source(self) -> None:
        item = EMBODIED["bloom-a100"].item(component="gpu:*", lifetime_s=S_PER_YEAR, utilisation_ratio=0.5)
        assert (item.lifetime_s, item.utilisation_ratio) == (S_PER_YEAR, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mass_kg": 0.0},
        {"mass_kg": float("inf")},
        {"count": 0},
        {"lifetime_s": 0.0},
        {"utilisation_ratio": 0.0},
        {"utilisation_ratio": 1.01},
        {"share_ratio": 0.0},
        {"share_ratio": float("nan")},
        {"gsd_ratio": 0.9},
        {"stands_in_for": "Tesla V100"},
    ],
)
def test_a_piece_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidSite, match="my GPU"):
        replace(OWN, **wrong)
