"""The format of the OFA code's latency tables. The keys are those of public files in it, width 1.2, 164 pixels."""

import json
import random
import sys
from dataclasses import replace

import pytest
from hypothesis import given

from carbon_nas.devices import LatencyTable
from carbon_nas.devices.latency_table import layer_specs
from carbon_nas.devices.official_table import (
    check_format,
    official_keys,
    official_resolutions,
    read_official,
    write_official,
)
from carbon_nas.errors import MissingExtra, UsageError
from carbon_nas.supernet import mobilenet_v3_space
from tests.supernet.spaces import SMALL, TINY, architectures, drawn, few

OFFICIAL = mobilenet_v3_space(1.2, resolutions=(164,))


def made_up(space, num_classes, *, seed=0, scale=1.3, offset=-0.02):
    rng = random.Random(seed)
    return LatencyTable(
        target="phone",
        entries_ms={key: rng.uniform(0.01, 1.0) for key in layer_specs(space, num_classes)},
        scale_ratio=scale,
        offset_ms=offset,
        anchor_ms=0.5,
        anchor_spread_ratio=1.2,
        error_fraction=None,
        rank_correlation_ratio=None,
        num_classes=num_classes,
    )


def test_the_layers_of_the_official_space_have_the_official_names():
    names = {name for spec in layer_specs(OFFICIAL, 1_000).values() for name in official_keys(spec)}
    assert len(names) == 1 + 1 + 5 * 2 * 9 + 4
    assert names >= {
        "Conv-input:164x164x3-output:82x82x24",
        "expanded_conv-input:82x82x24-output:82x82x24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0",
        "expanded_conv-input:82x82x24-output:41x41x32-expand:144-kernel:5-stride:2-idskip:0-se:0-hs:0",
        "expanded_conv-input:41x41x32-output:41x41x32-expand:96-kernel:7-stride:1-idskip:1-se:0-hs:0",
        "expanded_conv-input:41x41x32-output:21x21x48-expand:128-kernel:3-stride:2-idskip:0-se:1-hs:0",
        "expanded_conv-input:11x11x96-output:11x11x96-expand:576-kernel:3-stride:1-idskip:1-se:0-hs:1",
        "expanded_conv-input:11x11x136-output:11x11x136-expand:408-kernel:3-stride:1-idskip:1-se:1-hs:1",
        "expanded_conv-input:11x11x136-output:6x6x192-expand:816-kernel:7-stride:2-idskip:0-se:1-hs:1",
        "Conv_1-input:6x6x192-output:6x6x1152",
        "AvgPool2D-input:6x6x1152-output:1x1x1152",
        "Conv_2-input:1x1x1152-output:1x1x1536",
        "Logits-input:1x1x1536-output:1000",
    }


@pytest.fixture(scope="module", params=["yaml", "json"])
def kept(request, tmp_path_factory):
    """Tables by space, and what came back from their files."""
    folder, found = tmp_path_factory.mktemp(request.param), {}
    for space, classes in ((TINY, 3), (SMALL, 10), (OFFICIAL, 1_000)):
        table = made_up(space, classes)
        paths = write_official(folder / space.name, table, space, format=request.param)
        names = [f"{size}_lookup_table.{request.param}" for size in space.resolutions]
        assert [path.name for path in paths] == names
        found[space.name] = space, table, read_official(folder / space.name, space, classes, target="phone")
    return found


@few
@given(architectures(TINY))
def test_a_round_trip_keeps_every_prediction(kept, arch):
    space, table, again = kept["tiny"]
    assert again.predict_ms(space, arch) == pytest.approx(table.predict_ms(space, arch), rel=1e-12)


@pytest.mark.parametrize("name", ["small_image", OFFICIAL.name])
def test_a_round_trip_keeps_the_predictions_of_larger_spaces(kept, name):
    space, table, again = kept[name]
    for arch in drawn(space, 50):
        assert again.predict_ms(space, arch) == pytest.approx(table.predict_ms(space, arch), rel=1e-12)


