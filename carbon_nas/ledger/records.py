"""The lines of a ledger as typed records. This is the border: pydantic checks every line that is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from carbon_nas.ledger.findings import LatencyLimit, LatencyTableRecord, PredictorCheck, Prior, Result, Selection
from carbon_nas.ledger.observations import Baseline, CrossCheck, Incident, Trace, WindowEnd
from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.measurement import Measurement

__all__ = [
    "Baseline",
    "CrossCheck",
    "Event",
    "Header",
    "Incident",
    "LatencyLimit",
    "LatencyTableRecord",
    "Outcome",
    "PhaseBegin",
    "PhaseEnd",
    "PredictorCheck",
    "Prior",
    "Pulse",
    "Repair",
    "Result",
    "Role",
    "SCHEMA",
    "Saved",
    "Scope",
    "Selection",
    "Session",
    "Trace",
    "TrainerLog",
    "Waste",
    "WindowEnd",
    "event_adapter",
    "phase_key",
    "to_line",
]

SCHEMA = 4
"""The version of the line format, frozen: a reader reads all older ones, and refuses a newer one by name.

1: headers, sessions, phases, heartbeats, epochs, results, waste, tables and limits.
2: nested phases, windows, measurements with uncertainty and gaps, traces, incidents, idle baselines, cross-checks, and
   a header that says when, where, at which commit, and after which ledger.
3: phases in which a delivered network works, and how many images passed in a phase.
4: phases that go on in the middle, what a start from a checkpoint had cost, how good predictor and selection were, and
   the loss of an epoch.
