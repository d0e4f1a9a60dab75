"""A supernet that was kept comes back as it was, or not at all."""

import json

import pytest
import torch

from carbon_nas.errors import CheckpointError, OutputError
from carbon_nas.files import write_whole
from carbon_nas.supernet import ElasticMobileNetV3, checkpoint, load_supernet, recalibrate, save_supernet
from carbon_nas.supernet.checkpoint import DESCRIPTION, WEIGHTS
from tests.supernet.spaces import SMALL, images, scrambled


@pytest.fixture
def net():
    return scrambled(ElasticMobileNetV3(SMALL, 10))


@pytest.fixture
def kept(net, tmp_path):
    statistics = recalibrate(net, SMALL.min(), 8, [images(8, count=16)])
    save_supernet(tmp_path / "kept", net, statistics, origin={"file": "somewhere"})
    return tmp_path / "kept"


def test_it_computes_what_it_did(net, kept):
    found, x = load_supernet(kept), images(8)
    assert found.net.space == SMALL
    assert found.origin == {"file": "somewhere"}
    statistics = recalibrate(net, SMALL.min(), 8, [images(8, count=16)])
    with torch.no_grad():
        assert torch.equal(found.net(x, SMALL.min(), found.statistics), net(x, SMALL.min(), statistics))
        assert torch.equal(found.net(x, SMALL.max()), net(x, SMALL.max()))


def test_without_statistics_none_come_back(net, tmp_path):
    save_supernet(tmp_path, net)
    assert load_supernet(str(tmp_path)).statistics is None


def test_a_channels_last_network_is_kept_as_well(net, tmp_path):
    save_supernet(tmp_path, net.to(memory_format=torch.channels_last))
    found, x = load_supernet(tmp_path).net, images(8)
    with torch.no_grad():
        torch.testing.assert_close(found(x, SMALL.max()), net(x, SMALL.max()), rtol=1e-3, atol=1e-3)


def edited(change):
    def edit(folder):
        described = json.loads((folder / DESCRIPTION).read_bytes())
        change(described)
        (folder / DESCRIPTION).write_text(json.dumps(described), encoding="utf-8")

    return edit


def flip(folder):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip, "by its hash"),
        (lambda folder: (folder / WEIGHTS).unlink(), "cannot be read as a supernet"),
        (lambda folder: (folder / DESCRIPTION).unlink(), "there is no supernet here"),
        (lambda folder: (folder / DESCRIPTION).write_text("{"), "does not describe a supernet"),
        (edited(lambda one: one.update(version=2)), "does not describe a supernet"),
        (edited(lambda one: one.update(num_classes=7)), "cannot be read as a supernet"),
        (edited(lambda one: one["space"].update(kernel_sizes=[3, 4])), "cannot be read as a supernet"),
        (edited(lambda one: one["space"].pop("stages")), "cannot be read as a supernet"),
        (edited(lambda one: one["statistics"]["architecture"].update(d=[9, 9, 9])), "cannot be read as a supernet"),
    ],
)
def test_what_is_damaged_is_refused_in_one_line(kept, damage, said):
    damage(kept)
    with pytest.raises(CheckpointError) as refusal:
        load_supernet(kept)
    assert said in str(refusal.value)
    assert str(kept) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def stopping_at(name):
    def write(path, data):
        if path.name == name:
            raise OutputError("disk full", where=str(path))
        write_whole(path, data)

    return write


def test_a_save_that_fails_leaves_what_was_there(net, kept, monkeypatch):
    monkeypatch.setattr(checkpoint, "write_whole", stopping_at(WEIGHTS))
    with pytest.raises(OutputError):
        save_supernet(kept, ElasticMobileNetV3(SMALL, 3))
    assert load_supernet(kept).net.num_classes == 10


def test_a_save_that_fails_half_way_is_refused_and_never_taken_for_either(net, kept, monkeypatch):
    monkeypatch.setattr(checkpoint, "write_whole", stopping_at(DESCRIPTION))
    with pytest.raises(OutputError):
        save_supernet(kept, ElasticMobileNetV3(SMALL, 3))
    with pytest.raises(CheckpointError, match="by its hash"):
        load_supernet(kept)


def test_statistics_at_a_resolution_that_the_space_does_not_offer_come_back(net, tmp_path):
    save_supernet(tmp_path, net, recalibrate(net, SMALL.min(), 16, [images(16)]))
    found = load_supernet(tmp_path).statistics
    assert (found.resolution, found.architecture) == (16, SMALL.min().at(16))
