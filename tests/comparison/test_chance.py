"""Chance between seeds: known from three seeds on, the same for all that a run used, and none in shared work."""

from math import hypot, log, sqrt

import pytest

from carbon_nas.accounting.site import Site
from carbon_nas.accounting.sites import Sites
from carbon_nas.comparison.spread import break_even_name, ratio_name
from carbon_nas.ledger import Role, Scope
from carbon_nas.meters import ManualClock
from carbon_nas.recorder import Recorder
from tests.accounting.places import KWH_J, a_grid, a_place
from tests.comparison.gauged import Looked, gauged, look
from tests.gauge import Gauge

RATIO, CROSSING = ratio_name("a", "b"), break_even_name("a", "b")
# A sensor and a grid that are never wrong, so that nothing but chance is left.
EXACT = {"gpu:a": {"gain_fraction": 0.0}}
STUDENT_2 = 4.303
"""Student's t for three seeds, at 95 %."""
CERTAIN = a_place(grids=(a_grid(gsd_ratio=1.0),))
# From seed to seed `a` doubles once and triples each time; its rival needs the same again every time.
SCATTERED = {"a": [(10.0, 1.0), (20.0, 3.0), (40.0, 9.0)], "b": [(0.0, 8.0)] * 3}


def by_chance(folder, strategies=None, place: Site = CERTAIN, components=None) -> Looked:
    return look(gauged(folder, strategies or SCATTERED, components or EXACT, seeds=3), Sites(sites=(place,)))


def ends(found: Looked, name: str) -> tuple[float, float]:
    interval = found.spreads[name].interval
    assert interval is not None
    return interval.low, interval.high


def test_three_seeds_give_the_mean_the_interval_of_student(tmp_path):
    """Logarithms a step apart have that step as their standard deviation, and their mean a root of three less."""
    spreads = by_chance(tmp_path).spreads
    for name, mean_j, step in (("a, once", 70.0 / 3.0, 2.0), ("a, each", 13.0 / 3.0, 3.0)):
        spread, reach = spreads[name], step ** (STUDENT_2 / sqrt(3.0))
        assert spread.value == pytest.approx(mean_j / KWH_J * 0.1)
        assert (spread.analytic.low, spread.analytic.high) == (
            pytest.approx(spread.value / reach),
            pytest.approx(spread.value * reach),
        )
        assert spread.agree


def test_chance_once_and_chance_each_time_are_two(tmp_path):
    spread = by_chance(tmp_path).spreads["a"]
    once_j, each_j = 70.0 / 3.0, 13.0 / 3.0
    parts = (once_j * log(2.0), each_j * log(3.0))
    half = STUDENT_2 / sqrt(3.0) / (once_j + each_j)
    assert log(spread.analytic.high / spread.value) == pytest.approx(half * hypot(*parts), rel=1e-4)
    # One chance for both would reach further.
    assert hypot(*parts) < 0.9 * sum(parts)


def test_seeds_that_are_all_alike_leave_nothing_to_chance(tmp_path):
    found = by_chance(tmp_path, {"a": (10.0, 2.0), "b": (0.0, 8.0)})
    assert {name: one.gsd_ratio for name, one in found.doubt.model.factors.items() if name.startswith("chance")} == {
        "chance in a, once": 1.0,
        "chance in a, each": 1.0,
        "chance in b, each": 1.0,
    }
    for name in ("a", "b", RATIO, CROSSING):
        low, high = ends(found, name)
        assert low == high == found.spreads[name].value


def test_chance_does_not_cancel_in_a_ratio(tmp_path):
    """Both scatter alike, and by chance."""
    alike = [(0.0, 4.0), (0.0, 8.0), (0.0, 16.0)]
    spread = by_chance(tmp_path, {"a": alike, "b": alike}).spreads[RATIO]
    assert spread.value == pytest.approx(1.0)
    assert spread.analytic.high == pytest.approx(2.0 ** (STUDENT_2 / sqrt(3.0) * sqrt(2.0)), rel=1e-4)


def test_what_every_joule_is_multiplied_by_is_no_chance(tmp_path):
    bare, dear = (
        by_chance(tmp_path / name, place=place).doubt.model.factors
        for name, place in (("bare", CERTAIN), ("dear", a_place(900.0, pue=2.0)))
    )
    for name in ("chance in a, once", "chance in a, each"):
        assert bare[name].gsd_ratio == pytest.approx(dear[name].gsd_ratio)


def test_all_components_of_a_run_share_its_chance(tmp_path):
    """A seed that trains for longer does so on its processor and on its memory."""
    components = EXACT | {"dram": {"gain_fraction": 0.0, "power_w": 3.0}}
    one, two = (by_chance(tmp_path / str(len(parts)), components=parts) for parts in (EXACT, components))
    reach = [log(ends(found, "a, once")[1] / found.spreads["a, once"].value) for found in (one, two)]
    assert reach[0] == pytest.approx(reach[1])


