"""The state of a run: what its ledger adds up to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carbon_nas.ledger.findings import PredictorCheck, Prior, Selection
from carbon_nas.ledger.observations import Baseline, CrossCheck, Incident
from carbon_nas.ledger.records import (
    Header,
    LatencyLimit,
    LatencyTableRecord,
    Result,
    Saved,
    Scope,
    Session,
    TrainerLog,
)
from carbon_nas.ledger.underway import OpenPhase
from carbon_nas.meters.base import Component
from carbon_nas.meters.measurement import Measurement

__all__ = ["Activity", "Run", "WindowSum"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """One metered stretch of work: a finished phase, a part of it that an attempt left, or an attempt that was lost.

    Attributes:
        energy_j: joules per component, without those of phases that ran within it; None is not known.
        wasted: True for an attempt that had to be done again, or what of it had to be after the last state it kept.
        partial: whether it is what an attempt did that did not finish: up to the state that another one goes on from.
            A phase cost its parts and the attempt that finished it.
        rest_max_j: for a killed attempt, the most that can be missing from `energy_j`; None per component if no bound
            is known; empty if nothing is missing.
        measured: what is known beside `energy_j`, for the whole stretch from edge to edge, what ran within it included.
        nested: whether phases ran within it.
        shared_with_threads: whether phases of other threads ran beside it, so that their common joules were divided.
        began_s: its first edge on the monotonic clock of its session.
        ended_s: its last edge, or the last heartbeat of a lost attempt.
        session: which of the run's sessions it belongs to.
        images: how many passed through a delivered network in use; None if nobody counted.
    """

    phase: str
    name: str
    scope: Scope
    scenario: str | None
    duration_s: float
    energy_j: Mapping[str, float | None]
    device_s: Mapping[str, float | None]
    steps: int | None = None
    macs: int | None = None
    wasted: bool = False
    rest_max_j: Mapping[str, float | None] = field(default_factory=dict)
    artefact_hash: str | None = None
    measured: tuple[Measurement, ...] = ()
    nested: bool = False
    shared_with_threads: bool = False
    began_s: float | None = None
    ended_s: float | None = None
    session: int = 0
    images: int | None = None
    partial: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSum:
    """All windows of one family: those whose names agree up to the last `/`.

    Attributes:
        energy_j: joules over all components; None if one of them is not known.
        below_resolution: how many were too short or too small to be told from zero.
        incomplete: how many had a gap in a counter.
    """

    count: int = 0
    duration_s: float = 0.0
    energy_j: float | None = 0.0
    below_resolution: int = 0
    incomplete: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Everything one ledger says, in the order in which it happened.

    Attributes:
        epochs: as if nothing had ever been interrupted: what was done again is told once.
        saved: the last state of each phase that is not done, if it kept one that is not given up.
        head: the hash of the ledger's last line.
    """

    path: Path
    header: Header
    sessions: tuple[Session, ...]
    activities: tuple[Activity, ...]
    epochs: tuple[TrainerLog, ...]
    tables: Mapping[str, LatencyTableRecord]
    limits: Mapping[str, LatencyLimit]
    results: Mapping[str, Result]
    open_phases: tuple[OpenPhase, ...]
    longest_gap_s: float
    windows: Mapping[str, WindowSum] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    cross_checks: tuple[CrossCheck, ...] = ()
    priors: tuple[Prior, ...] = ()
    predictor_checks: tuple[PredictorCheck, ...] = ()
    selections: Mapping[str, Selection] = field(default_factory=dict)
    saved: Mapping[str, Saved] = field(default_factory=dict)
    head: str = ""

    @property
    def done(self) -> Mapping[str, Activity]:
        """The finished phases by key, each as the attempt that finished it; for what it cost, see `kept`."""
        return {one.phase: one for one in self.activities if not one.wasted and not one.partial}

    def kept(self, phase: str) -> tuple[Activity, ...]:
        """Return what a phase is made of: the parts that attempts at it left, and the attempt that finished it."""
        return tuple(one for one in self.activities if one.phase == phase and not one.wasted)

    @property
    def open_phase(self) -> OpenPhase | None:
        """The innermost phase that has begun and has no end; None if there is none."""
        return self.open_phases[-1] if self.open_phases else None

    @property
    def components(self) -> Mapping[str, Component]:
        """Every component that any session metered, by name."""
        return {component.name: component for session in self.sessions for component in session.components}

    def attempts(self, phase: str) -> int:
        """Count how often a phase was begun and ended, one way or the other."""
        return sum(one.phase == phase and not one.partial for one in self.activities)
