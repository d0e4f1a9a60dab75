"""What a phase works with: chance, a count of its work, a log, and a place for its state."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from carbon_nas.files import sha256
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.training.tally import Tally

__all__ = ["Kept", "PhaseContext"]

_GENERATOR = "chance.generator"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Kept:
    """The state that an earlier attempt of a phase left: how far it had come, with its tensors and facts."""

    progress: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class PhaseContext:
    """What a phase is given to work with: its own chance, a tally of its work, a log, and a place for its state.

    Attributes:
        images: how many passed through a delivered network that was let work; None in any other phase.
        tally: the work of this attempt; what an earlier one did, from whose state it goes on, is not counted again.

    Args:
        seed: the study's seed; the phase's chance is derived from it and from `job`.
        job: a name that is unique in the study, such as strategy and phase.
        log: is told `subject`, `epoch`, `steps`, `accuracy` and `loss_nats` by keyword after every epoch.
        keep: is given the state of the phase, with how far it has come, whenever that is worth keeping.
        before: the state that an earlier attempt kept.
    """

    def __init__(
        self,
        *,
        seed: int,
        job: str,
        log: Callable[..., None],
        keep: Callable[[int, Artefact], None] | None = None,
        before: Artefact | None = None,
    ) -> None:
        digest = int(sha256(f"{seed}/{job}".encode())[:15], 16)
        self.rng = random.Random(digest)
        self.generator = torch.Generator().manual_seed(digest)
        self.tally = Tally()
        self.images: int | None = None
        self._log, self._keep, self._before = log, keep, before
        self._steps_before: int = 0 if before is None else before.facts["steps"]

    def resume(self) -> Kept | None:
        """Return the state to go on from, if an earlier attempt left one, and set chance to where it stood then.

        Whatever was drawn in this attempt counts no more, such as first weights that the kept ones replace: so ask
        where the work goes on, and not later.
        """
        before = self._before
        if before is None:
            return None
        version, numbers, gauss = before.facts["rng"]
        self.rng.setstate((version, tuple(numbers), gauss))
        self.generator.set_state(before.tensors[_GENERATOR])
        tensors = {name: tensor for name, tensor in before.tensors.items() if name != _GENERATOR}
        return Kept(progress=before.facts["progress"], tensors=tensors, facts=before.facts["facts"])

    @property
    def steps(self) -> int:
        """The optimiser steps of the phase, those of earlier attempts that it goes on from included."""
        return self._steps_before + self.tally.steps

    def log(self, subject: str, epoch: int, accuracy_fraction: float | None, *, loss_nats: float | None = None) -> None:
        """Write down the end of an epoch, with the steps of the phase so far."""
        self._log(subject=subject, epoch=epoch, steps=self.steps, accuracy=accuracy_fraction, loss_nats=loss_nats)

    def keep(
        self, progress: int, tensors: Mapping[str, Tensor] | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        """Keep the state of the phase and of its chance, so that another attempt goes on exactly from here.

        Args:
            progress: how far it has come, in its own units.
            tensors: weights and momentum, for instance.
            facts: JSON values.
        """
        if self._keep is None:
            return
        state = Artefact(
            tensors={**(tensors or {}), _GENERATOR: self.generator.get_state()},
            facts={"progress": progress, "rng": self.rng.getstate(), "steps": self.steps, "facts": dict(facts or {})},
        )
        self._keep(progress, state)
