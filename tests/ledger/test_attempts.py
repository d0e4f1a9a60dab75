"""What an attempt did before the state it kept last is a part of its phase, if another attempt goes on from there."""

from dataclasses import replace
from pathlib import Path

import pytest

from carbon_nas.errors import LedgerCorrupt
from carbon_nas.ledger import Outcome, fold
from carbon_nas.ledger.records import SCHEMA, TrainerLog
from carbon_nas.ledger.waste import write_off
from tests.ledger.events import UTC, begin, end, header, pulse, saved, session

PATH = Path("ledger.jsonl")


def folded(*events):
    return fold((header(schema=SCHEMA), session(), *events), PATH)


def killed(*events):
    """The events, and the lines of whoever comes after the process was killed."""
    return (*events, *write_off(folded(*events), utc=UTC), session())


def joules(activities):
    return [(one.energy_j["dram"], one.partial, one.wasted) for one in activities]


def epoch(number: int, *, steps: int | None = None) -> TrainerLog:
    return TrainerLog(
        phase="train",
        subject="largest",
        epoch=number,
        steps=steps or 10 * number,
        energy_j=1.0,
        accuracy_fraction=0.1 * number,
        loss_nats=2.0 / number,
    )


LOST = killed(begin("train"), saved("train", 3.0, 3.0, "a", steps=7), pulse(5.0, 5.0, phase="train"))
RESUMED = begin("train", 20.0, 20.0, attempt=2, resumes="a")


def ended(*, since_s: float, time_s: float, outcome: Outcome = Outcome.DONE, steps: int = 1):
    used = {"dram": time_s - since_s}
    whole = end("train", time_s, energy_j=time_s, outcome=outcome)
    return replace(whole, duration_s=time_s - since_s, energy_j=used, device_s=used, steps=steps, macs=100 * steps)


def test_a_killed_attempt_is_a_part_up_to_its_last_saved_state_and_waste_after_it():
    run = folded(*LOST)
    part, rest = run.activities
    assert joules(run.activities) == [(3.0, True, False), (2.0, False, True)]
    assert (part.phase, part.scope, part.duration_s, part.device_s) == ("train", rest.scope, 3.0, {"dram": 3.0})
    assert (part.steps, part.macs, part.artefact_hash, part.rest_max_j) == (7, 700, "a", {})
    assert (part.began_s, part.ended_s, rest.began_s, rest.ended_s) == (0.0, 3.0, 3.0, 5.0)
    # Ten watts for the longest time between two readings, which was three seconds.
    assert (rest.duration_s, rest.steps, rest.rest_max_j) == (2.0, None, {"dram": 30.0})


def test_a_part_is_no_finished_phase_and_one_attempt_stays_one():
    run = folded(*LOST)
    assert run.done == {}
    assert run.attempts("train") == 1
    assert run.saved["train"].artefact_hash == "a"
    assert run.kept("train") == run.activities[:1]


def test_only_the_last_state_that_was_saved_counts():
    run = folded(*killed(begin("train"), saved("train", 2.0, 2.0, "a"), saved("train", 4.0, 4.0, "b")))
    assert joules(run.activities) == [(4.0, True, False), (0.0, False, True)]
    assert run.saved["train"].artefact_hash == "b"


@pytest.mark.parametrize("outcome", [Outcome.INTERRUPTED, Outcome.FAILED])
def test_an_attempt_that_was_stopped_is_split_in_the_same_way_with_its_work(outcome):
    state = saved("train", 3.0, 3.0, "a", steps=7)
    part, rest = folded(begin("train"), state, ended(since_s=0.0, time_s=4.5, outcome=outcome, steps=9)).activities
    assert joules([part, rest]) == [(3.0, True, False), (1.5, False, True)]
    assert (part.steps, part.macs, rest.steps, rest.macs) == (7, 700, 2, 200)
    assert (rest.began_s, rest.ended_s, rest.duration_s, rest.rest_max_j) == (3.0, 4.5, 1.5, {})


def test_an_attempt_that_nobody_wrote_off_is_split_too_with_a_rest_that_has_no_bound():
    run = folded(begin("train"), saved("train", 3.0, 3.0, "a"), pulse(5.0, 5.0, phase="train"), session())
    assert joules(run.activities) == [(3.0, True, False), (2.0, False, True)]
    assert run.activities[1].rest_max_j == {"dram": None}


def test_a_phase_that_was_resumed_costs_its_parts_and_the_attempt_that_finished_it():
    run = folded(*LOST, RESUMED, ended(since_s=20.0, time_s=24.0, steps=5))
    assert joules(run.kept("train")) == [(3.0, True, False), (4.0, False, False)]
    assert [one.steps for one in run.kept("train")] == [7, 5]
    assert run.done["train"] == run.activities[-1]
    assert run.saved == {}
    assert run.attempts("train") == 2


def test_an_attempt_that_begins_anew_turns_the_part_to_waste_and_leaves_one_lost_attempt():
    run = folded(*LOST, replace(RESUMED, resumes=None), ended(since_s=20.0, time_s=24.0))
    lost, done = run.activities
    assert joules([lost, done]) == [(5.0, False, True), (4.0, False, False)]
    assert (lost.began_s, lost.ended_s, lost.rest_max_j) == (0.0, 5.0, {"dram": 30.0})
    assert run.kept("train") == (done,)
    assert run.attempts("train") == 2


