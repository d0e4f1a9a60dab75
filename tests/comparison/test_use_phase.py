"""The use phase: networks at work are metered, counted by image, and no part of what finding them cost."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting import Statement, account, site
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.comparison.use_phase import Fleet, Inference, inferences
from carbon_nas.errors import UsageError
from carbon_nas.ledger import Role, Scope, read
from carbon_nas.meters import ManualClock, Meter, SimulatedMeter
from carbon_nas.recorder import Recorder
from carbon_nas.sources import Tier
from tests.gauge import Gauge
from tests.recorded import SCENARIOS, record_study

few = settings(max_examples=25, deadline=None)
WORKED_S = {"upfront": {"slow": 2.0, "fast": 1.0}, "repeated": {"slow": 4.0, "fast": 8.0}}
IMAGES = 1_000


def work(folder: Path, strategy: str, worked_s: dict[str, float], *, images: int | None = IMAGES) -> None:
    """Let the delivered networks of one strategy work at 1 W, in a ledger of their own."""
    clock = ManualClock()
    with Recorder(
        folder / "ledger" / f"{strategy}-use.jsonl",
        strategy=strategy,
        workload="toy",
        study={"name": "study"},
        meters=[SimulatedMeter(clock, power_w=1.0)],
        clock=clock,
        heartbeat_interval_s=None,
    ) as recorder:
        for scenario, duration_s in worked_s.items():
            with recorder.phase("use", scope=Scope.USE, scenario=scenario) as window:
                clock.advance(duration_s)
                window.images = images


def compared(folder: Path) -> Comparison:
    runs = read(folder / "ledger")
    return compare(statements_of(folder), deliveries(runs))


def statements_of(folder: Path) -> list[Statement]:
    return [account(run, site("FR")) for run in read(folder / "ledger")]


def at_work(folder: Path) -> dict[tuple[str, str], Inference]:
    found = inferences(statements_of(folder), deliveries(read(folder / "ledger")))
    return {(item.strategy, item.scenario): item for item in found}


def alone(path: Path, *meters: Meter, clock: ManualClock, duration_s: float = 2.0, images: int | None = IMAGES):
    """Let one network work on some meters; return what is found of it."""
    options = {"strategy": "a", "meters": meters, "clock": clock, "heartbeat_interval_s": None}
    with (
        Recorder(path / "ledger" / "a.jsonl", **options) as recorder,
        recorder.phase("use", scope=Scope.USE, scenario="s") as window,
    ):
        clock.advance(duration_s)
        window.images = images
    (found,) = at_work(path).values()
    return found


def test_networks_at_work_change_no_cost_of_finding_them(tmp_path):
    folder = record_study(tmp_path)
    before = compared(folder)
    for strategy, worked_s in WORKED_S.items():
        work(folder, strategy, worked_s)
    assert compared(folder) == before


def test_the_energy_of_an_image_is_that_of_the_stretch_over_the_images_that_passed(tmp_path):
    folder = record_study(tmp_path)
    for strategy, worked_s in WORKED_S.items():
        work(folder, strategy, worked_s)
    found = at_work(folder)
    assert {key: item.image_j for key, item in found.items()} == {
        (strategy, scenario): WORKED_S[strategy][scenario] / IMAGES for strategy in WORKED_S for scenario in SCENARIOS
    }
    assert {item.images for item in found.values()} == {IMAGES}
    assert {item.tier for item in found.values()} == {Tier.MODELLED}
    slow = found["upfront", "slow"]
    assert (slow.latency_ms, slow.accuracy_fraction, slow.duration_s) == (1.9, 0.95, 2.0)


def test_a_study_in_which_nothing_worked_has_no_inference(tmp_path):
    assert at_work(record_study(tmp_path)) == {}


def test_a_network_that_works_and_was_not_delivered_has_neither_latency_nor_accuracy(tmp_path):
    clock = ManualClock()
    found = alone(tmp_path, SimulatedMeter(clock, power_w=1.0), clock=clock)
    assert (found.latency_ms, found.accuracy_fraction) == (None, None)
    assert found.image_j == 2.0 / IMAGES


@pytest.mark.parametrize("images", [None, 0])
def test_where_no_image_was_counted_the_energy_of_one_is_not_known(tmp_path, images):
    clock = ManualClock()
    found = alone(tmp_path, SimulatedMeter(clock, power_w=1.0), clock=clock, images=images)
    assert (found.images, found.image_j, found.random_u_j) == (images, None, None)


def test_where_a_device_did_not_answer_the_energy_of_an_image_is_not_known(tmp_path):
    clock = ManualClock()
    gauge = Gauge(clock)
    gauge.broken = True
    found = alone(tmp_path, gauge, SimulatedMeter(clock, power_w=1.0), clock=clock)
    assert (found.images, found.image_j, found.below_resolution) == (IMAGES, None, None)


def test_a_stretch_that_is_too_short_for_its_counter_is_below_resolution(tmp_path):
    for name, duration_s, below in (("short", 0.05, True), ("long", 100.0, False)):
        clock = ManualClock()
        found = alone(tmp_path / name, Gauge(clock, tick_s=0.1), clock=clock, duration_s=duration_s)
        assert found.below_resolution is below
        assert found.random_u_j is not None
        assert (found.image_j <= 2 * found.random_u_j) is below


def test_where_the_counter_says_nothing_about_its_edges_nobody_knows_whether_it_is_below_resolution(tmp_path):
    clock = ManualClock()
    found = alone(tmp_path, Gauge(clock, tick_s=None), clock=clock)
    assert (found.random_u_j, found.below_resolution) == (None, None)


def test_what_no_sensor_gave_has_no_uncertainty_of_a_sensor(tmp_path):
    clock = ManualClock()
    found = alone(tmp_path, Gauge(clock), Gauge(clock, "dram", tier=Tier.ESTIMATED), clock=clock)
    assert (found.random_u_j, found.below_resolution, found.tier) == (None, None, Tier.ESTIMATED)


def test_joules_that_never_moved_are_below_resolution(tmp_path):
    clock = ManualClock()
    assert alone(tmp_path, Gauge(clock, power_w=0.0, tick_s=None), clock=clock).below_resolution is True


def test_an_attempt_that_was_lost_is_no_work_and_neither_is_what_all_share(tmp_path):
    folder = record_study(tmp_path)
    work(folder, "upfront", {"slow": 2.0})
    for statement in statements_of(folder):
        lost = replace(statement, entries=tuple(replace(entry, wasted=True) for entry in statement.entries))
        shared = replace(statement, role=str(Role.SHARED))
        assert inferences([lost], []) == inferences([shared], []) == ()


@few
@given(st.lists(st.tuples(st.floats(0.1, 100.0), st.integers(1, 10**6)), min_size=1, max_size=5))
def test_several_stretches_of_one_network_are_added_up(tmp_path_factory, stretches):
    folder, clock = tmp_path_factory.mktemp("several"), ManualClock()
    options = {"strategy": "a", "clock": clock, "heartbeat_interval_s": None}
    meters = [SimulatedMeter(clock, power_w=1.0)]
    with Recorder(folder / "ledger" / "a.jsonl", meters=meters, **options) as recorder:
        for number, (duration_s, images) in enumerate(stretches):
            with recorder.phase(f"use {number}", scope=Scope.USE, scenario="s") as window:
                clock.advance(duration_s)
                window.images = images
    (found,) = at_work(folder).values()
    assert found.images == sum(images for _, images in stretches)
    assert found.image_j == pytest.approx(sum(duration_s for duration_s, _ in stretches) / found.images)


def test_a_fleet_sees_as_many_images_as_its_devices_in_their_life():
    fleet = Fleet(devices=10, requests_per_day=100, lifetime_days=365)
    assert (fleet.images_per_day, fleet.images) == (1_000, 365_000)


@pytest.mark.parametrize("wrong", ["devices", "requests_per_day", "lifetime_days"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_fleet_of_nothing_is_refused_by_name(wrong, number):
    with pytest.raises(UsageError, match=wrong):
        Fleet(**({"devices": 1, "requests_per_day": 1, "lifetime_days": 1} | {wrong: number}))
