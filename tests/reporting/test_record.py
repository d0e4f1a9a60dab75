"""The published record as tables and figures: what was printed, what follows from it, and its corrections beside it."""

from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from carbon_nas.comparison.claim_points import claim_points
from carbon_nas.comparison.claims import OwnRun, claims, why_not
from carbon_nas.comparison.gpu_power import gpu_power, gpu_powers
from carbon_nas.comparison.published import PublishedSetting, PublishedTable, recompute, strubell2019
from carbon_nas.comparison.published_hours import FineTuning, MnasNetHours
from carbon_nas.references import REFERENCES, checks, waterfall
from carbon_nas.reporting.claims import claim_points_table, claim_table, claims_table
from carbon_nas.reporting.document import Cell, Table
from carbon_nas.reporting.figures import FORMATS, Ink, draw
from carbon_nas.reporting.published_costs import printed_table, published_table
from carbon_nas.reporting.published_crossings import pair_table, published_break_even_table
from carbon_nas.reporting.record import errata_table, register_table, waterfall_table
from carbon_nas.reporting.record_cells import factor
from carbon_nas.reporting.record_inks import claim_ink, published_curves_ink, waterfall_ink
from carbon_nas.reporting.renderers import render_csv
from carbon_nas.sources import BIBLIOGRAPHY, Tier

OWN = OwnRun(
    label="this study",
    rival="evolution",
    n=3,
    ofa_j=10.0,
    rival_j=25.0,
    tier=Tier.ESTIMATED,
    fine_tuning=FineTuning.NONE,
)


def preset(**changes: object) -> PublishedTable:
    return recompute(replace(strubell2019(), **changes))


def all_tables() -> list[Table]:
    asked = preset(n=5, power=gpu_power("300"), pue=1.1, fine_tuning=FineTuning.EPOCHS_25)
    return [
        waterfall_table(),
        errata_table(),
        register_table(),
        claims_table(),
        claim_table(why_not()),
        claim_points_table(),
        published_table(asked, preset(n=5, fine_tuning=FineTuning.EPOCHS_25)),
        printed_table(asked),
        published_break_even_table(asked),
        pair_table(asked),
    ]


def columns(table: Table, row: tuple[Cell, ...]) -> dict[str, Cell]:
    return {column.key: cell for column, cell in zip(table.columns, row, strict=True)}


def by_name(table: Table) -> dict[str, dict[str, Cell]]:
    return {row[0].text: columns(table, row) for row in table.rows}


def test_the_keys_of_the_tables_are_those_of_their_files():
    assert [table.key for table in all_tables()] == [
        "waterfall",
        "errata",
        "register",
        "claims",
        "claim_steps",
        "claim_points",
        "published_costs",
        "printed_cells",
        "published_break_even",
        "published_break_even_pairs",
    ]


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: table.key)
def test_every_number_carries_its_tier_and_no_column_stands_twice(table):
    keys = [column.key for column in table.columns]
    assert len(set(keys)) == len(keys)
    assert table.rows
    for row in table.rows:
        for column, cell in zip(table.columns, row, strict=True):
            assert cell.value is None or cell.tier is not None, (column.key, cell)
            assert cell.tier in {None, Tier.PUBLISHED, Tier.MODELLED}
            assert column.numeric or cell.value is None
            assert not column.numeric or (cell.value is None) == (cell.tier is None), (column.key, cell)


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: table.key)
def test_a_range_on_the_page_has_its_ends_in_the_data(table):
    for row in table.rows:
        ends = {cell.text for column, cell in zip(table.columns, row, strict=True) if not column.shown}
        for column, cell in zip(table.columns, row, strict=True):
            if column.shown and " to " in cell.text and cell.tier is not None:
                low, _, high = cell.text.partition(" for ")[0].partition(" to ")
                assert {low, high} <= ends, (column.key, cell)


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: table.key)
def test_whoever_shows_the_record_shows_its_correction(table):
    text = render_csv(table).replace(",", "") + table.title.replace(",", "") + table.note.replace(",", "")
    assert ("626155" in text) <= ("7096" in text)


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: table.key)
def test_every_place_that_is_cited_is_in_the_bibliography(table):
    places = [columns(table, row)["source"].text for row in table.rows if "source" in columns(table, row)]
    assert {place.partition(",")[0] for place in places if place and place != "own run"} <= BIBLIOGRAPHY.keys()


