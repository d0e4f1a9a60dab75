"""For how long hardware was held for what: every second belongs to one activity, the innermost that ran in it."""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Protocol

__all__ = ["Timed", "own_seconds"]


class Timed(Protocol):
    """Something that ran for a while."""

    @property
    def duration_s(self) -> float:
        """Seconds from edge to edge."""
        ...

    @property
    def began_s(self) -> float | None:
        """Its first edge; None if it is not known."""
        ...

    @property
    def ended_s(self) -> float | None:
        """Its last edge; None if it is not known."""
        ...

    @property
    def session(self) -> int:
        """Whose clock the edges are on."""
        ...


def own_seconds(activities: Sequence[Timed]) -> tuple[float, ...]:
    """Return for each activity the seconds in which nothing that began after it ran beside or within it.

    Their sum is the time in which anything ran at all, so nothing that goes by the clock is counted twice. Activities
    whose edges are not known keep their duration. Times of different sessions have nothing to do with one another.
    """
    own_s = [0.0 if _placed(one) else one.duration_s for one in activities]
    for session in {one.session for one in activities if _placed(one)}:
        spans = sorted(
            (one.began_s or 0.0, one.ended_s or 0.0, number)
            for number, one in enumerate(activities)
            if one.session == session and _placed(one)
        )
        _share(spans, own_s)
    return tuple(own_s)


def _placed(one: Timed) -> bool:
    return one.began_s is not None and one.ended_s is not None


def _share(spans: Sequence[tuple[float, float, int]], own_s: list[float]) -> None:
    # A sweep over time: the heap holds what runs, the latest to begin first; among equals the one that ends first.
    running: list[tuple[float, float, int]] = []
    now_s = float("-inf")

    def advance(until_s: float) -> None:
        nonlocal now_s
        while running and now_s < until_s:
            _, ended_s, number = running[0]
            if ended_s <= now_s:
                heappop(running)
                continue
            reached_s = min(ended_s, until_s)
            own_s[number] += reached_s - now_s
            now_s = reached_s
        now_s = until_s

    for began_s, ended_s, number in spans:
        advance(began_s)
        heappush(running, (-began_s, ended_s, number))
    advance(max((ended_s for _, ended_s, _ in spans), default=now_s))
