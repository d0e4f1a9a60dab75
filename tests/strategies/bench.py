"""A bench that is as small as can be and real all the same: made-up images, a countable space, simulated devices."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path

import torch

from carbon_nas.devices import ProfilePlan, SimulatedDevice, profile, target_named
from carbon_nas.ledger.records import Event, Result, phase_key
from carbon_nas.strategies import (
    Artefact,
    Artefacts,
    Bench,
    EvolutionPlan,
    OnceForAllPlan,
    PhaseContext,
    Scenario,
    Strategy,
)
from carbon_nas.strategies.constraint import Constraint
from carbon_nas.strategies.predictor import PredictorPlan
from carbon_nas.strategies.search import SearchPlan
from carbon_nas.strategies.selection import SelectionPlan
from carbon_nas.supernet import Architecture, SearchSpace
from carbon_nas.training import Split, TrainerPlan, Workload
from carbon_nas.training.recipe import StagePlan, progressive_shrinking, sandwich
from tests.supernet.spaces import TINY

CLASSES, STEPS_PER_EPOCH = 3, 2
TRAINER = TrainerPlan(batch_size=12)
USE_S = 2.0

EVOLUTION = EvolutionPlan(candidates=5, population=3, tournament=2, proxy_epochs=2, final_epochs=3)

_SPECIALISATION = {
    "predictor": PredictorPlan(architectures=8, hidden=8, layers=1, epochs=2),
    "search": SearchPlan(population=8, generations=2),
    "selection": SelectionPlan(finalists=2),
    "calibration_images": 16,
}


def _shortened(stages: Mapping[str, StagePlan]) -> dict[str, StagePlan]:
    """The same stages with epochs enough to tell them apart: one and two in turn."""
    return {name: one.model_copy(update={"epochs": 1 + at % 2}) for at, (name, one) in enumerate(stages.items())}


ONCE_FOR_ALL = OnceForAllPlan(stages=_shortened(progressive_shrinking()), **_SPECIALISATION)
SANDWICH = OnceForAllPlan(stages=_shortened(sandwich()), **_SPECIALISATION)


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
    found = _profiled(space, target)
    return found if limit_ms is None else replace(found, limit_ms=limit_ms)


@cache
def _profiled(space: SearchSpace, target: str) -> Constraint:
    device = SimulatedDevice(target_named(target), call_ms=0.0)
    plan = ProfilePlan(passes=1, fit_networks=4, check_networks=4)
    found = profile(device, space, CLASSES, plan, random.Random(0))
    return Constraint(table=found.table, limit_ms=found.limit_ms, device=device)


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
        scenarios=tuple(
            Scenario(name=name, device=SimulatedDevice(target_named(name), call_ms=0.0)) for name in scenarios
        ),
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
    epochs: list[tuple[str, str, int, int, float | None, float | None]] = field(default_factory=list)
    events: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    def architecture(self, space: SearchSpace, scenario: str) -> Architecture:
        return space.from_json(self.results[scenario].architecture)


def play(
    bench: Bench, strategy: Strategy, *, seed: int = 0, before=lambda phase: None, phases: int | None = None
) -> Played:
    """Run the phases of a strategy as the runner does, all or the first few, without meter and ledger."""
    played = Played()
    for phase in islice(strategy.phases(), phases):
        before(phase)
        key = phase_key(phase.name, phase.scenario)

        def log(*, subject, epoch, steps, accuracy, loss_nats, key=key):
            played.epochs.append((key, subject, epoch, steps, accuracy, loss_nats))

        context = PhaseContext(seed=seed, job=f"{strategy.name}/{key}", log=log)
        artefact = phase.run(context)
        bench.artefacts.save(key, artefact)
        played.steps[key], played.macs[key], played.images[key] = (
            context.tally.steps,
            context.tally.macs,
            context.images,
        )
        played.facts[key], played.events[key] = dict(artefact.facts), artefact.events
        played.results |= {event.scenario: event for event in artefact.events if isinstance(event, Result)}
    return played


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """What came of one attempt at a phase: its outcome, what it logged, and every state that it kept."""

    artefact: Artefact
    context: PhaseContext
    epochs: list[tuple[str, int, int, float | None, float | None]]
    states: dict[int, Artefact]


def attempt(
    bench: Bench, strategy: Strategy, key: str, folder: Path, *, seed: int = 0, before: Artefact | None = None
) -> Attempted:
    """Run one phase of a strategy from a kept state, or from its beginning; states go through files in a folder."""
    (phase,) = (one for one in strategy.phases() if phase_key(one.name, one.scenario) == key)
    epochs, states, kept = [], {}, Artefacts(folder)

    def log(*, subject, epoch, steps, accuracy, loss_nats):
        epochs.append((subject, epoch, steps, accuracy, loss_nats))

    def keep(progress, state):
        states[progress] = kept.load_state(key, progress, kept.save_state(key, progress, state))

    context = PhaseContext(seed=seed, job=f"{strategy.name}/{key}", log=log, keep=keep, before=before)
    return Attempted(artefact=phase.run(context), context=context, epochs=epochs, states=states)


def assert_goes_on(bench: Bench, strategy: Strategy, key: str, folder: Path) -> Attempted:
    """Check that a phase that goes on from any state it keeps ends where one does that was never stopped."""
    whole = attempt(bench, strategy, key, folder)
    assert whole.states
    for progress, state in whole.states.items():
        rest = attempt(bench, strategy, key, folder, before=state)
        done = state.facts["steps"]
        assert_same(rest.artefact, whole.artefact)
        assert rest.epochs == [epoch for epoch in whole.epochs if epoch[2] > done]
        assert rest.context.steps == whole.context.steps
        assert rest.context.tally.steps == whole.context.steps - done
        assert [*rest.states] == [later for later in whole.states if later > progress]
        for later, kept in rest.states.items():
            assert_same(kept, whole.states[later])
    return whole


def assert_same(one: Artefact, other: Artefact) -> None:
    """Check that two artefacts agree to the last bit."""
    assert one.facts == other.facts
    assert one.events == other.events
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())
