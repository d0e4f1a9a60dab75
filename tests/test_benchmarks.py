"""The benchmarks run: a few of everything, in seconds. How well things do is for the benchmarks to say."""

import json
import os
import sys
from pathlib import Path

import pytest

from carbon_nas.strategies.search import SearchPlan
from carbon_nas.training.recipe import progressive_shrinking
from experiments.benchmarks import search, subnetworks, supernet
from experiments.benchmarks.metering import __main__ as metering
from experiments.benchmarks.metering import accuracy, costs
from experiments.benchmarks.metering.matrix import fault_matrix, judge_span
from experiments.benchmarks.metering.processes import Bench
from experiments.benchmarks.metering.scenarios import MATRIX
from experiments.benchmarks.metering.tables import Table, quantile
from tests.supernet.checkpoints import NARROW
from tests.supernet.spaces import TINY

needs_posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="the scenarios use signals and forks")


@pytest.fixture
def bench():
    """Ours alone: the other tools take seconds to start."""
    with Bench.opened(None, names=("ours",)) as opened:
        yield opened


def span(energy_j, *, flags=(), low_j=None, high_j=None, u_j=None):
    claim = {"energy_j": energy_j, "flags": flags, "low_j": low_j, "high_j": high_j, "u_j": u_j}
    return {"name": "run", "claim": claim, "true_low_j": 99.0, "true_high_j": 101.0}


@pytest.mark.parametrize(
    ("claimed", "passed"),
    [
        (span(100.0), True),
        (span(95.0), True),
        (span(90.0), False),
        (span(-100.0), False),
        (span(60.0, flags=("incomplete",), low_j=60.0, high_j=120.0), True),
        (span(60.0, flags=("incomplete",), low_j=60.0, high_j=80.0), False),
        (span(60.0, flags=("incomplete",), low_j=60.0, high_j=None), True),
        (span(0.0, flags=("below resolution",), low_j=0.0, high_j=0.0, u_j=60.0), True),
        (span(None, flags=("not known",)), False),
    ],
)
def test_a_row_is_passed_by_a_right_number_or_by_honest_bounds_and_not_by_a_flag_alone(claimed, passed):
    assert judge_span(claimed).passed is passed


def test_no_number_is_an_answer_only_where_none_can_be_known():
    assert judge_span(span(None, flags=("not known",)), knowable=False).passed is True


def test_a_table_is_aligned_and_what_was_not_run_is_a_dash():
    table = Table(title="T", columns=("what", "J"), rows=(("one", 1.5), ("another", None)), notes=("a note",))
    assert table.text().splitlines() == ["T", "-", "what       J", "one      1.5", "another    -", "  a note"]


