import random
import statistics
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from pydantic import ValidationError

from carbon_nas.devices import ProfilePlan, SimulatedDevice, profile, target_named
from carbon_nas.devices.fingerprint import fingerprint
from carbon_nas.devices.profiler import check_table, layer_specs
from carbon_nas.devices.profiler import settings as profiling_settings
from carbon_nas.errors import LedgerMismatch, UsageError
from carbon_nas.supernet import cost
from tests.supernet.spaces import ONE, TINY, drawn, few, seeds

PLAN = ProfilePlan(passes=2, fit_networks=4, check_networks=5)


class Listening:
    """Passes every call on to a simulated device and writes down what was timed; slows down some subjects."""

    def __init__(self, *, slow=lambda networks: (), factor=2):
        self._device = SimulatedDevice(target_named("eager-b1"), call_ms=0.0)
        self._slow, self._factor = slow, factor
        self.subjects, self.passes, self.anchors_ms = [], [], []

    @property
    def target(self):
        return self._device.target

    @property
    def networks(self):
        return [subject.key for subject in self.subjects if subject.key.startswith("network-")]

    def time(self, subjects, *, passes, rng, anchor_ms=None):
        self.subjects += subjects
        self.passes.append(passes)
        self.anchors_ms.append(anchor_ms)
        timing = self._device.time(subjects, passes=passes, rng=rng, anchor_ms=anchor_ms)
        slow = self._slow(self.networks)
        return replace(
            timing, latency_ms={key: ms * (self._factor if key in slow else 1) for key, ms in timing.latency_ms.items()}
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


def test_one_network_that_was_disturbed_does_not_bend_the_line():
    device = Listening(slow=lambda networks: networks[:1])
    table = profile(device, TINY, 3, ProfilePlan(passes=2, fit_networks=8, check_networks=5), random.Random(0)).table
    assert (table.scale_ratio, table.offset_ms) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert table.error_fraction == pytest.approx(0, abs=1e-9)
    assert table.trusted


class Backwards(Listening):
    """Takes the longer for a network the fewer MACs it has: all that a table can be wrong about."""

    def time(self, subjects, *, passes, rng, anchor_ms=None):
        timing = super().time(subjects, passes=passes, rng=rng, anchor_ms=anchor_ms)
        whole = set(self.networks)
        return replace(
            timing, latency_ms={key: 1e-6 / ms if key in whole else ms for key, ms in timing.latency_ms.items()}
        )


class Whimsical(Listening):
    """Takes for every network what chance says, as a machine does that others use as well."""

    def __init__(self, seed):
        super().__init__()
        self._dice = random.Random(seed)

    def time(self, subjects, *, passes, rng, anchor_ms=None):
        timing = super().time(subjects, passes=passes, rng=rng, anchor_ms=anchor_ms)
        whole = set(self.networks)
        return replace(
            timing,
            latency_ms={
                key: ms * self._dice.lognormvariate(0, 1) if key in whole else ms
                for key, ms in timing.latency_ms.items()
            },
        )


def assert_feasible(found, space=TINY):
    assert found.table.predict_ms(space, found.table.fastest(space)) <= found.limit_ms
    assert found.table.scale_ratio > 0


@settings(few, max_examples=10)
@given(seeds)
def test_half_of_the_networks_were_fast_enough_and_so_the_table_finds_one_that_is(seed):
    assert_feasible(profile(Whimsical(seed), TINY, 3, PLAN, random.Random(seed)))


def test_even_a_device_that_contradicts_its_layers_leaves_a_limit_that_can_be_met():
    found = profile(Backwards(), TINY, 3, PLAN, random.Random(0))
    assert_feasible(found)
    assert not found.table.trusted


def test_a_space_of_one_architecture_meets_its_own_limit():
    assert_feasible(profile(Listening(), ONE, 3, PLAN, random.Random(0)), ONE)


def test_a_table_that_had_to_be_mended_counts_as_not_checked():
    """The networks of the fit were disturbed, most of the others were not: by the line, none meets the limit."""
    device = Listening(slow=lambda networks: networks[: PLAN.fit_networks], factor=100)
    found = profile(device, TINY, 3, PLAN, random.Random(0))
    assert_feasible(found)
    assert (found.table.error_fraction, found.table.offset_ms) == (None, 0.0)
    assert not found.table.trusted


def test_a_profile_says_on_which_machine_and_for_which_space_it_was_made():
    device = Listening()
    table = profile(device, TINY, 3, PLAN, random.Random(0)).table
    assert table.fingerprint == fingerprint(device.target)
    assert table.space == "tiny"
    assert (table.checked_networks, table.bias_fraction) == (5, pytest.approx(0, abs=1e-9))
    assert table.greatest_error_fraction == pytest.approx(0, abs=1e-9)


def test_a_kept_table_is_checked_on_networks_timed_now_and_nothing_else_is_timed():
    table = profile(Listening(), TINY, 3, PLAN, random.Random(0)).table
    device = Listening()
    found = check_table(device, table, TINY, PLAN, random.Random(1))
    assert len(device.subjects) == len(device.networks) == PLAN.check_networks
    assert device.anchors_ms == [table.anchor_ms]
    assert found.limit_ms == statistics.median(found.sample_ms)
    assert found.table.entries_ms == table.entries_ms
    assert found.table.trusted


def test_a_kept_table_of_a_device_that_has_become_slower_is_no_longer_trusted():
    table = profile(Listening(), TINY, 3, PLAN, random.Random(0)).table
    found = check_table(Listening(slow=lambda networks: networks), table, TINY, PLAN, random.Random(1))
    assert found.table.bias_fraction == pytest.approx(-0.5)
    assert not found.table.trusted


def test_a_kept_table_of_another_machine_or_space_is_refused_before_anything_is_timed():
    table, device = profile(Listening(), TINY, 3, PLAN, random.Random(0)).table, Listening()
    elsewhere = replace(table, fingerprint={**table.fingerprint, "cpu_model": "another"})
    with pytest.raises(LedgerMismatch, match="cpu_model was 'another'"):
        check_table(device, elsewhere, TINY, PLAN, random.Random(1))
    with pytest.raises(UsageError, match="lacks"):
        check_table(device, table, replace(TINY, resolutions=(4, 8)), PLAN, random.Random(1))
    assert device.subjects == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"passes": 0},
        {"fit_networks": 1},
        {"check_networks": -1},
        {"repeats": 3},
        {"tables": "kept", "check_networks": 2},
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        ProfilePlan(**wrong)


def test_threads_are_set_for_as_long_as_something_is_timed():
    before = torch.get_num_threads()
    with profiling_settings(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
