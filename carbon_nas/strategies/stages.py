"""Training a supernet stage by stage: every stage is a phase, and starts from what the one before it left."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from carbon_nas.ledger.records import Scope
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.strategies.base import Bench, Phase
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.sorting import sort_channels
from carbon_nas.supernet.static import channels_last
from carbon_nas.training.calibration import supernet_accuracy
from carbon_nas.training.learners import Dropout, ElasticLearner, SandwichLearner
from carbon_nas.training.loop import fit, images_per_epoch
from carbon_nas.training.recipe import StagePlan

__all__ = ["Stages", "kept_supernet"]


def kept_supernet(bench: Bench, phase: str) -> ElasticMobileNetV3:
    """Return the supernet that a phase left, on the bench's device."""
    net = ElasticMobileNetV3(bench.space, bench.workload.num_classes)
    net.load_state_dict(dict(bench.artefacts.load(phase).tensors))
    return channels_last(net.to(bench.device))


class Stages:
    """The phases that train a supernet.

    Args:
        bench: what all strategies share.
        stages: the recipe, by the names of the phases.
        calibration_images: how many training images batch norm is recalibrated on before a sub-network is scored.
    """

    def __init__(self, bench: Bench, stages: Mapping[str, StagePlan], *, calibration_images: int) -> None:
        self._bench, self._stages, self._calibration_images = bench, stages, calibration_images

    @property
    def last(self) -> str:
        """The phase that leaves the finished supernet."""
        return [*self._stages][-1]

    def phases(self) -> Iterator[Phase]:
        """Yield one phase for each stage."""
        before: list[str] = []
        for name, stage in self._stages.items():
            run = partial(self._train, stage, tuple(before))
            yield Phase(name, Scope.ONCE, run, image_passes=self._image_passes(stage))
            before.append(name)

    def _image_passes(self, stage: StagePlan) -> int:
        bench = self._bench
        images = images_per_epoch(bench.workload.train, bench.trainer)
        scoring = len(bench.workload.validation) + min(self._calibration_images, len(bench.workload.train))
        return stage.epochs * (images * (3 * stage.subnets + (stage.taught_by is not None)) + scoring)

    def _train(self, stage: StagePlan, before: tuple[str, ...], context: PhaseContext) -> Artefact:
        bench, space = self._bench, self._bench.space
        if not before:
            net = ElasticMobileNetV3(space, bench.workload.num_classes, context.generator)
            net = channels_last(net.to(bench.device))
        else:
            net = kept_supernet(bench, before[-1])
            self._sort(net, stage, [self._stages[name] for name in before])
        smallest = space.min(stage.choices(space))
        subject = "largest" if smallest.at(space.max().resolution) == space.max() else "smallest"

        def after_epoch(epoch: int, loss_nats: float) -> None:
            # One sub-network an epoch, the smallest so far: the trainer of a plain network looks once, too.
            score = supernet_accuracy(
                net,
                smallest,
                bench.workload,
                split=bench.workload.validation,
                images=self._calibration_images,
                tally=context.tally,
            )
            context.log(subject, epoch, score, loss_nats=loss_nats)

        fit(
            self._learner(net, stage, context),
            bench.workload.train,
            bench.trainer,
            augmentation=bench.workload.augmentation,
            epochs=stage.epochs,
            learning_rate=stage.learning_rate,
            warmup_epochs=stage.warmup_epochs,
            generator=context.generator,
            tally=context.tally,
            after_epoch=after_epoch,
            journal=context,
        )
        return Artefact(tensors=copy.copy(net.state_dict()))

    def _sort(self, net: ElasticMobileNetV3, stage: StagePlan, before: Sequence[StagePlan]) -> None:
        # Whenever widths that have not been trained come in: what matters most moves to the front, and the widths that
        # have been trained stay what they are.
        trained = max(len(one.choices(net.space).expand_ratios) for one in before)
        if len(stage.choices(net.space).expand_ratios) > trained:
            sort_channels(net, trained - 1)

    def _learner(
        self, net: ElasticMobileNetV3, stage: StagePlan, context: PhaseContext
    ) -> ElasticLearner | SandwichLearner:
        choices = stage.choices(net.space)
        dropout = Dropout(stage.dropout_fraction, context.generator) if stage.dropout_fraction else None
        if stage.rule == "sandwich":
            return SandwichLearner(
                net, choices=choices, subnets=stage.subnets, rng=context.rng, tally=context.tally, dropout=dropout
            )
        teacher = None
        if stage.taught_by is not None:
            teacher = kept_supernet(self._bench, stage.taught_by).requires_grad_(False)
        return ElasticLearner(
            net,
            choices=choices,
            subnets=stage.subnets,
            teacher=teacher,
            rng=context.rng,
            tally=context.tally,
            distillation_ratio=stage.distillation_ratio,
            dropout=dropout,
        )
