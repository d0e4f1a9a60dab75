from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.references import nas_costs
from carbon_nas.uncertain import Interval, printed


def test_the_table_has_its_fifteen_rows_in_the_order_of_the_paper() -> None:
    assert [cost.label for cost in nas_costs().values()] == [
        "MobileNetV2",
        "MobileNetV2 #1200",
        "NASNet-A",
        "DARTS",
        "MnasNet",
        "FBNet-C",
        "ProxylessNAS",
        "SinglePathNAS",
        "AutoSlim",
        "MobileNetV3-Large",
        "OFA without progressive shrinking",
        "OFA",
        "OFA #25",
        "OFA #75",
        "OFA-Large #75",
    ]


@pytest.mark.parametrize(
    ("key", "once", "each"),
    [
        ("cai2020-proxylessnas", 0, 500),
        ("cai2020-singlepathnas", 288, 408),
        ("cai2020-autoslim", 180, 300),
        ("cai2020-mnasnet", 0, 40_000),
        ("cai2020-ofa", 1_240, 0),
        ("cai2020-ofa-75", 1_240, 75),
    ],
)
def test_hours_once_and_for_each_scenario(key: str, once: float, each: float) -> None:
    cost = nas_costs()[key]
    assert (cost.once_gpu_h, cost.each_gpu_h) == (once, each)


def test_a_dash_is_not_reported_and_never_zero() -> None:
    mnasnet, mobilenet = nas_costs()["cai2020-mnasnet"], nas_costs()["cai2020-mobilenetv3-large"]
    assert (mnasnet.train_once_gpu_h, mnasnet.train_each_gpu_h) == (None, None)
    assert (mobilenet.search_once_gpu_h, mobilenet.search_each_gpu_h) == (None, None)
    assert nas_costs()["cai2020-mobilenetv2"].search_once_gpu_h == 0.0


def test_what_is_left_out_is_named() -> None:
    partial = {cost.label: cost.unreported for cost in nas_costs().values() if cost.unreported}
    assert partial == {"NASNet-A": ("training",), "MnasNet": ("training",), "MobileNetV3-Large": ("search",)}


def test_a_row_that_reports_nothing_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="neither search nor training"):
        replace(nas_costs()["cai2020-mnasnet"], search_once_gpu_h=None, search_each_gpu_h=None)


@settings(max_examples=30)
@given(n=st.integers(min_value=0, max_value=10_000))
def test_hours_grow_by_the_same_number_with_every_scenario(n: int) -> None:
    for cost in nas_costs().values():
        assert cost.gpu_h(n + 1) - cost.gpu_h(n) == cost.each_gpu_h
        assert cost.gpu_h(0) == cost.once_gpu_h


def test_forty_hours_of_search_are_lost_in_the_rounding_of_once_for_all() -> None:
    cost = nas_costs()["cai2020-ofa"]
    assert cost.search_once_gpu_h == 40
    assert printed(cost.total_text) == Interval(low=1_150, high=1_250)
    assert "40 hours of search are dropped" in cost.note


def test_accuracies_are_fractions_that_were_read_in_the_table() -> None:
    costs = nas_costs().values()
    assert all(cost.accuracy_verified and 0.7 < (cost.accuracy_fraction or 0.0) <= 0.8 for cost in costs)


def test_every_row_names_its_paper_its_version_and_the_scenarios_of_its_totals() -> None:
    for cost in nas_costs().values():
        assert (cost.source.key, cost.version, cost.scenarios) == ("cai2020", "ICLR 2020", 40)
        assert cost.source.where == f"Table 1, {cost.label}"
        assert cost.accelerator == "V100"
