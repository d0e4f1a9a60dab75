"""Once-for-all: train one network once, then take a sub-network for every scenario without training.

Source: Cai et al., ICLR 2020. Phases: the largest network (teacher), then kernel, depth and width become elastic.
"""

import copy
from collections.abc import Iterator
from functools import partial

import torch
from pydantic import BaseModel, ConfigDict, Field

from carbon_nas.ledger.records import Scope, phase_key
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.strategies.base import Bench, Phase, Scenario, proving_phases
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.strategies.search import SearchPlan, evolve
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.extract import extract
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.sorting import sort_channels
from carbon_nas.supernet.space import Choices
from carbon_nas.supernet.static import channels_last
from carbon_nas.training.loop import fit, steps_per_epoch
from carbon_nas.training.shrinking import ElasticLearner, calibrated, supernet_accuracy

__all__ = ["OnceForAll", "OnceForAllPlan", "ShrinkPlan"]


class ShrinkPlan(BaseModel):
    """One phase of supernet training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    subnets: int = Field(default=1, ge=1)
    """Sub-networks per step, their gradients summed."""


class OnceForAllPlan(BaseModel):
    """The recipe. Defaults keep the proportions of the paper: epochs 180 : 125 : 150 : 150, sub-networks 1, 1, 2, 4."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    teacher: ShrinkPlan = ShrinkPlan(epochs=30, learning_rate=0.08)
    kernel: ShrinkPlan = ShrinkPlan(epochs=21, learning_rate=0.03)
    depth: ShrinkPlan = ShrinkPlan(epochs=25, learning_rate=0.02, subnets=2)
    width: ShrinkPlan = ShrinkPlan(epochs=25, learning_rate=0.02, subnets=4)
    search: SearchPlan = SearchPlan()
    calibration_images: int = Field(default=400, ge=2)
    """Training images that batch norm is recalibrated on before a sub-network is scored."""


TEACHER, KERNEL, DEPTH, WIDTH = "train teacher", "shrink kernel", "shrink depth", "shrink width"
_EXTRACT = "extract"


class OnceForAll:
    """The strategy `once_for_all`."""

    name = "once_for_all"

    def __init__(self, bench: Bench, plan: OnceForAllPlan) -> None:
        self._bench, self._plan = bench, plan

    def phases(self) -> Iterator[Phase]:
        """Yield one training of the supernet, then search and extraction per scenario, and what proves the network."""
        plan, space = self._plan, self._bench.space
        largest = {"kernel_sizes": space.kernel_sizes[-1:], "expand_ratios": space.expand_ratios[-1:]}
        full = space.restricted(**largest, depths=space.depths[-1:])
        kernel = space.restricted(expand_ratios=space.expand_ratios[-1:], depths=space.depths[-1:])
        depth = space.restricted(expand_ratios=space.expand_ratios[-1:])
        for name, recipe, choices, before in (
            (TEACHER, plan.teacher, full, None),
            (KERNEL, plan.kernel, kernel, TEACHER),
            (DEPTH, plan.depth, depth, KERNEL),
            (WIDTH, plan.width, space.restricted(), DEPTH),
        ):
            run = partial(self._train, recipe, choices, before)
            yield Phase(name, Scope.ONCE, run, image_passes=self._training_passes(recipe, taught=before is not None))
        scoring = len(self._bench.workload.validation) + plan.calibration_images
        for scenario in self._bench.scenarios:
            yield Phase(
                "search",
                Scope.PER_SCENARIO,
                partial(self._search, scenario),
                scenario.name,
                plan.search.evaluations * scoring,
            )
            yield Phase(
                _EXTRACT, Scope.PER_SCENARIO, partial(self._extract, scenario), scenario.name, plan.calibration_images
            )
            yield from proving_phases(self._bench, scenario, _EXTRACT)

    def _training_passes(self, recipe: ShrinkPlan, *, taught: bool) -> int:
        bench = self._bench
        images = steps_per_epoch(bench.workload.train, bench.trainer) * bench.trainer.batch_size
        scoring = len(bench.workload.validation) + self._plan.calibration_images
        return recipe.epochs * (images * (3 * recipe.subnets + taught) + scoring)

    def _supernet(self, phase: str | None, generator: torch.Generator) -> ElasticMobileNetV3:
        net = ElasticMobileNetV3(self._bench.space, self._bench.workload.num_classes, generator)
        if phase is not None:
            net.load_state_dict(dict(self._bench.artefacts.load(phase).tensors))
        return channels_last(net.to(self._bench.device))

    def _train(self, recipe: ShrinkPlan, choices: Choices, before: str | None, context: PhaseContext) -> Artefact:
        bench, space = self._bench, self._bench.space
        net = self._supernet(before, context.generator)
        teacher = None
        if before is not None:
            teacher = self._supernet(TEACHER, torch.Generator()).requires_grad_(False)
        if choices.expand_ratios != space.expand_ratios[-1:]:
            sort_channels(net)
        learner = ElasticLearner(
            net, choices=choices, subnets=recipe.subnets, teacher=teacher, rng=context.rng, tally=context.tally
        )
        smallest = space.architecture(
            ks=[choices.kernel_sizes[0]] * space.num_blocks,
            e=[choices.expand_ratios[0]] * space.num_blocks,
            d=[choices.depths[0]] * len(space.stages),
        )

        subject = "largest" if smallest == space.max() else "smallest"

        def after_epoch(epoch: int) -> None:
            # One sub-network an epoch, the smallest so far: the trainer of a plain network looks once, too.
            context.log(subject, epoch, self._score(net, smallest, context))

        fit(
            learner,
            bench.workload.train,
            bench.trainer,
            epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            generator=context.generator,
            tally=context.tally,
            after_epoch=after_epoch,
        )
        return Artefact(tensors=copy.copy(net.state_dict()))

    def _score(self, net: ElasticMobileNetV3, arch: Architecture, context: PhaseContext) -> float:
        workload = self._bench.workload
        return supernet_accuracy(
            net,
            arch,
            workload,
            split=workload.validation,
            images=self._plan.calibration_images,
            tally=context.tally,
        )

    def _search(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        bench = self._bench
        net = self._supernet(WIDTH, context.generator)
        arch, score = evolve(
            bench.space,
            bench.constraint(scenario),
            lambda candidate: self._score(net, candidate, context),
            self._plan.search,
            context.rng,
        )
        return Artefact(facts={"architecture": arch.to_json(), "validation_accuracy_fraction": score})

    def _extract(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        bench = self._bench
        found = bench.artefacts.load(phase_key("search", scenario.name)).facts
        arch = bench.space.from_json(found["architecture"])
        net = self._supernet(WIDTH, context.generator)
        images = self._plan.calibration_images
        statistics = calibrated(net, arch, bench.workload, images=images, tally=context.tally)
        return Artefact(tensors=extract(net, arch, statistics).state_dict(), facts={"architecture": arch.to_json()})
