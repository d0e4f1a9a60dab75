"""A file of weights is recognised by what is in it."""

import pickle

import pytest
import safetensors.torch
import torch

from carbon_nas.errors import CheckpointError
from carbon_nas.supernet import ElasticMobileNetV3, mobilenet_v3_space, official_state_dict
from carbon_nas.supernet.recognition import read_tensors, recognise
from tests.supernet.checkpoints import NARROW, current, narrow_net, older, static


@pytest.mark.parametrize("width_mult", [0.25, 0.5, 1.0, 1.2])
def test_the_width_follows_from_the_shapes(width_mult):
    space = mobilenet_v3_space(width_mult)
    found = recognise(official_state_dict(ElasticMobileNetV3(space, 7)))
    assert found.space == space
    assert (found.num_classes, found.older_names, found.is_static) == (7, False, False)


def test_older_names_static_networks_and_grey_images_are_told_apart():
    state = current(narrow_net())
    assert recognise(older(state)).older_names is True
    assert recognise(static(state)).is_static is True
    grey = mobilenet_v3_space(0.25, in_channels=1)
    assert recognise(current(ElasticMobileNetV3(grey, 2))).space.in_channels == 1


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"layer1.weight": torch.zeros(1)}, "these are no weights of OFAMobileNetV3"),
        ({"feature_mix_layer.bn.bn.weight": torch.zeros(1)}, "these are weights of OFAProxylessNASNets"),
        ({"input_stem.0.conv.conv.weight": torch.zeros(1)}, "these are weights of OFAResNets"),
    ],
)
def test_other_networks_are_named_where_they_are_known(state, said):
    with pytest.raises(CheckpointError, match=said):
        recognise(state)


def test_a_specialised_sub_network_is_not_a_supernet():
    state = current(narrow_net())
    state = {name: one for name, one in state.items() if not name.startswith("blocks.4.")}
    with pytest.raises(CheckpointError, match="widths of no whole supernet"):
        recognise(state)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_pytorch_files_and_safetensors_are_read_bare_or_in_a_state_dict(tmp_path):
    state = current(narrow_net())
    torch.save(state, tmp_path / "bare.pt")
    torch.save({"state_dict": state}, tmp_path / "ofa_mbv3_w0.25")
    safetensors.torch.save_file(state, tmp_path / "some.safetensors")
    for path in tmp_path.iterdir():
        assert same(read_tensors(path), state)


class Bomb:
    def __reduce__(self):
        return (print, ("the file was run",))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no weights"),
        lambda path: path.write_bytes(pickle.dumps({"state_dict": Bomb()})),
        lambda path: torch.save({"state_dict": Bomb()}, path),
        lambda path: torch.save({"epoch": 3}, path),
        lambda path: torch.save([1], path),
        lambda path: path.mkdir(),
    ],
)
def test_what_is_no_file_of_weights_is_refused_in_one_line_and_never_run(tmp_path, capfd, write):
    path = tmp_path / "file.pt"
    write(path)
    with pytest.raises(CheckpointError) as refusal:
        read_tensors(path)
    assert "\n" not in str(refusal.value)
    assert "weights_only=False" not in str(refusal.value)
    assert "the file was run" not in capfd.readouterr().out


def test_narrow_is_what_it_says():
    assert recognise(current(narrow_net())).space.stages == NARROW.stages


@pytest.mark.parametrize(
    "name_and_tensor",
    [
        (7, torch.zeros(1)),
        ("classifier.linear.bias", torch.zeros(())),
        ("first_conv.conv.weight", torch.zeros(3)),
        ("classifier.linear.bias", torch.zeros(1).expand(10**9)),
        ("first_conv.conv.weight", torch.zeros(4, 3, 3, 3).to_sparse()),
        ("first_conv.conv.weight", torch.zeros(4, 3, 3, 3, device="meta")),
    ],
)
def test_odd_tensors_are_refused(name_and_tensor):
    name, tensor = name_and_tensor
    with pytest.raises(CheckpointError):
        recognise({**current(narrow_net()), name: tensor})
