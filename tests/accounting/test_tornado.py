"""What moves a quantity most, one thing at a time."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting.choices import choice_range
from carbon_nas.accounting.tornado import SwingKind, drawn, tornado
from carbon_nas.accounting.uncertainty import Factor, Model, Term, crossing, ratio, simulate
from carbon_nas.errors import MixedQuantities, UnknownName, UnknownQuantity


def model(totals, **gsds) -> Model:
    return Model(
        factors={name: Factor(gsd_ratio=gsd, origin=f"where {name} is from") for name, gsd in gsds.items()},
        totals={
            name: tuple(Term(value=value, unit="kg", factors=tuple(named.split())) for value, named in terms)
            for name, terms in totals.items()
        },
    )


SIDES = {"a": [(2.0, "power grid"), (1.0, "embodied")], "b": [(4.0, "gpu grid")], "c": [(1.0, "unrelated")]}
SPREADS = {"grid": 1.1, "embodied": 1.5, "power": 1.3, "gpu": 1.05, "unrelated": 9.0}
RATIO = {"a / b": ratio("a", "b")}


def test_the_widest_swing_stands_first():
    found = tornado(model(SIDES, **SPREADS), {}, "a")
    assert [swing.factor for swing in found] == ["power", "embodied", "grid"]
    assert {swing.kind for swing in found} == {SwingKind.PARAMETRIC}


def test_a_factor_swings_between_its_own_percentiles_while_the_others_stay():
    (swing,) = [one for one in tornado(model(SIDES, **SPREADS), {}, "a") if one.factor == "power"]
    reach = 1.3**1.959963985
    assert swing.low.value == pytest.approx(2.0 / reach + 1.0)
    assert swing.high.value == pytest.approx(2.0 * reach + 1.0)
    assert swing.low.label == "2.5th percentile, 0.598 times"
    assert swing.high.label == "97.5th percentile, 1.67 times"
    assert (swing.low.unit, swing.note) == ("kg", "where power is from")


def test_where_a_quantity_falls_as_a_factor_rises_the_low_end_holds_more():
    (swing,) = [one for one in tornado(model(SIDES, **SPREADS), RATIO, "a / b") if one.factor == "gpu"]
    assert swing.low.value > 0.75 > swing.high.value


def test_what_cancels_does_not_move_a_ratio_and_says_so():
    sides = {"a": [(2.0, "power grid")], "b": [(4.0, "grid")]}
    power, grid = tornado(model(sides, power=1.1, grid=None), RATIO, "a / b")
    assert power.low.value < 0.5 < power.high.value
    assert grid.low.value == grid.high.value == 0.5
    assert grid.quantified, "it has no spread, and needs none here"
    assert grid.note == "cancels"


def test_what_is_not_quantified_stands_last_and_has_no_ends():
    found = tornado(model(SIDES, **SPREADS | {"power": None}), {}, "a")
    assert [swing.factor for swing in found] == ["embodied", "grid", "power"]
    assert (found[-1].low, found[-1].high, found[-1].quantified) == (None, None, False)


def test_a_choice_stands_among_them():
    choice = choice_range("lifetime", {"3 years": 5.0, "5 years": 3.0, "unknown": None}, unit="kg", base="5 years")
    found = tornado(model(SIDES, **SPREADS), {}, "a", choices=[choice])
    assert [swing.factor for swing in found] == ["power", "lifetime", "embodied", "grid"]
    assert found[1].kind is SwingKind.CHOICE
    assert (found[1].low, found[1].high) == (choice.low, choice.high)
    assert found[1].note == "a choice: 5 years was made; no number for unknown"


def test_a_choice_in_another_unit_is_refused():
    choice = choice_range("lifetime", {"3 years": 4.5}, unit="lb", base="3 years")
    with pytest.raises(MixedQuantities, match="'lb'"):
        tornado(model(SIDES, **SPREADS), {}, "a", choices=[choice])


def test_a_factor_that_keeps_curves_from_crossing_stands_first():
    sides = {"a": [(100.0, "once")], "a each": [(1.0, "power")], "b": [(0.0, "")], "b each": [(1.2, "")]}
    crossings = {"N*": crossing(upfront=("a", "a each"), rival=("b", "b each"))}
    power, once = tornado(model(sides, once=3.0, power=1.2), crossings, "N*")
    assert (power.factor, power.high, power.quantified) == ("power", None, True)
    assert power.low.value < 500.0
    assert once.low is not None


def test_what_is_no_number_has_no_tornado():
    sides = model({"a": [(1.0, "power")], "b": [(0.0, "power")]}, power=1.1)
    with pytest.raises(UnknownQuantity, match="a / b"):
        tornado(sides, RATIO, "a / b")
    with pytest.raises(UnknownName, match="'c'"):
        tornado(sides, RATIO, "c")


def test_only_what_has_a_width_that_can_be_seen_is_drawn():
    sides = {"a": [(1.0, "grid wide"), (1e-8, "faint")], "b": [(4.0, "grid")], "c": [(2.0, "unknown")]}
    spreads = {"grid": 1.1, "wide": 1.3, "faint": 1.3, "unknown": None}
    found = tornado(model(sides, **spreads), RATIO, "a / b")
    assert [swing.factor for swing in found if not swing.visible] == ["faint", "grid"]
    assert [swing.factor for swing in drawn(found)] == ["wide"]
    assert drawn(tornado(model(sides, **spreads), {}, "c")) == ()


def test_what_keeps_curves_from_crossing_at_one_end_is_drawn_too():
    sides = {"a": [(100.0, "once")], "a each": [(1.0, "power")], "b": [(0.0, "")], "b each": [(1.2, "")]}
    crossings = {"N*": crossing(upfront=("a", "a each"), rival=("b", "b each"))}
    assert [one.factor for one in drawn(tornado(model(sides, once=3.0, power=1.2), crossings, "N*"))] == [
        "power",
        "once",
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(1.0, 1e3), st.floats(1.0, 2.0)), min_size=1, max_size=5))
def test_every_swing_of_a_sum_lies_about_its_value_and_the_widest_stand_first(terms):
    spreads = {f"f{number}": gsd for number, (_, gsd) in enumerate(terms)}
    total = model({"total": [(value, f"f{number}") for number, (value, _) in enumerate(terms)]}, **spreads)
    found = tornado(total, {}, "total")
    value = simulate(total, {}, draws=1_000)["total"].value
    widths = [swing.high.value - swing.low.value for swing in found]
    assert all(swing.low.value <= value * (1 + 1e-12) for swing in found)
    assert all(swing.high.value >= value * (1 - 1e-12) for swing in found)
    assert all(wide >= narrow for wide, narrow in pairwise(widths))
