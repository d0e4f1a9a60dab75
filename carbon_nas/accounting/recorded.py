"""What accounting needs of a recorded run. The ledger's `Run` has it, and so can any importer's."""

# ruff: noqa: D102  Here is only what there must be; the records say what it is.

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from carbon_nas.sources import Tier

__all__ = [
    "RecordedActivity",
    "RecordedComponent",
    "RecordedHeader",
    "RecordedMeasurement",
    "RecordedRun",
    "RecordedSession",
]


class RecordedComponent(Protocol):
    """What was metered."""

    @property
    def tier(self) -> Tier: ...


class RecordedMeasurement(Protocol):
    """What is known about one component in one activity."""

    @property
    def component(self) -> str: ...
    @property
    def energy_j(self) -> float | None: ...
    @property
    def low_j(self) -> float | None: ...
    @property
    def high_j(self) -> float | None: ...
    @property
    def random_u_j(self) -> float | None: ...
    @property
    def systematic_u_j(self) -> float | None: ...
    @property
    def attributed_j(self) -> float | None: ...
    @property
    def complete(self) -> bool: ...


class RecordedActivity(Protocol):
    """One metered stretch of work."""

    @property
    def phase(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def scenario(self) -> str | None: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def energy_j(self) -> Mapping[str, float | None]: ...
    @property
    def device_s(self) -> Mapping[str, float | None]: ...
    @property
    def steps(self) -> int | None: ...
    @property
    def macs(self) -> int | None: ...
    @property
    def wasted(self) -> bool: ...
    @property
    def rest_max_j(self) -> Mapping[str, float | None]: ...
    @property
    def measured(self) -> Iterable[RecordedMeasurement]: ...
    @property
    def began_s(self) -> float | None: ...
    @property
    def ended_s(self) -> float | None: ...
    @property
    def session(self) -> int: ...
    @property
    def images(self) -> int | None: ...


class RecordedSession(Protocol):
    """One process: where its monotonic clock stood by the wall clock."""

    @property
    def utc(self) -> str: ...
    @property
    def time_s(self) -> float: ...


class RecordedHeader(Protocol):
    """Whose run it is."""

    @property
    def strategy(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def role(self) -> str: ...


class RecordedRun(Protocol):
    """What a statement needs of a run: the ledger's `Run` has it, and so can any importer's."""

    @property
    def header(self) -> RecordedHeader: ...
    @property
    def activities(self) -> Iterable[RecordedActivity]: ...
    @property
    def components(self) -> Mapping[str, RecordedComponent]: ...
    @property
    def sessions(self) -> Sequence[RecordedSession]: ...
