"""Several ledgers as one account: no joule of a device twice, and no word about what nobody can know."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.errors import LedgerOverlap
from carbon_nas.ledger import Activity, Run, Scope
from carbon_nas.ledger.merge import Device, Overlap, merge
from carbon_nas.ledger.records import Session
from carbon_nas.meters import Component
from carbon_nas.sources import Tier
from tests.ledger.events import header

GPU, OWN = "gpu:GPU-1", "cpu:process"
PARTS = (
    Component(name=GPU, tier=Tier.MEASURED, method="counter"),
    Component(name=OWN, tier=Tier.ESTIMATED, method="CPU time", own=True),
)


def session(*, node="n", boot="b", utc="2020-01-01T00:00:00.000+00:00", time_s=0.0) -> Session:
    return Session(
        utc=utc,
        time_s=time_s,
        boot_s=None,
        host={},
        versions={},
        components=PARTS,
        heartbeat_interval_s=None,
        locked=True,
        node=node,
        boot=boot,
    )


def activity(began_s, ended_s, energy_j=None, *, component=GPU, wasted=False, place=0) -> Activity:
    duration_s = ended_s - began_s
    used = duration_s if energy_j is None else energy_j
    return Activity(
        phase=f"{began_s} to {ended_s}",
        name="work",
        scope=Scope.ONCE,
        scenario=None,
        duration_s=duration_s,
        energy_j={component: None if used == "unknown" else used},
        device_s={},
        wasted=wasted,
        began_s=began_s,
        ended_s=ended_s,
        session=place,
    )


def run(name: str, *activities: Activity, sessions=None) -> Run:
    return Run(
        path=Path(f"{name}.jsonl"),
        header=header(),
        sessions=sessions if sessions is not None else (session(),),
        activities=activities,
        epochs=(),
        tables={},
        limits={},
        results={},
        open_phases=(),
        longest_gap_s=0.0,
    )


def energies(merged, number):
    return [part.energy_j[GPU] for part in merged.runs[number].activities]


def test_ledgers_one_after_the_other_are_joined_by_machine_and_component():
    one, two = run("one", activity(0, 10)), run("two", activity(10, 15), activity(20, 21, component=OWN))
    merged = merge([one, two])
    assert merged.energy_j == {Device(node="n", component=OWN): 1.0, Device(node="n", component=GPU): 15.0}
    assert merged.runs == (one, two)
    assert (merged.attributions, merged.not_placed) == ((), ())


def test_an_overlap_is_refused_and_both_ledgers_the_component_and_the_seconds_are_named():
    one, two = run("one", activity(0, 10)), run("two", activity(2, 4), activity(8, 30))
    with pytest.raises(LedgerOverlap, match=r"one\.jsonl and two\.jsonl: they metered gpu:GPU-1 .* for 4 s") as refusal:
        merge([one, two])
    assert "--on-overlap split, or first" in str(refusal.value)


def test_a_lost_attempt_used_the_device_as_well():
    with pytest.raises(LedgerOverlap, match="for 5 s"):
        merge([run("one", activity(0, 10, wasted=True)), run("two", activity(5, 15))])


def test_a_copy_of_a_ledger_overlaps_with_all_of_itself():
    one = run("one", activity(0, 10))
    with pytest.raises(LedgerOverlap, match="for 10 s"):
        merge([one, one])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(run("two", activity(0, 10, component=OWN)), id="what counts its own process only"),
        pytest.param(run("two", activity(10, 20)), id="what begins where the other ends"),
        pytest.param(run("two", activity(0, 10), sessions=(session(node="m", boot="c"),)), id="another machine"),
        pytest.param(run("two", activity(0, 10), sessions=(session(boot="c"),)), id="another boot"),
        pytest.param(run("two", activity(0, 10, component="gpu:GPU-2")), id="another device"),
        pytest.param(run("two", activity(3, 3)), id="what took no time"),
    ],
)
def test_there_is_no_overlap_with(other):
    own = run("one", activity(0, 10), activity(0, 10, component=OWN))
    assert merge([own, other]).attributions == ()


def test_phases_within_phases_of_one_ledger_are_no_overlap():
    merge([run("one", activity(0, 10), activity(2, 4), activity(2, 3))])


def test_split_shares_the_overlap_equally():
    one, two = run("one", activity(0, 10, 100.0)), run("two", activity(5, 15, 40.0))
    merged = merge([one, two], overlap=Overlap.SPLIT)
    assert energies(merged, 0) == [75.0]
    assert energies(merged, 1) == [30.0]
    assert merged.energy_j == {Device(node="n", component=GPU): 105.0}
    first = merged.attributions[0]
    assert (first.ledger, first.beside, first.shared_s) == (Path("one.jsonl"), (Path("two.jsonl"),), 5.0)
    assert (first.metered_j, first.energy_j, first.rule) == (100.0, 75.0, Overlap.SPLIT)
    assert "75 J of the 100 J metered of gpu:GPU-1, by the rule 'split'" in str(first)


def test_first_leaves_the_overlap_to_the_ledger_that_was_begun_first():
    late, early = run("late", activity(5, 15, 40.0), sessions=(session(time_s=4.0),)), run("early", activity(0, 10))
    merged = merge([late, early], overlap=Overlap.FIRST)
    assert energies(merged, 0) == [20.0]
    assert energies(merged, 1) == [10.0]
    assert [part.ledger.stem for part in merged.attributions] == ["late"]


def test_the_ledgers_themselves_keep_what_they_say():
    one, two = run("one", activity(0, 10)), run("two", activity(0, 10))
    merge([one, two], overlap=Overlap.SPLIT)
    assert (one.activities[0].energy_j, two.activities[0].energy_j) == ({GPU: 10}, {GPU: 10})


def test_what_is_not_known_stays_not_known():
    merged = merge([run("one", activity(0, 10, "unknown")), run("two", activity(0, 10))], overlap=Overlap.SPLIT)
    assert energies(merged, 0) == [None]
    assert energies(merged, 1) == [5.0]
    assert merged.energy_j == {Device(node="n", component=GPU): None}


def test_containers_of_one_machine_share_its_devices_whatever_they_call_it():
    inside = run("two", activity(0, 10), sessions=(session(node="a container"),))
    with pytest.raises(LedgerOverlap):
        merge([run("one", activity(0, 10)), inside])


def test_where_boots_have_no_number_the_wall_clock_is_compared():
    def there(name, utc, time_s):
        return run(name, activity(time_s, time_s + 10), sessions=(session(boot="", utc=utc, time_s=time_s),))

    one = there("one", "2020-01-01T00:00:00.000+00:00", 100.0)
    merge([one, there("two", "2020-01-01T00:01:00.000+00:00", 100.0)])
    with pytest.raises(LedgerOverlap, match="for 4 s"):
        merge([one, there("two", "2020-01-01T00:00:06.000+00:00", 5_000.0)])


def test_a_ledger_that_does_not_say_where_it_ran_is_named_and_not_guessed_about():
    old = run("old", activity(0, 10), sessions=(session(node="", boot=""),))
    merged = merge([old, run("one", activity(0, 10))])
    assert merged.not_placed == (Path("old.jsonl"),)
    assert merged.energy_j == {Device(node="", component=GPU): 10.0, Device(node="n", component=GPU): 10.0}


def test_every_session_of_a_resumed_ledger_is_placed_on_its_own_boot():
    resumed = run("one", activity(0, 10), activity(0, 10, place=1), sessions=(session(), session(boot="later")))
    merge([resumed, run("two", activity(0, 10), sessions=(session(boot="last"),))])
    with pytest.raises(LedgerOverlap, match="for 10 s"):
        merge([resumed, run("two", activity(0, 10), sessions=(session(boot="later"),))])


seconds = st.integers(0, 20)
stretches = st.lists(st.tuples(seconds, st.integers(1, 10)), max_size=5)


@settings(deadline=None, max_examples=100)
@given(st.lists(stretches, min_size=1, max_size=4))
def test_with_one_watt_a_device_is_never_charged_more_than_the_time_it_ran(ledgers):
    # Phases of one ledger follow one another; those of different ledgers lie as they like.
    runs, busy = [], []
    for number, plan in enumerate(ledgers):
        now_s, activities = 0, []
        for pause_s, work_s in plan:
            activities.append(activity(now_s + pause_s, now_s + pause_s + work_s))
            now_s += pause_s + work_s
            busy += range(now_s - work_s, now_s)
        runs.append(run(str(number), *activities))
    true_j = len(set(busy))
    for rule in (Overlap.SPLIT, Overlap.FIRST):
        charged = merge(runs, overlap=rule).energy_j
        assert math.isclose(charged.get(Device(node="n", component=GPU), 0.0), true_j, abs_tol=1e-9)


def test_ten_thousand_phases_are_swept_and_not_compared_pair_by_pair():
    # Pair by pair this would be 50 million comparisons.
    runs = [run(str(number), *(activity(step, step + 1.5) for step in range(5_000))) for number in range(2)]
    merged = merge(runs, overlap=Overlap.SPLIT)
    assert len(merged.attributions) == 10_000


def test_a_part_of_a_phase_and_the_waste_after_it_overlap_each_for_itself():
    stopped = run("a", replace(activity(0.0, 10.0), partial=True), activity(10.0, 20.0, wasted=True))
    merged = merge([stopped, run("b", activity(12.0, 16.0))], overlap=Overlap.SPLIT)
    assert (energies(merged, 0), energies(merged, 1)) == ([10.0, 8.0], [2.0])
    assert [attributed.shared_s for attributed in merged.attributions] == [4.0, 4.0]
