"""The published cost table, computed anew: at its own factors it is the printed one, elsewhere it follows."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.comparison.gpu_power import gpu_power, gpu_powers
from carbon_nas.comparison.published import PublishedRow, PublishedSetting, PublishedTable, recompute, strubell2019
from carbon_nas.comparison.published_break_even import PublishedBreakEven
from carbon_nas.comparison.published_hours import FineTuning, MnasNetHours, published_hours
from carbon_nas.errors import InvalidSite, UsageError
from carbon_nas.references import lb_per_gpu_h
from carbon_nas.units import KG_PER_LB

FEW = settings(max_examples=15, deadline=None)
NUMBERS = st.integers(min_value=1, max_value=10_000)


def rows(**facts) -> dict[str, PublishedRow]:
    table = recompute(replace(strubell2019(), **facts))
    return {row.key.removeprefix("cai2020-"): row for row in table.rows}


def crossings(kind: FineTuning, **facts) -> dict[str, PublishedBreakEven]:
    table = recompute(replace(strubell2019(), **facts))
    return {row.rival: row.crossings[kind] for row in table.against_upfront}


@pytest.fixture(scope="module")
def table() -> PublishedTable:
    return recompute(strubell2019())


def test_at_its_own_factors_the_table_is_the_printed_one(table):
    assert len(table.rows) == 15
    assert [row.label for row in table.rows if not row.as_printed.hours_agree] == []
    assert [row.label for row in table.rows if not row.as_printed.cost_agrees] == []
    wrong = [row.label for row in table.rows if not row.as_printed.mass_agrees]
    assert wrong == [row.label for row in table.rows if row.as_printed.erratum] == ["MobileNetV3-Large"]


def test_the_factors_of_the_printed_table_come_out_of_the_register():
    setting = strubell2019()
    assert (setting.n, setting.pue) == (40, 1.58)
    assert setting.power.power_w == pytest.approx(188.149, abs=5e-4)
    assert setting.usd_per_gpu_h == pytest.approx(3.06)
    assert setting.intensity_g_per_kwh == pytest.approx(0.954 * 1_000 * KG_PER_LB)
    hour = setting.footprint(1.0, setting.power)
    assert hour.mass_lb == pytest.approx(lb_per_gpu_h("V100"), rel=1e-12)
    assert hour.mass_lb == pytest.approx(0.283600, abs=5e-7)


def test_the_search_that_rounding_drops_is_counted():
    ofa = rows()["ofa"]
    assert (ofa.gpu_h, ofa.as_printed.total_text) == (1_240.0, "1.2k")
    assert ofa.footprints[0].mass_lb == pytest.approx(352, abs=0.5)
    assert ofa.cost_usd == pytest.approx(3_794, abs=0.5)


def test_facility_energy_is_it_energy_through_one_pue_and_pounds_are_kilograms():
    hour = strubell2019().footprint(1.0, gpu_power("1000"))
    assert hour.it_energy_kwh == 1.0
    assert hour.facility_energy_kwh == pytest.approx(1.58)
    assert hour.mass_kg == pytest.approx(hour.mass_lb * KG_PER_LB)


def test_the_two_published_powers_always_stand_side_by_side(table):
    for row in table.rows:
        assert [one.power for one in row.footprints] == [power.label for power in gpu_powers().values()]
    scaled, measured = rows()["ofa"].footprints
    assert measured.mass_kg / scaled.mass_kg == pytest.approx(325 / 188.149, rel=1e-5)
    assert scaled.mass_95_kg is None, "a spread that nobody gave is not zero"
    assert measured.mass_95_kg.holds(measured.mass_kg)
    assert not measured.mass_95_kg.holds(scaled.mass_kg), "they differ by more than a spread: a range of choices"


def test_an_own_power_stands_first_and_the_published_ones_stay():
    own = rows(power=gpu_power("300 W"))["ofa"].footprints
    assert [round(one.power_w) for one in own] == [300, 188, 325]


def test_what_was_printed_stays_what_it_was_in_every_setting(table):
    elsewhere = recompute(
        replace(strubell2019(), n=3, pue=1.1, intensity_g_per_kwh=20.0, mnasnet=MnasNetHours.OWN_PAPER)
    )
    assert [row.as_printed for row in elsewhere.rows] == [row.as_printed for row in table.rows]


@FEW
@given(NUMBERS, NUMBERS)
def test_every_row_is_a_straight_line_over_the_number_of_scenarios(n, more):
    here, there = rows(n=n), rows(n=n + more)
    for key, row in here.items():
        assert there[key].gpu_h - row.gpu_h == pytest.approx(more * row.each_gpu_h)
        assert row.gpu_h == row.once_gpu_h + n * row.each_gpu_h
        assert there[key].footprints[0].mass_kg * row.gpu_h == pytest.approx(
            row.footprints[0].mass_kg * there[key].gpu_h
        )
        assert there[key].cost_usd * row.gpu_h == pytest.approx(row.cost_usd * there[key].gpu_h)


@FEW
@given(
    st.floats(min_value=1.0, max_value=3.0),
    st.floats(min_value=1.0, max_value=2_000.0),
    st.floats(min_value=10.0, max_value=1_000.0),
)
def test_site_and_power_scale_every_row_alike_so_ratios_stay(pue, intensity_g_per_kwh, power_w):
    there = rows(pue=pue, intensity_g_per_kwh=intensity_g_per_kwh, power=gpu_power(str(power_w)))
    here = rows()
    factor = pue * intensity_g_per_kwh * power_w / 3.6e9 * 3_600
    for key, row in there.items():
        assert row.upfront_ratio == here[key].upfront_ratio
        assert row.footprints[0].mass_kg == pytest.approx(row.gpu_h * factor)


def test_fine_tuning_decides_what_the_others_are_compared_with():
    ratios = [rows(fine_tuning=kind)["proxylessnas"].upfront_ratio for kind in FineTuning]
    assert ratios == [20_000 / 1_240, 20_000 / 2_240, 20_000 / 4_240]
    for kind, key in zip(FineTuning, ("ofa", "ofa-25", "ofa-75"), strict=True):
        assert rows(fine_tuning=kind)[key].upfront_ratio == 1.0


def test_break_evens_with_once_for_all_come_out_of_the_register():
    plain = crossings(FineTuning.NONE)
    assert {name: round(one.n_ratio, 2) for name, one in plain.items() if name not in ("NASNet-A", "MnasNet")} == {
        "MobileNetV2": 8.27,
        "MobileNetV2 #1200": 1.03,
        "DARTS": 3.58,
        "FBNet-C": 2.15,
        "ProxylessNAS": 2.48,
        "SinglePathNAS": 2.33,
        "AutoSlim": 3.53,
        "MobileNetV3-Large": 6.89,
    }
    assert {one.methods[0] for one in plain.values()} == {"OFA"}
    assert {name: plain[name].first_n for name in ("ProxylessNAS", "FBNet-C", "MobileNetV3-Large", "MobileNetV2")} == {
        "ProxylessNAS": 3,
        "FBNet-C": 3,
        "MobileNetV3-Large": 7,
        "MobileNetV2": 9,
    }


@pytest.mark.parametrize(
    ("rival", "tuned_25", "tuned_75"),
    [
        ("MobileNetV2", 9.92, 16.53),
        ("MobileNetV3-Large", 8.00, 11.81),
        ("AutoSlim", 3.85, 4.71),
        ("ProxylessNAS", 2.61, 2.92),
        ("SinglePathNAS", 2.49, 2.86),
        ("FBNet-C", 2.25, 2.48),
    ],
)
def test_fine_tuning_moves_every_break_even_up(rival, tuned_25, tuned_75):
    found = [crossings(kind)[rival].n_ratio for kind in FineTuning]
    assert found[1:] == [pytest.approx(tuned_25, abs=0.0051), pytest.approx(tuned_75, abs=0.0051)]
    assert found == sorted(found)


def test_a_break_even_with_a_row_that_leaves_something_out_says_so():
    plain = crossings(FineTuning.NONE)
    assert {name for name, one in plain.items() if one.partial} == {"NASNet-A", "MnasNet", "MobileNetV3-Large"}
    assert {row.label: row.unreported for row in rows().values() if row.unreported} == {
        "NASNet-A": ("training",),
        "MnasNet": ("training",),
        "MobileNetV3-Large": ("search",),
    }


def test_a_break_even_with_a_rival_that_leaves_something_out_can_only_be_lower():
    plain = crossings(FineTuning.NONE)
    assert {name for name, one in plain.items() if one.at_most} == {"NASNet-A", "MnasNet", "MobileNetV3-Large"}
    assumed = crossings(FineTuning.NONE, mnasnet=MnasNetHours.OWN_PAPER)["MnasNet"]
    assert (assumed.partial, assumed.at_most) == (("MnasNet",), False), "an assumption is no bound"


@FEW
@given(st.floats(min_value=0.0, max_value=1e4), st.floats(min_value=0.0, max_value=1e4))
def test_whatever_a_rival_left_out_its_break_even_is_never_higher(once_gpu_h, each_gpu_h):
    ofa, rival = (published_hours()[key] for key in ("cai2020-ofa", "cai2020-mobilenetv3-large"))
    bound = crossings(FineTuning.NONE)["MobileNetV3-Large"].n_ratio
    whole = replace(rival, search_once_gpu_h=once_gpu_h, search_each_gpu_h=each_gpu_h)
    assert ofa.gpu_h(bound) <= whole.gpu_h(bound) * (1 + 1e-12)


def test_every_pair_costs_the_same_at_its_crossing_and_swaps_there(table):
    costs = {cost.label: cost for cost in published_hours().values()}
    assert len(table.break_evens) == 15 * 14 // 2
    crossing = [pair for pair in table.break_evens if pair.n_ratio is not None]
    assert crossing
    for pair in crossing:
        upfront, rival = (costs[label] for label in pair.methods)
        assert upfront.once_gpu_h > rival.once_gpu_h
        assert pair.n_ratio > 0
        assert upfront.gpu_h(pair.n_ratio) == pytest.approx(rival.gpu_h(pair.n_ratio))
        assert upfront.gpu_h(pair.first_n) < rival.gpu_h(pair.first_n)
        assert pair.first_n == 1 or upfront.gpu_h(pair.first_n - 1) >= rival.gpu_h(pair.first_n - 1)
        assert (pair.cheaper is None) == (pair.n_ratio >= 1)


def test_of_a_pair_that_never_crosses_one_is_cheaper_for_every_number_of_scenarios(table):
    costs = {cost.label: cost for cost in published_hours().values()}
    always = [pair for pair in table.break_evens if pair.cheaper is not None]
    assert {pair.methods for pair in table.break_evens if pair.n_ratio is None} > {("AutoSlim", "MobileNetV2")}
    for pair in always:
        (other,) = {*pair.methods} - {pair.cheaper}
        assert all(costs[pair.cheaper].gpu_h(n) < costs[other].gpu_h(n) for n in (1, 2, 40, 10**9))


def test_two_methods_that_pay_nothing_once_do_not_cross(table):
    (pair,) = [one for one in table.break_evens if {*one.methods} == {"FBNet-C", "ProxylessNAS"}]
    assert (pair.n_ratio, pair.first_n, pair.cheaper) == (None, None, "ProxylessNAS")


def test_methods_of_equal_cost_never_break_even(table):
    (pair,) = [one for one in table.break_evens if {*one.methods} == {"OFA #75", "OFA-Large #75"}]
    assert (pair.n_ratio, pair.first_n, pair.cheaper) == (None, None, None)


@pytest.mark.parametrize(("choice", "hours"), [("40,000", 40_000), ("6,912", 6_912), ("90,720", 90_720)])
def test_mnasnet_can_be_charged_with_each_of_its_published_costs(choice, hours):
    chosen, usual = rows(mnasnet=MnasNetHours(choice)), rows()
    assert chosen.pop("mnasnet").each_gpu_h == hours
    assert [row.gpu_h for row in chosen.values()] == [row.gpu_h for key, row in usual.items() if key != "mnasnet"]


def test_hours_of_another_accelerator_are_never_taken_silently():
    assumed = {choice: rows(mnasnet=choice)["mnasnet"].assumption for choice in MnasNetHours}
    assert assumed[MnasNetHours.TABLE] == assumed[MnasNetHours.FBNET_PAPER] == ""
    assert "TPUv2-hours are taken for GPU-hours" in assumed[MnasNetHours.OWN_PAPER]
    assert "assumption" in assumed[MnasNetHours.OWN_PAPER]


@pytest.mark.parametrize(
    ("facts", "error", "words"),
    [
        ({"n": 0}, UsageError, "no number of scenarios"),
        ({"pue": 0.9}, InvalidSite, "PUE"),
        ({"intensity_g_per_kwh": -1.0}, InvalidSite, "intensity"),
        ({"intensity_g_per_kwh": float("nan")}, InvalidSite, "intensity"),
        ({"usd_per_gpu_h": -3.0}, UsageError, "price"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_birth(facts, error, words):
    with pytest.raises(error, match=words):
        replace(strubell2019(), **facts)


def test_the_table_is_data_for_a_report(table):
    from carbon_nas.reporting.renderers import _plain

    plain = json.loads(json.dumps(_plain(table), allow_nan=False))
    assert plain["against_upfront"][0]["crossings"]["#25"]["first_n"] == 10
    assert plain["rows"][0]["as_printed"]["mass_agrees"] is True
    assert isinstance(table.setting, PublishedSetting)