def test_the_waterfall_leads_from_the_estimate_to_the_correction_by_its_own_factors():
    rows = [columns(waterfall_table(), row) for row in waterfall_table().rows]
    assert [rows[0]["co2e_lb"].text, rows[-1]["co2e_lb"].text] == ["626,155 lb", "7,096 lb"]
    assert [row["co2e_lb"].tier for row in rows] == [Tier.PUBLISHED, *[Tier.MODELLED] * (len(rows) - 2), Tier.PUBLISHED]
    assert prod(row["factor_ratio"].value for row in rows[1:]) == pytest.approx(626_155 / 7_096)
    for before, after in pairwise(rows):
        assert before["co2e_lb"].value / after["factor_ratio"].value == pytest.approx(after["co2e_lb"].value)


def test_a_residual_is_never_taken_for_a_computed_step():
    kinds = [columns(waterfall_table(), row)["kind"].text for row in waterfall_table().rows]
    assert [kind.startswith("residual: not computed") for kind in kinds] == [step.residual for step in waterfall()]


def test_a_factor_near_one_can_be_told_from_one():
    assert [factor(1.004), factor(0.9926), factor(2.333), factor(1.0)] == ["1.004", "0.9926", "2.33", "1.000"]


def test_the_rows_that_do_not_follow_stand_open_and_the_whole_register_is_folded():
    wrong = [check for check in checks() if not check.agrees]
    assert [row[0].text for row in errata_table().rows] == [check.label for check in wrong] != []
    assert all(columns(errata_table(), row)["erratum"].text for row in errata_table().rows)
    assert (errata_table().folded, register_table().folded) == (False, True)
    assert f"Of {len(checks())} " in errata_table().note


def test_the_register_shows_every_row_with_what_follows_from_its_inputs():
    rows = by_name(register_table())
    assert list(rows) == list(REFERENCES)
    recomputed = {check.key: check for check in checks()}
    for key, row in rows.items():
        assert row["printed_value"].value == REFERENCES[key].printed.value
        assert row["printed_value"].text == REFERENCES[key].text
        check = recomputed.get(key)
        assert row["recomputed_value"].value == (check.value if check else None)
        assert row["recomputed_low_value"].value == (check.recomputed.value.low if check else None)


def test_only_known_errata_do_not_agree_and_nothing_unverified_looks_verified():
    findings = {key: row["finding"].text for key, row in by_name(register_table()).items()}
    wrong = {check.key for check in checks() if not check.agrees}
    assert {key for key, text in findings.items() if text.startswith("erratum: ")} == wrong
    assert "cai2020-mobilenetv3-large" in wrong
    unverified = {key for key, reference in REFERENCES.items() if not reference.verified}
    assert unverified
    assert {key for key, text in findings.items() if text.endswith("not verified")} == unverified


def test_a_corrected_row_of_the_register_names_its_correction_beside_it():
    rows = by_name(register_table())
    for key, reference in REFERENCES.items():
        if reference.printed.value == 626_155:
            assert rows[key]["correction"].text.endswith("7,096 lb CO2e (patterson2021)"), key
    assert rows["strubell2019-nas-preview"]["correction"].text == (
        "626,155 lb CO2e (strubell2019); then 7,096 lb CO2e (patterson2021)"
    )


def test_the_register_shows_where_within_its_rounding_a_number_lies():
    rows = by_name(register_table())
    assert rows["strubell2019-nas"]["recomputed_value"].text == "626,155.3"
    assert rows["strubell2019-nas-energy"]["recomputed_value"].text == "656,347.3"


