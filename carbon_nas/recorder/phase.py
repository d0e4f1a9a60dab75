"""A running phase, as the program that runs it sees it."""

from collections.abc import Callable

from carbon_nas.ledger.records import Event, PhaseEnd, TrainerLog
from carbon_nas.meters.base import spent
from carbon_nas.meters.metering import Edge, Window
from carbon_nas.units import total

__all__ = ["PhaseWindow"]


class PhaseWindow:
    """What a running phase can add to its own record.

    Attributes:
        phase: the key of the phase.
        end: the record of its end, once it has ended.
        steps: optimiser steps so far; None if nobody counts.
        macs: multiply-accumulates so far; None if nobody counts.
        artefact_hash: the hash of what the phase left on disk.
    """

    def __init__(
        self, phase: str, window: Window, *, read: Callable[[], Edge], append: Callable[[Event], None]
    ) -> None:
        self.phase, self.window = phase, window
        self._read, self._append = read, append
        self.end: PhaseEnd | None = None
        self.steps: int | None = None
        self.macs: int | None = None
        self.artefact_hash: str | None = None

    def energy_j(self) -> float | None:
        """Return the joules from the phase's beginning to its end, or to now while it runs.

        Returns:
            The sum over all components; None if one of them is not known.
        """
        if self.end is not None:
            used = dict(self.end.energy_j)
        else:
            used = spent(self.window.begin.readings, self._read().readings, "energy_j")
        return None if None in used.values() else total(used.values())

    def duration_s(self) -> float:
        """Return the seconds from the phase's beginning to its end, or to now while it runs."""
        return self._read().time_s - self.window.begin.time_s if self.end is None else self.end.duration_s

    def log_epoch(self, *, subject: str, epoch: int, steps: int, accuracy: float | None) -> None:
        """Write down one epoch of the trainer with the joules so far."""
        self._append(
            TrainerLog(
                phase=self.phase,
                subject=subject,
                epoch=epoch,
                steps=steps,
                energy_j=self.energy_j(),
                accuracy_fraction=accuracy,
            )
        )