def test_the_plain_sum_of_a_file_is_what_the_table_predicts(tmp_path):
    """As the OFA code adds up, which knows of no scale and no offset."""
    table = made_up(OFFICIAL, 1_000)
    (path,) = write_official(tmp_path, table, OFFICIAL, format="json")
    entries = json.loads(path.read_text())
    for arch in drawn(OFFICIAL, 10):
        keys = [key for spec in OFFICIAL.layers(arch, 1_000) for key in official_keys(spec)]
        assert sum(entries[key]["mean"] for key in keys) == pytest.approx(table.predict_ms(OFFICIAL, arch))


def test_the_parts_of_the_head_that_nobody_timed_have_a_count_of_zero(tmp_path):
    (path,) = write_official(tmp_path, made_up(OFFICIAL, 1_000), OFFICIAL, format="json")
    counted = {key.partition("-")[0]: entry for key, entry in json.loads(path.read_text()).items() if "count" in entry}
    assert counted == {kind: {"count": 0, "mean": 0.0} for kind in ("AvgPool2D", "Conv_2", "Logits")}


def test_an_offset_that_is_more_than_the_head_leaves_no_entry_below_zero(tmp_path):
    table = made_up(OFFICIAL, 1_000)
    (head,) = [key for key in table.entries_ms if key.startswith("head-")]
    table = replace(table, entries_ms={**table.entries_ms, head: 0.1}, offset_ms=-0.2)
    (path,) = write_official(tmp_path, table, OFFICIAL, format="json")
    means_ms = [entry["mean"] for entry in json.loads(path.read_text()).values()]
    assert min(means_ms) == 0
    again = read_official(path, OFFICIAL, 1_000)
    for arch in drawn(OFFICIAL, 10):
        assert again.predict_ms(OFFICIAL, arch) == pytest.approx(table.predict_ms(OFFICIAL, arch), rel=1e-12)


def test_an_offset_that_no_layer_can_take_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"the offset of -9 ms takes away more"):
        write_official(tmp_path, replace(made_up(TINY, 3), offset_ms=-9.0), TINY, format="json")
    assert list(tmp_path.iterdir()) == []


def rewritten(tmp_path, change):
    (path,) = write_official(tmp_path, made_up(OFFICIAL, 1_000), OFFICIAL, format="json")
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    return path


def test_the_four_parts_of_a_foreign_head_are_added_up(tmp_path):
    parts = {
        "Conv_1-input:6x6x192-output:6x6x1152": {"count": 499, "mean": 0.5, "std": 0.02},
        "AvgPool2D-input:6x6x1152-output:1x1x1152": {"count": 481, "mean": 0.25, "var": 0.1},
        "Conv_2-input:1x1x1152-output:1x1x1536": {"count": 499, "mean": 1.0, "std": 0.1},
        "Logits-input:1x1x1536-output:1000": {"count": 499, "mean": 2.0, "std": 0.08},
    }
    table = read_official(rewritten(tmp_path, lambda entries: entries | parts), OFFICIAL, 1_000)
    (head,) = [key for key in table.entries_ms if key.startswith("head-")]
    assert table.entries_ms[head] == 3.75


def test_keys_that_do_not_tell_squeeze_and_activation_are_understood(tmp_path):
    path = rewritten(tmp_path, lambda entries: {key.partition("-se:")[0]: entry for key, entry in entries.items()})
    table, arch = made_up(OFFICIAL, 1_000), OFFICIAL.max()
    found = read_official(path, OFFICIAL, 1_000)
    assert found.predict_ms(OFFICIAL, arch) == pytest.approx(table.predict_ms(OFFICIAL, arch))


def test_what_is_read_is_another_machines_and_was_checked_by_nobody(kept):
    for _, _, table in kept.values():
        assert (table.scale_ratio, table.offset_ms) == (1.0, 0.0)
        assert (table.fingerprint, table.anchor_ms, table.error_fraction) == (None, None, None)
        assert table.made == "read from tables in the format of the OFA code"
        assert not table.trusted


