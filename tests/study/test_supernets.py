"""A supernet that one study trained is where another one starts: only what comes after it is metered again."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from carbon_nas.errors import CheckpointError, LedgerMismatch
from carbon_nas.ledger.journal import Journal
from carbon_nas.ledger.observations import Incident
from carbon_nas.ledger.records import Scope
from carbon_nas.reporting import ask, write_report
from carbon_nas.strategies.artefact import Artefacts
from carbon_nas.strategies.start import StartPlan
from carbon_nas.supernet.checkpoint import DESCRIPTION, WEIGHTS, load_supernet, save_supernet
from tests.study.bench import STAGES, copied, ledgers, run, runs, tiny_study

OWN = Path("models", "once_for_all", "supernet", "seed0")
FIRST = tiny_study("eager-b1")


def started(folder: Path, **changes) -> object:
    start = StartPlan(
        checkpoint=str(folder / OWN), ledger=str(folder / "ledger" / "once_for_all-seed0.jsonl"), **changes
    )
    return tiny_study("eager-b1", once_for_all=FIRST.once_for_all.model_copy(update={"start": start}))


def written(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def second(one_scenario, tmp_path_factory):
    """A study that starts from the supernet of another one; look, do not touch."""
    return run(tmp_path_factory.mktemp("second"), started(one_scenario))


def test_a_finished_study_leaves_its_supernet_with_its_origin(one_scenario):
    assert {path.name for path in (one_scenario / OWN).iterdir()} == {DESCRIPTION, WEIGHTS}
    kept, trained = load_supernet(one_scenario / OWN), runs(one_scenario)["once_for_all-seed0"]
    assert kept.origin["phase_hash"] == trained.done[[*STAGES][-1]].artefact_hash
    assert (kept.origin["phase"], kept.origin["seed"], kept.origin["workload"]) == ([*STAGES][-1], 0, "digits")
    artefact = Artefacts(one_scenario / "checkpoints" / "once_for_all-seed0").load([*STAGES][-1])
    assert all(torch.equal(tensor, artefact.tensors[name]) for name, tensor in kept.net.state_dict().items())


def test_the_conventional_way_leaves_none(one_scenario):
    assert [path.parent.parent.name for path in (one_scenario / "models").rglob(DESCRIPTION)] == ["supernet"]
    assert not (one_scenario / "models" / "evolution" / "supernet").exists()


def test_a_second_call_leaves_it_as_it_is_and_a_missing_one_is_written_again(finished):
    before = written(finished / "models")
    run(finished, FIRST)
    assert written(finished / "models") == before
    (finished / OWN / WEIGHTS).write_bytes(b"damaged")
    run(finished, FIRST)
    assert written(finished / "models").keys() == before.keys()
    shutil.rmtree(finished / OWN)
    run(finished, FIRST)
    assert {path: data for path, (_, data) in written(finished / "models").items()} == {
        path: data for path, (_, data) in before.items()
    }


def test_without_its_checkpoint_what_was_left_stays_and_nothing_else_is_written(finished):
    shutil.rmtree(finished / "checkpoints")
    before = written(finished / "models")
    run(finished, FIRST)
    assert written(finished / "models") == before
    (finished / OWN / WEIGHTS).write_bytes(b"damaged")
    run(finished, FIRST)
    assert written(finished / "models").keys() == before.keys()
    shutil.rmtree(finished / OWN)
    run(finished, FIRST)
    assert not (finished / OWN).exists()


def test_only_what_comes_after_the_training_is_metered(second):
    phases = runs(second)["once_for_all-seed0"].done
    assert [phase.phase for phase in phases.values() if phase.scope is Scope.ONCE] == [
        "load supernet",
        "measure accuracies",
        "train predictor",
    ]
    assert [phase.phase for phase in phases.values() if phase.scope is Scope.PER_SCENARIO] == [
        "search / eager-b1",
        "extract / eager-b1",
        "evaluate / eager-b1",
    ]
    assert sum(phase.steps for phase in phases.values()) == 0


def test_what_the_training_had_cost_is_in_the_ledger_with_the_head_of_the_one_that_metered_it(one_scenario, second):
    (prior,) = runs(second)["once_for_all-seed0"].priors
    trained = runs(one_scenario)["once_for_all-seed0"]
    assert prior.phase == ", ".join(STAGES)
    assert (prior.ledger, prior.head, prior.reference) == (trained.path.name, trained.head, None)
    assert prior.energy_j == {"simulated": sum(trained.done[name].energy_j["simulated"] for name in STAGES)}
    assert prior.tiers == {name: str(part.tier) for name, part in trained.components.items()}


def test_the_supernet_goes_on_unchanged(one_scenario, second):
    one, other = load_supernet(one_scenario / OWN), load_supernet(second / OWN)
    assert all(torch.equal(tensor, other.net.state_dict()[name]) for name, tensor in one.net.state_dict().items())
    assert other.origin["phase"] == "load supernet"


def test_the_report_charges_it_in_full_and_as_already_spent(second, tmp_path):
    folder = copied(second, tmp_path / "report")
    write_report(folder, ask())
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "charged in full" in text
    assert "already spent" in text


def test_other_stages_may_be_named_as_its_cost(one_scenario, tmp_path):
    folder = run(
        tmp_path, started(one_scenario, stages=("train teacher",)).model_copy(update={"strategies": ("once_for_all",)})
    )
    (prior,) = runs(folder)["once_for_all-seed0"].priors
    trained = runs(one_scenario)["once_for_all-seed0"]
    assert prior.energy_j == trained.done["train teacher"].energy_j


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"stages": ("train the teacher",)}, LedgerMismatch, "no finished phase 'train the teacher'"),
        ({"stages": ("search / eager-b1",)}, LedgerMismatch, "no finished phase 'search / eager-b1'"),
    ],
)
def test_a_cost_that_the_ledger_does_not_know_is_refused(one_scenario, tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        run(tmp_path, started(one_scenario, **changes))
    assert not (tmp_path / "ledger").exists()


def test_a_ledger_that_itself_started_from_a_supernet_does_not_say_what_its_training_had_cost(second, tmp_path):
    with pytest.raises(LedgerMismatch, match=r"was loaded.* once_for_all-seed0\.jsonl"):
        run(tmp_path, started(second))


def test_a_start_that_is_not_there_is_told_by_its_whole_path_before_any_ledger_is_begun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path / "earlier" / OWN))):
        run(tmp_path / "out", started(Path("earlier")))
    assert not (tmp_path / "out").exists()


def test_a_start_that_was_moved_is_the_same_study_and_other_weights_are_another(one_scenario, second, tmp_path):
    moved, folder = copied(one_scenario, tmp_path / "moved"), copied(second, tmp_path / "second")
    before = ledgers(folder)
    run(folder, started(moved))
    assert ledgers(folder) == before
    net = load_supernet(moved / OWN).net
    with torch.no_grad():
        next(net.parameters()).add_(1.0)
    save_supernet(moved / OWN, net, origin=load_supernet(moved / OWN).origin)
    with pytest.raises(LedgerMismatch, match=r"starts\.once_for_all\.weights was"):
        run(folder, started(moved))
    assert ledgers(folder) == before


def test_a_ledger_that_went_on_is_another_start(one_scenario, second, tmp_path):
    moved, folder = copied(one_scenario, tmp_path / "moved"), copied(second, tmp_path / "second")
    journal = Journal(moved / "ledger" / "once_for_all-seed0.jsonl")
    journal.append(Incident(utc="", time_s=0.0, what="note", detail="one more line"))
    journal.close()
    with pytest.raises(LedgerMismatch, match=r"starts\.once_for_all\.ledger was"):
        run(folder, started(moved))


def test_a_supernet_of_another_space_is_refused(one_scenario, tmp_path):
    study = started(one_scenario).model_copy(update={"space": FIRST.space.model_copy(update={"width_mult": 2.0})})
    with pytest.raises(CheckpointError, match=r"name the space of the checkpoint under \[space\]"):
        run(tmp_path, study)


def test_a_supernet_that_was_changed_is_refused(one_scenario, tmp_path):
    folder = copied(one_scenario, tmp_path / "changed")
    path = folder / OWN / DESCRIPTION
    told = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(told | {"weights_sha256": "0" * 64}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="by its hash"):
        run(tmp_path / "second", started(folder))
