"""Busy time over components: of what was known, and of what a processor does not tell."""

import pytest

from carbon_nas.accounting.entry import busy_seconds


@pytest.mark.parametrize(
    ("device_s", "seconds"),
    [
        ({"cpu:process": 3.0, "gpu:a": 4.0}, 7.0),
        ({"cpu:process": 3.0, "dram": None}, 3.0),
        ({"dram": None}, None),
        ({}, None),
        ({"simulated": 2.0, "other": None}, 2.0),
        ({"cpu:process": 0.0}, 0.0),
    ],
    ids=["all", "memory has none", "memory alone", "nothing", "others count where known", "a measured zero"],
)
def test_busy_time_is_that_of_all_components_that_have_one(device_s, seconds):
    assert busy_seconds(device_s) == seconds


@pytest.mark.parametrize("device_s", [{"gpu:a": 4.0, "gpu:b": None}, {"cpu:process": 3.0, "gpu:a": None}])
def test_a_gpu_whose_busy_time_is_not_known_leaves_no_sum(device_s):
    assert busy_seconds(device_s) is None


def test_the_seconds_of_all_packages_stand_beside_the_first():
    assert busy_seconds({"cpu:package-0": 5.0, "cpu:package-1": None, "gpu:a": 1.0}) == 6.0
    assert busy_seconds({"cpu:package-0": None, "cpu:package-1": None, "gpu:a": 1.0}) is None
