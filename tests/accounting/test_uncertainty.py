"""Sums of products with shared factors: Monte Carlo beside propagation, and what cancels in a ratio."""

from dataclasses import replace
from math import exp, hypot, log, sqrt
from statistics import NormalDist
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting.model import influences, value_at
from carbon_nas.accounting.uncertainty import Derived, Factor, Model, Term, crossing, ratio, simulate
from carbon_nas.errors import MixedQuantities, UnknownName, UnknownQuantity, UsageError
from carbon_nas.uncertain import Interval

NORMAL = NormalDist()
Z_95 = NORMAL.inv_cdf(0.975)
DRAWS = 20_000
# Of a quantile of a normal sample, in standard deviations: sqrt(p (1 - p) / n) / density.
STANDARD_ERROR = sqrt(0.025 * 0.975 / DRAWS) / NORMAL.pdf(Z_95)

gsds = st.floats(min_value=1.01, max_value=2.0)
moderate_gsds = st.floats(min_value=1.01, max_value=1.15)
values = st.floats(min_value=1e-3, max_value=1e6)


def factor(gsd_ratio: float | None) -> Factor:
    return Factor(gsd_ratio=gsd_ratio, origin="as this test has it")


def model(totals, **gsds) -> Model:
    """Return a model from `{total: [(value, factor names), ...]}` in kg."""
    return Model(
        factors={name: factor(gsd) for name, gsd in gsds.items()},
        totals={
            name: tuple(Term(value=value, unit="kg", factors=tuple(named.split())) for value, named in terms)
            for name, terms in totals.items()
        },
    )


# GPU-hours of once-for-all and ProxylessNAS (Cai et al. 2020, Table 1) at 188.149 W, PUE 1.58 and 0.43273 kg/kWh.
KG_PER_GPU_H = 188.149e-3 * 1.58 * 0.43273
PUBLISHED = {
    "ofa once": [(1240 * KG_PER_GPU_H, "power pue grid")],
    "ofa each": [(0.0, "power pue grid")],
    "proxyless once": [(0.0, "power pue grid")],
    "proxyless each": [(500 * KG_PER_GPU_H, "power pue grid")],
}
BREAK_EVEN = {"N*": crossing(upfront=("ofa once", "ofa each"), rival=("proxyless once", "proxyless each"))}


def published(**gsds):
    return model(PUBLISHED, **gsds)


def test_the_published_break_even_is_exact_since_both_sides_share_every_factor():
    found = simulate(published(power=1.3, pue=1.1, grid=1.2), BREAK_EVEN)
    assert found["N*"].value == pytest.approx(2.48)
    assert found["N*"].unit == "scenarios"
    assert found["N*"].interval == found["N*"].analytic == Interval.exactly(found["N*"].value)
    assert found["ofa once"].interval.high > 1.5 * found["ofa once"].value, "the absolute is far from exact"


def test_the_same_seed_gives_the_same_bytes():
    sides = {"a": [(2.0, "power grid"), (1.0, "grid")], "b": [(3.0, "pue")]}
    known, derived = model(sides, power=1.1, grid=1.3, pue=1.05), {"a / b": ratio("a", "b")}
    assert simulate(known, derived, seed=7) == simulate(known, derived, seed=7)
    assert simulate(known, derived, seed=7)["a"].interval != simulate(known, derived, seed=8)["a"].interval


def test_draws_of_a_factor_do_not_depend_on_what_else_is_in_the_model():
    alone = model({"a": [(2.0, "grid")]}, grid=1.3)
    among_others = model({"b": [(3.0, "pue")], "a": [(2.0, "grid")]}, pue=1.05, grid=1.3)
    assert simulate(alone, {})["a"] == simulate(among_others, {})["a"]


