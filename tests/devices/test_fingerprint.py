import pytest
import torch

from carbon_nas.devices import TARGETS, target_named
from carbon_nas.devices.fingerprint import fingerprint


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_a_fingerprint_of_words(name):
    facts = fingerprint(target_named(name))
    assert {"cpu_model", "logical_cores", "threads", "torch", "libraries", "runtime", "processor"} <= facts.keys()
    assert all(isinstance(value, str) for value in facts.values())
    assert facts["torch"] == torch.__version__


def test_it_is_the_same_as_long_as_nothing_changes_and_differs_with_the_target():
    assert fingerprint(target_named("eager-b1")) == fingerprint(target_named("eager-b1"))
    prints = {tuple(sorted(fingerprint(target).items())) for target in TARGETS.values()}
    assert len(prints) == len(TARGETS)


def test_the_number_of_threads_is_a_part_of_it():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(fingerprint(target_named("eager-b1")))
    finally:
        torch.set_num_threads(before)
    alone, together = found
    assert together == {**alone, "threads": "2", "clock": "of the wall"}
    assert (alone["threads"], alone["clock"]) == ("1", "of the thread")
