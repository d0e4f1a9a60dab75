"""Attempts at phases, and what of those that were lost is not lost: what they did up to the last state they kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from carbon_nas.ledger.records import PhaseBegin, Saved, TrainerLog
from carbon_nas.ledger.run import Activity
from carbon_nas.ledger.underway import OpenPhase, less
from carbon_nas.meters.base import Component
from carbon_nas.meters.measurement import Measurement, charged, measure_all

__all__ = ["Attempts"]

_Attempt = tuple[str, int]
_Used = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Link:
    """An attempt that was lost after it had kept a state; `place` is where its activities stand."""

    saved: Saved
    attempt: _Attempt
    place: int
    whole: Activity


class Attempts:
    """The attempts that came to an end, one way or the other, in that order.

    A lost attempt that had kept a state counts in two: a part of the phase up to there, and waste after it. If the next
    attempt at the phase does not go on from that state, all of it is waste.
    """

    def __init__(self) -> None:
        self._ended: list[tuple[Activity, ...]] = []
        self._chains: dict[str, list[_Link]] = {}
        self._logs: list[tuple[TrainerLog, _Attempt | None, int]] = []
        # Of each attempt that counts, how many of its saved states do: what it logged before the last of them is kept.
        self._counted: dict[_Attempt, float] = {}

    @property
    def activities(self) -> tuple[Activity, ...]:
        """Every activity, parts beside the waste of the same attempt."""
        return tuple(activity for parts in self._ended for activity in parts)

    @property
    def epochs(self) -> tuple[TrainerLog, ...]:
        """What was logged and not done again: by finished attempts, and by lost ones before their last saved state."""
        return tuple(
            log for log, attempt, saves in self._logs if attempt is not None and saves < self._counted.get(attempt, 0)
        )

    def saved(self, running: Iterable[OpenPhase]) -> Mapping[str, Saved]:
        """Return the last state of each phase that is not done.

        Args:
            running: phases that have begun and have no end.
        """
        found = {phase: chain[-1].saved for phase, chain in self._chains.items() if chain}
        return found | {phase.begin.phase: phase.saved for phase in running if phase.saved is not None}

    def log(self, event: TrainerLog, running: OpenPhase | None) -> None:
        """Take what a phase logged, for as long as its attempt counts."""
        attempt, saves = (None, 0) if running is None else (running.attempt, running.saves)
        self._logs.append((event, attempt, saves))

    def begin(self, event: PhaseBegin) -> None:
        """Take another attempt at a phase: what it does not go on from was in vain."""
        chain = self._chains.get(event.phase, [])
        while chain and chain[-1].saved.artefact_hash != event.resumes:
            given_up = chain.pop()
            self._ended[given_up.place] = (given_up.whole,)
            self._counted.pop(given_up.attempt, None)

    def end(
        self,
        running: OpenPhase,
        whole: Activity,
        foreign_j: Mapping[str, float],
        components: Sequence[Component],
    ) -> None:
        """Take the end of an attempt.

        Args:
            running: the attempt up to its last reading.
            whole: all of it.
            foreign_j: what phases of other threads were charged meanwhile.
            components: what was metered.
        """
        phase = running.begin.phase
        if not whole.wasted:
            self._chains.pop(phase, None)
            self._counted[running.attempt] = inf
        elif running.saved is not None:
            link = _Link(saved=running.saved, attempt=running.attempt, place=len(self._ended), whole=whole)
            self._chains.setdefault(phase, []).append(link)
            self._counted[running.attempt] = running.saves
            part = _part(running.saved, whole)
            rest = _rest(running.saved, whole, part)
            if whole.measured:
                rest = replace(rest, measured=_measured(running, whole, foreign_j, components))
            self._ended.append((part, rest))
            return
        self._ended.append((whole,))


def _part(saved: Saved, whole: Activity) -> Activity:
    return replace(
        whole,
        duration_s=saved.duration_s,
        energy_j=saved.own_j or saved.energy_j,
        device_s=saved.own_device_s or saved.device_s,
        steps=saved.steps,
        macs=saved.macs,
        wasted=False,
        partial=True,
        rest_max_j={},
        artefact_hash=saved.artefact_hash,
        measured=saved.measured,
        nested=bool(saved.own_j),
        shared_with_threads=bool(saved.foreign_j),
        ended_s=saved.time_s,
        images=None,
    )


def _rest(saved: Saved, whole: Activity, part: Activity) -> Activity:
    return replace(
        whole,
        duration_s=max(0.0, whole.duration_s - part.duration_s),
        energy_j=_without(whole.energy_j, part.energy_j),
        device_s=_without(whole.device_s, part.device_s),
        steps=_difference(whole.steps, part.steps),
        macs=_difference(whole.macs, part.macs),
        began_s=saved.time_s,
    )


def _measured(
    running: OpenPhase, whole: Activity, foreign_j: Mapping[str, float], components: Sequence[Component]
) -> tuple[Measurement, ...]:
    """Measure from the last saved state to the end."""
    saved = running.saved
    if saved is None:
        return whole.measured
    rest = measure_all(components, saved.readings, running.last_readings, running.last_time_s - saved.time_s)
    if not foreign_j:
        return rest
    device_s = _without(
        {part.component: part.device_s for part in whole.measured},
        {part.component: part.device_s for part in saved.measured},
    )
    return tuple(
        replace(
            charged(part, foreign_j.get(part.component, 0.0) - saved.foreign_j.get(part.component, 0.0), 0.0),
            device_s=device_s.get(part.component),
        )
        for part in rest
    )


def _without(whole: _Used, part: _Used) -> dict[str, float | None]:
    return {name: less(value, part.get(name, 0.0)) for name, value in whole.items()}


def _difference(whole: int | None, part: int | None) -> int | None:
    return None if whole is None or part is None else whole - part
