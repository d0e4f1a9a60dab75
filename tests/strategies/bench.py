"""A bench that is as small as can be and real all the same: made-up images, a countable space, simulated devices."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from carbon_nas.devices import ProfilePlan, SimulatedDevice, profile, target_named
from carbon_nas.ledger.records import Result, phase_key
from carbon_nas.strategies import Artefacts, Bench, EvolutionPlan, OnceForAllPlan, PhaseContext, Scenario
from carbon_nas.strategies.base import Constraint
from carbon_nas.strategies.once_for_all import ShrinkPlan
from carbon_nas.strategies.search import SearchPlan
from carbon_nas.supernet import Architecture, SearchSpace
from carbon_nas.training import Split, TrainerPlan, Workload
from tests.supernet.spaces import TINY

CLASSES, STEPS_PER_EPOCH = 3, 2
TRAINER = TrainerPlan(batch_size=12)
USE_S = 2.0

EVOLUTION = EvolutionPlan(candidates=5, population=3, tournament=2, proxy_epochs=2, final_epochs=3)

_ONE, _TWO = ShrinkPlan(epochs=1, learning_rate=0.02), ShrinkPlan(epochs=2, learning_rate=0.02, subnets=2)
ONCE_FOR_ALL = OnceForAllPlan(
    teacher=_TWO,
    kernel=_ONE,
    depth=_TWO,
    width=_TWO,
    search=SearchPlan(population=4, generations=2),
    calibration_images=16,
)


def _split(count: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    images = 0.5 * torch.randn((count, 1, 6, 6), generator=generator)
    images[torch.arange(count), 0, labels] += 1.0  # The class is the bright row.
    return Split(images=images, labels=labels)


def workload() -> Workload:
    return Workload(
        name="bright rows",
        num_classes=CLASSES,
        in_channels=1,
        train=_split(24, 1),
        validation=_split(12, 2),
        test=_split(9, 3),
        source="made up",
    )


class Sealed:
    """A split that can be counted, and looked at only while it is open."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self.open, self.looks = False, 0

    def __len__(self) -> int:
        return len(self._split)

    def __getattr__(self, name: str) -> object:
        assert self.open, f"the test split was touched before the evaluation ({name})"
        self.looks += 1
        return getattr(self._split, name)


def constraint(space: SearchSpace, *, target: str = "eager-b1", limit_ms: float | None = None) -> Constraint:
    """Profile a device whose latency is proportional to MACs; the limit is the median unless it is given."""
    device = SimulatedDevice(target_named(target), call_ms=0.0)
    plan = ProfilePlan(passes=1, fit_networks=4, check_networks=0)
    found = profile(device, space, CLASSES, plan, random.Random(0))
    return Constraint(table=found.table, limit_ms=found.limit_ms if limit_ms is None else limit_ms)


def bench(
    folder: Path,
    *,
    space: SearchSpace = TINY,
    scenarios: tuple[str, ...] = ("eager-b1", "eager-b32"),
    limits_ms: dict[str, float] | None = None,
    task: Workload | None = None,
) -> Bench:
    return Bench(
        space=space,
        workload=task or workload(),
        trainer=TRAINER,
        scenarios=tuple(Scenario(name=name, device=SimulatedDevice(target_named(name))) for name in scenarios),
        constraints={name: constraint(TINY, target=name, limit_ms=(limits_ms or {}).get(name)) for name in scenarios},
        artefacts=Artefacts(folder),
        device=torch.device("cpu"),
        use_s=USE_S,
    )


def sealed(bench: Bench) -> tuple[Bench, Sealed]:
    """Return the same bench with its test split sealed, and the seal."""
    seal = Sealed(bench.workload.test)
    return replace(bench, workload=replace(bench.workload, test=seal)), seal


@dataclass
class Played:
    """What came of running all phases of a strategy."""

    steps: dict[str, int] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)
    images: dict[str, int | None] = field(default_factory=dict)
    facts: dict[str, dict] = field(default_factory=dict)
    epochs: list[tuple[str, str, int, int, float | None]] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)

    def architecture(self, space: SearchSpace, scenario: str) -> Architecture:
        return space.from_json(self.results[scenario].architecture)


def play(bench: Bench, strategy, *, seed: int = 0, before=lambda phase: None) -> Played:
    """Run all phases of a strategy as the runner does, without meter and ledger."""
    played = Played()
    for phase in strategy.phases():
        before(phase)
        key = phase_key(phase.name, phase.scenario)

        def log(*, subject, epoch, steps, accuracy, loss_nats, key=key):
            played.epochs.append((key, subject, epoch, steps, accuracy))

        context = PhaseContext(seed=seed, job=f"{strategy.name}/{key}", log=log)
        artefact = phase.run(context)
        bench.artefacts.save(key, artefact)
        played.steps[key], played.macs[key], played.images[key] = (
            context.tally.steps,
            context.tally.macs,
            context.images,
        )
        played.facts[key] = dict(artefact.facts)
        played.results |= {event.scenario: event for event in artefact.events if isinstance(event, Result)}
    return played