def test_the_claims_stand_as_printed_beside_what_the_table_gives():
    rows = by_name(claims_table())
    assert {name: row["printed_ratio"].text for name, row in rows.items()} == {
        "ProxylessNAS": "16x",
        "FBNet-C": "19x",
        "MnasNet": "1,300x",
    }
    assert [row["printed_ratio"].value for row in rows.values()] == [16.0, 19.0, 1300.0]
    assert "training of MnasNet is not reported" in rows["MnasNet"]["finding"].text
    assert rows["ProxylessNAS"]["unrounded_ratio"].value == pytest.approx(20_000 / 1_240)


def test_the_steps_multiply_to_the_ratio_that_the_run_found():
    table = claim_table(why_not(OWN))
    rows = [columns(table, row) for row in table.rows]
    factors = [row["factor_ratio"].value for row in rows if row["factor_ratio"].value is not None]
    assert rows[0]["after_ratio"].value * prod(factors) == pytest.approx(2.5)
    assert rows[0]["after_ratio"].tier is Tier.PUBLISHED
    assert rows[-1]["source"].text == "own run"


def test_a_step_that_does_not_apply_says_so():
    table = claim_table(why_not(OWN))
    skipped = {row[0].text for row in table.rows if columns(table, row)["factor_ratio"].text == "does not apply"}
    assert skipped == {step.label for step in why_not(OWN) if not step.applies} != set()


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(1, 2_000), min_size=1, max_size=4))
def test_how_the_claims_move_is_a_line_for_each_choice_and_a_column_for_each_n(numbers):
    points = claim_points(tuple(sorted(numbers)))
    table = claim_points_table(points)
    shown = [columns(table, row)[f"n{n}_ratio"].value for row in table.rows for n in sorted(numbers)]
    assert shown == [point.unrounded_ratio for point in points]
    names = [row[0].text for row in table.rows]
    assert len({*names}) == len(names)
    assert "MnasNet (6,912 h) over OFA #75" in names


def test_an_assumption_is_said_once_below_the_table():
    table = claim_points_table()
    assert table.note.count("TPUv2-hours are taken for GPU-hours") == 1
    assert all("TPUv2" not in cell.text for row in table.shown_rows for cell in row)


def test_the_printed_table_comes_out_again_but_for_its_one_erratum():
    rows = by_name(printed_table(preset()))
    assert len(rows) == 15
    wrong = {name: row["finding"].text for name, row in rows.items() if row["finding"].text != "all agree"}
    assert wrong == {"MobileNetV3-Large": "erratum in CO2e"}
    assert rows["MobileNetV3-Large"]["recomputed_co2e"].text == "2,028 to 2,056"
    assert [rows["OFA"][key].text for key in ("printed_gpu_h", "printed_co2e_lb", "printed_cost_usd")] == [
        "1.2k",
        "0.34k",
        "3.7k",
    ]
    assert rows["OFA"]["printed_co2e_lb"].value == 340
    costs = by_name(published_table(preset()))["OFA"]
    assert (costs["co2e_kg"].text, costs["co2e_patterson2021_kg"].text) == ("160 kg", "276 kg")


def test_the_printed_cells_are_those_of_the_paper_whatever_is_asked():
    asked = preset(n=5, power=gpu_power("300"), pue=1.1, mnasnet=MnasNetHours.OWN_PAPER)
    assert printed_table(asked).rows == printed_table(preset()).rows


def test_a_note_about_several_rows_is_said_once_and_names_them():
    note = printed_table(preset()).note
    assert note.count("40 hours of search") == 1
    assert "OFA without progressive shrinking and OFA: the 40 hours of search are dropped" in note
    assert "MobileNetV3-Large: the search is not counted; 7,200 GPU-hours" in note
    assert ".." not in note