@pytest.mark.parametrize(("seeds", "words"), [(1, "one seed tells"), (2, "two seeds tell")])
def test_one_seed_or_two_tell_nothing_of_chance_and_it_is_named(tmp_path, seeds, words):
    found = by_chance(tmp_path, {"a": SCATTERED["a"][:seeds], "b": SCATTERED["b"][:seeds]})
    mine, theirs = ["chance in a, once", "chance in a, each"], ["chance in b, each"]
    spreads = found.spreads
    for name, missing in (("a", mine), ("b", theirs), (RATIO, mine + theirs), (CROSSING, mine + theirs)):
        assert spreads[name].interval is None
        assert sorted(spreads[name].not_quantified) == sorted(missing)
    for name in mine + theirs:
        assert found.doubt.model.factors[name].gsd_ratio is None
        assert found.doubt.model.factors[name].origin == f"{words} nothing of chance"


def test_a_number_of_seeds_is_told_where_there_are_enough(tmp_path):
    origin = by_chance(tmp_path).doubt.model.factors["chance in a, once"].origin
    assert origin == "the mean of 3 seeds, as they scatter; the edges of their phases are in it"


def share(folder, **facts) -> None:
    """Add what was done once for all strategies and seeds: far more than they spend themselves."""
    clock = ManualClock()
    with Recorder(
        folder / "ledger" / "shared.jsonl",
        strategy="tables",
        role=Role.SHARED,
        meters=[Gauge(clock, "gpu:a", **({"own": True, "gain_fraction": 0.0} | facts))],
        clock=clock,
        heartbeat_interval_s=None,
    ) as shared:
        with shared.phase("measure"):
            clock.advance(1_000.0)
        with shared.phase("profile", scope=Scope.PER_SCENARIO, scenario="s"):
            clock.advance(500.0)


def test_shared_work_was_done_once_and_is_in_no_chance(tmp_path):
    alone = by_chance(tmp_path / "alone")
    folder = gauged(tmp_path / "shared", SCATTERED, EXACT)
    share(folder)
    found = look(folder, Sites(sites=(CERTAIN,)))
    for name in ("chance in a, once", "chance in a, each"):
        assert found.doubt.model.factors[name] == alone.doubt.model.factors[name]
    for name, own_j, shared_j in (("a, once", 70.0 / 3.0, 1_000.0), ("a, each", 13.0 / 3.0, 500.0)):
        by_chance_kg = {
            any(factor.startswith("chance") for factor in term.factors): term.value
            for term in found.doubt.model.totals[name]
            if term.value
        }
        assert by_chance_kg == {
            True: pytest.approx(own_j / KWH_J * 0.1),
            False: pytest.approx(shared_j / KWH_J * 0.1),
        }
    # Of what is mostly shared, chance moves little.
    assert log(ends(found, "a")[1] / ends(found, "a")[0]) < 0.1 * log(ends(alone, "a")[1] / ends(alone, "a")[0])


def test_what_is_all_shared_has_no_chance_of_its_own(tmp_path):
    folder = gauged(tmp_path, SCATTERED, EXACT)
    share(folder)
    found = look(folder, Sites(sites=(CERTAIN,)))
    # `b` pays nothing of its own once, and a share of the tables.
    assert found.spreads["b, once"].value == pytest.approx(1_000.0 / KWH_J * 0.1)
    assert "chance in b, once" not in found.doubt.model.factors


def test_a_seed_that_paid_nothing_counts_as_one_that_paid_nothing(tmp_path):
    """Three seeds that trained alike, and one that did not train at all, are no certainty."""
    strategies = {"a": [(10.0, 2.0)] * 3 + [(0.0, 2.0)], "b": [(0.0, 8.0)] * 4}
    found = by_chance(tmp_path, strategies)
    assert found.spreads["a, once"].value == pytest.approx(7.5 / KWH_J * 0.1)
    assert found.doubt.model.factors["chance in a, once"].gsd_ratio is None
    assert found.spreads["a"].interval is None


def test_the_scatter_of_seeds_holds_the_edges_of_their_own_phases_and_not_those_of_shared_work(tmp_path):
    """Counted apart from it they would be counted twice."""
    ticking = {"gpu:a": {"gain_fraction": 0.0, "tick_s": 0.1}}
    folder = gauged(tmp_path, SCATTERED, ticking)
    share(folder, tick_s=0.1)

    def edges(seeds: int) -> list[str]:
        for path in (folder / "ledger").glob(f"*-seed{seeds}.jsonl"):
            path.unlink()
        factors = look(folder, Sites(sites=(CERTAIN,))).doubt.model.factors
        return sorted(name for name in factors if name.startswith("edges"))

    shared = ["edges of shared work, each, gpu:a", "edges of shared work, once, gpu:a"]
    own = ["edges of a, each, gpu:a", "edges of a, once, gpu:a", "edges of b, each, gpu:a"]
    assert edges(seeds=3) == shared
    assert edges(seeds=2) == own + shared


def test_chance_is_of_the_work_and_not_of_the_grid(tmp_path):
    """On a grid without emissions every cost is zero, and the joules scatter as they did."""
    clean = by_chance(tmp_path / "clean", place=a_place(0.0)).doubt.model.factors["chance in a, once"]
    plain = by_chance(tmp_path / "plain", place=a_place()).doubt.model.factors["chance in a, once"]
    assert clean == plain
    assert clean.gsd_ratio is not None
