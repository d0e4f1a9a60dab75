import random
import statistics
from dataclasses import replace

import pytest
from pydantic import ValidationError

from carbon_nas.devices import ProfilePlan, SimulatedDevice, profile, target_named
from carbon_nas.devices.profiler import layer_specs
from carbon_nas.supernet import cost
from tests.supernet.spaces import ONE, TINY, drawn

PLAN = ProfilePlan(passes=2, fit_networks=4, check_networks=5)


class Listening:
    """Passes every call on to a simulated device and writes down what was timed; slows down some subjects."""

    def __init__(self, *, slow=lambda networks: ()):
        self._device = SimulatedDevice(target_named("eager-b1"), call_ms=0.0)
        self._slow = slow
        self.subjects, self.passes = [], []

    @property
    def target(self):
        return self._device.target

    @property
    def networks(self):
        return [subject.key for subject in self.subjects if subject.key.startswith("network-")]

    def time(self, subjects, *, passes, rng, anchor_ms=None):
        self.subjects += subjects
        self.passes.append(passes)
        timing = self._device.time(subjects, passes=passes, rng=rng, anchor_ms=anchor_ms)
        slow = self._slow(self.networks)
        return replace(
            timing, latency_ms={key: ms * (2 if key in slow else 1) for key, ms in timing.latency_ms.items()}
        )


class Patient(random.Random):
    """Loses patience, so that a loop without an end fails instead of hanging."""

    left = 10_000

    def choice(self, choices):
        self.left -= 1
        assert self.left, "this loop does not end"
        return super().choice(choices)


def test_an_additive_device_is_recovered_exactly():
    found = profile(Listening(), TINY, 3, PLAN, random.Random(0))
    assert found.table.error_fraction == pytest.approx(0, abs=1e-9)
    assert found.table.rank_correlation_ratio == pytest.approx(1)
    for arch in drawn(TINY, 20, seed=1):
        assert found.table.predict_ms(TINY, arch) == pytest.approx(0.5 * cost(TINY, arch, 3).macs / 1e6)


def test_a_cost_per_call_is_counted_once_by_the_fit_and_once_a_layer_without_it():
    device = SimulatedDevice(target_named("eager-b1"), call_ms=0.001)
    fitted = profile(device, TINY, 3, ProfilePlan(passes=1, fit_networks=8), random.Random(0)).table
    plain = replace(fitted, scale_ratio=1.0, offset_ms=0.0)

    def error(table):
        truth = {arch: 0.001 + 0.5 * cost(TINY, arch, 3).macs / 1e6 for arch in drawn(TINY, 20, seed=1)}
        return statistics.mean(abs(table.predict_ms(TINY, arch) / ms - 1) for arch, ms in truth.items())

    assert error(fitted) < error(plain) / 3


def test_the_limit_is_the_median_of_the_random_networks_timed_whole():
    device = Listening()
    found = profile(device, TINY, 3, PLAN, random.Random(0))
    macs = {subject.key: subject.macs for subject in device.subjects}
    assert found.sample_ms == tuple(0.5 * macs[key] / 1e6 for key in device.networks)
    assert found.limit_ms == statistics.median(found.sample_ms)


def test_every_layer_and_as_many_distinct_networks_as_planned_are_timed_in_one_go():
    device = Listening()
    found = profile(device, TINY, 3, PLAN, random.Random(0))
    keys = [subject.key for subject in device.subjects]
    assert len(set(keys)) == len(keys)
    assert set(keys) - set(device.networks) == set(layer_specs(TINY, 3)) == found.table.entries_ms.keys()
    assert len(device.networks) == PLAN.fit_networks + PLAN.check_networks
    assert device.passes == [PLAN.passes]


def test_the_networks_of_the_check_take_no_part_in_the_fit():
    """Were they in it, slowing them down would move the line; as they are not, the error is exactly one half."""
    device = Listening(slow=lambda networks: networks[PLAN.fit_networks :])
    found = profile(device, TINY, 3, PLAN, random.Random(0))
    assert found.table.error_fraction == pytest.approx(0.5)
    assert (found.table.scale_ratio, found.table.offset_ms) == pytest.approx((1.0, 0.0), abs=1e-9)


def test_without_check_networks_the_error_is_not_known_rather_than_zero():
    found = profile(Listening(), TINY, 3, ProfilePlan(fit_networks=4, check_networks=0), random.Random(0))
    assert found.table.error_fraction is None
    assert found.table.rank_correlation_ratio is None


def test_the_same_seed_gives_the_same_profile():
    one, other = (profile(Listening(), TINY, 3, PLAN, random.Random(7)) for _ in range(2))
    assert one == other
    assert profile(Listening(), TINY, 3, PLAN, random.Random(8)) != one


def test_a_space_with_fewer_architectures_than_planned_is_profiled_with_what_there_is():
    found = profile(Listening(), ONE, 3, PLAN, Patient(0))
    assert len(found.sample_ms) == 1


@pytest.mark.parametrize("wrong", [{"passes": 0}, {"fit_networks": 1}, {"check_networks": -1}, {"repeats": 3}])
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        ProfilePlan(**wrong)