def test_hours_are_shown_as_what_is_paid_once_and_for_each_scenario():
    shown = {name: row["hours"].text for name, row in by_name(published_table(preset())).items()}
    assert [shown[name] for name in ("OFA", "OFA #25", "ProxylessNAS", "SinglePathNAS", "MnasNet")] == [
        "1,240",
        "1,240 + 25 N",
        "500 N",
        "288 + 408 N",
        "≥ 40,000 N",
    ]


def test_what_is_not_reported_is_a_lower_bound_unless_something_was_assumed():
    bounds = {name for name, row in by_name(published_table(preset())).items() if "≥" in row["gpu_h"].text}
    assert (
        bounds == {row.label for row in preset().rows if row.unreported} == {"NASNet-A", "MnasNet", "MobileNetV3-Large"}
    )
    assumed = published_table(preset(mnasnet=MnasNetHours.OWN_PAPER))
    assert "≥" not in by_name(assumed)["MnasNet"]["gpu_h"].text
    assert "MnasNet: TPUv2-hours are taken for GPU-hours" in assumed.note


def test_another_power_stands_before_the_published_ones_and_another_site_beside_the_printed_factors():
    asked = preset(power=gpu_power("300"), pue=1.1, intensity_g_per_kwh=50.0)
    keys = [column.key for column in published_table(asked, preset()).columns if column.key.startswith("co2e")]
    assert keys == ["co2e_kg", "co2e_strubell2019_kg", "co2e_patterson2021_kg", "co2e_paper_kg"]
    row = by_name(published_table(asked, preset()))["OFA"]
    assert row["co2e_kg"].value == pytest.approx(1_240 * 0.3 * 1.1 * 0.05)
    assert row["co2e_paper_kg"].value == pytest.approx(preset().rows[11].footprints[0].mass_kg)


@pytest.mark.parametrize("power", list(gpu_powers()))
def test_a_published_power_is_not_shown_twice(power):
    keys = [column.key for column in published_table(preset(power=gpu_power(power))).columns]
    other = ({"strubell2019", "patterson2021"} - {power}).pop()
    assert [key for key in keys if key.startswith("co2e")] == ["co2e_kg", f"co2e_{other}_kg"]


@settings(max_examples=15, deadline=None)
@given(
    power=st.floats(1.0, 1e4),
    pue=st.floats(1.0, 3.0),
    intensity=st.floats(0.0, 2e3),
    n=st.integers(1, 1_000),
)
def test_break_evens_come_out_of_the_register_whatever_the_site(power, pue, intensity, n):
    setting: PublishedSetting = replace(
        strubell2019(), n=n, power=gpu_power(str(power)), pue=pue, intensity_g_per_kwh=intensity
    )
    rows = by_name(published_break_even_table(recompute(setting)))
    found = {name: rows[name]["bare_n_ratio"].text for name in ("ProxylessNAS", "FBNet-C", "MobileNetV3-Large")}
    assert found == {"ProxylessNAS": "2.48", "FBNet-C": "2.15", "MobileNetV3-Large": "≤ 6.89"}
    assert rows["MobileNetV2"]["bare_n_ratio"].text == "8.27"
    assert rows["MobileNetV3-Large"]["partial"].text == "MobileNetV3-Large"


def test_a_break_even_below_the_first_scenario_is_said_in_words_and_kept_as_a_number():
    row = by_name(published_break_even_table(preset()))["MnasNet"]
    assert row["bare_n_ratio"].text == "below 1"
    assert row["bare_n_ratio"].value == pytest.approx(1_240 / 40_000)
    assert (row["first_n"].text, row["first_n"].value) == ("1", 1)


def test_rows_of_once_for_all_that_take_the_same_hours_are_named_below():
    note = published_break_even_table(preset()).note
    assert "OFA without progressive shrinking takes the hours of OFA," in note
    assert "OFA-Large #75 takes the hours of OFA #75," in note