"""


class Scope(StrEnum):
    """Whether a phase is paid once, again for every deployment scenario, or is no cost of finding a network at all."""

    ONCE = "once"
    PER_SCENARIO = "per scenario"
    USE = "use"  # A delivered network at work, for a scenario: never a part of what its strategy cost.


class Role(StrEnum):
    """Whose cost a ledger holds."""

    STRATEGY = "strategy"
    SHARED = "shared"  # Needed by every strategy and measured once, such as latency tables.


class Outcome(StrEnum):
    """How a phase ended."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The first line: what is run. A call that would continue with something else is refused.

    Attributes:
        utc, time_s: the wall clock and the monotonic clock when the ledger was begun.
        git_commit: of the program that is metered, with a `+` if it had changes that were not committed.
        site: where it runs, as far as the user said: `zone`, `pue`.
        rank: which of several processes of one job writes this.
        previous, previous_head: the ledger beside this one that was there first, and the hash of its last line then.
    """

    kind: Literal["header"] = "header"
    run: str
    role: Role
    strategy: str
    seed: int
    workload: str | None
    study: Mapping[str, Any]
    study_hash: str
    code_version: str
    code_hash: str
    schema: int = SCHEMA
    utc: str = ""
    time_s: float | None = None
    git_commit: str | None = None
    site: Mapping[str, str | float | None] = field(default_factory=dict)
    rank: int | None = None
    previous: str | None = None
    previous_head: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One process that writes to the ledger. Counters are only comparable within one.

    Attributes:
        node: a hash that is the same for every process of one machine, and tells nothing about it.
        boot: a hash of the machine's boot; monotonic times are comparable where node and boot are the same.
        not_covered: what draws power here and is not metered, in words.
    """

    kind: Literal["session"] = "session"
    utc: str
    time_s: float
    boot_s: float | None
    host: Mapping[str, str | int | None]
    versions: Mapping[str, str]
    components: tuple[Component, ...]
    heartbeat_interval_s: float | None
    locked: bool | None
    node: str = ""
    boot: str = ""
    pid: int | None = None
    sampling_interval_s: float | None = None
    not_covered: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseBegin:
    """A phase starts; `phase` is its key, unique in the ledger and the same in every attempt.

    `resumes` is the hash of the saved state that this attempt goes on from; None if it begins at the beginning.
    """

    kind: Literal["phase_begin"] = "phase_begin"
    phase: str
    name: str
    scope: Scope
    scenario: str | None
    attempt: int
    utc: str
    time_s: float
    readings: tuple[Reading, ...]
    parent: str | None = None
    resumes: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulse:
    """A heartbeat in a phase, so that the energy of a killed phase is known up to here.

    `phase` is the innermost one; the readings are good for every phase that is running.
    """

    kind: Literal["heartbeat"] = "heartbeat"
    phase: str
    time_s: float
    readings: tuple[Reading, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerLog:
    """What the trainer says after an epoch.

    Steps count from the beginning of the phase, joules from that of the attempt. `loss_nats` is the mean over the
    epoch's steps of what was minimised.
    """

    kind: Literal["epoch"] = "epoch"
    phase: str
    subject: str
    epoch: int
    steps: int
    energy_j: float | None
    accuracy_fraction: float | None
    loss_nats: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A phase that runs has kept its state, so that a later attempt can go on from here and need not begin anew.

    Everything counts from the beginning of the attempt. If the attempt is lost later, what it used up to here was not
    in vain, unless no later attempt resumes from it.

    Attributes:
        progress: how far the phase has come, in its own units: epochs, or candidates of a search.
        artefact_hash: the hash of the file that holds the state.
        own_j, own_device_s: without the phases that ran within it; empty where none did.
        foreign_j: what phases of other threads were charged meanwhile, as at the end of a phase.
    """

    kind: Literal["saved"] = "saved"
    phase: str
    progress: int
    utc: str
    time_s: float
    duration_s: float
    readings: tuple[Reading, ...]
    energy_j: Mapping[str, float | None]
    device_s: Mapping[str, float | None]
    steps: int | None
    macs: int | None
    artefact_hash: str
    measured: tuple[Measurement, ...] = ()
    own_j: Mapping[str, float | None] = field(default_factory=dict)
    own_device_s: Mapping[str, float | None] = field(default_factory=dict)
    foreign_j: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseEnd:
    """A phase ended. `energy_j` and `device_s` are per component; None is not known, never 0.

    Both are gross: from edge to edge, whatever went on in between. `own_j` and `own_device_s` are without the phases
    that ran within it; empty where none did. `foreign_j` is what phases of other threads were charged meanwhile, which
    `energy_j` does not contain; empty where there were none. `measured` holds the rest of what is known.

    `steps` are optimiser steps of the trainer. `macs` are multiply-accumulate operations: forward passes counted in
    closed form, a backward pass as two forward ones. `images` passed through a delivered network in use.
    """

    kind: Literal["phase_end"] = "phase_end"
    phase: str
    outcome: Outcome
    utc: str
    time_s: float
    duration_s: float
    readings: tuple[Reading, ...]
    energy_j: Mapping[str, float | None]
    device_s: Mapping[str, float | None]
    steps: int | None
    macs: int | None
    artefact_hash: str | None = None
    measured: tuple[Measurement, ...] = ()
    own_j: Mapping[str, float | None] = field(default_factory=dict)
    own_device_s: Mapping[str, float | None] = field(default_factory=dict)
    foreign_j: Mapping[str, float] = field(default_factory=dict)
    images: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Waste:
    """A phase that was killed. What was seen is a lower bound; the rest has an upper bound and no point value.

    Attributes:
        seen_energy_j: last heartbeat minus begin, per component.
        rest_max_j: the most that can have been drawn after the last heartbeat; None where no bound is known.
        rest_max_s: the time that bound allows for: the heartbeat's interval, or the longest gap between heartbeats
            that the ledger shows if that is more; None without a heartbeat, and then there is no bound.
    """

    kind: Literal["waste"] = "waste"
    phase: str
    attempt: int
    utc: str
    seen_duration_s: float
    seen_energy_j: Mapping[str, float | None]
    seen_device_s: Mapping[str, float | None]
    rest_max_s: float | None
    rest_max_j: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """A torn last line was cut off when the ledger was opened again."""

    kind: Literal["repair"] = "repair"
    utc: str
    bytes_cut: int


Event = (
    Header
    | Session
    | PhaseBegin
    | Pulse
    | TrainerLog
    | Saved
    | PhaseEnd
    | WindowEnd
    | Trace
    | Incident
    | Baseline
    | CrossCheck
    | Waste
    | Prior
    | PredictorCheck
    | Selection
    | LatencyTableRecord
    | LatencyLimit
    | Result
    | Repair
)

# No NaN comes in from a ledger. One that is about to go out is written as such, so that it can be seen and refused: as
# null, which is pydantic's way, a wrong number would turn into an honest gap.
event_adapter: TypeAdapter[Event] = TypeAdapter(
    Annotated[Event, Field(discriminator="kind")],
    config=ConfigDict(allow_inf_nan=False, ser_json_inf_nan="constants"),
)


def phase_key(name: str, scenario: str | None) -> str:
    """Return the key of a phase: its name, and its scenario if it has one."""
    return name if scenario is None else f"{name} / {scenario}"


def to_line(event: Event) -> bytes:
    """Write an event as one compact JSON object."""
    return event_adapter.dump_json(event)
