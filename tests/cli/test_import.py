"""Taking in a network from the command line."""

import pytest
import safetensors.torch
import torch

from carbon_nas.supernet import load_supernet
from tests.supernet.checkpoints import current, narrow_net, older, seen, static


@pytest.fixture
def take_in(run_python):
    def call(*arguments: str):
        return run_python("-m", "carbon_nas", "import", *arguments)

    return call


@pytest.fixture
def released(tmp_path):
    net = narrow_net()
    torch.save({"state_dict": older(current(net, seen(net)))}, tmp_path / "ofa_mbv3_w0.25")
    return tmp_path / "ofa_mbv3_w0.25"


def test_a_released_file_becomes_a_supernet_that_computes_the_same(take_in, released, tmp_path):
    done = take_in(str(released))
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("once-for-all network", "mobilenet_v3_w0.25", "10 classes", "older names", "sha256"):
        assert word in done.stdout
    found = load_supernet(tmp_path / "supernets" / "ofa_mbv3_w0.25")
    assert torch.equal(found.net.parameter("head.mix.weight"), narrow_net().parameter("head.mix.weight"))
    assert found.origin["file"] == "ofa_mbv3_w0.25"
    again = take_in(str(released))
    assert again.returncode == 2
    assert "holds a supernet.json already" in again.stderr


def test_a_teacher_for_another_task_is_taken_without_classifier_and_matrices(take_in, tmp_path):
    torch.save(static(current(narrow_net())), tmp_path / "teacher.pt")
    done = take_in("teacher.pt", "--classes", "3", "--out", "mine")
    assert done.returncode == 0
    for word in ("static network of the largest architecture", "3 classes and is untrained", "no matrices"):
        assert word in done.stdout
    assert load_supernet(tmp_path / "mine").net.num_classes == 3


@pytest.mark.parametrize("content", [None, b"", b"import os"])
def test_anything_else_is_one_line_of_error(take_in, tmp_path, content):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    done = take_in("file")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: file: ")
    assert done.stderr.count("\n") == 1


def test_a_file_that_lies_there_is_never_replaced(take_in, tmp_path):
    safetensors.torch.save_file(current(narrow_net()), tmp_path / "weights.safetensors")
    before = (tmp_path / "weights.safetensors").read_bytes()
    done = take_in("weights.safetensors", "--out", ".")
    assert (done.returncode, done.stdout) == (2, "")
    assert (tmp_path / "weights.safetensors").read_bytes() == before