@settings(max_examples=40, deadline=None)
@given(st.lists(gsds, min_size=1, max_size=4), values, st.integers(min_value=0, max_value=2**32))
def test_the_interval_of_a_product_is_exact_and_monte_carlo_meets_it_within_sampling_error(spreads, value, seed):
    names = [f"f{number}" for number in range(len(spreads))]
    product = model({"total": [(value, " ".join(names))]}, **dict(zip(names, spreads, strict=True)))
    found = simulate(product, {}, seed=seed, draws=DRAWS)["total"]
    sigma = hypot(*map(log, spreads))
    assert found.analytic.low == pytest.approx(value * exp(-Z_95 * sigma))
    assert found.analytic.high == pytest.approx(value * exp(Z_95 * sigma))
    assert abs(log(found.interval.low / found.analytic.low)) < 5 * STANDARD_ERROR * sigma
    assert abs(log(found.interval.high / found.analytic.high)) < 5 * STANDARD_ERROR * sigma
    assert found.agree


@settings(max_examples=25, deadline=None)
@given(gsds, gsds, values, values)
def test_a_ratio_of_products_is_as_sure_as_what_its_sides_do_not_share(over, under, a, b):
    sides = model({"a": [(a, "mine grid")], "b": [(b, "grid theirs")]}, mine=over, theirs=under, grid=2.0)
    found = simulate(sides, {"a / b": ratio("a", "b")})["a / b"]
    assert found.value == pytest.approx(a / b)
    assert found.analytic.high / found.value == pytest.approx(exp(Z_95 * hypot(log(over), log(under))), rel=1e-6)
    assert found.agree


def test_few_draws_miss_by_their_sampling_error_and_still_agree():
    product = model({"total": [(1.0, "f")]}, f=1.5)
    found = [simulate(product, {}, seed=seed, draws=1_000)["total"] for seed in range(100)]
    misses = [log(one.interval.high / one.analytic.high) / log(one.analytic.high) for one in found]
    assert max(map(abs, misses)) > 0.1, "more than what is allowed for linearity alone"
    assert all(one.agree for one in found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(values, moderate_gsds), min_size=2, max_size=5), moderate_gsds)
def test_both_methods_agree_on_sums_of_moderate_spread(terms, shared):
    named = [(value, f"f{number} shared") for number, (value, _) in enumerate(terms)]
    spreads = {f"f{number}": gsd for number, (_, gsd) in enumerate(terms)}
    assert simulate(model({"total": named}, shared=shared, **spreads), {})["total"].agree


def test_where_a_sum_is_far_from_linear_the_disagreement_is_said():
    wide = model({"total": [(1.0, f"f{number}") for number in range(6)]}, **{f"f{number}": 3.0 for number in range(6)})
    found = simulate(wide, {})["total"]
    assert found.agree is False
    assert found.interval.low > found.analytic.low, "the least of six is seldom the least of each"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(values, gsds), min_size=2, max_size=4),
    st.one_of(st.none(), gsds),
    st.integers(min_value=0, max_value=2**32),
)
def test_a_shared_factor_leaves_the_intervals_of_ratios_unchanged_to_the_last_bit(terms, shared, seed):
    spreads = {f"f{number}": gsd for number, (_, gsd) in enumerate(terms)}
    names = list(spreads)

    def sides(more: str) -> dict[str, list[tuple[float, str]]]:
        once = [(value, f"{more} f{number}") for number, (value, _) in enumerate(terms)]
        each = [(value / 3.0, f"f{number} {more}") for number, (value, _) in enumerate(terms)]
        return {"a": once, "a each": each[:1], "b": [(1.0, f"{names[-1]} {more}")], "b each": [(2e6, more)]}

    derived = {
        "ratio": ratio("a", "b"),
        "N*": crossing(upfront=("a", "a each"), rival=("b", "b each")),
        "at 40": lambda totals: (totals["a"] + 40 * totals["a each"]) / (totals["b"] + 40 * totals["b each"]),
    }
    without = simulate(model(sides(""), **spreads), derived, seed=seed, draws=2_000)
    beside = simulate(model(sides("grid"), **spreads, grid=shared), derived, seed=seed, draws=2_000)
    for name in derived:
        assert beside[name] == without[name]
        assert beside[name].interval is not None
    assert beside["a"].interval != without["a"].interval


def test_what_is_not_quantified_leaves_no_interval_and_is_named():
    found = simulate(published(power=1.3, pue=None, grid=1.2), BREAK_EVEN)["ofa once"]
    assert (found.interval, found.analytic, found.agree) == (None, None, None)
    assert found.not_quantified == ("pue",)
    assert found.value == pytest.approx(1240 * KG_PER_GPU_H)


