"""What a strategy is: a list of named phases. It does not know that it is metered."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import nn

from carbon_nas.devices.catalog import Device, Subject
from carbon_nas.ledger.records import Result, Scope, phase_key
from carbon_nas.strategies.artefact import Artefact, Artefacts
from carbon_nas.strategies.constraint import Constraint
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.cost import cost
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.static import StaticMobileNetV3
from carbon_nas.training.data import Workload
from carbon_nas.training.loop import TrainerPlan, accuracy

__all__ = [
    "Bench",
    "Phase",
    "Scenario",
    "Strategy",
    "evaluate",
    "made",
    "proving_phases",
    "use",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A deployment scenario: a device, and a latency limit on it that the profiling sets."""

    name: str
    device: Device


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of work with a name.

    Attributes:
        scope: paid once, or again for every scenario; or a delivered network at work, which is no cost of finding it.
        run: does the work; what it returns is kept for the phases after it.
        scenario: the scenario it is done for.
        image_passes: about how many images pass a network forward (a backward pass counts as two); for the time left.
    """

    name: str
    scope: Scope
    run: Callable[[PhaseContext], Artefact]
    scenario: str | None = None
    image_passes: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What all strategies share: one space, one workload, one trainer, the same scenarios and tables.

    Attributes:
        use_s: for how long every delivered network is let work on its device; 0: not at all.
    """

    space: SearchSpace
    workload: Workload
    trainer: TrainerPlan
    scenarios: tuple[Scenario, ...]
    constraints: Mapping[str, Constraint]
    artefacts: Artefacts
    device: torch.device
    use_s: float = 0.0

    def macs(self, arch: Architecture) -> int:
        """Return the multiply-accumulates of one image through an architecture."""
        return cost(self.space, arch, self.workload.num_classes).macs

    def constraint(self, scenario: Scenario) -> Constraint:
        """Return what a network must meet.

        Raises:
            InfeasibleScenario: if not even the fastest architecture of the space meets it, by a table that is trusted;
                where networks are timed before anything is believed, that is found out in the search.
        """
        constraint = self.constraints[scenario.name]
        if not constraint.timed:
            constraint.check(self.space, where=f"scenario {scenario.name}")
        return constraint


class Strategy(Protocol):
    """A way of finding a network for every scenario."""

    @property
    def name(self) -> str:
        """The name under which its cost is compared."""
        ...

    def phases(self) -> Iterator[Phase]:
        """Yield what has to be done, in order. Phases hand over through `Bench.artefacts` only."""
        ...


# A second at work counts as many images as about pass in one of training: reports/digits-host, 5 to 15 thousand.
_PASSES_PER_S = 10_000


def evaluate(
    bench: Bench, scenario: Scenario, arch: Architecture, net: nn.Module, context: PhaseContext, *, passes: int = 15
) -> Artefact:
    """Measure what is delivered: latency end to end on the scenario's device, accuracy on the test split.

    This is the only place where the test split is looked at.
    """
    constraint, split = bench.constraints[scenario.name], bench.workload.test
    used, macs = cost(bench.space, arch, bench.workload.num_classes), bench.macs(arch)
    net.to(bench.device).eval()
    correct = accuracy(net, split, resolution=arch.resolution, macs_per_image=macs, tally=context.tally)
    subject = _subject(bench, arch, net)
    timing = scenario.device.time([subject], passes=passes, rng=context.rng, anchor_ms=constraint.table.anchor_ms)
    context.tally.macs += timing.macs
    result = Result(
        scenario=scenario.name,
        accuracy_fraction=correct,
        latency_ms=timing.latency_ms[subject.key],
        latency_limit_ms=constraint.limit_ms,
        architecture=arch.to_json(),
        workload=bench.workload.name,
        test_size=len(split),
        parameters=used.parameters,
        macs=used.macs,
    )
    return Artefact(facts={"architecture": arch.to_json()}, events=(result,))


def use(bench: Bench, scenario: Scenario, arch: Architecture, net: nn.Module, context: PhaseContext) -> Artefact:
    """Let a delivered network work on the scenario's device for the bench's time, and count the images."""
    usage = scenario.device.run(_subject(bench, arch, net), duration_s=bench.use_s)
    context.images = usage.images
    context.tally.forward(bench.macs(arch), usage.images)
    return Artefact()


def proving_phases(bench: Bench, scenario: Scenario, made_by: str) -> Iterator[Phase]:
    """Yield what is done with a finished network, whatever strategy it is of: evaluate it, then let it work.

    Args:
        bench: what all strategies share.
        scenario: the one that the network was made for.
        made_by: the name of the phase that left its architecture and its weights.
    """

    def prove(how: Callable[..., Artefact], context: PhaseContext) -> Artefact:
        return how(bench, scenario, *made(bench, scenario, made_by), context)

    yield Phase(
        "evaluate", Scope.PER_SCENARIO, partial(prove, evaluate), scenario.name, image_passes=len(bench.workload.test)
    )
    if bench.use_s > 0:
        passes = max(1, round(bench.use_s * _PASSES_PER_S))
        yield Phase("use", Scope.USE, partial(prove, use), scenario.name, image_passes=passes)


def made(bench: Bench, scenario: Scenario, made_by: str) -> tuple[Architecture, StaticMobileNetV3]:
    """Return the network that a phase left for a scenario, and its architecture."""
    kept = bench.artefacts.load(phase_key(made_by, scenario.name))
    arch = bench.space.from_json(kept.facts["architecture"])
    net = StaticMobileNetV3(bench.space, arch, bench.workload.num_classes)
    net.load_state_dict(dict(kept.tensors))
    return arch, net


def _subject(bench: Bench, arch: Architecture, net: nn.Module) -> Subject:
    return Subject(
        key="delivered",
        module=net,
        input_shape=(bench.space.in_channels, arch.resolution, arch.resolution),
        macs=bench.macs(arch),
    )
