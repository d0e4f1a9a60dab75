"""Running a study: every phase of every strategy and seed, metered, written down, and never done twice."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import torch

import carbon_nas
from carbon_nas.devices.catalog import Device, Target, device_for
from carbon_nas.devices.kept_table import kept_digests
from carbon_nas.devices.latency_table import LatencyTable
from carbon_nas.devices.profiler import settings
from carbon_nas.errors import UsageError
from carbon_nas.ledger.folding import begun, read_run
from carbon_nas.ledger.observations import CrossCheck
from carbon_nas.ledger.records import Role, phase_key
from carbon_nas.ledger.run import Run
from carbon_nas.meters.agreement import WINDOW
from carbon_nas.meters.base import Meter
from carbon_nas.meters.clock import Clock, SystemClock
from carbon_nas.meters.hosts import open_meters
from carbon_nas.meters.second_opinion import cross_checked
from carbon_nas.recorder import HEARTBEAT_S, Recorder
from carbon_nas.strategies.artefact import Artefacts
from carbon_nas.strategies.base import Bench, Phase, Strategy
from carbon_nas.strategies.constraint import Constraint
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.strategies.profiling import Profiling
from carbon_nas.strategies.start import check_start, start_digests
from carbon_nas.study.attempt import SAVE_INTERVAL_S, Attempt
from carbon_nas.study.events import Observer, PhaseBegins, PhaseEnds, PhaseKept, PlannedPhase, Progress, StudyBegins
from carbon_nas.study.identity import check_code_and_study, check_machine, code_hash, hash_of
from carbon_nas.study.outcome import ship_outcome
from carbon_nas.study.plan import Study
from carbon_nas.study.setting import scenarios_of, starts_of, strategy_of
from carbon_nas.study.warm_up import warm_up
from carbon_nas.training.data import Workload, load_workload
from carbon_nas.training.memory import keep_freed_memory

__all__ = ["Host", "Runner"]


def _training_device(name: str | None) -> torch.device:
    """Return what networks are trained on: what was named, or else a GPU if there is one."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros((), device=device).item()  # Of devices that hold no numbers, too, an empty tensor can be made.
        if device.type == "cuda":
            torch.cuda.set_device(device)  # Networks are timed on the GPU that they are trained on.
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"networks cannot be trained on {name!r} here ({reason})", where="--device", cure="try cpu, or leave it out"
        ) from error
    return device


def _read_if_begun(path: Path) -> Run | None:
    return read_run(path) if begun(path) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """Everything about the machine that a test replaces: its meters, its clock, its devices.

    Attributes:
        meters: opens the meters; called once per ledger.
        meters_chosen: whether the user chose them: then even a finished ledger that used others is refused.
        clock: what tells the time.
        device: makes the device that times a target.
        heartbeat_interval_s: seconds between heartbeats; None for none.
        site: where it is, as far as it is known, for the ledgers' headers.
        idle_s: for how long idle power is measured before the first phase of all; None for not at all.
        second_opinion: whether codecarbon meters beside, in a process of its own.
        save_interval_s: the least time between two saved states of a phase; what came after the last of them is done
            again if the process is killed. 0: after every epoch, and wherever else a phase can go on from.
    """

    meters: Callable[[], tuple[Meter, ...]] = open_meters
    meters_chosen: bool = False
    clock: Clock = SystemClock()  # noqa: RUF009  it has no state
    device: Callable[[Target], Device] = device_for
    heartbeat_interval_s: float | None = HEARTBEAT_S
    site: Mapping[str, str | float | None] = field(default_factory=dict)
    idle_s: float | None = None
    second_opinion: bool = False
    save_interval_s: float = SAVE_INTERVAL_S


