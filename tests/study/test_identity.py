import pytest

from carbon_nas.errors import LedgerCorrupt, LedgerMismatch
from carbon_nas.strategies import EvolutionPlan
from carbon_nas.study import identity, runner
from tests.study.bench import TickingMeter, ledgers, run, tiny_study


def refused(folder, study, **how):
    """Run, and return why it was refused; nothing may have been changed by then."""
    before = ledgers(folder)
    with pytest.raises(LedgerMismatch) as refusal:
        run(folder, study, **how)
    assert ledgers(folder) == before
    return str(refusal.value)


@pytest.fixture
def half(tmp_path):
    """A study that was interrupted in the middle."""
    folder = tmp_path / "half"
    with pytest.raises(KeyboardInterrupt):
        run(folder, tiny_study("eager-b1"), meter=TickingMeter(interrupt_at=8))
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threads": 2}, "threads was 1 and is 2"),
        ({"resolutions": (4, 8)}, "resolutions was [4, 6] and is [4, 8]"),
        ({"scenarios": ("eager-b32",)}, "scenarios was ['eager-b1'] and is ['eager-b32']"),
        ({"evolution": EvolutionPlan(candidates=7)}, "evolution.candidates was 3 and is 7"),
    ],
)
def test_a_changed_study_is_refused_and_the_changed_key_is_named(finished, change, said):
    assert said in refused(finished, tiny_study(**change))


def test_many_changes_are_counted_and_not_all_listed(finished):
    said = refused(finished, tiny_study(evolution=EvolutionPlan()))
    assert "and 1 more" in said or "and 2 more" in said
    assert "--out" in said
    assert "\n" not in said


@pytest.fixture
def other_code(monkeypatch):
    for module in (identity, runner):
        monkeypatch.setattr(module, "code_hash", lambda: "0" * 64)


def test_changed_code_is_refused(finished, other_code):
    said = refused(finished, tiny_study())
    assert "recorded by different code" in said
    assert "is '000000000000'" in said


def test_changed_code_is_refused_even_to_add_seeds(finished, other_code):
    assert "different code" in refused(finished, tiny_study(seeds=2))


def test_an_unfinished_ledger_is_not_continued_with_meters_that_were_told_something_else(half):
    said = refused(half, tiny_study(), meter=TickingMeter(power_w=5.0))
    assert "power_w was 100.0 and is 5.0" in said
    assert "different libraries or meters" in said


def test_a_finished_ledger_is_refused_for_its_meters_only_if_the_user_chose_them(finished):
    before = ledgers(finished)
    run(finished, tiny_study(), meter=TickingMeter(power_w=5.0))
    assert ledgers(finished) == before
    assert "power_w" in refused(finished, tiny_study(), meter=TickingMeter(power_w=5.0), meters_chosen=True)


def test_meters_that_the_user_chose_as_before_are_fine(finished):
    before = ledgers(finished)
    run(finished, tiny_study(), meters_chosen=True)
    assert ledgers(finished) == before


def test_a_damaged_ledger_is_refused_with_its_line_and_nothing_is_lost(finished):
    path = finished / "ledger" / "evolution-seed0.jsonl"
    rows = path.read_bytes().splitlines(keepends=True)
    rows[3] = rows[3].replace(b"e", b"E", 1)
    path.write_bytes(b"".join(rows))
    before = ledgers(finished)
    with pytest.raises(LedgerCorrupt, match=r"evolution-seed0\.jsonl, line 4"):
        run(finished, tiny_study())
    assert ledgers(finished) == before


def test_a_checkpoint_that_is_not_the_recorded_one_is_refused(half):
    (checkpoint,) = (half / "checkpoints" / "once_for_all-seed0").glob("train-teacher.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes() + b" ")
    with pytest.raises(LedgerMismatch, match="not the checkpoint that phase 'train teacher' left"):
        run(half, tiny_study())


def test_a_checkpoint_that_is_gone_is_asked_for_by_name(half):
    (half / "checkpoints" / "once_for_all-seed0" / "train-teacher.safetensors").unlink()
    with pytest.raises(LedgerMismatch, match=r"train-teacher\.safetensors: .*restore the file"):
        run(half, tiny_study())


def test_the_code_hash_covers_what_records_and_not_what_only_reads():
    assert len(identity.code_hash()) == 64
    assert "reporting" in identity._READING
    assert not {"strategies", "training", "meters", "ledger", "recorder.py"} & identity._READING
