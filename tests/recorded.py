"""A small recorded study whose every joule is decided here: 1 W for as many seconds as a phase is told to take."""

from pathlib import Path

from carbon_nas.ledger.records import LatencyLimit, LatencyTableRecord, Result, Role, Scope
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.recorder import Recorder

SCENARIOS = ("slow", "fast")
ONCE_S = {"train": 100.0}
SEARCH_S = {"upfront": {"slow": 2.0, "fast": 4.0}, "repeated": {"slow": 50.0, "fast": 30.0}}
PROFILE_S = {"slow": 5.0, "fast": 7.0}
ACCURACY = {"upfront": 0.95, "repeated": 0.90}


def record_study(
    folder: Path, *, name: str = "study", seeds: int = 1, accuracy: dict[str, float] | None = None
) -> Path:
    """Record a study with one strategy that pays once and one that pays every time; return its folder."""
    study = {"name": name}
    _profile(folder, study)
    for seed in range(seeds):
        for strategy in ("upfront", "repeated"):
            _strategy(folder, study, strategy, seed, (accuracy or ACCURACY)[strategy])
    return folder


def recorder(folder: Path, run: str, study: dict[str, str], clock: ManualClock, **identity: object) -> Recorder:
    """Open a recorder on simulated hardware."""
    return Recorder(
        folder / "ledger" / f"{run}.jsonl",
        workload="toy",
        study=study,
        meters=[SimulatedMeter(clock, power_w=1.0)],
        clock=clock,
        heartbeat_interval_s=None,
        **identity,  # type: ignore[arg-type]
    )


def _profile(folder: Path, study: dict[str, str]) -> None:
    clock = ManualClock()
    with recorder(folder, "profiling", study, clock, strategy="profiling", role=Role.SHARED) as shared:
        for scenario, duration_s in PROFILE_S.items():
            with shared.phase("profile", scope=Scope.PER_SCENARIO, scenario=scenario) as window:
                clock.advance(duration_s)
                window.steps, window.macs = 0, 1_000
            table = {"error_fraction": 0.03, "rank_correlation_ratio": 0.97, "anchor_spread_ratio": 1.2}
            shared.append(LatencyTableRecord(scenario=scenario, table=table))
            shared.append(LatencyLimit(scenario=scenario, limit_ms=2.0, rule="median of 1", sample_ms=(2.0,)))


def _strategy(folder: Path, study: dict[str, str], strategy: str, seed: int, accuracy: float) -> None:
    clock = ManualClock()
    with recorder(folder, f"{strategy}-seed{seed}", study, clock, strategy=strategy, seed=seed) as own:
        if strategy == "upfront":
            with own.phase("train", scope=Scope.ONCE) as window:
                clock.advance(ONCE_S["train"] * (1 + seed))
                window.steps, window.macs = 10, 10**9
        for scenario in SCENARIOS:
            with own.phase("search", scope=Scope.PER_SCENARIO, scenario=scenario) as window:
                clock.advance(SEARCH_S[strategy][scenario])
                window.steps, window.macs = 5, 10**6
            own.append(
                Result(
                    scenario=scenario,
                    accuracy_fraction=accuracy,
                    latency_ms=1.9 if scenario == "slow" else 2.1,
                    latency_limit_ms=2.0,
                    architecture={"ks": [3], "e": [2], "d": [1], "r": 8},
                    workload="toy",
                    test_size=100,
                    parameters=1_234,
                    macs=567,
                )
            )