def test_a_layer_that_stands_in_several_files_has_their_mean(tmp_path):
    space = mobilenet_v3_space(resolutions=(216, 224))
    one, other = (made_up(space, 10, seed=seed, scale=1.0, offset=0.0) for seed in (1, 2))
    write_official(tmp_path, one, replace(space, resolutions=(216,)), format="json")
    write_official(tmp_path, other, replace(space, resolutions=(224,)), format="json")
    found = read_official(tmp_path, space, 10)
    kept = [layer_specs(replace(space, resolutions=(size,)), 10).keys() for size in space.resolutions]
    shared = kept[0] & kept[1]
    assert shared
    assert official_resolutions(tmp_path) == (216, 224)
    for key in shared:
        assert found.entries_ms[key] == pytest.approx((one.entries_ms[key] + other.entries_ms[key]) / 2)


def test_a_resolution_that_is_not_there_is_named_with_those_that_are(tmp_path):
    write_official(tmp_path, made_up(TINY, 3), TINY, format="json")
    with pytest.raises(UsageError, match=r"no table for 8 pixels, only for 4, 6.*--resolutions"):
        read_official(tmp_path, replace(TINY, resolutions=(4, 8)), 3)


def test_a_table_of_another_width_or_task_says_which_layer_is_missing(tmp_path):
    write_official(tmp_path, made_up(OFFICIAL, 1_000), OFFICIAL, format="json")
    with pytest.raises(UsageError, match=r"lacks 1 of 93 layers of mobilenet_v3_w1.2 at 164 pixels.*Conv_1-input"):
        read_official(tmp_path, OFFICIAL, 10)
    with pytest.raises(UsageError, match=r"lacks 93 of 93 .*Conv-input:164x164x3-output:82x82x16.*--width"):
        read_official(tmp_path, mobilenet_v3_space(resolutions=(164,)), 1_000)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "{", "neither YAML nor JSON"),
        ("a.yaml", "a: [", "neither YAML nor JSON"),
        ("a.yaml", "!!python/object/apply:os.getcwd []", "neither YAML nor JSON"),
        ("a.json", "[1]", "no table in the official format"),
        ("a.json", '{"Logits-input:1x1x4-output:3": {"count": 3}}', "needs a mean in milliseconds"),
        ("a.json", '{"Logits-input:1x1x4-output:3": {"mean": NaN}}', "needs a mean in milliseconds"),
        ("a.json", '{"Logits-input:1x1x4-output:3": {"mean": -1}}', "greater than or equal to 0.*0 or more"),
        ("a.json", '{"Logits-input:1x1x4-output:3": {"mean": 1}}', "no entry Conv-input"),
    ],
)
def test_any_other_file_is_refused_in_one_line(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=words) as refused:
        read_official(tmp_path / name, TINY, 3)
    assert "\n" not in str(refused.value)


def test_an_empty_folder_and_two_tables_of_one_resolution_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no table in this folder"):
        read_official(tmp_path, TINY, 3)
    table = made_up(TINY, 3)
    write_official(tmp_path, table, TINY, format="json")
    write_official(tmp_path, table, TINY, format="yaml")
    with pytest.raises(UsageError, match="more than one table for"):
        official_resolutions(tmp_path)


def test_without_pyyaml_json_still_works(monkeypatch, tmp_path):
    write_official(tmp_path / "json", made_up(TINY, 3), TINY, format="json")
    write_official(tmp_path / "yaml", made_up(TINY, 3), TINY, format="yaml")
    monkeypatch.setitem(sys.modules, "yaml", None)  # Python's own way to say that a module cannot be imported.
    assert official_resolutions(tmp_path / "json") == (4, 6)
    with pytest.raises(MissingExtra, match=r"tables in YAML need the package pyyaml.*\[nas\]'$"):
        official_resolutions(tmp_path / "yaml")
    check_format("json")
    with pytest.raises(MissingExtra, match=r"or ask for JSON: --format json"):
        check_format("yaml")
