"""A study that takes about two seconds, on simulated hardware, and what its ledgers say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carbon_nas.devices import ProfilePlan, SimulatedDevice
from carbon_nas.ledger import Run, read
from carbon_nas.ledger.records import Scope
from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.meters.base import Component, Reading
from carbon_nas.strategies import EvolutionPlan, OnceForAllPlan
from carbon_nas.strategies.predictor import PredictorPlan
from carbon_nas.strategies.search import SearchPlan
from carbon_nas.strategies.selection import SelectionPlan
from carbon_nas.study import Host, Runner, Study
from carbon_nas.training import TrainerPlan
from carbon_nas.training.recipe import progressive_shrinking

STEPS_PER_EPOCH = 2
STAGES = {name: stage.model_copy(update={"epochs": 1}) for name, stage in progressive_shrinking().items()}
CANDIDATES, PROXY_EPOCHS, FINAL_EPOCHS, SUPERNET_EPOCHS = 3, 1, 2, len(STAGES)
POWER_W = 100.0


def tiny_study(*scenarios: str, **changes: Any) -> Study:
    fields: dict[str, Any] = {
        "name": "tiny",
        "workload": "digits",
        "scenarios": scenarios or ("eager-b1",),
        "resolutions": (4, 6),
        "trainer": TrainerPlan(batch_size=450),
        "profile": ProfilePlan(passes=1, fit_networks=3, check_networks=2),
        "once_for_all": OnceForAllPlan(
            stages=STAGES,
            predictor=PredictorPlan(architectures=6, hidden=8, layers=1, epochs=1),
            search=SearchPlan(population=4, generations=1),
            selection=SelectionPlan(finalists=1),
            calibration_images=64,
        ),
        "evolution": EvolutionPlan(
            candidates=CANDIDATES, population=2, tournament=2, proxy_epochs=PROXY_EPOCHS, final_epochs=FINAL_EPOCHS
        ),
    }
    return Study(**(fields | changes))


class TickingMeter:
    """A simulated meter on a clock that moves one second with every reading; one reading may be interrupted."""

    def __init__(self, *, power_w: float = POWER_W, interrupt_at: int | None = None) -> None:
        self.clock = ManualClock()
        self.reads = 0
        self._meter = SimulatedMeter(self.clock, power_w=power_w)
        self._interrupt_at = interrupt_at

    @property
    def components(self) -> tuple[Component, ...]:
        return self._meter.components

    def read(self) -> tuple[Reading, ...]:
        self.reads += 1
        self.clock.advance(1.0)
        if self.reads == self._interrupt_at:
            raise KeyboardInterrupt
        return self._meter.read()

    def close(self) -> None:
        self._meter.close()


def ignore(event: object) -> None:
    """Watch nothing."""


def run(
    folder: Path,
    study: Study,
    *,
    observer: Callable[[Any], None] = ignore,
    meter: TickingMeter | None = None,
    meters_chosen: bool = False,
    save_interval_s: float = 0.0,
) -> Path:
    """Run what is missing of a study on a simulated host; return its folder."""
    meter = meter or TickingMeter()
    host = Host(
        meters=lambda: (meter,),
        meters_chosen=meters_chosen,
        clock=meter.clock,
        device=SimulatedDevice,
        heartbeat_interval_s=None,
        save_interval_s=save_interval_s,
    )
    Runner(study, folder, observer=observer, host=host).run()
    return folder


def runs(folder: Path) -> dict[str, Run]:
    return {run.header.run: run for run in read(folder / "ledger")}


def found(folder: Path) -> dict[str, Any]:
    """Return everything that a seed decides: tables, limits, results, work and epochs of each run."""
    return {
        name: {
            "tables": dict(run.tables),
            "limits": dict(run.limits),
            "results": dict(run.results),
            "work": {
                key: (_work(run, key, "steps"), _work(run, key, "macs"), phase.images, phase.artefact_hash)
                for key, phase in run.done.items()
            },
            "epochs": {
                (log.phase, log.subject, log.epoch): (log.steps, log.accuracy_fraction, log.loss_nats)
                for log in run.epochs
            },
        }
        for name, run in runs(folder).items()
    }


def _work(run: Run, phase: str, what: str) -> int:
    return sum(getattr(part, what) for part in run.kept(phase))


def steps(run: Run, scope: Scope, scenario: str | None = None) -> int:
    """Count the trainer's steps of finished phases."""
    return sum(
        phase.steps for phase in run.done.values() if phase.scope is scope and scenario in (None, phase.scenario)
    )


def wasted(folder: Path) -> list[Any]:
    return [activity for run in runs(folder).values() for activity in run.activities if activity.wasted]


def ledgers(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "ledger").iterdir())}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for data in ledgers(folder).values() for line in data.splitlines()]


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))
