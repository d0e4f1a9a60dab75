import json
import random

import pytest

from carbon_nas.devices import ProfilePlan, SimulatedDevice, profile, target_named
from carbon_nas.devices.kept_table import find_table, read_table, write_table
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
        ({"offset_ms": float("nan")}, "no number"),
        ({"entries_ms": {"stem": float("inf")}}, "no number"),
    ],
)
def test_a_damaged_table_is_refused_and_the_place_is_named(table, tmp_path, change, words):
    path = tmp_path / "table.json"
    path.write_text(json.dumps({**table.to_json(), **change}))
    with pytest.raises(UsageError, match=words):
        read_table(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not JSON"])
def test_any_other_file_is_no_table(tmp_path, text):
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(UsageError, match="no latency table"):
        read_table(tmp_path / "table.json")
