"""The one trainer: every strategy's networks are trained here, by the same optimiser on the same batches."""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_nas.training.data import Augmentation, Images, resize
from carbon_nas.training.tally import Tally

__all__ = [
    "Journal",
    "Learner",
    "State",
    "StaticLearner",
    "TrainerPlan",
    "accuracy",
    "fit",
    "images_per_epoch",
    "optimiser_of",
    "steps_per_epoch",
]


class TrainerPlan(BaseModel):
    """Hyper-parameters shared by all strategies. Defaults: the OFA recipe (Cai et al., ICLR 2020) at batch 64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = Field(default=64, ge=2)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=3e-5, ge=0)
    label_smoothing_fraction: float = Field(default=0.1, ge=0, lt=1)
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of activations; weights stay in float32. `auto` is bfloat16 on GPUs that compute in it, float32 elsewhere."""

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Return what forward passes run in on a device."""
        lower = self.precision == "bfloat16" or (
            self.precision == "auto"
            and device.type == "cuda"
            and torch.cuda.is_bf16_supported(including_emulation=False)
        )
        return torch.autocast(device.type, torch.bfloat16) if lower else nullcontext()


class Learner(Protocol):
    """What the trainer trains."""

    @property
    def net(self) -> nn.Module:
        """The network that learns."""
        ...

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """Return the parameters by name; the names decide about weight decay."""
        ...

    def accumulate(self, x_BCHW: Tensor, y_B: Tensor, plan: TrainerPlan) -> Tensor:
        """Add the gradients of one batch of augmented images, count the work, and return the loss, detached."""
        ...


class State(Protocol):
    """What an earlier attempt kept."""

    @property
    def progress(self) -> int:
        """The number of finished epochs."""
        ...

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """What `fit` handed over then."""
        ...


class Journal(Protocol):
    """Where a training keeps its state, so that it can be stopped at any time and go on from the last whole epoch.

    Whoever implements it keeps the state of all chance along, that of the generator included.
    """

    def resume(self) -> State | None:
        """Return the state to go on from, with all chance as it was then; None: begin at the beginning."""
        ...

    def keep(self, progress: int, tensors: Mapping[str, Tensor]) -> None:
        """Keep the state after an epoch."""
        ...


class StaticLearner:
    """Trains a plain network at one resolution with label-smoothed cross entropy."""

    def __init__(self, net: nn.Module, *, resolution: int, macs_per_image: int, tally: Tally) -> None:
        self.net, self._resolution, self._macs, self._tally = net, resolution, macs_per_image, tally

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]:
        """Return the network's parameters."""
        return self.net.named_parameters()

    def accumulate(self, x_BCHW: Tensor, y_B: Tensor, plan: TrainerPlan) -> Tensor:
        """Run one forward and one backward pass."""
        self.net.train()
        with plan.autocast(x_BCHW.device):
            logits = self.net(resize(x_BCHW, self._resolution))
            loss = F.cross_entropy(logits, y_B, label_smoothing=plan.label_smoothing_fraction)
        loss.backward()  # type: ignore[no-untyped-call]
        self._tally.train(self._macs, len(y_B))
        return loss.detach()


