import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.errors import MixedQuantities, UnknownQuantity
from carbon_nas.references import REFERENCES, DeviceHours, Kind, device_hours
from carbon_nas.sources import Source

ASSUMED = Source(key="", where="assumed: one for one")


def test_the_search_of_mnasnet_has_three_published_costs() -> None:
    rows = [REFERENCES[f"{paper}-mnasnet"] for paper in ("tan2019", "cai2019", "wu2019")]
    assert [(row.text, row.printed.unit, row.kind) for row in rows] == [
        ("6,912", "TPUv2-hours", Kind.MEASURED),
        ("40,000", "GPU-hours", Kind.NORMALISED),
        ("90,720", "GPU-hours", Kind.ESTIMATED),
    ]


def test_tpu_hours_and_gpu_hours_cannot_be_added() -> None:
    tpu, gpu = (device_hours(REFERENCES[key]) for key in ("tan2019-mnasnet", "wu2019-fbnet"))
    with pytest.raises(MixedQuantities, match="TPUv2-hours and GPU-hours"):
        tpu + gpu


def test_a_bare_number_cannot_be_added() -> None:
    with pytest.raises(MixedQuantities, match="int"):
        device_hours(REFERENCES["wu2019-fbnet"]) + 1  # type: ignore[operator]


def test_a_conversion_is_asked_for_by_name_and_stays_visible() -> None:
    tpu, gpu = (device_hours(REFERENCES[key]) for key in ("tan2019-mnasnet", "wu2019-fbnet"))
    total = tpu.convert(to="GPU-hours", ratio=1.0, source=ASSUMED) + gpu
    assert (total.value, total.unit) == (7_128, "GPU-hours")
    assert [(step.before, step.to, step.source) for step in total.conversions] == [
        ("TPUv2-hours", "GPU-hours", ASSUMED)
    ]


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf")])
def test_a_ratio_must_be_a_positive_number(ratio: float) -> None:
    with pytest.raises(ValueError, match="cannot be taken"):
        DeviceHours(value=1.0, unit="TPUv2-hours").convert(to="GPU-hours", ratio=ratio, source=ASSUMED)


def test_what_counts_no_hours_of_an_accelerator_is_refused() -> None:
    with pytest.raises(UnknownQuantity, match="lb CO2e"):
        device_hours(REFERENCES["strubell2019-nas"])


@settings(max_examples=30)
@given(
    st.integers(min_value=0, max_value=10**9),
    st.integers(min_value=0, max_value=10**9),
    st.integers(min_value=0, max_value=100),
)
def test_hours_of_one_accelerator_add_up(mine: int, theirs: int, n: int) -> None:
    total = DeviceHours(value=mine, unit="GPU-hours") + n * DeviceHours(value=theirs, unit="GPU-hours")
    assert total == DeviceHours(value=mine + n * theirs, unit="GPU-hours")