class Runner:
    """Runs what is missing of a study in a folder.

    Args:
        study: what to run.
        folder: where the ledgers (`ledger/`), checkpoints (`checkpoints/`) and finished networks (`models/`) are.
        observer: is told what happens.
        host: the machine.
    """

    def __init__(self, study: Study, folder: Path, *, observer: Observer, host: Host | None = None) -> None:
        self._study, self._folder, self._observer, self._host = study, folder, observer, host or Host()
        self._scenarios = scenarios_of(study, self._host.device)
        self._running: tuple[PlannedPhase, PhaseContext, int] | None = None
        self._warm = False

    def run(self) -> None:
        """Do what is not done yet, in order: profile the devices, then every strategy for every seed.

        Raises:
            LedgerMismatch: if the folder holds ledgers of another study, code or machine.
            LedgerCorrupt: if one of them is damaged.
        """
        keep_freed_memory()
        with settings(self._study.threads):
            self._run()

    def _run(self) -> None:
        study = self._study
        self._device = _training_device(study.device)
        data = None if study.data is None else Path(study.data)
        workload = load_workload(study.workload, data=data, resolution=study.resolutions[-1])
        self._identity = {**study.identity(), "images": workload.digest, "trained_on": self._device.type}
        if study.profile.tables is not None:
            self._identity["tables"] = kept_digests(Path(study.profile.tables), study.scenarios)
        starts = starts_of(study)
        if starts:
            self._identity["starts"] = {name: dict(start_digests(start)) for name, start in starts.items()}
        # All of them are read before the first is judged: damage is worse news than a difference.
        paths = sorted((self._folder / "ledger").glob("*.jsonl"))
        for run in filter(None, [_read_if_begun(path) for path in paths]):
            check_code_and_study(run, self._identity)
        workload = workload.to(self._device)
        self._space = study.space.space(in_channels=workload.in_channels, resolutions=study.resolutions)
        profiling = Profiling(self._space, workload.num_classes, self._scenarios, study.profile)
        jobs = [(strategy, seed) for seed in range(study.seeds) for strategy in self._order(seed)]
        # Strategies need tables before they are built; their phases can be listed without.
        planned = [*self._planned("profiling", profiling)]
        for name, seed in jobs:
            bench = self._bench(workload, None, name, seed)
            planned += self._planned(f"{name}-seed{seed}", strategy_of(study, name, bench))
        # Now, and not when its phase comes: by then the devices would have been profiled in vain.
        for name, start in starts.items():
            check_start(self._bench(workload, None, name, seed=0), start)
        self._observer(StudyBegins(phases=tuple(planned)))
        tables = self._record("profiling", profiling, seed=0, role=Role.SHARED)
        for name, seed in jobs:
            bench = self._bench(workload, tables, name, seed)
            strategy = strategy_of(study, name, bench)
            run = self._record(f"{name}-seed{seed}", strategy, seed=seed, role=Role.STRATEGY)
            ship_outcome(self._folder, run, bench, strategy)

    def _warm_up(self) -> None:
        if self._warm:
            return
        self._warm = True
        # Here, for a study that is finished is redrawn on machines without its devices; and before anything is paid.
        for scenario in self._scenarios:
            scenario.device.check()
        warm_up(self._space, self._study.trainer, self._device)

    def _order(self, seed: int) -> tuple[str, ...]:
        # Rotated, so that over the seeds no strategy always finds the machine cold.
        names = self._study.strategies
        turn = seed % len(names)
        return names[turn:] + names[:turn]

    def _bench(self, workload: Workload, tables: Run | None, name: str, seed: int) -> Bench:
        constraints = {}
        if tables is not None:
            constraints = {
                scenario.name: Constraint(
                    table=LatencyTable.from_json(tables.tables[scenario.name].table),
                    limit_ms=tables.limits[scenario.name].limit_ms,
                    device=scenario.device,
                )
                for scenario in self._scenarios
            }
        return Bench(
            space=self._space,
            workload=workload,
            trainer=self._study.trainer,
            scenarios=self._scenarios,
            constraints=constraints,
            artefacts=self._artefacts(f"{name}-seed{seed}"),
            device=self._device,
            use_s=self._study.use.duration_s,
        )

    def _artefacts(self, run: str) -> Artefacts:
        return Artefacts(self._folder / "checkpoints" / run)

    @staticmethod
    def _planned(run: str, strategy: Strategy | Profiling) -> Iterator[PlannedPhase]:
        for phase in strategy.phases():
            yield PlannedPhase(run=run, phase=phase_key(phase.name, phase.scenario), image_passes=phase.image_passes)

    def _record(self, name: str, strategy: Strategy | Profiling, *, seed: int, role: Role) -> Run:
        path = self._folder / "ledger" / f"{name}.jsonl"
        phases = list(strategy.phases())
        before = _read_if_begun(path)
        finished = before is not None and all(phase_key(p.name, p.scenario) in before.done for p in phases)
        meters = self._host.meters() if not finished or self._host.meters_chosen else ()
        if before is not None and meters:
            check_machine(before, meters)
        if before is not None and finished:
            # Nothing to do, so the ledger is not even opened for writing: redrawing leaves no trace in it.
            for planned in self._planned(name, strategy):
                self._observer(PhaseKept(planned=planned))
            return before
        self._warm_up()
        recorder = Recorder(
            path,
            strategy=strategy.name,
            seed=seed,
            workload=self._study.workload,
            role=role,
            study=self._identity,
            study_hash=hash_of(self._identity),
            code_version=carbon_nas.__version__,
            code_hash=code_hash(),
            meters=meters,
            clock=self._host.clock,
            synchronize=partial(torch.cuda.synchronize, self._device) if self._device.type == "cuda" else None,
            on_heartbeat=self._beat,
            heartbeat_interval_s=self._host.heartbeat_interval_s,
            site=self._host.site,
            resume=True,
        )
        with closing(recorder), self._second_opinion(recorder):
            if role is Role.SHARED and self._host.idle_s is not None and not recorder.run.baselines:
                recorder.baseline(self._host.idle_s)
            for phase, planned in zip(phases, self._planned(name, strategy), strict=True):
                self._one(recorder, phase, planned, seed)
        return read_run(path)

    @contextmanager
    def _second_opinion(self, recorder: Recorder) -> Iterator[None]:
        if not self._host.second_opinion:
            yield
            return
        with cross_checked(recorder.window(WINDOW), recorder.components) as check:
            yield
        recorder.append(CrossCheck(**asdict(check.agreement)), durable=True)

    def _one(self, recorder: Recorder, phase: Phase, planned: PlannedPhase, seed: int) -> None:
        artefacts = self._artefacts(planned.run)
        done = recorder.run.done.get(planned.phase)
        if done is not None:
            artefacts.check(planned.phase, done.artefact_hash)
            artefacts.forget_states(planned.phase)
            self._observer(PhaseKept(planned=planned))
            return
        self._observer(PhaseBegins(planned=planned))
        attempt = Attempt(
            phase=phase,
            key=planned.phase,
            seed=seed,
            job=f"{planned.run}/{planned.phase}",
            recorder=recorder,
            artefacts=artefacts,
            clock=self._host.clock,
            save_interval_s=self._host.save_interval_s,
            watch=partial(self._watch, planned),
        )
        window = attempt.run()
        passes_before = 0 if self._running is None else self._running[2]
        self._running = None
        self._observer(
            PhaseEnds(
                planned=planned,
                image_passes_before=passes_before,
                energy_j=window.energy_j(),
                duration_s=window.duration_s(),
            )
        )

    def _watch(self, planned: PlannedPhase, context: PhaseContext, passes_before: int) -> None:
        self._running = planned, context, passes_before

    def _beat(self, energy_j: float | None) -> None:
        if self._running is not None:
            planned, context, passes_before = self._running
            self._observer(
                Progress(
                    planned=planned,
                    image_passes=context.tally.image_passes,
                    image_passes_before=passes_before,
                    energy_j=energy_j,
                )
            )
