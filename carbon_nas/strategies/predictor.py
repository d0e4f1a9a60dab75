"""Predicting the accuracy of a sub-network from its architecture, so that a search need not run networks.

Source: Cai et al., ICLR 2020, section 3.4 and appendix A: a perceptron on one-hot choices, fitted to architectures
whose accuracy was measured on the supernet. The OFA code, `acc_predictor.py`: three hidden layers of 400, a last layer
without bias, and the mean accuracy added to it. Its authors' settings: targets within [0, 1], Adam, learning rate 1e-3,
weight decay 1e-4. Where only some hundred architectures were measured, each on a small validation split, that
perceptron alone learns the noise and falls behind a linear model. So there is a linear model here, by ridge regression,
and the perceptron learns what that leaves, for as many epochs as cross-validation finds useful: none, perhaps.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from carbon_nas.devices.validation import rank_correlation
from carbon_nas.errors import CheckpointError, UsageError
from carbon_nas.ledger.records import PredictorCheck
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.population import Population
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.training.tally import BACKWARD_PASSES, Tally

__all__ = ["AccuracyPredictor", "PredictorPlan", "fit_predictor"]

_FEWEST = 6
# Each fifth is left out once to see how many epochs are useful; of as many as this, leaving out one fifth tells enough.
_FOLDS, _MANY = 5, 1_000
# Epochs without an improvement, after which none is expected.
_PATIENCE = 10
# Strengths of the ridge to choose from. Features are one-hot: a strength is a count of architectures.
_RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# Scored at once: enough to fill the cores, and the activations of a layer still fit a cache of some megabytes.
_ROWS = 4_096
# As few as a generation of a search are scored on one thread: a second one saves some hundredths of a millisecond and
# waits at every layer, which takes both cores' energy, and milliseconds where a core has something else to do.
_FEW_ROWS = 256


class PredictorPlan(BaseModel):
    """How the accuracy predictor is made. Defaults: those of the paper and of the OFA code, where they are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architectures: int = Field(default=16_000, ge=_FEWEST)
    """How many are scored for it; the paper's number."""
    held_out_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Of them, only looked at to check the finished predictor."""
    hidden: int = Field(default=400, ge=1)
    layers: int = Field(default=3, ge=1)
    """Hidden layers."""
    epochs: int = Field(default=100, ge=1)
    """At most; how many are useful is found out among the architectures that the predictor is fitted to."""
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)


class AccuracyPredictor:
    """A linear model and a perceptron that together tell the accuracy of a sub-network of one space.

    Args:
        space: what it was fitted to.
        linear: the weights of the linear model, (F,).
        weights: of the perceptron: weight and bias of every hidden layer, then the weight of the last.
        base_fraction: what is added, as a fraction of 1.
    """

    def __init__(self, space: SearchSpace, linear: Tensor, weights: Sequence[Tensor], base_fraction: float) -> None:
        self.space, self._linear, self._weights, self._base_fraction = space, linear, tuple(weights), base_fraction

    @classmethod
    def of(cls, space: SearchSpace, tensors: Mapping[str, Tensor]) -> "AccuracyPredictor":
        """Read what `tensors` returned.

        Raises:
            CheckpointError: if they are no predictor, or one for another space.
        """
        try:
            weights = [tensors[f"perceptron.{number}"] for number in range(len(tensors) - 2)]
            linear, base_fraction = tensors["linear"], float(tensors["base_fraction"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"these tensors are no accuracy predictor: {error}") from error
        features = Population.of(space, ()).features().shape[1]
        if linear.shape != (features,):
            raise CheckpointError(
                f"the accuracy predictor was not fitted to this space, which has {features} features",
                where=f"space {space.name}",
                cure="fit it again",
            )
        return cls(space, linear, weights, base_fraction)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that it is, by name."""
        named = {f"perceptron.{number}": weight for number, weight in enumerate(self._weights)}
        base = torch.tensor(self._base_fraction, dtype=torch.float64)
        return {**named, "linear": self._linear, "base_fraction": base}

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one architecture."""
        return self._linear.numel() + _macs(self._weights)

    @torch.inference_mode()
    def score(self, population: Population, tally: Tally | None = None) -> NDArray[np.float64]:
        """Predict the accuracy of each of a population, (N,), and count the work."""
        features = torch.from_numpy(population.features())
        with _threads_for(len(features)):
            parts = [
                torch.mv(rows, self._linear) + _forward(self._weights, rows) for rows in torch.split(features, _ROWS)
            ]
        if tally is not None:
            tally.macs += len(population) * self.macs
        return np.asarray(torch.cat(parts).double().add_(self._base_fraction).numpy(), dtype=np.float64)


def fit_predictor(
    space: SearchSpace,
    archs: Sequence[Architecture],
    accuracies: Sequence[float],
    plan: PredictorPlan,
    generator: torch.Generator,
    tally: Tally | None = None,
) -> tuple[AccuracyPredictor, PredictorCheck]:
    """Fit a predictor to measured accuracies, and check it on architectures that the fit has not seen.

    Args:
        space: what the architectures are of.
        archs: each only once.
        accuracies: of the same architectures, as fractions of 1.
        plan: how; its `architectures` is the caller's concern.
        generator: the only source of chance.
        tally: is told what was computed.

    Raises:
        UsageError: if there are too few architectures, one comes twice, or there are not as many accuracies.
    """
    population, count = Population.of(space, archs), len(archs)
    if count < _FEWEST or len(accuracies) != count or len(population.distinct()) < count:
        raise UsageError(
            f"an accuracy predictor needs at least {_FEWEST} different architectures and an accuracy for each, "
            f"not {count} of which {len(population.distinct())} are different and {len(accuracies)} accuracies",
            where=f"space {space.name}",
        )
    x_NF, y_N = torch.from_numpy(population.features()), torch.tensor(accuracies, dtype=torch.float32)
    shuffled = torch.randperm(count, generator=generator)
    # Enough is left for every fold, whatever the fraction says.
    held_out = min(max(1, round(count * plan.held_out_fraction)), count - _FOLDS)
    unseen, seen = shuffled[:held_out], shuffled[held_out:]
    work = Tally() if tally is None else tally
    epochs = _useful_epochs(x_NF[seen], y_N[seen], plan, generator, work)
    linear, base_fraction = _ridge(x_NF[seen], y_N[seen])
    fitting = _fitted(x_NF[seen], y_N[seen] - (x_NF[seen] @ linear + base_fraction), plan, generator, work)
    weights = next(islice(fitting, epochs, None))
    predictor = AccuracyPredictor(space, linear, [weight.clone() for weight in weights], base_fraction)
    predicted = predictor.score(population.take(unseen.numpy()), work)
    measured = np.array(accuracies, dtype=np.float64)[unseen.numpy()]
    return predictor, PredictorCheck(
        trained_on=len(seen),
        held_out=held_out,
        rank_correlation_ratio=rank_correlation(predicted.tolist(), measured.tolist()),
        rmse_fraction=float(np.sqrt(np.mean((predicted - measured) ** 2))),
    )


def _useful_epochs(x_NF: Tensor, y_N: Tensor, plan: PredictorPlan, generator: torch.Generator, tally: Tally) -> int:
    """Return for how many epochs the perceptron gets better on architectures that were left out of the fit."""
    folds = torch.arange(len(x_NF)) % _FOLDS
    runs = []
    for fold in range(_FOLDS if len(x_NF) <= _MANY else 1):
        rest, out = folds != fold, folds == fold
        linear, base_fraction = _ridge(x_NF[rest], y_N[rest])
        left_N = y_N - (x_NF @ linear + base_fraction)
        runs.append((_fitted(x_NF[rest], left_N[rest], plan, generator, tally), x_NF[out], left_N[out]))
    best, least = 0, math.inf
    for epoch in range(plan.epochs + 1):
        with torch.no_grad():
            error = sum(float(F.mse_loss(_forward(next(fit), x), left, reduction="sum")) for fit, x, left in runs)
        if error < least:
            best, least = epoch, error
        elif epoch - best >= _PATIENCE:
            break
    return best


def _ridge(x_NF: Tensor, y_N: Tensor) -> tuple[Tensor, float]:
    """Return the weights and the base of a linear model, as strong a ridge as leaving out one at a time finds best."""
    x, y = x_NF.double(), y_N.double()
    x_mean, y_mean = x.mean(dim=0), y.mean()
    x, y = x - x_mean, y - y_mean
    gram, moment, one = x.T @ x, x.T @ y, torch.eye(x.shape[1], dtype=x.dtype)
    best, least = torch.zeros_like(x_mean), math.inf
    for strength in _RIDGES:
        solved = torch.linalg.solve(gram + strength * one, torch.cat((moment[:, None], x.T), dim=1))
        linear, leverage = solved[:, 0], (x * solved[:, 1:].T).sum(dim=1) + 1 / len(x)
        error = float((((y - x @ linear) / (1 - leverage)) ** 2).sum())
        if error < least:
            best, least = linear, error
    return best.float(), float(y_mean - x_mean @ best)


def _macs(weights: Sequence[Tensor]) -> int:
    return sum(weight.numel() for weight in weights if weight.ndim == 2)


def _fitted(
    x_NF: Tensor, y_N: Tensor, plan: PredictorPlan, generator: torch.Generator, tally: Tally
) -> Iterator[Sequence[Tensor]]:
    """Yield the weights of the perceptron before the first and after every epoch; the next one changes them."""
    weights = _initial([x_NF.shape[1], *[plan.hidden] * plan.layers, 1], generator)
    optimiser = torch.optim.Adam(weights, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    yield [weight.detach() for weight in weights]
    for _ in range(plan.epochs):
        for rows in torch.split(torch.randperm(len(x_NF), generator=generator), plan.batch_size):
            optimiser.zero_grad()
            with torch.enable_grad():
                F.mse_loss(_forward(weights, x_NF[rows]), y_N[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        tally.macs += (1 + BACKWARD_PASSES) * _macs(weights) * len(x_NF)
        yield [weight.detach() for weight in weights]


def _initial(sizes: Sequence[int], generator: torch.Generator) -> list[Tensor]:
    """Draw weights and biases as torch does for its own linear layers, but from a generator; the last are 0."""
    weights = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        bound = 1 / math.sqrt(inputs)
        last = number == len(sizes) - 2
        for shape in ((outputs, inputs),) if last else ((outputs, inputs), (outputs,)):
            drawn = (0 if last else 2 * bound) * (torch.rand(shape, generator=generator) - 0.5)
            weights.append(drawn.requires_grad_())
    return weights


@contextmanager
def _threads_for(rows: int) -> Iterator[None]:
    """Leave the threads as they are for many rows, and one of them for a few."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if rows <= _FEW_ROWS else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _forward(weights: Sequence[Tensor], x_NF: Tensor) -> Tensor:
    *hidden, last = weights
    for weight, bias in zip(hidden[::2], hidden[1::2], strict=True):
        x_NF = torch.relu(F.linear(x_NF, weight, bias))
    return F.linear(x_NF, last)[:, 0]
