import itertools
import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.devices import LatencyTable
from carbon_nas.devices.latency_table import layer_specs, layers
from carbon_nas.devices.validation import Validation
from carbon_nas.errors import LedgerMismatch, UsageError
from tests.guards.source import REPOSITORY
from tests.supernet.spaces import TINY, architectures, drawn, few, seeds


def random_table(seed=0, scale=1.7, offset=0.3, low=0.01):
    rng = random.Random(seed)
    return LatencyTable(
        target="eager-b1",
        entries_ms={key: rng.uniform(low, 1.0) for key in sorted(layer_specs(TINY, 3))},
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
@given(seeds, st.sampled_from([0.01, -1.0]))
def test_the_fastest_architecture_is_the_one_that_trying_all_would_find(seed, low):
    """Even where entries are below zero, so that deeper is faster."""
    table = random_table(seed, low=low)
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


def found(error=0.05, rank=0.95):
    return Validation(
        networks=8,
        error_fraction=error,
        greatest_error_fraction=2 * error,
        bias_fraction=-error / 2,
        rank_correlation_ratio=rank,
    )


@pytest.mark.parametrize(
    ("error", "rank", "trusted"),
    [
        (0.10, 0.90, True),
        (0.0, 1.0, True),
        (0.1001, 1.0, False),
        (0.0, 0.8999, False),
        (0.05, None, False),
    ],
)
def test_a_table_is_trusted_if_it_errs_by_a_tenth_at_most_and_ranks_well(error, rank, trusted):
    table = random_table().checked(found(error, rank))
    assert table.trusted is trusted
    assert table.verdict.startswith("trusted: " if trusted else "not trusted: ")


def test_a_table_that_was_not_checked_is_not_trusted():
    table = random_table().checked(found()).checked(None)
    assert not table.trusted
    assert table.verdict == "not trusted: it was not checked on networks that it has not seen"
    assert (table.greatest_error_fraction, table.bias_fraction, table.checked_networks) == (None, None, None)


def test_the_verdict_says_all_that_the_check_found():
    assert random_table().checked(found()).verdict == (
        "trusted: mean error 5.0%, greatest 10.0%, bias -2.5%, rank correlation 0.95 on 8 networks that it has not seen"
    )
    assert "where at most 10% and at least 0.9 are asked for" in random_table().checked(found(0.2)).verdict


def test_the_verdict_stands_in_the_json_but_cannot_be_talked_into_it():
    table = random_table().checked(found(0.2))
    data = table.to_json()
    assert (data["trusted"], data["verdict"]) == (False, table.verdict)
    assert not LatencyTable.from_json({**data, "trusted": True, "verdict": "trusted"}).trusted


def test_the_tables_of_a_ledger_that_was_recorded_before_can_still_be_read():
    lines = (REPOSITORY / "reports/digits-use/ledger/profiling.jsonl").read_text().splitlines()
    kept = [record["table"] for record in map(json.loads, lines) if record.get("kind") == "latency_table"]
    tables = [LatencyTable.from_json(table) for table in kept]
    assert [table.target for table in tables] == ["eager-b1", "folded-b1", "eager-b32"]
    assert all(table.trusted for table in tables)
    assert "on networks that it has not seen" in tables[0].verdict
    assert tables[0].fingerprint is None


def test_a_table_of_another_space_or_task_says_what_is_missing():
    table = replace(random_table(), space="tiny")
    table.check_space(TINY, 3)
    with pytest.raises(UsageError, match=r"for networks of 3 classes, not 10; make one.*--study STUDY.*--classes 3"):
        table.check_space(TINY, 10)
    with pytest.raises(
        UsageError,
        match=r"lacks \d+ of the \d+ layers of the space wider, it was made for tiny; the first is block-4px",
    ):
        table.check_space(replace(TINY, name="wider", resolutions=(4, 8)), 3)


def test_a_table_of_this_machine_is_taken_and_what_differs_on_another_is_named():
    here = {"cpu_model": "A", "threads": "1", "torch": "2.13.0"}
    table = replace(random_table(), fingerprint=here)
    table.check_here(here)
    with pytest.raises(LedgerMismatch, match=r"made on another machine.*torch was '2.13.0' and is '3'.*make one") as no:
        table.check_here({**here, "torch": "3"})
    assert "cpu_model" not in str(no.value)
    with pytest.raises(LedgerMismatch, match=r"gpu_model was None and is 'G'.*carbon-nas profile --target eager-b1"):
        table.check_here({**here, "gpu_model": "G"})


def test_a_table_of_other_threads_asks_for_as_many_and_not_for_another_machine():
    was = {"cpu_model": "A", "threads": "1", "clock": "of the thread"}
    table = replace(random_table(), fingerprint=was)
    now = {**was, "threads": "2", "clock": "of the wall"}
    with pytest.raises(
        LedgerMismatch, match=r"made with other threads: .*threads was '1' and is '2'.*--threads 1"
    ) as no:
        table.check_here(now)
    assert "machine" not in str(no.value)
    assert "make one" not in str(no.value)
    with pytest.raises(LedgerMismatch, match="made on another machine"):
        table.check_here({**now, "cpu_model": "B"})


def test_tables_that_differ_in_anything_have_different_digests():
    table = random_table()
    assert table.digest == LatencyTable.from_json(json.loads(json.dumps(table.to_json()))).digest
    key = next(iter(table.entries_ms))
    others = [
        replace(table, entries_ms={**table.entries_ms, key: 2.0}),
        replace(table, scale_ratio=1.8),
        replace(table, fingerprint={"threads": "1"}),
    ]
    assert len({one.digest for one in (table, *others)}) == 4
    assert replace(table, kept_sha256=table.digest).digest == table.digest


def test_a_fitted_table_that_falls_short_says_what_it_reached_and_what_helps():
    verdict = replace(random_table(), unseen_layers=0).checked(found(0.08, 0.8)).verdict
    assert "rank correlation 0.80" in verdict
    assert verdict.endswith("with more measured networks it may get there")
    assert "more measured" not in random_table().checked(found(0.08, 0.8)).verdict


def test_a_table_that_does_not_say_where_it_was_made_is_of_no_machine():
    with pytest.raises(LedgerMismatch, match="nobody knows on which machine"):
        random_table().check_here({})
