"""What a running study tells whoever watches. It knows joules, not carbon: the watcher may know the grid."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Event", "Observer", "PhaseBegins", "PhaseEnds", "PhaseKept", "PlannedPhase", "Progress", "StudyBegins"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedPhase:
    """A phase of the whole study; `image_passes` is about how much work it is."""

    run: str
    phase: str
    image_passes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyBegins:
    """Everything that has to be done, what is done already included."""

    phases: tuple[PlannedPhase, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseBegins:
    """A phase starts."""

    planned: PlannedPhase


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """With every heartbeat: work and joules of the running phase so far.

    Attributes:
        image_passes: of this attempt.
        image_passes_before: of the attempts that it goes on from.
        energy_j: of this attempt.
    """

    planned: PlannedPhase
    image_passes: int
    image_passes_before: int
    energy_j: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseEnds:
    """A phase is done; attempts that it went on from had done `image_passes_before` of its work."""

    planned: PlannedPhase
    image_passes_before: int
    energy_j: float | None
    duration_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseKept:
    """A phase was done by an earlier call."""

    planned: PlannedPhase


Event = StudyBegins | PhaseBegins | Progress | PhaseEnds | PhaseKept
Observer = Callable[[Event], None]
