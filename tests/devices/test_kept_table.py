import json
import random
from dataclasses import replace

import pytest

from carbon_nas.devices import ProfilePlan, SimulatedDevice, profile, target_named
from carbon_nas.devices.kept_table import find_table, kept_digests, read_table, write_table
from carbon_nas.errors import UsageError
from tests.supernet.spaces import TINY


@pytest.fixture
def table():
    device = SimulatedDevice(target_named("eager-b1"))
    return profile(device, TINY, 3, ProfilePlan(passes=1), random.Random(0)).table


def test_a_table_is_kept_whole_and_its_file_says_whether_to_trust_it(table, tmp_path):
    path = write_table(tmp_path / "tables", table)
    assert path == tmp_path / "tables" / "eager-b1.json"
    assert read_table(path) == table
    assert json.loads(path.read_text())["verdict"] == table.verdict


def test_a_table_is_found_by_its_target_in_a_folder_or_by_its_file(table, tmp_path):
    path = write_table(tmp_path, table)
    assert find_table(tmp_path, "eager-b1") == find_table(path, "eager-b1") == table


def test_a_table_of_another_target_is_not_taken_in_its_place(table, tmp_path):
    path = write_table(tmp_path, table)
    with pytest.raises(UsageError, match="a table of eager-b1, not of eager-b32"):
        find_table(path, "eager-b32")
    with pytest.raises(UsageError, match=r"no latency table of eager-b32.*carbon-nas profile --target eager-b32"):
        find_table(tmp_path, "eager-b32")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale_ratio": "fast"}, "scale_ratio"),
        ({"entries_ms": {"stem": None}}, "entries_ms.stem"),
        ({"offset_ms": float("nan")}, "offset_ms: nan is no number"),
        ({"entries_ms": {"stem": float("inf")}}, "entries_ms.stem: .* not inf"),
        ({"entries_ms": {"stem": -0.1}}, "entries_ms.stem: a layer takes 0 ms or more, not -0.1"),
        ({"scale_ratio": -1}, "scale_ratio: must be above 0, not -1"),
        ({"scale_ratio": 0}, "scale_ratio: must be above 0"),
        ({"anchor_ms": -0.5}, "anchor_ms: must be above 0"),
        ({"sclae_ratio": 1.0}, "sclae_ratio: no such entry is known"),
    ],
)
def test_a_damaged_table_is_refused_and_the_place_is_named(table, tmp_path, change, words):
    path = tmp_path / "table.json"
    path.write_text(json.dumps({**table.to_json(), **change}))
    with pytest.raises(UsageError, match=words):
        read_table(path)


def test_a_line_that_begins_below_zero_is_no_damage(table, tmp_path):
    below = replace(table, offset_ms=-0.2)
    assert read_table(write_table(tmp_path, below)) == below


def test_kept_tables_are_told_apart_by_what_they_hold_and_not_by_where_they_lie(table, tmp_path):
    write_table(tmp_path / "one", table)
    write_table(tmp_path / "other", table)
    found = kept_digests(tmp_path / "one", ["eager-b1"])
    assert found == kept_digests(tmp_path / "other", ["eager-b1"]) == {"eager-b1": table.digest}
    write_table(tmp_path / "other", replace(table, scale_ratio=1.5))
    assert kept_digests(tmp_path / "other", ["eager-b1"]) != found
    with pytest.raises(UsageError, match="no latency table of eager-b32"):
        kept_digests(tmp_path / "one", ["eager-b1", "eager-b32"])


@pytest.mark.parametrize("text", ["", "[]", "{}", "not JSON"])
def test_any_other_file_is_no_table(tmp_path, text):
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(UsageError, match="no latency table"):
        read_table(tmp_path / "table.json")