def steps_per_epoch(split: Images, plan: TrainerPlan) -> int:
    """Return the number of whole batches; a rest too small for batch statistics is left out of the epoch."""
    return max(1, len(split) // plan.batch_size)


def images_per_epoch(split: Images, plan: TrainerPlan) -> int:
    """Return how many images an epoch learns from: those of whole batches, or the few that are no whole one."""
    return min(len(split), steps_per_epoch(split, plan) * plan.batch_size)


def optimiser_of(
    named_parameters: Iterable[tuple[str, nn.Parameter]], plan: TrainerPlan, *, learning_rate: float
) -> torch.optim.SGD:
    """Return SGD with Nesterov's momentum, in which weight decay spares biases and batch norm.

    It is to be zeroed with `set_to_none=False`: momentum and decay keep acting on weights that a step does not use, as
    in the OFA code. Choose device and memory format before: a fused step takes gradients to lie as their weights do.
    """
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in named_parameters:
        if not parameter.requires_grad:
            continue
        (spared if "bn" in name or "bias" in name else decayed).append(parameter)
        # From the first step on, and not from the first that uses them; fused optimisers insist on it.
        parameter.grad = torch.zeros_like(parameter)
    return torch.optim.SGD(
        [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": spared, "weight_decay": 0.0}],
        lr=learning_rate,
        momentum=plan.momentum,
        nesterov=plan.momentum > 0,
        # One pass over the memory instead of five.
        fused=all(parameter.device.type in {"cpu", "cuda"} for parameter in (*decayed, *spared)),
    )


def fit(
    learner: Learner,
    split: Images,
    plan: TrainerPlan,
    *,
    augmentation: Augmentation,
    epochs: int,
    learning_rate: float,
    generator: torch.Generator,
    tally: Tally,
    warmup_epochs: float | None = None,
    after_epoch: Callable[[int, float], None] | None = None,
    journal: Journal | None = None,
) -> None:
    """Train with SGD (Nesterov), linear warm-up and a cosine to zero, step by step.

    Args:
        learner: computes gradients.
        split: what is learnt from; batches are drawn without replacement in every epoch.
        plan: the shared hyper-parameters.
        augmentation: changes each batch, where its images are.
        epochs: passes over the split, those of the warm-up included.
        learning_rate: its peak.
        generator: the only source of chance, for order and augmentation.
        tally: counts the optimiser steps.
        warmup_epochs: how long the learning rate rises; the plan's fraction of all epochs if not given.
        after_epoch: called with the number of finished epochs and the mean loss of the last one's steps, in nats.
        journal: keeps the state after every epoch but the last, which ends the training.
    """
    optimiser = optimiser_of(learner.named_parameters(), plan, learning_rate=learning_rate)
    done = 0
    state = None if journal is None else journal.resume()
    if state is not None:
        done = state.progress
        _restore(learner.net, optimiser, state.tensors)
    per_epoch = steps_per_epoch(split, plan)
    total, step = epochs * per_epoch, done * per_epoch
    warmup = round(total * plan.warmup_fraction if warmup_epochs is None else warmup_epochs * per_epoch)
    for epoch in range(done + 1, epochs + 1):
        order = torch.randperm(len(split), generator=generator)[: per_epoch * plan.batch_size]
        losses = []
        for x_BCHW, y_B in split.drawn(order, plan.batch_size):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * _schedule(step, warmup, total)
            optimiser.zero_grad(set_to_none=False)
            losses.append(learner.accumulate(augmentation(x_BCHW, generator), y_B, plan))
            optimiser.step()
            tally.steps += 1
            step += 1
        if after_epoch is not None:
            # Looked at once an epoch: on a GPU every look waits for all that is queued.
            after_epoch(epoch, float(torch.stack(losses).mean()))
        if journal is not None and epoch < epochs:
            journal.keep(epoch, _state(learner.net, optimiser))


_NET, _MOMENTUM = "net.", "momentum."


def _trained(optimiser: torch.optim.Optimizer) -> Iterable[tuple[str, nn.Parameter]]:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    return ((f"{_MOMENTUM}{place}", parameter) for place, parameter in enumerate(parameters))


def _state(net: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return everything that a step changes, as it is now."""
    buffers = {name: optimiser.state[parameter].get("momentum_buffer") for name, parameter in _trained(optimiser)}
    return {
        **{_NET + name: tensor.detach() for name, tensor in net.state_dict().items()},
        **{name: buffer for name, buffer in buffers.items() if buffer is not None},
    }


def _restore(net: nn.Module, optimiser: torch.optim.Optimizer, kept: Mapping[str, Tensor]) -> None:
    net.load_state_dict({name: kept[_NET + name] for name in net.state_dict()})
    for name, parameter in _trained(optimiser):
        if name in kept:
            # Laid out like the weight, on its device: a fused step insists on it.
            optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(kept[name])


def _schedule(step: int, warmup: int, total: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


@torch.no_grad()
def accuracy(
    predict: Callable[[Tensor], Tensor], split: Images, *, resolution: int, macs_per_image: int, tally: Tally
) -> float:
    """Return the fraction of images whose largest logit is the label's, and count the forward passes."""
    right = torch.zeros((), dtype=torch.int64, device=split.labels.device)
    for x_BCHW, y_B in split.batches(resolution):
        right += (predict(x_BCHW).argmax(1) == y_B).sum()  # Looked at once, at the end: a GPU would wait every time.
        tally.forward(macs_per_image, len(y_B))
    return int(right) / len(split)
