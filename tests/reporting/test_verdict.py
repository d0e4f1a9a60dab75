from pathlib import Path

from carbon_nas.accounting import account, site
from carbon_nas.comparison import Comparison, compare, deliveries
from carbon_nas.ledger import read
from carbon_nas.reporting.verdict import caveats, verdict
from tests.recorded import record_study


def comparison(folder: Path, **accuracy: float) -> Comparison:
    runs, place = read(record_study(folder, accuracy=accuracy or None) / "ledger"), site("FR")
    return compare([account(run, place) for run in runs], deliveries(runs))


def test_the_crossing_is_called_extrapolated_when_it_was_not_run(tmp_path: Path) -> None:
    _, crossing, _ = verdict(comparison(tmp_path))
    assert "breaks even with repeated at N* = 2.7 scenarios" in crossing
    assert "costs less from N = 3 on" in crossing
    assert crossing.endswith("beyond the 2 scenarios that were run: extrapolated.")


def test_cheaper_but_worse_is_not_called_a_saving(tmp_path: Path) -> None:
    *_, quality = verdict(comparison(tmp_path, upfront=0.80, repeated=0.90))
    assert "-10.0 points in the worst scenario" in quality
    assert "not a saving at equal quality" in quality


def test_within_a_point_is_no_proof_of_equality(tmp_path: Path) -> None:
    *_, quality = verdict(comparison(tmp_path, upfront=0.895, repeated=0.90))
    assert "no proof of equal quality" in quality
    assert "standard error" in quality


def test_what_must_be_known_is_said_first(tmp_path: Path) -> None:
    said = " ".join(caveats(comparison(tmp_path), quick=True))
    assert "simulated meter" in said
    assert "One seed" in said
    assert "quick run" in said
    assert "misses the latency limit of fast by 5.0 %" in said
