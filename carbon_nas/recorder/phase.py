"""A running phase, as the program that runs it sees it."""

from collections.abc import Callable

from carbon_nas.ledger.observations import WindowEnd
from carbon_nas.ledger.records import Outcome, PhaseBegin, PhaseEnd, Saved, Scope, TrainerLog
from carbon_nas.meters.base import spent
from carbon_nas.meters.clock import Clock, utc
from carbon_nas.meters.metering import Metering, Window
from carbon_nas.units import total

__all__ = ["PhaseWindow", "window_end"]


class PhaseWindow:
    """What a running phase can add to its own record.

    Attributes:
        phase: the key of the phase.
        end: the record of its end, once it has ended.
        steps: optimiser steps so far; None if nobody counts.
        macs: multiply-accumulates so far; None if nobody counts.
        images: how many passed through the delivered network, in a phase of its use; None if nobody counts.
        artefact_hash: the hash of what the phase left on disk.
    """

    def __init__(
        self, phase: str, window: Window, *, metering: Metering, append: Callable[..., None], clock: Clock
    ) -> None:
        self.phase, self.window = phase, window
        self._metering, self._append, self._clock = metering, append, clock
        self.end: PhaseEnd | None = None
        self.steps: int | None = None
        self.macs: int | None = None
        self.images: int | None = None
        self.artefact_hash: str | None = None

    def energy_j(self) -> float | None:
        """Return the joules from the phase's beginning to its end, or to now while it runs.

        Returns:
            The sum over all components; None if one of them is not known.
        """
        if self.end is not None:
            used = dict(self.end.energy_j)
        else:
            used = spent(self.window.begin.readings, self._metering.read().readings, "energy_j")
        return None if None in used.values() else total(used.values())

    def duration_s(self) -> float:
        """Return the seconds from the phase's beginning to its end, or to now while it runs."""
        return self._metering.read().time_s - self.window.begin.time_s if self.end is None else self.end.duration_s

    def log_epoch(
        self, *, subject: str, epoch: int, steps: int, accuracy: float | None, loss_nats: float | None = None
    ) -> None:
        """Write down one epoch of the trainer with the joules so far."""
        self._append(
            TrainerLog(
                phase=self.phase,
                subject=subject,
                epoch=epoch,
                steps=steps,
                energy_j=self.energy_j(),
                accuracy_fraction=accuracy,
                loss_nats=loss_nats,
            )
        )

    def save(self, progress: int, artefact_hash: str) -> None:
        """Write down that the state of the phase is kept, so that what was used up to here is not lost if it stops.

        `steps` and `macs` are those of this attempt up to here. The line is on the disk when this returns, so the state
        must be, too: whoever goes on trusts the line.

        Args:
            progress: how far the phase has come, in its own units.
            artefact_hash: the hash of the file that holds the state; a later attempt names it as what it `resumes`.

        Raises:
            ValueError: if the phase has ended.
        """
        seen = self._metering.so_far(self.window)
        edge = seen.begin if seen.end is None else seen.end
        self._append(
            Saved(
                phase=self.phase,
                progress=progress,
                utc=utc(self._clock),
                time_s=edge.time_s,
                duration_s=seen.duration_s,
                readings=edge.readings,
                energy_j={part.component: part.energy_j for part in seen.measured},
                device_s={part.component: part.device_s for part in seen.measured},
                steps=self.steps,
                macs=self.macs,
                artefact_hash=artefact_hash,
                measured=seen.measured,
                own_j=seen.own_j if seen.nested else {},
                own_device_s=seen.own_device_s if seen.nested else {},
                foreign_j=seen.foreign_j,
            ),
            durable=True,
        )

    def began(
        self, name: str, scope: Scope, scenario: str | None, attempt: int, *, resumes: str | None = None
    ) -> PhaseBegin:
        """Return the record of its begin."""
        around = self.window.parent
        while around is not None and not around.accounted:
            around = around.parent
        return PhaseBegin(
            phase=self.phase,
            name=name,
            scope=scope,
            scenario=scenario,
            attempt=attempt,
            utc=utc(self._clock),
            time_s=self.window.begin.time_s,
            readings=self.window.begin.readings,
            parent=None if around is None else around.name,
            resumes=resumes,
        )

    def ended(self, outcome: Outcome) -> PhaseEnd:
        """Return the record of its end, once its window is closed.

        Raises:
            ValueError: while it runs.
        """
        window = self.window
        if window.end is None:
            raise ValueError(f"phase {self.phase!r} is still running")
        return PhaseEnd(
            phase=self.phase,
            outcome=outcome,
            utc=utc(self._clock),
            time_s=window.end.time_s,
            duration_s=window.duration_s,
            readings=window.end.readings,
            energy_j={part.component: part.energy_j for part in window.measured},
            device_s={part.component: part.device_s for part in window.measured},
            steps=self.steps,
            macs=self.macs,
            artefact_hash=self.artefact_hash,
            measured=window.measured,
            own_j=window.own_j if window.nested else {},
            own_device_s=window.own_device_s if window.nested else {},
            foreign_j=window.foreign_j,
            images=self.images,
        )


def window_end(window: Window) -> WindowEnd:
    """Return the record of a window that is closed."""
    return WindowEnd(
        name=window.name,
        parent=None if window.parent is None else window.parent.name,
        time_s=window.begin.time_s,
        duration_s=window.duration_s,
        measured=window.measured,
        own_j=window.own_j if window.nested else {},
    )
