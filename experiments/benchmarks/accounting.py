"""How fast recorded phases become statements: at a site that is a zone and nothing more, and at one that knows it all.

    python experiments/benchmarks/accounting.py [PHASES]

The phases are in memory: reading ledgers has a benchmark of its own. The second site has a PUE, a contract, a year of
hours, marginal hours and embodied hardware. Times are CPU time; on a machine that others use only the ratios count.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from carbon_nas.accounting import Grid, Kind, Site, account, site
from carbon_nas.accounting.embodied import EMBODIED, S_PER_YEAR
from carbon_nas.accounting.series import IntensitySeries
from carbon_nas.comparison.finished import Finished
from carbon_nas.comparison.spread import spread_model
from carbon_nas.ledger.records import Header, Role, Scope, Session
from carbon_nas.ledger.run import Activity, Run
from carbon_nas.meters.base import Component
from carbon_nas.sources import Source, Tier

PHASES = 10_000
PHASE_S = 60.0
HOURS = 8_760
OWN = Source(key="", where="made up for this benchmark")
PARTS = (
    Component(name="gpu:GPU-0f1e2d3c", tier=Tier.MEASURED, method="counter"),
    Component(name="cpu:package-0", tier=Tier.MEASURED, method="counter"),
    Component(name="dram:package-0", tier=Tier.MEASURED, method="counter"),
)
WATTS = (412.7, 133.1, 21.9)


def recorded(phases: int) -> Run:
    """A run with one long phase and many short ones within it, a minute each."""
    energy_j = {part.name: watts * PHASE_S for part, watts in zip(PARTS, WATTS, strict=True)}
    busy_s = dict.fromkeys(energy_j, PHASE_S)

    def phase(number: int) -> Activity:
        return Activity(
            phase=f"train {number}",
            name="train",
            scope=Scope.ONCE,
            scenario=None,
            duration_s=PHASE_S,
            energy_j=energy_j,
            device_s=busy_s,
            began_s=number * PHASE_S,
            ended_s=(number + 1) * PHASE_S,
        )

    header = Header(
        run="run", role=Role.STRATEGY, strategy="search", seed=0, workload=None, study={}, study_hash="",
        code_version="", code_hash="",
    )  # fmt: skip
    session = Session(
        utc="2025-01-01T00:00:00.000+00:00", time_s=0.0, boot_s=None, host={}, versions={}, components=PARTS,
        heartbeat_interval_s=1.0, locked=True,
    )  # fmt: skip
    return Run(
        path=Path("run.jsonl"), header=header, sessions=(session,), activities=tuple(map(phase, range(phases))),
        epochs=(), tables={}, limits={}, results={}, open_phases=(), longest_gap_s=1.0,
    )  # fmt: skip


def hours(kind: Kind) -> IntensitySeries:
    """A year of hours that rise and fall."""
    return IntensitySeries(
        name="hours",
        zone="FRA",
        kind=kind,
        basis="made up",
        flow="",
        start_utc=datetime(2025, 1, 1, tzinfo=UTC),
        step_s=3_600.0,
        values_g_per_kwh=tuple(40.0 + 30.0 * (hour % 24) / 24 for hour in range(HOURS)),
        source=OWN,
    )


def knowing() -> Site:
    """A site that tells everything it can."""
    contract = Grid(
        zone="own", name="contract", intensity_g_per_kwh=12.0, year=2025, basis="contract", source=OWN, kind=Kind.MARKET
    )
    gpu = EMBODIED["bloom-a100"].item(component="gpu:*", lifetime_s=6 * S_PER_YEAR, utilisation_ratio=0.85)
    return replace(
        site("FR", 1.2),
        market=contract,
        hourly=hours(Kind.LOCATION),
        marginal=hours(Kind.MARGINAL),
        embodied=(gpu,),
    )


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU time that some work takes."""
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def main() -> None:
    phases = int(sys.argv[1]) if len(sys.argv) > 1 else PHASES
    run, plain, rich = recorded(phases), site("FR", 1.2), knowing()
    plain_s, rich_s = cpu_s(lambda: account(run, plain)), cpu_s(lambda: account(run, rich))
    statement = account(run, rich)
    total_s = cpu_s(lambda: (statement.energy, statement.location_based, statement.market_based, statement.embodied))
    done = Finished(seeds=frozenset({0}), scenarios=(), unfinished=())
    model_s = cpu_s(lambda: spread_model([statement], ["search"], done))
    print(f"{phases:,} phases of {len(PARTS)} components to a statement")
    print(f"zone and PUE                       {plain_s:6.2f} s, {1e6 * plain_s / phases:6.0f} us a phase")
    print(f"contract, hours, marginal, hardware {rich_s:5.2f} s, {1e6 * rich_s / phases:6.0f} us a phase")
    print(f"ratio                              {rich_s / plain_s:6.2f}")
    print(f"exact totals of four kinds         {total_s:6.2f} s")
    print(f"the model of their spread          {model_s:6.2f} s")
    print(f"{statement.energy!r}, {statement.location_based.kg:.3f} kg, {statement.market_based.kg:.3f} kg by contract")


if __name__ == "__main__":
    main()
