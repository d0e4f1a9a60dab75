"""How the statistics of one batch are found; what recalibration makes of them is in test_network.py."""

import pytest
import torch

from carbon_nas.supernet import recalibration
from carbon_nas.supernet.batch_norm import BN_EPS
from carbon_nas.supernet.recalibration import Observer

SITE = "somewhere"


@pytest.fixture
def any_size(monkeypatch):
    """Let tensors of tests take the way of those that are too large for the caches."""
    monkeypatch.setattr(recalibration, "_LARGE_VALUES", 1)


def batch(memory_format=torch.channels_last, *, mean=1.0, spread=0.5):
    generator = torch.Generator().manual_seed(0)
    x = mean + spread * torch.randn(5, 7, 6, 4, generator=generator, dtype=torch.float64)
    return x.float().contiguous(memory_format=memory_format)


@torch.no_grad()
def observed(x):
    observer, channels = Observer(), x.shape[1]
    weight, bias = torch.linspace(0.5, 2.0, channels), torch.linspace(-1.0, 1.0, channels)
    exact = x.double()
    expected = torch.nn.functional.batch_norm(
        exact, None, None, weight.double(), bias.double(), training=True, eps=BN_EPS
    )
    found = observer(SITE, x.clone(), weight, bias)
    return observer, found, expected, exact


def check(x):
    observer, found, expected, exact = observed(x)
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-4)
    var, mean = torch.var_mean(exact, (0, 2, 3), unbiased=False)
    torch.testing.assert_close(observer._mean[SITE] / len(x), mean.float(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(observer._var[SITE] / len(x), var.float(), rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_small_batches_are_normalised_and_remembered_as_by_batch_norm(memory_format):
    check(batch(memory_format))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_large_batches_are_normalised_and_remembered_as_by_batch_norm(any_size, memory_format):
    check(batch(memory_format))


def test_a_spread_that_the_mean_would_drown_takes_two_passes(any_size):
    x = batch(mean=50.0, spread=1.0)
    assert recalibration._moments(x) is None
    check(x)


def test_a_channel_without_any_spread_is_no_trouble(any_size):
    x = batch()
    x[:, 2] = 0.0
    check(x)


def test_large_batches_are_normalised_in_place(any_size):
    x = batch()
    with torch.no_grad():
        y = Observer()(SITE, x, torch.ones(7), torch.zeros(7))
    assert y.data_ptr() == x.data_ptr()


@pytest.mark.parametrize("mean", [1.0, 4.0, 10.0, 30.0])
def test_a_million_values_are_summed_up_as_exactly_as_by_batch_norm(mean):
    generator = torch.Generator().manual_seed(0)
    x = (mean + torch.randn(20, 8, 240, 240, generator=generator)).contiguous(memory_format=torch.channels_last)
    observer = observed(x)[0]
    exact = torch.var_mean(x.double(), (0, 2, 3), unbiased=False)[0]
    torch.testing.assert_close(observer._var[SITE] / len(x), exact.float(), rtol=2e-3, atol=0)


def test_half_precision_is_added_up_in_float32():
    x = batch().bfloat16()
    with torch.no_grad():
        observer = Observer()
        observer(SITE, x, torch.ones(7), torch.zeros(7))
    assert observer._mean[SITE].dtype == torch.float32
