"""An ONNX file computes what the network does: through ONNX Runtime, for any batch, to 1e-4 of the largest logit."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from torch import nn

from carbon_nas.errors import UsageError
from carbon_nas.supernet import mobilenet_v3_space
from carbon_nas.supernet.onnx_graph import INPUT, OPSET, OUTPUT, onnx_bytes
from carbon_nas.supernet.static import Head, channels_last, layer
from tests.supernet.spaces import SMALL, TINY, architectures, drawn, few, seeds
from tests.supernet.statics import lived_in, static_net

OFFICIAL = mobilenet_v3_space(resolutions=(128,))
AGREEMENT = 1e-4
"""What must hold: the largest difference of any logit, over the largest logit of the batch in torch."""


def session(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def pictures(shape: tuple[int, int, int], count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed))


def disagreement(module: nn.Module, shape: tuple[int, int, int], data: bytes | None = None) -> float:
    """Return the largest difference over the largest value, over a batch of one and one of five."""
    loaded, found = session(data or onnx_bytes(module, shape)), []
    for count in (1, 5):
        x_BCHW = pictures(shape, count)
        with torch.no_grad():
            wanted = module(x_BCHW).numpy()
        (given_back,) = loaded.run([OUTPUT], {INPUT: x_BCHW.numpy()})
        assert given_back.shape == wanted.shape
        found.append(float(np.abs(given_back - wanted).max() / np.abs(wanted).max()))
    return max(found)


def shape_of(space, arch):
    return space.in_channels, arch.resolution, arch.resolution


@given(arch=architectures(SMALL), seed=seeds)
@few
def test_any_small_network_agrees_with_torch(arch, seed):
    assert disagreement(static_net(SMALL, arch, seed=seed), shape_of(SMALL, arch)) < AGREEMENT


@pytest.mark.parametrize("arch", [OFFICIAL.min(), OFFICIAL.max(), *drawn(OFFICIAL, 2)], ids=str)
def test_networks_of_the_official_space_agree_with_torch(arch):
    assert disagreement(static_net(OFFICIAL, arch, num_classes=1_000), shape_of(OFFICIAL, arch)) < AGREEMENT


LAYERS = {
    spec.key: spec
    for space, arch in [(SMALL, SMALL.max()), (SMALL, SMALL.min()), *((OFFICIAL, arch) for arch in drawn(OFFICIAL, 1))]
    for spec in space.layers(arch, 10)
}


@pytest.mark.parametrize("spec", LAYERS.values(), ids=list(LAYERS))
def test_a_layer_by_itself_agrees_with_torch(spec):
    assert disagreement(lived_in(layer(spec)), (spec.in_channels, spec.size, spec.size)) < AGREEMENT


def test_the_measure_sees_a_network_that_is_another():
    shape, one = shape_of(SMALL, SMALL.min()), static_net(SMALL, SMALL.min())
    assert disagreement(one, shape, onnx_bytes(static_net(SMALL, SMALL.min(), seed=1), shape)) > 100 * AGREEMENT


def test_the_same_weights_give_the_same_bytes_however_they_are_stored():
    shape, net = shape_of(SMALL, SMALL.max()), static_net(SMALL, SMALL.max())
    data = onnx_bytes(net, shape)
    assert data == onnx_bytes(static_net(SMALL, SMALL.max()), shape)
    assert data == onnx_bytes(channels_last(net), shape)
    assert data != onnx_bytes(static_net(SMALL, SMALL.max(), seed=1), shape)


def test_writing_leaves_the_network_as_it_is():
    net = static_net(SMALL, SMALL.min()).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    onnx_bytes(net, shape_of(SMALL, SMALL.min()))
    assert net.training
    after = net.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_network_in_training_is_written_as_it_evaluates():
    net, shape = static_net(SMALL, SMALL.min()), shape_of(SMALL, SMALL.min())
    data = onnx_bytes(net, shape)
    assert onnx_bytes(net.train(), shape) == data


def test_the_file_says_what_goes_in_and_what_comes_out():
    arch = TINY.max()
    model = onnx.load_model_from_string(onnx_bytes(static_net(TINY, arch, num_classes=3), shape_of(TINY, arch)))
    onnx.checker.check_model(model, full_check=True)
    sizes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert sizes == {INPUT: ["batch", 1, 6, 6], OUTPUT: ["batch", 3]}
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert {one.data_location for one in model.graph.initializer} == {onnx.TensorProto.DEFAULT}


def test_no_batch_norm_is_left_and_every_name_is_told_apart():
    model = onnx.load_model_from_string(onnx_bytes(static_net(SMALL, SMALL.max()), shape_of(SMALL, SMALL.max())))
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert {node.op_type for node in model.graph.node} == {
        *("Add", "Conv", "Flatten", "Gemm", "GlobalAveragePool"),
        *("HardSigmoid", "HardSwish", "Mul", "Relu"),
    }


def test_what_it_cannot_write_is_named():
    net = static_net(TINY, TINY.min())
    net.head = nn.Sequential(net.head, nn.Dropout())
    with pytest.raises(UsageError, match=r"^head\.1: Dropout cannot be written as ONNX"):
        onnx_bytes(net, shape_of(TINY, TINY.min()))
    with pytest.raises(UsageError, match="Conv2d cannot be written as ONNX"):
        onnx_bytes(nn.Conv2d(1, 1, 3, padding="same"), (1, 4, 4))
    with pytest.raises(UsageError, match="without a single step"):
        onnx_bytes(nn.Sequential(), (1, 4, 4))


def test_images_of_another_shape_are_refused_by_the_file():
    head = lived_in(layer(next(spec for spec in LAYERS.values() if isinstance(layer(spec), Head))))
    channels = head.expand[0].in_channels
    loaded = session(onnx_bytes(head, (channels, 2, 2)))
    with pytest.raises(Exception, match=INPUT):
        loaded.run(None, {INPUT: pictures((channels, 3, 3), 1).numpy()})
