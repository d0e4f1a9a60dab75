import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from carbon_nas.devices.additive import AdditiveLatency
from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.devices.profiler import layer_specs
from carbon_nas.errors import UsageError
from carbon_nas.supernet.population import Population
from tests.supernet.spaces import SMALL, TINY, drawn, few, seeds

SPACES = (TINY, SMALL)


def random_table(space, seed, *, low=0.01):
    rng = random.Random(seed)
    return LatencyTable(
        target="made up",
        entries_ms={key: rng.uniform(low, 1.0) for key in sorted(layer_specs(space, 3))},
        scale_ratio=1.7,
        offset_ms=0.3,
        anchor_ms=0.5,
        anchor_spread_ratio=1.2,
        error_fraction=0.05,
        rank_correlation_ratio=None,
        num_classes=3,
    )


@few
@given(seeds)
def test_a_population_is_predicted_as_each_of_it_is_by_the_table(seed):
    for space in SPACES:
        table, archs = random_table(space, seed), drawn(space, 10, seed)
        predicted_ms = AdditiveLatency.of(table, space).predict_ms(Population.of(space, archs))
        assert predicted_ms == pytest.approx([table.predict_ms(space, arch) for arch in archs], rel=1e-12)


def test_of_nobody_nothing_is_predicted():
    assert len(AdditiveLatency.of(random_table(TINY, 0), TINY).predict_ms(Population.of(TINY, ()))) == 0


@few
@given(seeds)
def test_nothing_is_faster_even_where_a_fit_left_entries_below_zero(seed):
    table = random_table(TINY, seed, low=-1.0)
    latency = AdditiveLatency.of(table, TINY)
    least_ms = np.min(latency.predict_ms(Population.sampled(TINY, 2_000, np.random.default_rng(seed))))
    assert table.predict_ms(TINY, latency.fastest()) <= least_ms + 1e-9


def test_a_layer_that_the_table_does_not_know_is_named():
    larger = replace(TINY, resolutions=(4, 8))
    with pytest.raises(UsageError, match="does not know block-8px") as refusal:
        AdditiveLatency.of(random_table(TINY, 0), larger)
    assert "profile the device" in str(refusal.value)
