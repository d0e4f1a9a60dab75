import random
from dataclasses import replace

import pytest

from carbon_nas.devices import SimulatedDevice, target_named
from carbon_nas.errors import InfeasibleScenario, UsageError
from carbon_nas.strategies.constraint import TIMING_PASSES, Constraint
from carbon_nas.supernet import cost
from carbon_nas.training.tally import Tally
from tests.strategies.bench import constraint
from tests.supernet.spaces import TINY

_FOUND = constraint(TINY)
UNCHECKED = replace(_FOUND.table, error_fraction=None, rank_correlation_ratio=None)
PLAIN = Constraint(table=UNCHECKED, limit_ms=_FOUND.limit_ms)
# Every network takes twice what the table says: the device has half the speed of the one that was profiled.
SLOW = SimulatedDevice(target_named("eager-b1"), call_ms=0.0, ms_per_mega_mac=1.0)
TRUSTED = replace(PLAIN.table, error_fraction=0.04, rank_correlation_ratio=0.97)
DOUBTED = replace(PLAIN.table, error_fraction=0.3, rank_correlation_ratio=0.5)


def latencies(constraint, tally=None):
    return constraint.latencies(TINY, random.Random(0), tally or Tally())


def true_ms(arch):
    return cost(TINY, arch, 3).macs / 1e6


def test_a_trusted_table_is_believed():
    arch, found = TINY.max(), replace(PLAIN, table=TRUSTED, device=SLOW)
    assert not found.timed
    assert latencies(found).latency_ms(arch) == TRUSTED.predict_ms(TINY, arch)


@pytest.mark.parametrize("table", [DOUBTED, PLAIN.table])
def test_where_the_table_is_not_trusted_the_network_is_timed(table):
    arch, found = TINY.max(), replace(PLAIN, table=table, device=SLOW)
    assert found.timed
    assert latencies(found).latency_ms(arch) == pytest.approx(true_ms(arch))


def test_what_is_timed_decides_whether_a_limit_is_met():
    arch = TINY.max()
    between = replace(PLAIN, table=DOUBTED, device=SLOW, limit_ms=0.75 * true_ms(arch))
    assert between.met_by(TINY, arch)
    assert not latencies(between).met_by(arch)
    assert latencies(replace(between, limit_ms=1.1 * true_ms(arch))).met_by(arch)


def test_a_network_is_timed_once_and_its_work_is_counted():
    tally = Tally()
    found = latencies(replace(PLAIN, device=SLOW), tally)
    once = [found.latency_ms(TINY.max()), found.time_ms(TINY.max())]
    assert once[0] == once[1]
    assert tally.macs == TIMING_PASSES * cost(TINY, TINY.max(), 3).macs


def test_without_a_device_the_table_is_all_there_is():
    arch = TINY.max()
    assert latencies(PLAIN).latency_ms(arch) == PLAIN.table.predict_ms(TINY, arch)
    with pytest.raises(UsageError, match="no device to time"):
        latencies(PLAIN).time_ms(arch)


def test_words_say_what_is_believed_and_why():
    for found, believed in (
        (replace(PLAIN, table=TRUSTED, device=SLOW), "only what is chosen is timed"),
        (replace(PLAIN, table=DOUBTED, device=SLOW), "no network is believed before it is timed"),
        (PLAIN, "there is no device to time on"),
    ):
        assert believed in found.words()
        assert found.table.verdict in found.words()


def test_a_limit_is_checked_before_anything_is_searched():
    fastest = PLAIN.table.fastest(TINY)
    exact_ms = PLAIN.table.predict_ms(TINY, fastest)
    assert replace(PLAIN, limit_ms=exact_ms).check(TINY).fastest() == fastest
    with pytest.raises(InfeasibleScenario) as refusal:
        replace(PLAIN, limit_ms=0.9 * exact_ms).check(TINY, where="scenario phone")
    assert str(refusal.value).startswith("scenario phone: no architecture takes")
    assert f"the fastest, {fastest}, takes {exact_ms:.3g} ms" in str(refusal.value)
