"""Whatever way the gradients are found, they are those of PyTorch's own convolution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from carbon_nas.supernet import depthwise
from carbon_nas.supernet.depthwise import DepthwiseConv2d, depthwise_conv2d
from tests.supernet.spaces import few, seeds


@pytest.fixture(autouse=True, scope="module")
def pieces_for_few_channels():
    """Let small tensors take the way that only pays for large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depthwise, "_MANY_CHANNELS", 1)
        yield


FORMATS = [torch.contiguous_format, torch.channels_last]
PYTORCH = "ConvolutionBackward0"


def plain(x, weight, stride=1):
    return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))


def leaves(*shapes, seed=0, memory_format=torch.contiguous_format, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    drawn = (torch.randn(shape, generator=generator) for shape in shapes)
    return [tensor.to(dtype, memory_format=memory_format).requires_grad_() for tensor in drawn]


def check_gradients(batch, channels, height, width, *, kernel, stride, memory_format, seed=0):
    x, weight = leaves(
        (batch, channels, height, width), (channels, 1, kernel, kernel), seed=seed, memory_format=memory_format
    )
    found, expected = depthwise_conv2d(x, weight, stride), plain(x, weight, stride)
    assert torch.equal(found, expected)
    (incoming,) = leaves(expected.shape, seed=seed + 1, memory_format=memory_format)
    for one, other in zip(
        torch.autograd.grad(found, [x, weight], incoming),
        torch.autograd.grad(expected, [x, weight], incoming),
        strict=True,
    ):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


# The last maps of a network are smaller than its kernels, and a stride halves odd sizes unevenly.
@pytest.mark.parametrize("memory_format", FORMATS, ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (2, 9), (3, 3), (4, 4), (4, 11), (6, 5), (7, 7), (12, 3), (16, 16)])
def test_value_and_gradients_are_those_of_the_plain_convolution(size, kernel, stride, memory_format):
    check_gradients(2, 6, *size, kernel=kernel, stride=stride, memory_format=memory_format)


