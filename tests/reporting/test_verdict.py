from dataclasses import replace
from pathlib import Path

from carbon_nas.accounting import account, site
from carbon_nas.accounting.sites import Sites
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


def test_one_pair_has_no_range_and_one_scenario_was_run(tmp_path: Path) -> None:
    found = comparison(tmp_path)
    (crossing,) = found.break_evens
    one = replace(found, break_evens=(replace(crossing, pairs=1, crossing_pairs=1, measured_n=1),))
    _, said, _ = verdict(one)
    assert "by scenario and seed" in verdict(found)[1]
    assert "by scenario and seed" not in said
    assert said.endswith("beyond the 1 scenario that was run: extrapolated.")
    few = replace(found, break_evens=(replace(crossing, pairs=2, crossing_pairs=1),))
    assert "(in 1 of 2 pairs of a scenario and a seed they never cross)" in verdict(few)[1]


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


def test_one_site_and_no_gap_are_nothing_to_be_told(tmp_path: Path) -> None:
    found = comparison(tmp_path)
    plain = caveats(found, quick=False)
    assert caveats(found, quick=False, filled_share={}) == plain
    assert caveats(found, quick=False, filled_share={"hourly": 0.0, "marginal": 0.0}) == plain
    assert "sites" not in " ".join(plain)


def test_what_fell_into_gaps_is_said_series_by_series(tmp_path: Path) -> None:
    found = comparison(tmp_path)
    told = caveats(found, quick=False, filled_share={"hourly": 0.25, "marginal": 0.5})
    assert told[-2:] == (
        "Of the energy, 25.0 % fell into gaps of the hourly series, where the mean of the rest stands in.",
        "Of the energy, 50.0 % fell into gaps of the marginal series, where the mean of the rest stands in.",
    )


def test_a_gap_that_was_filled_is_never_said_to_be_none(tmp_path: Path) -> None:
    *_, told = caveats(comparison(tmp_path), quick=False, filled_share={"hourly": 0.0004})
    assert "hourly series" in told
    assert " 0.0 %" not in told


def test_ratios_between_two_sites_are_said_to_compare_the_places_too(tmp_path: Path) -> None:
    runs = read(record_study(tmp_path) / "ledger")
    places = Sites(
        sites=(
            replace(site("FR"), ledgers=("upfront-*", "profiling*")),
            replace(site("DE"), ledgers=("repeated-*",)),
        )
    )
    found = compare([account(run, places.of(run.path.name)) for run in runs], deliveries(runs))
    (told,) = [one for one in caveats(found, quick=False) if "sites" in one]
    assert told.startswith("Recorded at 2 sites: ratios of CO2e compare the places as well")
