"""Training one plain network: what the conventional way does again and again, and fine-tuning does at the end."""

from carbon_nas.strategies.base import Bench
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.static import StaticMobileNetV3
from carbon_nas.training.loop import Journal, StaticLearner, accuracy, fit, images_per_epoch

__all__ = ["epoch_passes", "train_plain"]


def epoch_passes(bench: Bench) -> int:
    """Return about how many images pass a network forward in an epoch; a backward pass counts as two."""
    return 3 * images_per_epoch(bench.workload.train, bench.trainer) + len(bench.workload.validation)


def train_plain(
    bench: Bench,
    arch: Architecture,
    net: StaticMobileNetV3,
    *,
    epochs: int,
    learning_rate: float,
    subject: str,
    context: PhaseContext,
    journal: Journal | None = None,
) -> float:
    """Train a plain network in place at its architecture's resolution, and return its last validation accuracy.

    Args:
        bench: what all strategies share.
        arch: the architecture of the network.
        net: lies on the bench's device, channels-last.
        epochs: passes over the training split.
        learning_rate: its peak.
        subject: what the log calls it.
        context: chance, tally and log of the phase.
        journal: keeps its state after every epoch, if it is all that the phase trains.
    """
    macs, last = bench.macs(arch), 0.0

    def score() -> float:
        net.eval()
        validation = bench.workload.validation
        return accuracy(net, validation, resolution=arch.resolution, macs_per_image=macs, tally=context.tally)

    def after_epoch(epoch: int, loss_nats: float) -> None:
        nonlocal last
        last = score()
        context.log(subject, epoch, last, loss_nats=loss_nats)

    fit(
        StaticLearner(net, resolution=arch.resolution, macs_per_image=macs, tally=context.tally),
        bench.workload.train,
        bench.trainer,
        augmentation=bench.workload.augmentation,
        epochs=epochs,
        learning_rate=learning_rate,
        generator=context.generator,
        tally=context.tally,
        after_epoch=after_epoch,
        journal=journal,
    )
    return last
