"""A heartbeat beats, counts its own failures, and never disturbs what it watches."""

import threading

import pytest

from carbon_nas.meters.sampler import Sampler
from tests.ledger.accidents import in_a_fork, needs_fork

PATIENCE_S = 30.0


class Beats:
    """Counts beats, and lets a test wait for a number of them."""

    def __init__(self, *, enough: int = 3, error: Exception | None = None) -> None:
        self.count, self._left, self._error = 0, enough, error
        self.enough = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        if self.count >= self._left:
            self.enough.set()
        if self._error is not None:
            raise self._error


def test_it_beats_again_and_again_until_it_is_closed():
    beats = Beats()
    heart = Sampler(beats, interval_s=0.001)
    heart.start()
    assert beats.enough.wait(PATIENCE_S)
    heart.close()
    assert heart.errors == 0


def test_it_is_over_when_close_comes_back():
    beats = Beats()
    heart = Sampler(beats, interval_s=0.001)
    heart.start()
    assert beats.enough.wait(PATIENCE_S)
    heart.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "carbon-nas-sampler"]


def test_a_beat_that_fails_is_counted_and_does_not_stop_the_heart():
    beats = Beats(error=RuntimeError("the sensor fell off"))
    heart = Sampler(beats, interval_s=0.001)
    heart.start()
    assert beats.enough.wait(PATIENCE_S)
    heart.close()
    assert heart.errors == beats.count >= 3
    assert heart.last_error == "RuntimeError: the sensor fell off"


def test_it_can_be_closed_twice_and_before_it_began():
    heart = Sampler(Beats(), interval_s=1.0)
    heart.close()
    heart.start()
    heart.close()
    heart.close()


@pytest.mark.parametrize("interval_s", [0.0, -1.0, float("nan")])
def test_an_interval_that_is_none_is_refused(interval_s):
    with pytest.raises(ValueError, match="above 0 s"):
        Sampler(Beats(), interval_s=interval_s)


@needs_fork
def test_in_a_forked_child_there_is_no_heart_and_closing_it_does_nothing():
    beats = Beats()
    heart = Sampler(beats, interval_s=0.001)
    heart.start()
    assert beats.enough.wait(PATIENCE_S)

    def child():
        if threading.active_count() != 1:
            raise RuntimeError("the heart beats in the child")
        heart.close()
        heart.close()

    assert in_a_fork(child) == 0
    seen = beats.count
    beats.enough.clear()
    assert beats.enough.wait(PATIENCE_S)
    heart.close()
    assert beats.count > seen