@settings(few, max_examples=150)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 5),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    kernel=st.sampled_from([3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    memory_format=st.sampled_from(FORMATS),
    seed=seeds,
)
def test_value_and_gradients_are_those_of_the_plain_convolution_for_any_shape(
    batch, channels, height, width, kernel, stride, memory_format, seed
):
    check_gradients(
        batch, channels, height, width, kernel=kernel, stride=stride, memory_format=memory_format, seed=seed
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(torch.sum, id="one number for all outputs"),
        pytest.param(lambda y: (y.transpose(2, 3) * torch.arange(4.0)).sum(), id="one number a row"),
        pytest.param(lambda y: y[:, 1:].square().sum(), id="no gradient for the first channel"),
    ],
)
def test_the_incoming_gradient_may_have_any_strides(loss, kernel, stride):
    x, weight = leaves((2, 3, 4 * stride, 6 * stride), (3, 1, kernel, kernel))
    for one, other in zip(
        torch.autograd.grad(loss(depthwise_conv2d(x, weight, stride)), [x, weight]),
        torch.autograd.grad(loss(plain(x, weight, stride)), [x, weight]),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wanted", ["input", "weight"])
def test_only_the_gradients_that_are_wanted_are_computed(wanted, monkeypatch):
    x, weight = leaves((2, 3, 8, 8), (3, 1, 5, 5))
    (weight if wanted == "input" else x).requires_grad_(False)
    computed = []
    original = depthwise._gradients

    def counting(*arguments, input_too):
        computed.append("input" if input_too else "weight")
        return original(*arguments, input_too=input_too)

    monkeypatch.setattr(depthwise, "_gradients", counting)
    depthwise_conv2d(x, weight).square().sum().backward()
    # A convolution whose weight is not wanted is PyTorch's own.
    assert set(computed) == ({"weight"} if wanted == "weight" else set())


def test_gradients_add_up_over_several_uses_of_one_weight():
    x, weight = leaves((2, 3, 8, 8), (3, 1, 7, 7))
    twice = depthwise_conv2d(x, weight).sum() + depthwise_conv2d(2 * x, weight, 2).sum()
    expected = plain(x, weight).sum() + plain(2 * x, weight, 2).sum()
    for one, other in zip(
        torch.autograd.grad(twice, [x, weight]), torch.autograd.grad(expected, [x, weight]), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_without_gradients_nothing_is_kept_for_them():
    x, weight = leaves((2, 3, 8, 8), (3, 1, 7, 7))
    with torch.no_grad():
        found = depthwise_conv2d(x, weight)
    assert found.grad_fn is None
    assert torch.equal(found, plain(x, weight))


def test_it_cannot_be_differentiated_twice_and_says_so():
    x, weight = leaves((2, 3, 8, 8), (3, 1, 7, 7))
    (once,) = torch.autograd.grad(depthwise_conv2d(x, weight).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        once.sum().backward()


def test_in_double_precision_it_is_pytorch_s_own_and_can_be_differentiated_twice():
    x, weight = leaves((1, 2, 4, 3), (2, 1, 5, 5), dtype=torch.float64)
    assert depthwise_conv2d(x, weight).grad_fn.name() == PYTORCH
    assert torch.autograd.gradgradcheck(lambda *given: depthwise_conv2d(*given, 2), (x, weight))


@pytest.mark.parametrize("memory_format", FORMATS, ids=["contiguous", "channels-last"])
def test_under_autocast_it_is_pytorch_s_own_in_half_precision_with_gradients_in_full(memory_format):
    x, weight = leaves((2, 3, 8, 8), (3, 1, 7, 7), memory_format=memory_format)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = depthwise_conv2d(x, weight, 2), plain(x, weight, 2)
    assert found.dtype == torch.bfloat16
    assert found.grad_fn.name() == expected.grad_fn.name()
    assert torch.equal(found, expected)
    found.float().square().sum().backward()
    assert x.grad.dtype == weight.grad.dtype == torch.float32
    assert bool(weight.grad.isfinite().all())


@pytest.mark.parametrize(
    ("kernel", "size"),
    [
        pytest.param(9, 12, id="a kernel that pieces do not cover"),
        pytest.param(3, 8, id="a kernel that PyTorch is fast at"),
    ],
)
def test_where_pieces_gain_nothing_it_is_pytorch_s_own(kernel, size):
    x, weight = leaves((1, 2, size, size), (2, 1, kernel, kernel))
    assert depthwise_conv2d(x, weight).grad_fn.name() == PYTORCH


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_the_module_is_a_convolution_of_pytorch_with_one_kernel_a_channel(kernel, stride):
    module = DepthwiseConv2d(4, kernel, stride)
    twin = nn.Conv2d(4, 4, kernel, stride, kernel // 2, groups=4, bias=False)
    twin.load_state_dict(module.state_dict())
    (x,) = leaves((2, 4, 6, 6))
    assert torch.equal(module(x), twin(x))
    module(x).square().sum().backward()
    twin(x).square().sum().backward()
    torch.testing.assert_close(module.weight.grad, twin.weight.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_bias_that_batch_norm_left_behind_is_added(stride):
    module = DepthwiseConv2d(4, 5, stride)
    module.bias = nn.Parameter(torch.arange(1.0, 5.0))
    (x,) = leaves((2, 4, 6, 6))
    expected = plain(x, module.weight, stride) + torch.arange(1.0, 5.0)[:, None, None]
    torch.testing.assert_close(module(x), expected)


def test_batch_norm_can_be_folded_into_the_module():
    module, norm = DepthwiseConv2d(4, 5).eval(), nn.BatchNorm2d(4).eval()
    norm.running_mean.copy_(torch.arange(4.0))
    norm.running_var.copy_(torch.arange(1.0, 5.0))
    (x,) = leaves((2, 4, 6, 6))
    folded = torch.nn.utils.fuse_conv_bn_eval(module, norm)
    assert isinstance(folded, DepthwiseConv2d)
    torch.testing.assert_close(folded(x), norm(module(x)), rtol=1e-4, atol=1e-5)


def test_a_network_of_such_convolutions_works_with_functional_transforms():
    x, weight = (tensor.detach() for tensor in leaves((2, 3, 8, 8), (3, 1, 5, 5)))
    found = torch.func.grad(lambda w: depthwise_conv2d(x, w).square().sum())(weight)
    expected = torch.func.grad(lambda w: plain(x, w).square().sum())(weight)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
