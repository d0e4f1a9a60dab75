"""A small recorded study of three strategies, two of which pay once: every joule is decided here, at 1 W."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carbon_nas.ledger.records import (
    LatencyLimit,
    LatencyTableRecord,
    PredictorCheck,
    Prior,
    Result,
    Role,
    Scope,
    Selection,
)
from carbon_nas.meters import ManualClock
from tests.recorded import recorder

__all__ = ["EARLIER", "ONCE_S", "RELEASED", "SCENARIOS", "SEARCH_S", "TUNE_S", "record_trio"]

SCENARIOS = ("slow", "fast")
ONCE_S = {
    "once_for_all": {
        "train teacher": 40.0,
        "shrink kernel": 20.0,
        "shrink depth 1": 10.0,
        "shrink depth 2": 10.0,
        "shrink width 1": 15.0,
        "shrink width 2": 15.0,
        "measure sub-networks": 8.0,
        "fit predictor": 2.0,
    },
    "sandwich": {"train sandwich": 60.0, "measure sub-networks": 8.0, "fit predictor": 2.0},
    "evolution": {},
}
SEARCH_S = {"once_for_all": 2.0, "sandwich": 2.0, "evolution": 45.0}
TUNE_S = 30.0
ACCURACY = {"once_for_all": 0.95, "sandwich": 0.94, "evolution": 0.955}

RELEASED = Prior(phase="train supernet", weights_hash="0" * 64, reference="cai2020-ofa")
EARLIER = Prior(
    phase="train teacher, shrink kernel",
    weights_hash="1" * 64,
    ledger="once_for_all-seed0.jsonl",
    head="2" * 64,
    energy_j={"cpu:process": 90.0, "dram": 10.0},
    device_s={"cpu:process": 90.0, "dram": None},
    tiers={"cpu:process": "estimated", "dram": "estimated"},
)


def record_trio(
    folder: Path,
    *,
    seeds: int = 1,
    strategies: Sequence[str] = tuple(ONCE_S),
    priors: Sequence[Prior] = (),
    trained: bool = True,
    trusted: bool = True,
    tuned: Mapping[str, int | None] | None = None,
    proxy_epochs: int | None = None,
) -> Path:
    """Record a study; return its folder.

    Args:
        folder: where to.
        seeds: each takes a tenth longer than the one before it.
        strategies: which of them.
        priors: what once_for_all starts from.
        trained: whether once_for_all trains its supernet; if not, it only measures and fits.
        trusted: whether the latency table of the second scenario is good.
        tuned: the strategies that train their networks on, and for how many epochs; None: their plan does not tell.
        proxy_epochs: of evolution, whose choices are then on record as well.
    """
    study: dict[str, Any] = {"name": "trio"}
    for strategy, epochs in (tuned or {}).items():
        study[strategy] = {"fine_tuning": {"epochs": epochs}} if epochs else {}
    if proxy_epochs is not None:
        study["evolution"] = {"proxy_epochs": proxy_epochs}
    _profile(folder, study, trusted=trusted)
    for seed in range(seeds):
        for strategy in strategies:
            started = priors if strategy == "once_for_all" else ()
            _strategy(folder, study, strategy, seed, started, trained=trained, tuned=strategy in (tuned or {}))
    return folder


def _profile(folder: Path, study: dict[str, Any], *, trusted: bool) -> None:
    clock = ManualClock()
    with recorder(folder, "profiling", study, clock, strategy="profiling", role=Role.SHARED) as shared:
        for scenario in SCENARIOS:
            with shared.phase("profile", scope=Scope.PER_SCENARIO, scenario=scenario):
                clock.advance(5.0)
            good = trusted or scenario == "slow"
            table = {
                "error_fraction": 0.03 if good else 0.25,
                "rank_correlation_ratio": 0.97 if good else 0.7,
                "anchor_spread_ratio": 1.2,
                "made": "timed layer by layer",
            }
            shared.append(LatencyTableRecord(scenario=scenario, table=table))
            shared.append(LatencyLimit(scenario=scenario, limit_ms=2.0, rule="median of 1", sample_ms=(2.0,)))


def _strategy(
    folder: Path,
    study: dict[str, Any],
    strategy: str,
    seed: int,
    priors: Sequence[Prior],
    *,
    trained: bool,
    tuned: bool,
) -> None:
    clock, longer = ManualClock(), 1.0 + 0.1 * seed
    with recorder(folder, f"{strategy}-seed{seed}", study, clock, strategy=strategy, seed=seed) as own:
        for prior in priors:
            own.append(prior)
        for phase, duration_s in ONCE_S[strategy].items():
            training = phase.startswith(("train", "shrink"))
            if training and strategy == "once_for_all" and not trained:
                continue
            with own.phase(phase, scope=Scope.ONCE):
                clock.advance(duration_s * longer)
        if ONCE_S[strategy]:
            own.append(
                PredictorCheck(
                    trained_on=80, held_out=20, rank_correlation_ratio=0.8 + 0.05 * seed, rmse_fraction=0.012
                )
            )
        for scenario in SCENARIOS:
            with own.phase("search", scope=Scope.PER_SCENARIO, scenario=scenario):
                clock.advance(SEARCH_S[strategy] * longer)
            if ONCE_S[strategy] or strategy in study:
                own.append(
                    Selection(
                        scenario=scenario,
                        scored=5_000,
                        timed=4 if scenario == "slow" else 9,
                        predicted_ms=1.8,
                        measured_ms=1.9,
                        predicted_accuracy_fraction=0.96 if ONCE_S[strategy] else None,
                        validation_accuracy_fraction=0.945,
                    )
                )
            if tuned:
                with own.phase("fine-tune", scope=Scope.PER_SCENARIO, scenario=scenario):
                    clock.advance(TUNE_S)
            own.append(
                Result(
                    scenario=scenario,
                    accuracy_fraction=ACCURACY[strategy],
                    latency_ms=1.9,
                    latency_limit_ms=2.0,
                    architecture={"ks": [3], "e": [2], "d": [1], "r": 8},
                    workload="toy",
                    test_size=100,
                    parameters=1_234,
                    macs=567,
                )
            )