def test_a_phase_is_resumed_again_and_again():
    story = killed(*LOST, RESUMED, saved("train", 22.0, 22.0, "b", since_s=20.0), pulse(23.0, 23.0, phase="train"))
    third = begin("train", 30.0, 30.0, attempt=3, resumes="b")
    run = folded(*story, third, ended(since_s=30.0, time_s=31.0))
    assert [one.energy_j["dram"] for one in run.kept("train")] == [3.0, 2.0, 1.0]
    assert sum(one.energy_j["dram"] for one in run.activities) == 5.0 + 3.0 + 1.0


def test_an_attempt_that_was_lost_before_it_saved_leaves_the_state_before_it_good():
    story = killed(*LOST, RESUMED, pulse(23.0, 23.0, phase="train"))
    run = folded(*story)
    assert joules(run.activities) == [(3.0, True, False), (2.0, False, True), (3.0, False, True)]
    assert run.saved["train"].artefact_hash == "a"
    run = folded(*story, replace(RESUMED, attempt=3), ended(since_s=20.0, time_s=24.0))
    assert [one.energy_j["dram"] for one in run.kept("train")] == [3.0, 4.0]


def test_an_attempt_that_goes_back_to_an_earlier_state_gives_up_the_later_one():
    story = killed(*LOST, RESUMED, saved("train", 22.0, 22.0, "b", since_s=20.0), pulse(23.0, 23.0, phase="train"))
    run = folded(*story, replace(RESUMED, time_s=30.0, attempt=3))
    assert joules(run.activities) == [(3.0, True, False), (2.0, False, True), (3.0, False, True)]
    assert run.saved["train"].artefact_hash == "a"


def test_a_state_of_a_phase_that_is_running_can_be_gone_on_from():
    run = folded(begin("train"), saved("train", 3.0, 3.0, "a"))
    assert run.activities == ()
    assert run.saved["train"].artefact_hash == "a"


def test_a_state_of_another_phase_is_nothing_to_go_on_from():
    run = folded(*LOST, begin("search", 20.0, 20.0, resumes="a"), end("search", 21.0))
    assert run.kept("train")
    assert run.saved.keys() == {"train"}


def test_a_finished_phase_that_is_done_again_stays_as_it_is():
    finished = (*LOST, RESUMED, ended(since_s=20.0, time_s=24.0))
    again = replace(RESUMED, time_s=30.0, attempt=3, resumes=None)
    assert folded(*finished, again).activities == folded(*finished).activities


def test_what_ran_within_a_phase_is_a_part_of_neither_half():
    inner = replace(end("inner", 2.0, energy_j=2.0), duration_s=1.0, energy_j={"dram": 1.0}, device_s={"dram": 1.0})
    state = replace(saved("train", 3.0, 3.0, "a"), own_j={"dram": 2.0}, own_device_s={"dram": 2.0})
    second = begin("again", 4.0, 4.0, parent="train")
    second_end = replace(end("again", 6.0, energy_j=6.0), duration_s=2.0, energy_j={"dram": 2.0})
    story = (begin("train"), begin("inner", 1.0, 1.0, parent="train"), inner, state, second, second_end)
    run = folded(*killed(*story, pulse(7.0, 7.0, phase="train")))
    assert [(one.phase, one.energy_j["dram"], one.wasted) for one in run.activities] == [
        ("inner", 1.0, False),
        ("again", 2.0, False),
        ("train", 2.0, False),
        ("train", 2.0, True),
    ]


def test_a_state_of_a_phase_that_has_not_begun_is_damage():
    with pytest.raises(LedgerCorrupt, match="phase 'train' keeps its state without having begun"):
        folded(saved("train", 3.0, 3.0, "a"))


# The curve of an interrupted training is that of an uninterrupted one


def curve(run):
    return [(log.subject, log.epoch, log.steps, log.accuracy_fraction, log.loss_nats) for log in run.epochs]


def test_epochs_after_the_last_saved_state_are_dropped_for_they_are_done_again():
    whole = folded(begin("train"), *map(epoch, range(1, 6)), end("train"))
    state = saved("train", 3.0, 3.0, "a")
    lost = killed(begin("train"), epoch(1), epoch(2), state, epoch(3), pulse(5.0, 5.0, phase="train"))
    assert curve(folded(*lost)) == curve(whole)[:2]
    run = folded(*lost, RESUMED, *map(epoch, range(3, 6)), ended(since_s=20.0, time_s=24.0))
    assert curve(run) == curve(whole)


def test_epochs_of_a_part_that_was_given_up_are_dropped_with_it():
    lost = killed(begin("train"), epoch(1), saved("train", 3.0, 3.0, "a"), epoch(2))
    run = folded(*lost, replace(RESUMED, resumes=None), *map(epoch, (1, 2)), ended(since_s=20.0, time_s=24.0))
    assert [log.epoch for log in run.epochs] == [1, 2]


def test_epochs_of_two_parts_and_the_end_make_one_curve():
    first = killed(begin("train"), epoch(1), saved("train", 3.0, 3.0, "a"), epoch(2))
    second = killed(*first, RESUMED, epoch(2), saved("train", 22.0, 22.0, "b", since_s=20.0), epoch(3))
    third = begin("train", 30.0, 30.0, attempt=3, resumes="b")
    run = folded(*second, third, epoch(3), ended(since_s=30.0, time_s=31.0))
    assert [log.epoch for log in run.epochs] == [1, 2, 3]
