"""The power of a GPU with its share of the host: by name, in watts, or out of a ledger."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.comparison.gpu_power import gpu_power, gpu_powers, measured_power
from carbon_nas.errors import UnknownName, UnknownQuantity, UsageError
from carbon_nas.ledger import Scope, read, read_run
from carbon_nas.ledger.run import Run
from carbon_nas.meters import ManualClock, Meter, SimulatedMeter
from carbon_nas.recorder import Recorder
from carbon_nas.sources import BIBLIOGRAPHY, Tier
from tests.gauge import Gauge

KEPT = Path(__file__).parents[2] / "reports" / "digits-host" / "ledger"


def open_recorder(path: Path, clock: ManualClock, *meters: Meter) -> Recorder:
    """Record on one simulated GPU, unless told otherwise."""
    meters = meters or (SimulatedMeter(clock, component="gpu:a", power_w=100.0),)
    return Recorder(path, strategy="s", meters=list(meters), clock=clock, heartbeat_interval_s=None)


def record(path: Path, *powers: tuple[str, float], more: tuple[Meter, ...] = (), clock: ManualClock) -> Run:
    meters = [SimulatedMeter(clock, component=name, power_w=power_w) for name, power_w in powers]
    with open_recorder(path, clock, *meters, *more) as recorder:
        with recorder.phase("train", scope=Scope.ONCE):
            clock.advance(10.0)
            with recorder.phase("validate", scope=Scope.ONCE):
                clock.advance(5.0)
        with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario="a"):
            clock.advance(3.0)
    return read_run(path)


def test_published_powers_have_a_source_and_the_measured_one_a_spread():
    powers = gpu_powers()
    assert {power.source.key for power in powers.values()} <= BIBLIOGRAPHY.keys()
    assert powers["strubell2019"].power_95_w is None
    spread = powers["patterson2021"].power_95_w
    assert (spread.low, spread.high) == (
        pytest.approx(325 / 1.02**1.96, rel=1e-4),
        pytest.approx(325 * 1.02**1.96, rel=1e-4),
    )


def test_a_power_is_asked_for_by_name_or_in_watts():
    assert gpu_power("patterson2021") == gpu_powers()["patterson2021"]
    assert gpu_power("300").power_w == gpu_power("300 W").power_w == 300.0


@pytest.mark.parametrize("words", ["v100", "", "300 kW"])
def test_a_name_that_is_not_there_is_answered_with_those_that_are(words):
    with pytest.raises(UnknownName, match="patterson2021"):
        gpu_power(words)


@pytest.mark.parametrize("words", ["0", "-5", "inf", "nan"])
def test_no_power_is_no_power(words):
    with pytest.raises(UsageError, match="no power"):
        gpu_power(words)


def test_one_gpu_draws_its_own_power_and_that_of_its_host(tmp_path):
    run = record(tmp_path / "r.jsonl", ("gpu:a", 300.0), ("cpu:package-0", 60.0), clock=ManualClock())
    found = measured_power([run])
    assert found.power_w == pytest.approx(360.0)
    assert found.power_95_w is None
    assert found.tier is Tier.MODELLED, "as sure as the least sure of its components"


def test_two_gpus_share_one_host(tmp_path):
    run = record(tmp_path / "r.jsonl", ("gpu:a", 300.0), ("gpu:b", 200.0), ("dram", 50.0), clock=ManualClock())
    assert measured_power([run]).power_w == pytest.approx((300 + 200 + 50) / 2)


@settings(max_examples=10, deadline=None)
@given(st.floats(min_value=1, max_value=700), st.floats(min_value=1, max_value=700))
def test_several_runs_are_weighted_by_how_long_gpus_were_held(tmp_path_factory, one_w, other_w):
    folder = tmp_path_factory.mktemp("runs")
    runs = [
        record(folder / f"{w}-{n}.jsonl", ("gpu:a", w), clock=ManualClock()) for n, w in enumerate((one_w, other_w))
    ]
    assert measured_power(runs).power_w == pytest.approx((one_w + other_w) / 2)


def test_a_run_without_a_gpu_has_no_power_per_gpu(tmp_path):
    assert measured_power([record(tmp_path / "r.jsonl", ("cpu:package-0", 60.0), clock=ManualClock())]) is None
    assert measured_power([]) is None


def test_the_kept_ledgers_of_a_machine_without_a_gpu_have_none():
    assert measured_power(read(KEPT)) is None


def test_device_time_that_nobody_counted_is_not_zero(tmp_path):
    clock = ManualClock()
    run = record(tmp_path / "r.jsonl", more=(Gauge(clock, "gpu:a"),), clock=clock)
    with pytest.raises(UnknownQuantity, match="GPU time"):
        measured_power([run])


def test_joules_that_are_not_known_are_not_zero(tmp_path):
    clock = ManualClock()
    broken = Gauge(clock, "cpu:package-0")
    broken.broken = True
    with pytest.raises(UnknownQuantity, match="phase validate: its energy"):
        measured_power([record(tmp_path / "r.jsonl", ("gpu:a", 300.0), more=(broken,), clock=clock)])


def test_an_attempt_that_was_lost_is_left_out(tmp_path):
    clock, path = ManualClock(), tmp_path / "r.jsonl"

    def interrupted() -> None:
        with open_recorder(path, clock) as recorder, recorder.phase("train", scope=Scope.ONCE):
            clock.advance(2.0)
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    run = read_run(path)
    assert [one.wasted for one in run.activities] == [True]
    assert measured_power([run]) is None


def test_a_network_at_work_says_nothing_of_what_finding_it_took(tmp_path):
    clock, path = ManualClock(), tmp_path / "r.jsonl"
    with open_recorder(path, clock) as recorder, recorder.phase("use", scope=Scope.USE, scenario="a"):
        clock.advance(2.0)
    assert measured_power([read_run(path)]) is None