def test_a_quantile_is_one_of_the_values():
    assert [quantile([3.0, 1.0, 2.0, 4.0], share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 2.0, 4.0, 4.0]


def test_the_edges_of_windows_are_timed():
    table = costs.edge_latency(20)
    assert {row[2] for row in table.rows} == {"yes", "no"}


@pytest.mark.parametrize("kind", accuracy.KINDS)
@pytest.mark.parametrize("wave", accuracy.WAVES)
def test_a_trial_of_every_meter_on_every_wave_comes_near_its_truth(kind, wave):
    found = accuracy.trial(kind, wave, 1.0, seed=0)
    assert found.u_j is not None
    assert abs(found.energy_j - found.true_j) <= 4 * found.u_j + 1e-3


def test_accuracy_is_summed_up_by_length_and_by_wave():
    by_length, by_wave = accuracy.accuracy(1)
    assert len(by_length.rows) == len(accuracy.KINDS) * len(accuracy.LENGTHS_S)
    assert {row[1] for row in by_wave.rows} >= {*accuracy.WAVES, "all waves"}


@needs_posix
def test_a_row_of_the_fault_matrix_is_judged_and_missing_tools_are_said_to_be_not_run(bench):
    names = {"no fault", "counter reset (driver reload)"}
    scores, figures = fault_matrix(bench, [scenario for scenario in MATRIX if scenario.name in names])
    assert [row[1:] for row in scores.rows] == [*[("pass", "not run", "not run")] * 2, ("2 of 2", "0 of 0", "0 of 0")]
    assert all(row[3] for row in figures.rows)


@needs_posix
def test_the_other_costs_are_measured(bench):
    for table in (
        costs.edge_latency_of_tools(bench, 20),
        costs.sampler_load(bench, 0.2),
        costs.memory(bench, 100, 10),
        costs.import_cost(bench, 1),
        accuracy.accuracy_of_tools(bench, ((0.01, 1),)),
    ):
        assert any("ours" in str(row[0]) or "carbon_nas" in str(row[0]) for row in table.rows)
        assert table.text()


def test_the_supernet_is_timed_beside_static_networks(monkeypatch, capsys):
    monkeypatch.setattr(supernet, "SPACE", NARROW)
    monkeypatch.setattr(supernet, "BATCHES", {32: 2})
    monkeypatch.setattr(supernet, "CALIBRATION_BATCH", 20)
    monkeypatch.setattr(supernet, "CALIBRATION_IMAGES", 40)
    supernet.main(["--rounds", "1", "--threads", "1"])
    said = capsys.readouterr().out
    ratios = [float(line.split()[3]) for line in said.splitlines() if "geometric mean" in line]
    assert len(ratios) == 1
    assert 0.1 < ratios[0] < 10
    for word in ("contiguous", "recalibration on 40 images", "extraction"):
        assert word in said


def test_one_compiled_network_after_another_is_timed(monkeypatch, capsys):
    monkeypatch.setattr(supernet, "SPACE", NARROW)
    monkeypatch.setattr(supernet, "BATCHES", {32: 2})
    monkeypatch.setattr(supernet, "SEEDS", range(1))
    monkeypatch.setattr(supernet, "COMPILE", True)
    monkeypatch.setattr(supernet, "BACKEND", "eager")
    supernet.main(["--rounds", "1", "--threads", "1", "--only", "step"])
    assert "bfloat16, compiled" in capsys.readouterr().out


def test_the_tables_are_kept_as_json(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setitem(metering.SECTIONS, "import", lambda bench, quick: iter([Table(title="T", columns=(), rows=())]))
    metering.main(
        ["--only", "import", "--quick", "--json", str(tmp_path / "tables.json"), "--zeus-python", sys.executable]
    )
    assert json.loads((tmp_path / "tables.json").read_text(encoding="utf-8"))["tables"][0]["title"] == "T"
    assert "T" in capsys.readouterr().out


def test_a_search_is_timed_and_compared_with_scoring_everything(monkeypatch, capsys):
    monkeypatch.setattr(search, "SPACE", TINY)
    monkeypatch.setattr(search, "SMALL", TINY)
    monkeypatch.setattr(search, "BATCH", 64)
    monkeypatch.setattr(search, "ONE_BY_ONE", 8)
    monkeypatch.setattr(search, "PLAN", SearchPlan(population=8, generations=2))
    monkeypatch.setattr(search, "SEEDS", range(1))
    search.main(["--rounds", "2", "--threads", "1"])
    said = capsys.readouterr().out
    ways = ("in a batch", "one by one", "in a whole search")
    lines = [line.strip() for line in said.splitlines()]
    speeds = [
        float(line.removeprefix(way).split()[0].replace(",", ""))
        for line in lines
        for way in ways
        if line.startswith(way)
    ]
    assert len(speeds) == len(ways)
    assert min(speeds) > 0
    assert "points of accuracy behind the best of all" in said


def test_sub_networks_are_set_beside_the_same_ones_trained_from_scratch(tmp_path, capsys):
    study = tmp_path / "short.toml"
    epoch = dict.fromkeys(progressive_shrinking(), "{ epochs = 1 }")
    stages = "\n".join(f'"{name}" = {fields}' for name, fields in epoch.items())
    study.write_text(
        f'extends = "digits"\nresolutions = [6]\n[trainer]\nbatch_size = 300\n[once_for_all.stages]\n{stages}\n'
        '[sandwich.stages]\n"train supernet" = { epochs = 1 }\n'
    )
    subnetworks.main(["--study", str(study), "--seeds", "1", "--networks", "2"])
    *ways, _, shrinking, sandwich = capsys.readouterr().out.splitlines()
    assert [line.split("mean")[0].split(maxsplit=2)[2].strip() for line in ways] == [
        "once_for_all",
        "sandwich",
        "from scratch",
    ]
    assert "once_for_all  less from scratch:" in shrinking
    assert "sandwich      less from scratch:" in sandwich
