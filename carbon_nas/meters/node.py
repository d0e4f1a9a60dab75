"""The books of nested windows: who was charged for what."""

from collections.abc import Iterable, Sequence
from math import nan

from carbon_nas.meters.base import Reading

__all__ = ["Node", "amounts"]


def amounts(readings: Sequence[Reading]) -> list[float]:
    """Return the joules of all components, then their device seconds; NaN for what is not known."""
    return [
        *(nan if reading.energy_j is None else reading.energy_j for reading in readings),
        *(nan if reading.device_s is None else reading.device_s for reading in readings),
    ]


class Node:
    """A place in the tree of open windows. Amounts are joules and device seconds of all components; NaN: not known.

    Whether it is open is for `Metering` to know. Every step here can be done again with the same amounts, so that an
    interrupt in between leaves nothing half done.

    Attributes:
        parent: the node around it; None for an outermost one.
        begin: the amounts at its begin.
        inner: what nodes within it were credited with.
        enclosing: whether there was any.
        credited: what the nodes around it know of.
        foreign: what was charged to windows beside it.
    """

    __slots__ = ("begin", "credited", "enclosing", "foreign", "inner", "parent")

    def __init__(self, parent: "Node | None", begin: list[float]) -> None:
        self.parent, self.begin, self.enclosing = parent, begin, False
        self.inner = self.credited = self.foreign = [0.0] * len(begin)

    def gross(self, now: list[float]) -> list[float]:
        """Return its amounts from its begin to now, without what is charged to windows beside it."""
        return [end - begin - other for end, begin, other in zip(now, self.begin, self.foreign, strict=True)]

    def own(self, now: list[float], children: Iterable["Node"]) -> list[float]:
        """Return its own amounts so far, without those of the nodes within it that are open; nothing is settled."""
        own = [whole - part for whole, part in zip(self.gross(now), self.inner, strict=True)]
        for child in children:
            fresh = zip(child.gross(now), child.credited, strict=True)
            own = [mine - (gross - told) for mine, (gross, told) in zip(own, fresh, strict=True)]
        return own

    def close(self, now: list[float], children: Iterable["Node"]) -> list[float]:
        """Settle with the windows around and within; return its own amounts."""
        for child in children:
            # A child of another thread outlives its parent: what it used so far is settled, it moves up.
            child.credit(child.gross(now), self)
            child.parent = self.parent
        gross = self.gross(now)
        if self.parent is not None:
            self.credit(gross, self.parent)
        return [whole - part for whole, part in zip(gross, self.inner, strict=True)]

    def credit(self, gross: list[float], to: "Node") -> None:
        """Tell the window around it what it used so far, as far as that was not told yet."""
        fresh = [now - before for now, before in zip(gross, self.credited, strict=True)]
        inner = [sum(pair) for pair in zip(to.inner, fresh, strict=True)]
        # In one step: what was credited is never credited again.
        to.inner, to.enclosing, self.credited = inner, True, gross
