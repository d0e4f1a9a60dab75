import hashlib
import pickle
from pathlib import Path

import pytest
import torch

from carbon_nas.errors import LedgerMismatch
from carbon_nas.strategies import Artefact, Artefacts

KEPT = Artefact(
    tensors={"weight": torch.arange(6.0).view(2, 3).t(), "steps": torch.tensor(3)},
    facts={"architecture": {"ks": [3, 5]}, "validation_accuracy_fraction": 0.1 + 0.2, "nothing": None},
)


@pytest.fixture
def artefacts(tmp_path):
    return Artefacts(tmp_path / "checkpoints")


def test_what_is_kept_comes_back_as_it_was(artefacts):
    artefacts.save("search / eager-b1", KEPT)
    again = artefacts.load("search / eager-b1")
    assert again.facts == KEPT.facts
    assert again.tensors.keys() == KEPT.tensors.keys()
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in KEPT.tensors.items())


def test_an_artefact_without_tensors_or_facts_is_kept_too(artefacts):
    artefacts.save("profile", Artefact())
    assert artefacts.load("profile").facts == artefacts.load("profile").tensors == {}


def test_the_hash_is_that_of_the_file_and_the_same_whenever_the_same_is_kept(artefacts):
    digest = artefacts.save("train", KEPT)
    assert digest == hashlib.sha256(artefacts.path("train").read_bytes()).hexdigest()
    assert artefacts.save("train again", KEPT) == digest


def test_a_file_name_works_on_every_system(artefacts):
    assert artefacts.path("search / a:b@c").name == "search-a-b-c.safetensors"


def test_the_file_that_the_ledger_speaks_of_passes(artefacts):
    artefacts.check("train", artefacts.save("train", KEPT))


def test_another_file_is_refused(artefacts):
    digest = artefacts.save("train", KEPT)
    artefacts.save("train", Artefact(facts={"other": 1}))
    with pytest.raises(LedgerMismatch, match=r"train\.safetensors: .*restore the file"):
        artefacts.check("train", digest)


def test_a_file_that_is_gone_is_only_missed_when_it_is_needed(artefacts):
    digest = artefacts.save("train", KEPT)
    artefacts.path("train").unlink()
    artefacts.check("train", digest)
    with pytest.raises(LedgerMismatch, match="phase 'train' is done, but its checkpoint cannot be read"):
        artefacts.load("train")


class _Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_never_run(artefacts, tmp_path):
    path = artefacts.path("train")
    path.parent.mkdir()
    path.write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    with pytest.raises(LedgerMismatch):
        artefacts.load("train")
    assert not (tmp_path / "sprung").exists()


def test_no_half_written_file_is_left_beside_the_whole_one(artefacts):
    artefacts.save("train", KEPT)
    artefacts.save("train", KEPT)
    assert [path.name for path in artefacts.path("train").parent.iterdir()] == ["train.safetensors"]
