"""What a study is going to compute, before anything is run, and without its data where its sizes are known."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from carbon_nas.devices.simulated import SimulatedDevice
from carbon_nas.errors import UsageError
from carbon_nas.ledger.records import Scope
from carbon_nas.strategies.artefact import Artefacts
from carbon_nas.strategies.base import Bench, Phase
from carbon_nas.strategies.specialisation import PREDICT
from carbon_nas.strategies.start import LOAD
from carbon_nas.study.plan import Study
from carbon_nas.study.setting import scenarios_of, stages_of, strategy_of
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.space import Choices, SearchSpace
from carbon_nas.training.data import WORKLOADS, Images, Workload, load_workload
from carbon_nas.training.images import Normalisation
from carbon_nas.training.loop import images_per_epoch
from carbon_nas.training.recipe import StagePlan
from carbon_nas.training.tally import BACKWARD_PASSES

__all__ = ["PlannedCost", "planned_costs"]

_SAMPLES = 200
"""Architectures whose mean stands for that of all: known to about a percent, as its relative spread is some 15 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCost:
    """A phase of one seed as it is planned: modelled, not counted.

    Attributes:
        scenarios: for how many scenarios it is done; 1 if it is paid once.
        image_passes: about how many images pass a network forward, for one scenario; a backward pass counts as two.
        macs: about how many multiply-accumulates that is; None: it goes on for as long as it helps.
        trains_supernet: whether it is one of the stages that train it.
        paid_before: whether it only takes in what was paid for before this study.
    """

    strategy: str
    phase: str
    scope: Scope
    scenarios: int
    image_passes: int
    macs: int | None
    trains_supernet: bool = False
    paid_before: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """Images that can be counted and not looked at."""

    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def labels(self) -> Tensor:
        raise UsageError("a plan looks at no image")

    @property
    def normalisation(self) -> Normalisation | None:
        return None

    def to(self, device: torch.device) -> "_Counted":
        del device
        return self

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        del indices
        raise UsageError("a plan looks at no image")

    def batches(self, resolution: int, batch_size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        del resolution, batch_size
        raise UsageError("a plan looks at no image")

    def drawn(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        del order, batch_size
        raise UsageError("a plan looks at no image")

    def first(self, count: int) -> Images:
        return _Counted(min(count, self.count))


def _workload(study: Study) -> Workload:
    entry = WORKLOADS[study.workload]
    if study.data is not None:
        return load_workload(study.workload, data=Path(study.data), resolution=study.resolutions[-1])
    if entry.sizes is None or entry.classes is None or entry.channels is None:
        return load_workload(study.workload)  # Which says what is to be given.
    return Workload(
        name=study.workload,
        num_classes=entry.classes,
        in_channels=entry.channels,
        source=entry.description,
        train=_Counted(entry.sizes["train"]),
        validation=_Counted(entry.sizes["validation"]),
        test=_Counted(entry.sizes["test"]),
    )


def planned_costs(study: Study) -> tuple[PlannedCost, ...]:
    """Return every phase of one seed that finds networks, in order, with about how much it computes.

    A phase is its image passes times the mean multiply-accumulates of what may be sampled in it; in a stage of the
    training, those of each network that takes part. What times networks is left out: it goes by the clock.

    Raises:
        UsageError: if the workload's sizes are only in its data, and no data is named.
    """
    workload = _workload(study)
    space = study.space.space(in_channels=workload.in_channels, resolutions=study.resolutions)
    bench = Bench(
        space=space,
        workload=workload,
        trainer=study.trainer,
        scenarios=scenarios_of(study, SimulatedDevice),
        constraints={},
        artefacts=Artefacts(Path()),
        device=torch.device("cpu"),
    )
    found: dict[tuple[str, str, Scope], PlannedCost] = {}
    for name in study.strategies:
        stages = stages_of(study, name)
        for phase in strategy_of(study, name, bench).phases():
            if phase.scope is Scope.USE:
                continue
            key = (name, phase.name, phase.scope)
            before = found.get(key)
            sized = phase.name not in (LOAD, PREDICT)
            found[key] = PlannedCost(
                strategy=name,
                phase=phase.name,
                scope=phase.scope,
                scenarios=1 if before is None else before.scenarios + 1,
                image_passes=phase.image_passes if sized else 0,
                macs=_macs(bench, phase, stages.get(phase.name)) if sized else _UNSIZED_MACS[phase.name],
                trains_supernet=phase.name in stages,
                paid_before=phase.name == LOAD,
            )
    return tuple(found.values())


# A supernet that is loaded was paid for before; a predictor is fitted for as many epochs as it gets better.
_UNSIZED_MACS = {LOAD: 0, PREDICT: None}


def _macs(bench: Bench, phase: Phase, stage: StagePlan | None) -> int:
    space = bench.space
    if stage is None:
        return round(phase.image_passes * _mean(bench, _sampled(space, space.restricted())))
    choices = stage.choices(space)
    largest, smallest, sampled = [space.max(choices)], [space.min(choices)], _sampled(space, choices)
    if stage.rule == "sandwich":
        trained = _mean(bench, largest) + _mean(bench, smallest) + (stage.subnets - 2) * _mean(bench, sampled)
    else:
        trained = stage.subnets * _mean(bench, sampled)
    teaching = 0.0 if stage.taught_by is None else _mean(bench, [space.max()])
    images = stage.epochs * images_per_epoch(bench.workload.train, bench.trainer)
    passes = (1 + BACKWARD_PASSES) * stage.subnets + (stage.taught_by is not None)
    # What is left of the phase's passes looks at the smallest network after every epoch.
    looked = (phase.image_passes - images * passes) * bench.macs(smallest[0])
    return round(images * ((1 + BACKWARD_PASSES) * trained + teaching) + looked)


def _sampled(space: SearchSpace, choices: Choices) -> list[Architecture]:
    rng = random.Random(0)
    return [space.sample(rng, choices) for _ in range(_SAMPLES)]


def _mean(bench: Bench, archs: Sequence[Architecture]) -> float:
    # At every resolution as often: batches draw them alike, and nothing else makes as much of a difference.
    sides = bench.space.resolutions
    rounds = max(len(archs), len(sides))
    return fmean(bench.macs(archs[turn % len(archs)].at(sides[turn % len(sides)])) for turn in range(rounds))
