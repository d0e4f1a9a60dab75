"""Whether the numbers of a ledger follow from its own readings: ends minus beginnings, phase by phase."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from carbon_nas.ledger.records import Event, Header, Outcome, PhaseBegin, PhaseEnd, Pulse, Saved, Session, Waste
from carbon_nas.meters.base import Component, Reading, spent
from carbon_nas.meters.measurement import charged, measure_all

__all__ = ["Arithmetic"]

_What = Literal["energy_j", "device_s"]
_QUANTITIES: tuple[_What, ...] = ("energy_j", "device_s")
_Used = Mapping[str, float | None]

# A difference of two readings is one operation, and has to fit to the last bit. Sums of several parts depend on their
# order: this much of the largest number in them, which is a thousand times what the order can do, and no joule.
_ROUNDING = 1e-12


class _Underway:
    """A phase that has begun, with what finished phases within it used."""

    def __init__(self, begin: PhaseBegin) -> None:
        self.begin, self.last, self.last_time_s = begin, begin.readings, begin.time_s
        self.outlived = False
        self.saved: str | None = None
        self.inner: dict[_What, list[_Used]] = {what: [] for what in _QUANTITIES}

    def used(self, what: _What) -> dict[str, float | None]:
        return spent(self.begin.readings, self.last, what)


class Arithmetic:
    """Derives what every phase used from its readings, and compares it with what was written down.

    Energy, device time and measurements are compared exactly; what phases within a phase left of them, up to the
    rounding of a sum. Two things cannot be derived and are held against their bounds only: device time where phases of
    other threads were charged for a part of it, and what is left of a phase that ended, or kept its state, before the
    end of one that began in it. What an attempt goes on from has to be the last state of one that was lost.
    """

    def __init__(self) -> None:
        self._nests = True
        self._components: tuple[Component, ...] = ()
        self._open: dict[str, _Underway] = {}
        self._saved: dict[str, list[str]] = {}

    def take(self, event: Event) -> str | None:
        """Take the next event of a ledger, in order.

        Returns:
            What does not fit, in words; None if all does.
        """
        match event:
            case Header():
                self._nests = event.schema > 1
            case Session():
                self._components = event.components
                for key in list(self._open):
                    self._lose(key)
            case PhaseBegin():
                for key in [key for key in self._open if key == event.phase or not self._nests]:
                    self._lose(key)
                self._see(event)
                self._open[event.phase] = _Underway(event)
                if not self._goes_on(event):
                    return f"phase {event.phase!r} resumes from a state that no lost attempt at it kept last"
            case Pulse():
                self._see(event)
            case Saved() | PhaseEnd() | Waste():
                return self._of_accounted(event)
            case _:
                pass
        return None

    def _of_accounted(self, event: Saved | PhaseEnd | Waste) -> str | None:
        if not isinstance(event, Waste):
            self._see(event)
        running = self._open.get(event.phase)
        if running is None:
            return (
                f"phase {event.phase!r} {'keeps its state' if isinstance(event, Saved) else 'ends'} without having "
                "begun"
            )
        words = next(self._of_waste(event) if isinstance(event, Waste) else self._of_edge(event), None)
        if words is not None:
            return f"phase {event.phase!r}: {words}"
        if isinstance(event, Saved):
            running.saved = event.artefact_hash
        elif isinstance(event, PhaseEnd) and event.outcome is Outcome.DONE:
            self._saved.pop(event.phase, None)
            self._close(event.phase, self._gross(event))
        else:
            self._lose(event.phase, self._gross(event))
        return None

    def _lose(self, key: str, gross: Mapping[_What, _Used] | None = None) -> None:
        running = self._open[key]
        if running.saved is not None:
            self._saved.setdefault(key, []).append(running.saved)
        self._close(key, gross or {what: running.used(what) for what in _QUANTITIES})

    def _goes_on(self, event: PhaseBegin) -> bool:
        chain = self._saved.get(event.phase, [])
        while chain and chain[-1] != event.resumes:
            chain.pop()
        return event.resumes is None or bool(chain)

    def _see(self, event: Pulse | PhaseBegin | Saved | PhaseEnd) -> None:
        # Readings are good for every phase that is running; a heartbeat that was sent late is not.
        for running in self._open.values():
            if event.time_s >= running.last_time_s:
                running.last, running.last_time_s = event.readings, event.time_s

    def _of_edge(self, event: Saved | PhaseEnd) -> Iterator[str]:
        running = self._open[event.phase]
        began = running.begin.readings
        lasted_s = event.time_s - running.begin.time_s
        if not _near(event.duration_s, lasted_s, (event.time_s,)):
            yield _unlike("duration_s", event.duration_s, lasted_s)
        gross = {what: spent(began, event.readings, what) for what in _QUANTITIES}
        charged = {name: _charged(used, event.foreign_j.get(name, 0.0)) for name, used in gross["energy_j"].items()}
        yield from _compare("energy_j", event.energy_j, charged)
        yield from (_within if event.foreign_j else _compare)("device_s", event.device_s, gross["device_s"])
        if event.measured:
            yield from self._of_measured(event, began)
        unsettled = self._encloses(running)
        if unsettled and isinstance(event, PhaseEnd):
            self._outlive(running)
        scale = _scale(began, event.readings)
        written: tuple[tuple[str, _What, _Used, _Used], ...] = (
            ("own_j", "energy_j", event.own_j, event.energy_j),
            ("own_device_s", "device_s", event.own_device_s, event.device_s),
        )
        for name, what, own, whole in written:
            if own and (running.outlived or unsettled):
                yield from _within(name, own, whole)
            elif own:
                yield from _compare(name, own, whole, running.inner[what], scale)
            elif running.inner[what]:
                yield f"{name} is missing, and phases ran within it"

    def _of_measured(self, event: Saved | PhaseEnd, began: tuple[Reading, ...]) -> Iterator[str]:
        derived = {
            part.component: part for part in measure_all(self._components, began, event.readings, event.duration_s)
        }
        if [part.component for part in event.measured] != list(derived):
            yield "other components are measured than the session has"
            return
        for kept in event.measured:
            right, foreign_j = derived[kept.component], event.foreign_j.get(kept.component, 0.0)
            if event.foreign_j:
                # The device seconds that others were charged are not written down.
                right = replace(charged(right, foreign_j, 0.0), device_s=event.device_s.get(kept.component))
            if kept != right:
                name = next(name for name in kept.__slots__ if getattr(kept, name) != getattr(right, name))
                yield _unlike(f"measured {name} of {kept.component}", getattr(kept, name), getattr(right, name))

    def _encloses(self, phase: _Underway) -> bool:
        return any(other.begin.parent == phase.begin.phase for other in self._open.values())

    def _outlive(self, ending: _Underway) -> None:
        # What a phase that goes on had used when the one around it ended is not written down.
        around: _Underway | None = ending
        while around is not None and not around.outlived:  # No line may name itself as what is around it.
            around.outlived = True
            around = self._open.get(around.begin.parent or "")

    def _of_waste(self, event: Waste) -> Iterator[str]:
        running = self._open[event.phase]
        lasted_s = running.last_time_s - running.begin.time_s
        if not _near(event.seen_duration_s, lasted_s, (running.last_time_s,)):
            yield _unlike("seen_duration_s", event.seen_duration_s, lasted_s)
        within = [other for other in self._open.values() if other.begin.parent == event.phase]
        scale = _scale(running.begin.readings, running.last)
        seen: tuple[tuple[_What, _Used], ...] = (("energy_j", event.seen_energy_j), ("device_s", event.seen_device_s))
        for what, kept in seen:
            inner = [*running.inner[what], *(other.used(what) for other in within)]
            yield from _compare(f"seen_{what}", kept, running.used(what), inner, scale)
        yield from _compare("rest_max_j", event.rest_max_j, self._rest_max_j(event.rest_max_s))

    def _gross(self, event: PhaseEnd | Waste) -> Mapping[_What, _Used]:
        if isinstance(event, PhaseEnd):
            return {"energy_j": event.energy_j, "device_s": event.device_s}
        return {what: self._open[event.phase].used(what) for what in _QUANTITIES}

    def _rest_max_j(self, rest_max_s: float | None) -> _Used:
        if rest_max_s == 0.0:  # The rest is charged to a phase within this one.
            return {part.name: 0.0 for part in self._components}
        return {
            part.name: None if part.power_max_w is None or rest_max_s is None else part.power_max_w * rest_max_s
            for part in self._components
        }

    def _close(self, key: str, gross: Mapping[_What, _Used]) -> None:
        around = self._open.get(self._open.pop(key).begin.parent or "")
        if around is not None:
            for what, used in gross.items():
                around.inner[what].append(used)


def _scale(*readings: Sequence[Reading]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for reading in (reading for some in readings for reading in some):
        sizes = (abs(value) for value in (reading.energy_j, reading.device_s) if value is not None)
        largest[reading.component] = max(largest.get(reading.component, 0.0), *sizes, 0.0)
    return largest


def _charged(used: float | None, foreign: float) -> float | None:
    return None if used is None else max(0.0, used - foreign) if foreign else used


def _within(name: str, kept: _Used, whole: _Used) -> Iterator[str]:
    for component in sorted(kept.keys() | whole.keys()):
        value, most = kept.get(component), whole.get(component)
        if value is not None and most is not None and not -_ROUNDING * most <= value <= most * (1 + _ROUNDING):
            yield f"{name} of {component} is written as {value}, and is between 0 and {most}"


def _compare(
    name: str, kept: _Used, whole: _Used, less: Sequence[_Used] = (), scale: Mapping[str, float] = MappingProxyType({})
) -> Iterator[str]:
    for component in sorted(kept.keys() | whole.keys()):
        place = f"{name} of {component}"
        if component not in kept or component not in whole:
            yield f"{place} is {'written but was never read' if component in kept else 'missing'}"
            continue
        parts = [part.get(component, 0.0) for part in less]
        derived = _less(whole[component], parts)
        value = kept[component]
        fits = value == derived
        if parts and value is not None and derived is not None:
            sizes = (scale.get(component, 0.0), *(abs(part) for part in parts if part is not None))
            # Rounding must not turn an energy negative, so what is next to nothing may have been cut off at zero.
            fits = _near(value, derived, sizes) or (value == 0.0 and derived < 0.0)
        if not fits:
            yield _unlike(place, value, derived)


def _less(whole: float | None, parts: Iterable[float | None]) -> float | None:
    for part in parts:
        whole = None if whole is None or part is None else whole - part
    return whole


def _near(one: float, other: float, sizes: Iterable[float]) -> bool:
    return abs(one - other) <= _ROUNDING * max(abs(one), abs(other), *map(abs, sizes))


def _unlike(place: str, kept: float | None, derived: float | None) -> str:
    return f"{place} is written as {_word(kept)}, and follows as {_word(derived)}"


def _word(value: float | None) -> str:
    return "not known" if value is None else str(value)