def test_the_interval_over_the_quantified_factors_alone_has_a_name_of_its_own():
    found = simulate(published(power=1.3, pue=None, grid=1.2), {})["ofa once"]
    assert found.quantified_only == simulate(published(power=1.3, pue=1.0, grid=1.2), {})["ofa once"].interval
    assert simulate(published(power=1.3, pue=1.1, grid=1.2), {})["ofa once"].quantified_only is None


def test_without_any_known_spread_there_is_no_interval_of_no_width():
    found = simulate(published(power=None, pue=None, grid=None), {})["ofa once"]
    assert (found.interval, found.quantified_only) == (None, None)
    assert found.not_quantified == ("power", "pue", "grid")


def test_what_is_not_quantified_and_cancels_does_not_matter():
    found = simulate(published(power=None, pue=None, grid=None), BREAK_EVEN)["N*"]
    assert found.not_quantified == ()
    assert found.interval == Interval.exactly(found.value)


def test_what_is_not_quantified_and_only_nearly_cancels_matters():
    sides = model({"a": [(1.0, "grid")], "b": [(1.0, "grid"), (1e-9, "embodied")]}, grid=None, embodied=None)
    assert simulate(sides, {"a / b": ratio("a", "b")})["a / b"].not_quantified == ("grid", "embodied")


def test_a_factor_of_nothing_does_not_matter():
    found = simulate(model({"total": [(2.0, "power"), (0.0, "embodied")]}, power=1.1, embodied=None), {})["total"]
    assert found.not_quantified == ()
    assert found.agree


def test_a_measured_zero_stays_zero():
    found = simulate(model({"total": [(0.0, "power")]}, power=1.1), {})["total"]
    assert found.value == 0.0
    assert found.interval == found.analytic == Interval.exactly(0.0)
    assert found.agree


def test_without_factors_a_number_is_exact():
    found = simulate(model({"total": [(1.5, ""), (2.0, "")]}), {})["total"]
    assert found.interval == found.analytic == Interval.exactly(3.5)
    assert found.agree


def test_a_factor_that_is_named_twice_counts_twice():
    found = simulate(model({"total": [(1.0, "f f")]}, f=1.2), {})["total"]
    assert found.analytic.high == pytest.approx(1.2 ** (2 * Z_95))
    assert found.agree


def test_the_share_of_draws_in_which_curves_never_cross_is_told():
    # They cross where power < 1.2: one standard deviation of ln 1.2.
    sides = {"a": [(100.0, "")], "a each": [(1.0, "power")], "b": [(0.0, "")], "b each": [(1.2, "")]}
    crossings = {"N*": crossing(upfront=("a", "a each"), rival=("b", "b each"))}
    found = simulate(model(sides, power=1.2), crossings, draws=DRAWS)["N*"]
    share = NORMAL.cdf(-1.0)
    assert found.undefined_share == pytest.approx(share, abs=5 * sqrt(share * (1 - share) / DRAWS))
    assert found.interval.low < found.value < found.interval.high
    assert found.agree is False, "first order knows nothing of curves that never cross"


def test_curves_that_never_cross_have_no_break_even_at_all():
    sides = {"a": [(100.0, "power")], "a each": [(2.0, "power")], "b": [(0.0, "")], "b each": [(1.0, "power")]}
    crossings = {"N*": crossing(upfront=("a", "a each"), rival=("b", "b each"))}
    found = simulate(model(sides, power=1.2), crossings)["N*"]
    assert (found.value, found.interval, found.analytic, found.agree) == (None, None, None, None)
    assert found.undefined_share == 1.0


def test_who_pays_less_from_the_start_breaks_even_at_zero():
    sides = {"a": [(1.0, "")], "a each": [(1.0, "power")], "b": [(3.0, "")], "b each": [(2.0, "power")]}
    crossings = {"N*": crossing(upfront=("a", "a each"), rival=("b", "b each"))}
    assert simulate(model(sides, power=1.1), crossings)["N*"].value == 0.0