def test_of_the_other_pairs_only_those_are_shown_in_which_n_decides():
    table = preset()
    shown = pair_table(table)
    assert {(row[0].text, row[1].text) for row in shown.rows} == {
        found.methods
        for found in table.break_evens
        if found.n_ratio is not None and found.n_ratio >= 1 and not any("OFA" in name for name in found.methods)
    }
    assert [round(columns(shown, row)["n_ratio"].value, 2) for row in shown.rows] == [3.91, 1.71, 3.13]
    others = [found for found in table.break_evens if not any("OFA" in name for name in found.methods)]
    always = [found for found in others if found.cheaper is not None]
    assert len(always) + len(shown.rows) == len(others)
    assert f"In the other {len(always)} pairs one takes fewer hours for every N" in shown.note


INKS = {
    "waterfall": Ink(waterfall_ink, (7.0, 3.4)),
    "claim": Ink(partial(claim_ink, why_not()), (7.0, 2.9)),
    "claim_own": Ink(partial(claim_ink, why_not(OWN)), (7.0, 3.6)),
    "claim_asked": Ink(partial(claim_ink, why_not(n=100, fine_tuning=FineTuning.EPOCHS_75)), (7.0, 3.3)),
    "claim_rise": Ink(partial(claim_ink, why_not(mnasnet=MnasNetHours.FBNET_PAPER)), (7.0, 2.9)),
    "curves": Ink(partial(published_curves_ink, preset()), (7.0, 4.6)),
    "curves_tuned": Ink(
        partial(published_curves_ink, preset(n=500, fine_tuning=FineTuning.EPOCHS_75, intensity_g_per_kwh=0.0)),
        (7.0, 4.6),
    ),
}


def inked(ink: Ink) -> tuple[Axes, FigureCanvasAgg]:
    figure = Figure(figsize=ink.size_inches, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ink.draw(axes)
    canvas.draw()
    return axes, canvas


@pytest.mark.parametrize("key", INKS)
def test_words_in_figures_can_be_read_and_do_not_lie_on_each_other(key):
    axes, canvas = inked(INKS[key])
    words = [text for text in axes.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in words) >= 8
    told = [text for text in words if isinstance(text, Annotation)] + [
        label for label in axes.get_yticklabels() if label.get_text()
    ]
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in told]
    assert [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)] == []


def test_both_ends_of_the_waterfall_are_written_in_the_figure():
    axes, _ = inked(INKS["waterfall"])
    told = {text.get_text() for text in axes.texts}
    assert {"626,155 lb", "7,096 lb"} <= told


def test_the_curves_mark_every_break_even_that_lies_in_sight():
    axes, _ = inked(INKS["curves"])
    marked = sorted(float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "D")
    assert marked == pytest.approx([1240 / 576, 1240 / 500, 1240 / 180, 1240 / 150])
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert {"ProxylessNAS (N* = 2.48)", "MobileNetV3-Large (N* ≤ 6.89)", "MnasNet (N* below 1)", "OFA"} <= labels


def test_a_step_that_costs_more_is_told_from_one_that_costs_less():
    axes, _ = inked(INKS["claim_rise"])
    up, down = axes.patches[2].get_facecolor(), axes.patches[3].get_facecolor()
    assert up != down
    assert any("2,930x" in text.get_text() for text in axes.texts)


def test_the_figures_come_in_every_format_and_with_the_same_bytes_again():
    inks = {key: INKS[key] for key in ("waterfall", "claim_own")}
    once, again = draw(inks), draw(inks)
    assert {tuple(files) for files in once.values()} == {FORMATS}
    assert once == again
    assert b"626,155 lb" in once["waterfall"]["svg"]
    assert b"7,096 lb" in once["waterfall"]["svg"]


def test_the_claims_that_are_drawn_are_those_of_the_register():
    assert [claim.text for claim in claims()] == ["16", "19", "1,300"]
