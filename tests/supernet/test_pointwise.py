import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from carbon_nas.supernet.pointwise import PointwiseConv2d, pointwise_conv2d
from tests.supernet.spaces import few

FORMATS = st.sampled_from([torch.contiguous_format, torch.channels_last])


@few
@given(st.tuples(*[st.integers(1, 5)] * 5), st.booleans(), FORMATS, st.integers(0, 9))
def test_value_and_gradients_are_those_of_a_convolution(sizes, with_bias, memory_format, seed):
    batch, inside, outside, height, width = sizes
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, inside, height, width, generator=generator).contiguous(memory_format=memory_format)
    weight = torch.randn(outside, inside, 1, 1, generator=generator)
    bias = torch.randn(outside, generator=generator) if with_bias else None
    given = [one.requires_grad_() for one in (x, weight, bias) if one is not None]
    found, expected = pointwise_conv2d(x, weight, bias), F.conv2d(x, weight, bias)
    torch.testing.assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(y.square().sum(), given) for y in (found, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_corner_of_a_larger_weight_gives_the_same_bits_as_its_copy():
    weight = torch.randn(48, 40, 1, 1).to(memory_format=torch.channels_last)[:17, :23]
    x = torch.randn(3, 23, 5, 5).to(memory_format=torch.channels_last)
    assert torch.equal(pointwise_conv2d(x, weight), pointwise_conv2d(x, weight.contiguous()))


@pytest.mark.parametrize("size", [1, 4])
def test_channels_last_stays_channels_last(size):
    x = torch.randn(2, 3, size, size).to(memory_format=torch.channels_last)
    y = pointwise_conv2d(x, torch.randn(8, 3, 1, 1))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert y.stride(1) == 1


def test_the_module_has_the_state_of_a_convolution():
    ours, theirs = PointwiseConv2d(3, 8, bias=True), torch.nn.Conv2d(3, 8, 1)
    assert ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    torch.testing.assert_close(ours(x), theirs(x))
