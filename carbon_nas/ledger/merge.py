"""Several ledgers as one account: joined by machine and component, and no joule of a device counted twice.

Two recorders on one machine each meter the whole of its devices. Where their phases overlap in time, the same joules
stand in both ledgers, and a sum over them would be wrong without a sign of it. Such a sum is refused, or the joules of
the overlap are attributed by a rule that is named. Components that count what their own process used and nothing else
never overlap.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import combinations
from pathlib import Path

from carbon_nas.errors import LedgerOverlap
from carbon_nas.ledger.records import Session
from carbon_nas.ledger.run import Activity, Run

__all__ = ["Attribution", "Device", "Merged", "Overlap", "merge"]


class Overlap(StrEnum):
    """What to do with joules that stand in two ledgers.

    With `SPLIT` and `FIRST`, the power of each phase is taken as even from its beginning to its end.
    """

    REFUSE = "refuse"
    SPLIT = "split"  # Each of those that overlap keeps an equal share of what it metered.
    FIRST = "first"  # The ledger that was begun first keeps what it metered, the others nothing.


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Device:
    """A component of a machine; `node` is empty where the ledger does not say which machine."""

    node: str
    component: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribution:
    """Energy of a phase that was taken out of it, because another ledger counts it. The ledger keeps the original.

    Attributes:
        ledger: where the phase stands.
        beside: the other ledgers that metered this device meanwhile.
        shared_s: for how long they did.
        metered_j: what the ledger says.
        energy_j: what is left.
    """

    ledger: Path
    phase: str
    component: str
    rule: Overlap
    beside: tuple[Path, ...]
    shared_s: float
    metered_j: float
    energy_j: float

    def __str__(self) -> str:
        others = ", ".join(path.name for path in self.beside)
        return (
            f"{self.ledger.name}, phase {self.phase!r}: {self.energy_j:.6g} J of the {self.metered_j:.6g} J metered of "
            f"{self.component}, by the rule '{self.rule}', as {others} metered it too for {self.shared_s:.6g} s"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """Ledgers side by side, after what was counted twice is settled.

    Attributes:
        runs: as they were given, with attributed energies in their activities where there was an overlap.
        attributions: every energy that is not what the ledger says.
        energy_j: joules per device over all activities, lost attempts included; None if one of them is not known.
        not_placed: ledgers that do not say on which machine or when they ran, so that nobody can tell whether they
            overlap with another one.
    """

    runs: tuple[Run, ...]
    attributions: tuple[Attribution, ...]
    energy_j: Mapping[Device, float | None]
    not_placed: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    begin_s: float
    end_s: float
    run: int
    activity: int


# Monotonic clocks agree within one boot of one kernel, whatever containers call their machine.
_Line = tuple[str, str]
# Run, activity, component.
_Cell = tuple[int, int, str]


def merge(runs: Sequence[Run], *, overlap: Overlap = Overlap.REFUSE) -> Merged:
    """Join ledgers by machine and component.

    Ledgers overlap where phases of two of them, finished or lost, ran at the same time on the same device. Times are
    compared on the monotonic clock of one boot; where a system does not number its boots, on the wall clock.

    Args:
        runs: one per ledger.
        overlap: what to do with joules that stand in two of them.

    Raises:
        LedgerOverlap: if two ledgers overlap and no rule was asked for.
    """
    taken_fraction: defaultdict[_Cell, float] = defaultdict(float)
    shared_s: defaultdict[_Cell, float] = defaultdict(float)
    beside: defaultdict[_Cell, set[int]] = defaultdict(set)
    for (line, component), stretches in _timelines(runs).items():
        ranks = _ranks(runs, line)
        for seconds, at_once in _overlaps(stretches):
            ledgers = {stretch.run for stretch in at_once}
            if overlap is Overlap.REFUSE:
                raise _refusal(runs, component, stretches, ledgers)
            keeper = min(ledgers, key=ranks.__getitem__)
            for stretch in at_once:
                key = (stretch.run, stretch.activity, component)
                share = 1 / len(ledgers) if overlap is Overlap.SPLIT else float(stretch.run == keeper)
                taken_fraction[key] += seconds / (stretch.end_s - stretch.begin_s) * (1 - share)
                shared_s[key] += seconds
                beside[key].update(ledgers - {stretch.run})
    attributions: list[Attribution] = []
    changed: dict[tuple[int, int], dict[str, float | None]] = {}
    for key, fraction in sorted(taken_fraction.items()):
        number, place, component = key
        activity = runs[number].activities[place]
        metered_j = activity.energy_j[component]
        if metered_j is None or fraction == 0:
            continue
        energy_j = metered_j * max(0.0, 1 - fraction)
        changed.setdefault((number, place), dict(activity.energy_j))[component] = energy_j
        attributions.append(
            Attribution(
                ledger=runs[number].path,
                phase=activity.phase,
                component=component,
                rule=overlap,
                beside=tuple(runs[other].path for other in sorted(beside[key])),
                shared_s=shared_s[key],
                metered_j=metered_j,
                energy_j=energy_j,
            )
        )
    settled = tuple(_settle(run, number, changed) for number, run in enumerate(runs))
    return Merged(
        runs=settled,
        attributions=tuple(attributions),
        energy_j=_totals(settled),
        not_placed=tuple(run.path for run in runs if not all(_place(run, part) for part in run.activities)),
    )


def _session(run: Run, activity: Activity) -> Session | None:
    return run.sessions[activity.session] if activity.session < len(run.sessions) else None


def _place(run: Run, activity: Activity) -> tuple[_Line, float] | None:
    # The time line a phase lies on, and what to add to its seconds there; None if that cannot be told.
    session = _session(run, activity)
    if session is None or activity.began_s is None or activity.ended_s is None:
        return None
    if session.boot:
        return ("boot", session.boot), 0.0
    if not session.node:
        return None
    return ("node", session.node), _wall_s(session) - session.time_s


def _wall_s(session: Session) -> float:
    return datetime.fromisoformat(session.utc).timestamp()


def _timelines(runs: Sequence[Run]) -> dict[tuple[_Line, str], list[_Stretch]]:
    lines: dict[tuple[_Line, str], list[_Stretch]] = {}
    for number, run in enumerate(runs):
        whole = [{part.name for part in session.components if not part.own} for session in run.sessions]
        for index, activity in enumerate(run.activities):
            placed = _place(run, activity)
            if placed is None or activity.began_s is None or activity.ended_s is None:
                continue
            line, offset_s = placed
            if activity.ended_s <= activity.began_s:
                continue
            stretch = _Stretch(
                begin_s=offset_s + activity.began_s, end_s=offset_s + activity.ended_s, run=number, activity=index
            )
            for component in activity.energy_j.keys() & whole[activity.session]:
                lines.setdefault((line, component), []).append(stretch)
    return lines


def _ranks(runs: Sequence[Run], line: _Line) -> dict[int, tuple[float, int]]:
    ranks = {}
    for number, run in enumerate(runs):
        kind, name = line
        begun = [
            session.time_s if kind == "boot" else _wall_s(session)
            for session in run.sessions
            if name == (session.boot if kind == "boot" else session.node)
        ]
        if begun:
            ranks[number] = (min(begun), number)
    return ranks


def _overlaps(stretches: Sequence[_Stretch]) -> Iterator[tuple[float, tuple[_Stretch, ...]]]:
    # Between two neighbouring edges the same phases run: a sweep from edge to edge sees each stretch of time once.
    if len({stretch.run for stretch in stretches}) < 2:
        return
    edges = sorted(
        [(stretch.begin_s, 1, number) for number, stretch in enumerate(stretches)]
        + [(stretch.end_s, 0, number) for number, stretch in enumerate(stretches)]
    )
    running: dict[int, _Stretch] = {}
    ledgers: Counter[int] = Counter()
    before_s = edges[0][0]
    for now_s, begins, number in edges:
        if now_s > before_s and len(ledgers) > 1:
            yield now_s - before_s, tuple(running.values())
        before_s = now_s
        stretch = stretches[number]
        if begins:
            running[number] = stretch
            ledgers[stretch.run] += 1
        else:
            del running[number]
            ledgers[stretch.run] -= 1
            if not ledgers[stretch.run]:
                del ledgers[stretch.run]


def _refusal(runs: Sequence[Run], component: str, stretches: Sequence[_Stretch], ledgers: set[int]) -> LedgerOverlap:
    one, other = next(combinations(sorted(ledgers), 2))
    pair = [stretch for stretch in stretches if stretch.run in (one, other)]
    seconds = sum(shared_s for shared_s, _ in _overlaps(pair))
    return LedgerOverlap(
        f"they metered {component} of one machine at the same time for {seconds:.6g} s, so that a sum would count its "
        "joules twice",
        where=f"{runs[one].path} and {runs[other].path}",
        cure="leave one of them out, or name a rule: --on-overlap split, or first",
    )


def _settle(run: Run, number: int, changed: Mapping[tuple[int, int], Mapping[str, float | None]]) -> Run:
    activities = tuple(
        replace(activity, energy_j=changed[number, place]) if (number, place) in changed else activity
        for place, activity in enumerate(run.activities)
    )
    return replace(run, activities=activities)


def _totals(runs: Sequence[Run]) -> dict[Device, float | None]:
    totals: dict[Device, float | None] = {}
    for run in runs:
        for activity in run.activities:
            session = _session(run, activity)
            for component, energy_j in activity.energy_j.items():
                device = Device(node="" if session is None else session.node, component=component)
                before_j = totals.get(device, 0.0)
                totals[device] = None if before_j is None or energy_j is None else before_j + energy_j
    return dict(sorted(totals.items()))
