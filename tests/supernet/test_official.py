"""Official weights come in under every name they have had, whole or not at all."""

from pathlib import Path

import pytest
import torch

from carbon_nas.errors import CheckpointError, UsageError
from carbon_nas.supernet import (
    ElasticMobileNetV3,
    load_official_state_dict,
    mobilenet_v3_space,
    official_state_dict,
    recalibrate,
)
from tests.supernet.checkpoints import NARROW, current, narrow_net, older, seen, static
from tests.supernet.spaces import SMALL, images

LISTED = Path(__file__).parents[1] / "golden" / "ofa-mbv3-w1.0.txt"
"""Name and shape of every entry of the official state dict at width 1.0, as the OFA code prints it."""


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_width_one_has_the_official_475_entries_in_name_and_shape():
    net = ElasticMobileNetV3(mobilenet_v3_space(width_mult=1.0), num_classes=1_000)
    shapes = {name: "x".join(map(str, one.shape)) or "scalar" for name, one in official_state_dict(net).items()}
    listed = dict(line.split() for line in LISTED.read_text(encoding="utf-8").splitlines())
    assert shapes == listed
    assert len(shapes) == 475
    assert sum(parameter.numel() for parameter in net.parameters()) == 7_678_880


@pytest.fixture(scope="module")
def source():
    return narrow_net()


@pytest.mark.parametrize(
    "renamed",
    [
        dict,
        older,
        lambda state: {f"module.{name}": one for name, one in state.items()},
        lambda state: {"state_dict": state},
    ],
)
def test_current_older_and_wrapped_names_load_into_the_same_network(source, renamed):
    net, statistics = narrow_net(seed=1), seen(source)
    loaded = load_official_state_dict(net, renamed(current(source, statistics)))
    assert same_weights(net, source)
    assert (loaded.classifier_loaded, loaded.matrices_loaded) == (True, True)
    x = images(32).expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = source(x, NARROW.max(), statistics)
        assert torch.equal(net(x, NARROW.max(), loaded.statistics), expected)


def test_a_static_teacher_fills_the_largest_network_and_leaves_the_matrices_alone(source):
    net, statistics = ElasticMobileNetV3(NARROW, 10), seen(source)
    loaded = load_official_state_dict(net, older(static(current(source, statistics))))
    assert loaded.matrices_loaded is False
    assert torch.equal(net.parameter("blocks.0.depthwise.matrices.7to5"), torch.eye(25))
    x = images(32).expand(-1, 3, -1, -1)
    with torch.no_grad():
        assert torch.equal(net(x, NARROW.max(), loaded.statistics), source(x, NARROW.max(), statistics))


def test_with_another_number_of_classes_the_classifier_stays(source):
    net = narrow_net(num_classes=3, seed=1)
    before = net.parameter("head.classifier.weight").clone()
    loaded = load_official_state_dict(net, current(source))
    assert loaded.classifier_loaded is False
    assert torch.equal(net.parameter("head.classifier.weight"), before)
    assert torch.equal(net.parameter("head.mix.weight"), source.parameter("head.mix.weight"))


def without(part):
    return lambda state: {name: one for name, one in state.items() if part not in name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("blocks.7."), "blocks.7.conv.inverted_bottleneck.conv.conv.weight is missing"),
        (without("7to5_matrix"), "7to5_matrix is missing"),
        (without("running_var"), "running_var is missing"),
        (without("classifier"), "classifier.linear.weight is missing"),
        (lambda state: {**state, "blocks.21.x": torch.zeros(1)}, "blocks.21.x is no tensor of this network"),
        (lambda state: {**state, **older(state)}, "are two names of one tensor"),
        (lambda state: {**state, "first_conv.conv.weight": torch.zeros(8, 1, 3, 3)}, "has the shape (8, 1, 3, 3)"),
        (
            lambda state: {**state, "classifier.linear.bias": torch.zeros(10).int()},
            "something else than finite numbers",
        ),
        (lambda state: {**state, "classifier.linear.bias": torch.full((10,), torch.nan)}, "finite numbers"),
        (lambda state: {**state, "first_conv.bn.running_var": -torch.ones(8)}, "holds a negative variance"),
        (lambda state: {**state, "first_conv.bn.running_var": torch.ones(8, device="meta")}, "is no plain tensor"),
        (lambda state: [state], "this is no state dict but a list"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(source, change, said):
    net = narrow_net(seed=1)
    with pytest.raises(CheckpointError) as refusal:
        load_official_state_dict(net, change(current(source)))
    assert said in str(refusal.value)
    assert same_weights(net, narrow_net(seed=1))


def test_the_loaded_network_shares_no_memory_with_the_state_dict(source):
    state, net = current(source, seen(source)), narrow_net(seed=1)
    loaded = load_official_state_dict(net, state)
    for tensor in state.values():
        tensor.zero_()
    assert same_weights(net, source)
    assert all(float(var.min()) > 0 for var in loaded.statistics.var.values())


def test_without_statistics_batch_norm_goes_out_as_it_is_born(source):
    state = official_state_dict(source)
    assert all(float(one.abs().sum()) == 0 for name, one in state.items() if name.endswith("running_mean"))
    assert all(bool((one == 1).all()) for name, one in state.items() if name.endswith("running_var"))


def test_statistics_of_a_smaller_network_cannot_go_out(source):
    some = recalibrate(source, NARROW.min(), 32, [images(32).expand(-1, 3, -1, -1)])
    with pytest.raises(UsageError, match="say nothing about"):
        official_state_dict(source, some)


def test_a_space_that_the_official_code_cannot_express_has_no_official_names():
    net = ElasticMobileNetV3(SMALL, 10)
    for call in (lambda: official_state_dict(net), lambda: load_official_state_dict(net, {})):
        with pytest.raises(UsageError, match="has no official names"):
            call()
