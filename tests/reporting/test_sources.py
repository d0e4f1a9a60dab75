"""The report cites what its numbers stand on, and nothing else."""

import re
from pathlib import Path

import pytest

from carbon_nas.ledger import Scope, read
from carbon_nas.ledger.observations import CrossCheck
from carbon_nas.meters import ManualClock
from carbon_nas.meters.estimate import CpuEstimateMeter
from carbon_nas.meters.memory import MemoryEstimateMeter
from carbon_nas.recorder import Recorder
from carbon_nas.reporting import ask, build
from carbon_nas.sources import BIBLIOGRAPHY, Tier, bibtex
from tests.gauge import Gauge

ESTIMATED = {"tier": Tier.ESTIMATED}


def cited(
    folder: Path,
    *meters,
    check: CrossCheck | None = None,
    clock: ManualClock | None = None,
    workload: str | None = None,
) -> set[str]:
    """Record one phase, draw the report, and return the keys it cites; references.bib must hold just these."""
    clock = clock or ManualClock()
    path = folder / "ledger" / "a.jsonl"
    facts = {"meters": meters, "clock": clock, "heartbeat_interval_s": None}
    with Recorder(path, strategy="a", workload=workload, **facts) as recorder:
        with recorder.phase("search", scope=Scope.PER_SCENARIO, scenario="s"):
            clock.advance(1.0)
        recorder.result(scenario="s", accuracy=0.5)
        if check is not None:
            recorder.append(check)
    files = build(read(folder / "ledger"), ask("FR"))[1]
    keys = set(re.findall(r"^- \[(\w+)\]", files["report.md"].decode(), re.MULTILINE))
    assert keys == set(re.findall(r"^@\w+\{(\w+),", files["references.bib"].decode(), re.MULTILINE))
    return keys


METERED = {"khan2018", "yang2024", "lannelongue2021", "davy2021", "cloudcarbonfootprint"}


@pytest.mark.parametrize(
    ("name", "facts", "keys"),
    [
        ("gpu:a", {"method": "NVML energy counter"}, {"yang2024"}),
        ("cpu:package-0", {"method": "RAPL energy counter (Linux powercap, energy_uj)"}, {"khan2018"}),
        ("dram", {"method": "RAPL energy counter (Linux powercap, energy_uj)"}, {"khan2018"}),
        ("dram", ESTIMATED | {"inputs": {"watts_per_gib_from": "Green Algorithms"}}, {"lannelongue2021"}),
        ("dram", ESTIMATED | {"inputs": {"watts_per_gib_from": "given by the user"}}, set()),
        ("cpu:process", ESTIMATED | {"inputs": {"range_from": "package power over load, Teads 2021"}}, {"davy2021"}),
        ("cpu:process", ESTIMATED | {"inputs": {"watts_per_core_from": "given by the user"}}, set()),
    ],
)
def test_a_meter_is_cited_when_it_was_used(tmp_path, name, facts, keys):
    clock = ManualClock()
    assert cited(tmp_path, Gauge(clock, name, **facts), clock=clock) & METERED == keys


def test_the_meters_of_this_machine_say_what_they_stand_on_in_words_that_are_recognised(tmp_path):
    keys = cited(tmp_path, CpuEstimateMeter(), MemoryEstimateMeter(ManualClock()))
    assert {"codecarbon", "lannelongue2021"} <= keys
    assert keys & {"davy2021", "cloudcarbonfootprint"}


def test_a_second_opinion_is_cited(tmp_path):
    clock = ManualClock()
    check = CrossCheck(tool="codecarbon 3.3.2", duration_s=1.0, ours_j={"gpu": 1.0}, theirs_j={"gpu": 1.0})
    cited(tmp_path, Gauge(clock), check=check, clock=clock)
    (_, files) = build(read(tmp_path / "ledger"), ask("FR"))
    assert "- [codecarbon] the second opinion: OfflineEmissionsTracker" in files["report.md"].decode()


DATA = {
    "digits": "alpaydin1998",
    "mnist5k": "lecun1998",
    "cifar10": "krizhevsky2009",
    "cifar100": "krizhevsky2009",
    "imagenet": "russakovsky2015",
}


@pytest.mark.parametrize("workload", [*DATA, "folder", "arrays"])
def test_public_data_are_cited_and_own_ones_are_not(tmp_path, workload):
    clock = ManualClock()
    keys = cited(tmp_path, Gauge(clock), clock=clock, workload=workload)
    assert keys & set(DATA.values()) == ({DATA[workload]} if workload in DATA else set())


def test_every_entry_of_the_bibliography_carries_its_own_key_and_balanced_braces():
    for key, entry in BIBLIOGRAPHY.items():
        assert re.match(rf"@\w+\{{{key},\n", entry)
        assert entry.count("{") == entry.count("}")
    assert list(BIBLIOGRAPHY) == sorted(BIBLIOGRAPHY)
    assert bibtex(set(BIBLIOGRAPHY)).isascii()