def test_a_difference_may_be_below_zero():
    sides = model({"a": [(1.0, "power")], "b": [(5.0, "grid")]}, power=1.1, grid=1.1)
    found = simulate(sides, {"saved": Derived(unit="kg", of=lambda totals: totals["a"] - totals["b"])})["saved"]
    assert (found.value, found.unit) == (-4.0, "kg")
    assert found.interval.low < -4.0 < found.interval.high < 0.0
    assert found.agree


def test_a_difference_that_may_be_either_has_ends_on_both_sides_and_no_logarithm_to_agree_with():
    sides = model({"a": [(5.0, "power")], "b": [(5.1, "grid")]}, power=1.1, grid=1.1)
    found = simulate(sides, {"saved": lambda totals: totals["a"] - totals["b"]})["saved"]
    assert found.interval.low < 0.0 < found.interval.high
    assert not found.agree
    assert found.unit == ""


def test_a_derivation_may_be_a_constant():
    found = simulate(published(power=1.3, pue=1.1, grid=None), {"n": lambda _: np.float64(40.0)})["n"]
    assert found.interval == Interval.exactly(40.0)


def test_factors_matter_in_the_order_of_the_model():
    known = published(power=1.3, pue=None, grid=1.2)
    assert influences(known, {}, "ofa once") == ("power", "pue", "grid")
    assert influences(known, BREAK_EVEN, "N*") == ()


def test_a_quantity_can_be_asked_for_with_factors_moved():
    known = published(power=1.3, pue=None, grid=1.2)
    assert value_at(known, {}, "ofa once", {"pue": 1.1}) == pytest.approx(1.1 * value_at(known, {}, "ofa once"))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_term_is_a_number_from_zero_up(value):
    with pytest.raises(ValueError, match="no logarithm"):
        Term(value=value, unit="kg")


def test_a_term_that_is_not_known_is_no_zero():
    with pytest.raises(UnknownQuantity, match="not known"):
        Term(value=None, unit="kg")
    with pytest.raises(UnknownQuantity, match="without terms"):
        model({"total": []})


def test_terms_of_different_units_have_no_sum():
    terms = (Term(value=1.0, unit="kg"), Term(value=1.0, unit="lb"))
    with pytest.raises(MixedQuantities, match="in kg and in lb"):
        Model(factors={}, totals={"total": terms})


def test_names_that_are_not_there_are_refused():
    with pytest.raises(UnknownName, match="'pue'"):
        model({"total": [(1.0, "power pue")]}, power=1.1)
    with pytest.raises(UnknownName, match="'c'"):
        simulate(model({"a": [(1.0, "")]}), {"a / c": ratio("a", "c")})
    with pytest.raises(UnknownName, match="'c'"):
        value_at(model({"a": [(1.0, "")]}), {}, "c")


def test_a_factor_says_where_its_spread_is_from():
    with pytest.raises(ValueError, match="a sentence"):
        Factor(gsd_ratio=1.1, origin=" ")
    with pytest.raises(ValueError, match="geometric standard deviation"):
        replace(factor(1.1), gsd_ratio=0.9)


def test_a_name_belongs_to_one_quantity():
    with pytest.raises(UsageError, match="ofa once"):
        simulate(published(power=1.3, pue=1.1, grid=1.2), {"ofa once": ratio("ofa once", "proxyless each")})


def test_an_interval_of_95_percent_needs_draws_beyond_it():
    with pytest.raises(UsageError, match="999 draws are too few"):
        simulate(published(power=1.3, pue=1.1, grid=1.2), {}, draws=999)


def test_twenty_thousand_draws_of_ten_factors_in_ten_terms_take_less_than_a_fifth_of_a_second():
    names = [f"f{number}" for number in range(10)]
    terms = [(1.0 + number, " ".join(names)) for number in range(5)]
    large = model({"a": terms, "b": terms}, **dict.fromkeys(names, 1.1))
    durations_s = []
    for _ in range(5):
        began_s = perf_counter()
        simulate(large, {"a / b": ratio("a", "b")}, draws=20_000)
        durations_s.append(perf_counter() - began_s)
    assert min(durations_s) < 0.2
