import itertools
import json
import random
from dataclasses import replace

import pytest
from hypothesis import given

from carbon_nas.devices import LatencyTable
from carbon_nas.devices.latency_table import layers
from carbon_nas.devices.profiler import layer_specs
from tests.supernet.spaces import TINY, architectures, drawn, few, seeds


def random_table(seed=0, scale=1.7, offset=0.3):
    rng = random.Random(seed)
    return LatencyTable(
        target="eager-b1",
        entries_ms={key: rng.uniform(0.01, 1.0) for key in sorted(layer_specs(TINY, 3))},
        scale_ratio=scale,
        offset_ms=offset,
        anchor_ms=0.5,
        anchor_spread_ratio=1.2,
        error_fraction=0.05,
        rank_correlation_ratio=None,
        num_classes=3,
    )


EVERYTHING = {
    TINY.architecture(ks=ks, e=e, d=d, resolution=resolution)
    for ks, e, d, resolution in itertools.product(
        itertools.product(TINY.kernel_sizes, repeat=TINY.num_blocks),
        itertools.product(TINY.expand_ratios, repeat=TINY.num_blocks),
        itertools.product(TINY.depths, repeat=len(TINY.stages)),
        TINY.resolutions,
    )
}


@few
@given(architectures(TINY))
def test_a_prediction_is_the_offset_plus_the_scaled_sum_of_the_layers(arch):
    table = random_table()
    keys = layers(TINY, arch, 3)
    assert len(keys) == 2 + sum(arch.depths)
    assert table.predict_ms(TINY, arch) == pytest.approx(0.3 + 1.7 * sum(table.entries_ms[key] for key in keys))


def test_the_layers_to_be_timed_are_those_that_architectures_are_made_of():
    used = {key for arch in EVERYTHING for key in layers(TINY, arch, 3)}
    assert used == set(layer_specs(TINY, 3))


def test_a_table_survives_json():
    table = random_table()
    again = LatencyTable.from_json(json.loads(json.dumps(table.to_json())))
    assert again == table
    assert [again.predict_ms(TINY, arch) for arch in drawn(TINY, 5)] == [
        table.predict_ms(TINY, arch) for arch in drawn(TINY, 5)
    ]


@few
@given(seeds)
def test_the_fastest_architecture_is_the_one_that_trying_all_would_find(seed):
    table = random_table(seed)
    least_ms = min(table.predict_ms(TINY, arch) for arch in EVERYTHING)
    assert table.predict_ms(TINY, table.fastest(TINY)) == pytest.approx(least_ms, rel=1e-12)


@few
@given(seeds)
def test_the_fastest_is_found_where_every_stage_has_more_than_one_block(seed):
    deep, table = replace(TINY, depths=(2,), resolutions=(4,)), random_table(seed)
    least_ms = min(
        table.predict_ms(deep, arch) for arch in EVERYTHING if arch.depths == (2, 2) and arch.resolution == 4
    )
    assert table.predict_ms(deep, table.fastest(deep)) == pytest.approx(least_ms, rel=1e-12)
