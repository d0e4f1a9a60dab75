"""What verify finds: a flipped byte anywhere, a number that does not follow, a changed file. It writes nothing."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.errors import LedgerCorrupt, LedgerError
from carbon_nas.files import MANIFEST, manifest_of, manifest_text
from carbon_nas.ledger import Outcome
from carbon_nas.ledger.folding import fold
from carbon_nas.ledger.journal import GENESIS
from carbon_nas.ledger.records import SCHEMA, PhaseBegin, PhaseEnd, Pulse, Saved, Scope
from carbon_nas.ledger.verify import check_arithmetic, verify_chain, verify_manifest, verify_previous
from carbon_nas.ledger.waste import write_off
from carbon_nas.meters import Component, Reading
from carbon_nas.meters.base import Gaps, spent
from carbon_nas.meters.measurement import measure_all
from carbon_nas.sources import Tier
from tests.ledger.by_hand import hashes, write
from tests.ledger.events import UTC, header, session

PARTS = (
    Component(
        name="gpu:GPU-1", tier=Tier.MEASURED, method="counter", power_max_w=300.0, tick_s=0.1, gain_fraction=0.02
    ),
    Component(name="dram", tier=Tier.ESTIMATED, method="watts per GB x time"),
)
OPENED = replace(session(), components=PARTS)


def at(time_s: float) -> tuple[Reading, ...]:
    # Numbers with many digits, so that a sum of them has something to round.
    gpu_j, dram_j = 1000.1 + 123.456789 * time_s, 7.7 * time_s
    return (
        Reading(component="gpu:GPU-1", energy_j=gpu_j, device_s=time_s / 3, power_w=123.4, gaps=Gaps(segments=2)),
        Reading(component="dram", energy_j=dram_j, device_s=None),
    )


def begun(name: str, time_s: float, *, parent: str | None = None) -> PhaseBegin:
    return PhaseBegin(
        phase=name,
        name=name,
        scope=Scope.ONCE,
        scenario=None,
        attempt=1,
        utc=UTC,
        time_s=time_s,
        readings=at(time_s),
        parent=parent,
    )


def ended(begin: PhaseBegin, time_s: float, *, inner: tuple[PhaseEnd, ...] = (), **changes: object) -> PhaseEnd:
    first, last = begin.readings, at(time_s)
    used = {what: spent(first, last, what) for what in ("energy_j", "device_s")}

    def own(what: str) -> dict[str, float | None]:
        parts = {name: [getattr(part, what)[name] for part in inner] for name in used[what]}
        return {name: None if used[what][name] is None else used[what][name] - sum(parts[name]) for name in parts}

    end = PhaseEnd(
        phase=begin.phase,
        outcome=Outcome.DONE,
        utc=UTC,
        time_s=time_s,
        duration_s=time_s - begin.time_s,
        readings=last,
        energy_j=used["energy_j"],
        device_s=used["device_s"],
        steps=None,
        macs=None,
        measured=measure_all(PARTS, first, last, time_s - begin.time_s),
        own_j=own("energy_j") if inner else {},
        own_device_s=own("device_s") if inner else {},
    )
    return replace(end, **changes)


OUTER, INNER = begun("search", 1.3), begun("train", 2.1, parent="search")
INNER_END = ended(INNER, 4.7)
OUTER_END = ended(OUTER, 9.9, inner=(INNER_END,))
STORY = (
    header(),
    OPENED,
    OUTER,
    INNER,
    Pulse(phase="train", time_s=3.3, readings=at(3.3)),
    INNER_END,
    OUTER_END,
)


def difference_in(*events) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "ledger.jsonl"), events)
        report = verify_chain(path)
        assert report.difference == check_arithmetic(path)
        return "" if report.difference is None else str(report.difference).removeprefix(f"{path}, ")


# The chain


def test_an_intact_ledger_is_told_by_its_lines_and_its_head(tmp_path):
    path = write(tmp_path / "ledger.jsonl", STORY)
    report = verify_chain(path)
    assert (report.lines, report.head, report.torn_bytes) == (len(STORY), hashes(path)[-1], 0)
    assert (report.header, report.difference) == (header(), None)


@pytest.mark.parametrize("written", [b"", b'{"kind":"head'])
def test_a_ledger_without_a_whole_line_has_no_header(tmp_path, written):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(written)
    report = verify_chain(path)
    assert (report.lines, report.head, report.torn_bytes, report.header) == (0, GENESIS, len(written), None)


def test_a_torn_line_is_a_difference_and_is_not_healed(tmp_path):
    path = write(tmp_path / "ledger.jsonl", STORY)
    torn = path.read_bytes() + b'{"kind":"heartb'
    path.write_bytes(torn)
    report = verify_chain(path)
    assert report.torn_bytes == 15
    assert str(report.difference).startswith(f"{path}, line {len(STORY) + 1}: the last line is torn: 15 bytes")
    assert path.read_bytes() == torn


with tempfile.TemporaryDirectory() as made:
    WHOLE = write(Path(made, "ledger.jsonl"), STORY).read_bytes()


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(WHOLE) - 1) | st.just(len(WHOLE) - 1), st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_found_the_last_newline_included(place, flip):
    damaged = bytearray(WHOLE)
    damaged[place] ^= flip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.jsonl")
        path.write_bytes(damaged)
        try:
            found = verify_chain(path).difference is not None
        except LedgerCorrupt:
            found = True
        assert found
        assert path.read_bytes() == damaged


def test_a_ledger_of_a_newer_schema_cannot_be_verified_which_is_not_damage(tmp_path):
    path = write(tmp_path / "ledger.jsonl", (header(schema=SCHEMA + 1),))
    with pytest.raises(LedgerError, match="upgrade") as refusal:
        verify_chain(path)
    assert not isinstance(refusal.value, LedgerCorrupt)


def test_a_ledger_that_begins_in_the_middle_is_damaged(tmp_path):
    with pytest.raises(LedgerCorrupt, match="does not begin with a header"):
        verify_chain(write(tmp_path / "ledger.jsonl", STORY[1:]))


def test_a_hash_that_was_handed_over_is_found_where_it_was_the_head(tmp_path):
    path = write(tmp_path / "ledger.jsonl", STORY)
    lines = hashes(path)
    assert verify_chain(path, heads=[lines[2], lines[-1][:8], "f" * 64]).found == {
        lines[2]: 3,
        lines[-1][:8]: len(lines),
    }


# A sibling and the ledger before it


def test_a_sibling_is_checked_against_the_ledger_that_was_there_first(tmp_path):
    first = write(tmp_path / "run.jsonl", STORY)
    after = replace(header(), previous="run.jsonl", previous_head=hashes(first)[3])
    second = write(tmp_path / "run.2.jsonl", (after, *STORY[1:]))
    assert verify_previous(verify_chain(first)) is None
    assert verify_previous(verify_chain(second)) is None
    write(first, STORY[:2])
    assert "no line there has that hash" in str(verify_previous(verify_chain(second)))
    first.unlink()
    assert verify_previous(verify_chain(second)) is None


# Arithmetic


def test_what_a_recorder_writes_adds_up():
    assert difference_in(*STORY) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"energy_j": {"gpu:GPU-1": 1.0, "dram": INNER_END.energy_j["dram"]}},
            "energy_j of gpu:GPU-1 is written as 1.0",
        ),
        ({"energy_j": {"gpu:GPU-1": INNER_END.energy_j["gpu:GPU-1"]}}, "energy_j of dram is missing"),
        ({"energy_j": {**INNER_END.energy_j, "npu": 1.0}}, "energy_j of npu is written but was never read"),
        ({"device_s": {**INNER_END.device_s, "gpu:GPU-1": None}}, "device_s of gpu:GPU-1 is written as not known"),
        ({"device_s": {**INNER_END.device_s, "dram": 0.0}}, "device_s of dram is written as 0.0"),
        ({"duration_s": 2.5}, "duration_s is written as 2.5"),
        ({"readings": at(4.8)}, "energy_j of dram is written as"),
        (
            {"measured": (replace(INNER_END.measured[0], random_u_j=0.0), INNER_END.measured[1])},
            "measured random_u_j of",
        ),
        ({"measured": (replace(INNER_END.measured[0], complete=False), INNER_END.measured[1])}, "measured complete of"),
        ({"measured": INNER_END.measured[:1]}, "other components are measured"),
    ],
)
def test_a_number_that_does_not_follow_from_the_readings_is_named_with_its_line(change, words):
    told = difference_in(*STORY[:5], replace(INNER_END, **change), OUTER_END)
    assert told.startswith(f"line 6: phase 'train': {words}")


def test_the_smallest_step_of_a_float_is_a_difference():
    energy_j = INNER_END.energy_j["dram"]
    changed = replace(INNER_END, energy_j={**INNER_END.energy_j, "dram": energy_j * (1 + 2**-52)})
    assert "energy_j of dram is written as" in difference_in(*STORY[:5], changed, OUTER_END)


@pytest.mark.parametrize("name", ["own_j", "own_device_s"])
def test_what_phases_within_a_phase_left_of_it_must_add_up(name):
    own = getattr(OUTER_END, name)
    changed = replace(OUTER_END, **{name: {**own, "gpu:GPU-1": own["gpu:GPU-1"] * 1.001}})
    assert f"line 7: phase 'search': {name} of gpu:GPU-1" in difference_in(*STORY[:6], changed)


@pytest.mark.parametrize("name", ["own_j", "own_device_s"])
def test_what_phases_within_a_phase_left_of_it_must_not_be_missing(name):
    told = difference_in(*STORY[:6], replace(OUTER_END, **{name: {}}))
    assert told == f"line 7: phase 'search': {name} is missing, and phases ran within it"


def test_rounding_of_a_sum_is_no_difference():
    own = {name: value * (1 + 2**-52) for name, value in OUTER_END.own_j.items()}
    assert difference_in(*STORY[:6], replace(OUTER_END, own_j=own)) == ""


def test_what_other_threads_were_charged_is_taken_out():
    foreign = {"gpu:GPU-1": 10.0, "dram": 0.5}
    whole = ended(OUTER, 9.9)
    less = {name: value - foreign[name] for name, value in whole.energy_j.items()}
    device = {"gpu:GPU-1": 1.0, "dram": None}
    measured = tuple(
        replace(
            part,
            energy_j=less[part.component],
            low_j=part.low_j - foreign[part.component],
            high_j=part.high_j - foreign[part.component],
            systematic_u_j=None
            if part.systematic_u_j is None
            else part.systematic_u_j * (less[part.component] / part.energy_j),
            device_s=device[part.component],
        )
        for part in whole.measured
    )
    shared = replace(whole, foreign_j=foreign, energy_j=less, device_s=device, measured=measured)
    assert difference_in(header(), OPENED, OUTER, shared) == ""
    more = replace(shared, foreign_j={**foreign, "dram": 0.6})
    assert "energy_j of dram is written as" in difference_in(header(), OPENED, OUTER, more)
    longer = replace(shared, device_s={"gpu:GPU-1": 1e3, "dram": None})
    assert "device_s of gpu:GPU-1 is written as 1000.0, and is between" in difference_in(
        header(), OPENED, OUTER, longer
    )


def test_a_phase_that_outlives_the_one_around_it_leaves_a_bound_only():
    early = ended(OUTER, 3.0, own_j={"gpu:GPU-1": 5.0, "dram": 1.0})
    assert difference_in(header(), OPENED, OUTER, INNER, early, INNER_END) == ""
    too_much = replace(early, own_j={"gpu:GPU-1": 5e6, "dram": 1.0})
    assert "own_j of gpu:GPU-1 is written as" in difference_in(header(), OPENED, OUTER, INNER, too_much, INNER_END)


def killed():
    story = STORY[:5]
    wastes = write_off(fold(story, Path("ledger.jsonl")), utc=UTC)
    return story, wastes


def test_what_was_written_off_follows_from_the_last_heartbeat():
    story, wastes = killed()
    assert [waste.phase for waste in wastes] == ["train", "search"]
    assert difference_in(*story, *wastes, OPENED) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seen_energy_j": {"gpu:GPU-1": 0.0, "dram": 0.0}}, "seen_energy_j of dram is written as 0.0"),
        ({"seen_duration_s": 0.0}, "seen_duration_s is written as 0.0"),
        ({"rest_max_j": {"gpu:GPU-1": 0.0, "dram": None}}, "rest_max_j of gpu:GPU-1 is written as 0.0"),
    ],
)
def test_a_loss_that_was_made_smaller_is_found(change, words):
    story, (inner, outer) = killed()
    assert f"line 6: phase 'train': {words}" in difference_in(*story, replace(inner, **change), outer)


@pytest.mark.parametrize("last", [INNER_END, killed()[1][0]])
def test_an_end_without_its_beginning_is_a_difference(last):
    assert difference_in(header(), OPENED, last) == "line 3: phase 'train' ends without having begun"


def test_counters_of_one_process_are_not_compared_with_those_of_another():
    assert "ends without having begun" in difference_in(*STORY[:5], OPENED, INNER_END)


# States that were saved, and attempts that go on from them


def saved(begin: PhaseBegin, time_s: float, digest: str = "a", *, inner: tuple[PhaseEnd, ...] = ()) -> Saved:
    whole = ended(begin, time_s, inner=inner)
    shared = Saved.__dataclass_fields__.keys() & PhaseEnd.__dataclass_fields__.keys() - {"kind", "artefact_hash"}
    return Saved(progress=1, artefact_hash=digest, **{name: getattr(whole, name) for name in shared})


STATE = saved(OUTER, 6.1, inner=(INNER_END,))
KEPT = (*STORY[:6], STATE, Pulse(phase="search", time_s=7.0, readings=at(7.0)))
AGAIN = replace(begun("search", 20.0), attempt=2, resumes="a")


def lost(*events):
    return (*events, *write_off(fold(events, Path("ledger.jsonl")), utc=UTC), OPENED)


def test_a_saved_state_adds_up_and_so_do_the_attempts_before_and_after_it():
    assert difference_in(*KEPT, OUTER_END) == ""
    assert difference_in(*lost(*KEPT), AGAIN, ended(AGAIN, 23.0)) == ""
    assert difference_in(*KEPT, OPENED, AGAIN, ended(AGAIN, 23.0)) == ""
    assert difference_in(*KEPT, replace(OUTER_END, outcome=Outcome.INTERRUPTED), AGAIN, ended(AGAIN, 23.0)) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"energy_j": {**STATE.energy_j, "dram": 1.0}}, "energy_j of dram is written as 1.0"),
        ({"device_s": {**STATE.device_s, "gpu:GPU-1": 9.0}}, "device_s of gpu:GPU-1 is written as 9.0"),
        ({"duration_s": 1.0}, "duration_s is written as 1.0"),
        ({"own_j": {**STATE.own_j, "dram": 0.5}}, "own_j of dram is written as 0.5"),
        ({"own_j": {}}, "own_j is missing"),
        ({"measured": STATE.measured[:1]}, "other components are measured"),
        ({"readings": at(6.2)}, "energy_j of dram is written as"),
    ],
)
def test_a_saved_state_that_claims_more_or_less_than_was_read_is_found(change, words):
    told = difference_in(*STORY[:6], replace(STATE, **change), OUTER_END)
    assert told.startswith(f"line 7: phase 'search': {words}")


def test_a_state_that_is_saved_while_a_phase_within_goes_on_leaves_a_bound_only():
    some = {"gpu:GPU-1": 50.0, "dram": 1.0}
    state = replace(saved(OUTER, 3.0), own_j=some, own_device_s={"gpu:GPU-1": 0.1, "dram": None})
    assert difference_in(*STORY[:4], state, INNER_END, OUTER_END) == ""
    too_much = replace(state, own_j={"gpu:GPU-1": 5e6, "dram": 1.0})
    assert "own_j of gpu:GPU-1 is written as" in difference_in(*STORY[:4], too_much)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param((*lost(*STORY[:5]), AGAIN), id="nothing was saved"),
        pytest.param((*lost(*KEPT), replace(AGAIN, resumes="b")), id="another state"),
        pytest.param((*lost(*KEPT[:7], saved(OUTER, 6.5, "b", inner=(INNER_END,))), AGAIN), id="not the last"),
        pytest.param((*KEPT, OUTER_END, AGAIN), id="the phase was done"),
        pytest.param((*lost(*KEPT), replace(AGAIN, resumes=None), OPENED, AGAIN), id="it was given up"),
        pytest.param((*lost(*KEPT), replace(AGAIN, phase="train")), id="of another phase"),
    ],
)
def test_an_attempt_that_goes_on_from_what_no_lost_attempt_kept_is_a_difference(story):
    assert difference_in(*story).endswith("resumes from a state that no lost attempt at it kept last")


def test_a_state_of_a_phase_that_has_not_begun_is_a_difference():
    assert difference_in(header(), OPENED, STATE) == ("line 3: phase 'search' keeps its state without having begun")


# The manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("index.html", "data/phases.csv", "ledger/run.jsonl", "checkpoints/net.bin"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / MANIFEST).write_text(manifest_text(manifest_of(tmp_path)))
    return tmp_path


def test_a_digit_that_changed_in_the_list_itself_is_shown(folder):
    path = folder / MANIFEST
    line = next(line for line in path.read_text().splitlines() if "data/phases.csv" in line)
    changed = line[:63] + ("0" if line[63] != "0" else "1") + line[64:]
    path.write_text(path.read_text().replace(line, changed))
    found = verify_manifest(folder)
    assert found is not None
    assert f"its hash was {changed[:64]} and is {line[:64]}" in str(found)


def test_the_manifest_lists_every_file_but_itself_and_checkpoints_sorted(folder):
    listed = [line.split("  ")[1] for line in (folder / MANIFEST).read_text().splitlines()]
    assert listed == ["data/phases.csv", "index.html", "ledger/run.jsonl"]
    assert verify_manifest(folder) is None
    (folder / "checkpoints" / "net.bin").write_bytes(b"other")
    assert verify_manifest(folder) is None


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: append(folder / "ledger/run.jsonl"), "ledger/run.jsonl: changed after the report"),
        (
            lambda folder: (folder / "data/phases.csv").unlink(),
            "data/phases.csv: listed in manifest.sha256, and missing",
        ),
        (lambda folder: (folder / "data/extra.csv").touch(), "data/extra.csv: not listed"),
        (lambda folder: (folder / MANIFEST).unlink(), "manifest.sha256: missing"),
        (lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"), "manifest.sha256: cannot be read"),
        (lambda folder: append(folder / MANIFEST), "manifest.sha256, line 4: this is no hash with a file name"),
    ],
)
def test_a_file_that_was_changed_lost_or_added_is_named(folder, harm, words):
    harm(folder)
    assert words in str(verify_manifest(folder))


def test_a_flipped_byte_in_the_manifest_is_found_wherever_it_is(folder):
    whole = (folder / MANIFEST).read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        (folder / MANIFEST).write_bytes(damaged)
        assert verify_manifest(folder) is not None, place


def test_a_repeated_line_of_the_manifest_is_found(folder):
    whole = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(whole + whole.splitlines(keepends=True)[0])
    assert "repeated" in str(verify_manifest(folder))


def test_a_phase_that_names_itself_as_what_is_around_it_does_not_hang_the_check():
    begun = replace(OUTER, parent=OUTER.phase)
    assert isinstance(difference_in(header(), OPENED, begun, ended(begun, 9.9)), str)
