"""A recorded ledger as a meter: the same joules again, on a clock of one's own. It ships with the product."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from carbon_nas.errors import MeterError
from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.clock import Clock
from carbon_nas.sources import Tier

__all__ = ["ReplayMeter"]

_READINGS = {"phase_begin", "phase_end", "heartbeat"}


class ReplayMeter:
    """Plays back what a session of a ledger read: traces, heartbeats and phase edges, with straight lines in between.

    Its time begins at the first recorded reading when the meter is made, and it stands still after the last. The chain
    of the ledger is not checked here; `ledger.read_events` does that.

    Args:
        path: the ledger.
        clock: what tells the time of the replay.
        session: which of the ledger's sessions is played.

    Raises:
        MeterError: if the file cannot be read, or the session has no readings.
    """

    def __init__(self, path: Path | str, clock: Clock, *, session: int = 0) -> None:
        try:
            with Path(path).open(encoding="utf-8") as file:
                events = list(_of_session(map(json.loads, file), session))
        except (OSError, ValueError) as error:
            raise MeterError(f"this ledger cannot be played back ({error})", where=str(path)) from error
        self._tracks = _tracks(events)
        if not self._tracks:
            raise MeterError(
                f"there is nothing to play back: session {session} of this ledger has no readings", where=str(path)
            )
        self.components: tuple[Component, ...] = tuple(
            _replayed(part) for part in events[0]["components"] if part["name"] in self._tracks
        )
        self._clock, self._start_s = clock, clock.monotonic_s()
        self._first_s = min(times_s[0] for times_s, _ in self._tracks.values())

    @property
    def duration_s(self) -> float:
        """How long the recording is."""
        return max(times_s[-1] for times_s, _ in self._tracks.values()) - self._first_s

    def read(self) -> tuple[Reading, ...]:
        """Return the recorded joules of this moment, counted from the first reading."""
        elapsed_s = self._clock.monotonic_s() - self._start_s
        return tuple(self._reading(part.name, self._first_s + elapsed_s, elapsed_s) for part in self.components)

    def _reading(self, name: str, at_s: float, elapsed_s: float) -> Reading:
        times_s, energies_j = self._tracks[name]
        after = bisect_right(times_s, at_s)
        if after == 0:
            energy_j = energies_j[0]
        elif after == len(times_s):
            energy_j = energies_j[-1]
        else:
            begin_s, end_s = times_s[after - 1], times_s[after]
            share = (at_s - begin_s) / (end_s - begin_s)
            energy_j = energies_j[after - 1] + share * (energies_j[after] - energies_j[after - 1])
        return Reading(component=name, energy_j=energy_j - energies_j[0], device_s=elapsed_s)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


def _of_session(lines: Iterable[dict[str, Any]], session: int) -> Iterable[dict[str, Any]]:
    number = -1
    for line in lines:
        number += line["kind"] == "session"
        if number == session:
            yield line


def _tracks(events: Iterable[Mapping[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    points: dict[str, dict[float, float]] = {}
    for event in events:
        if event["kind"] == "trace":
            found = [(event["component"], *point) for point in zip(event["times_s"], event["energies_j"], strict=True)]
        elif event["kind"] in _READINGS:
            found = [(reading["component"], event["time_s"], reading["energy_j"]) for reading in event["readings"]]
        else:
            continue
        for component, time_s, energy_j in found:
            if energy_j is not None:
                points.setdefault(component, {})[time_s] = energy_j
    tracks = {}
    for component, at in points.items():
        times_s = sorted(at)
        # Threads write down what they read in any order; the counter itself never fell.
        energies_j: list[float] = []
        for time_s in times_s:
            energies_j.append(max(at[time_s], energies_j[-1] if energies_j else at[time_s]))
        tracks[component] = (times_s, energies_j)
    return tracks


def _replayed(said: Mapping[str, Any]) -> Component:
    part = Component(**{**said, "tier": Tier(said["tier"])})
    return replace(part, method=f"replayed from a ledger: {part.method}", sampling_s=None)
