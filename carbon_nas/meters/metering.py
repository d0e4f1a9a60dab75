"""Windows over meters: nested, from several threads, and never stopped by a meter.

A window's energy is the difference of two readings. Windows nest: the energy of a parent is its own and that of its
children. Where windows of several threads run side by side on one device, nobody can tell whose joule it was: between
any two edges the energy is shared equally among the innermost windows that are open.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan

from carbon_nas.meters.base import Component, Condition, Meter, Reading
from carbon_nas.meters.clock import Clock, SystemClock
from carbon_nas.meters.guard import Guarded
from carbon_nas.meters.measurement import Measurement, charged, measure_all
from carbon_nas.meters.node import Node, amounts

__all__ = ["Edge", "Metering", "Window"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """All components at one moment of the monotonic clock."""

    time_s: float
    readings: tuple[Reading, ...]


class Window:
    """A stretch of work, and after its end what it used.

    Attributes:
        name: what is done.
        parent: the window it runs in; None if it runs in none. If that one ends first, the one around it.
        begin: its first edge.
        end: its last edge; None while it runs.
        measured: one measurement per component, once it has ended.
        nested: whether other windows were charged for a part of it.
        foreign_j: per component, what windows of other threads were charged meanwhile and `measured` does not contain;
            empty if there were none.
    """

    def __init__(
        self,
        name: str,
        parent: "Window | None",
        begin: Edge,
        node: Node,
        account: Node | None,
        stack: "list[Window]",
    ) -> None:
        self.name, self.parent, self.begin = name, parent, begin
        self.end: Edge | None = None
        self.measured: tuple[Measurement, ...] = ()
        self._own: list[float] = []
        self.foreign_j: Mapping[str, float] = {}
        self.nested = False
        self._node, self._account, self._stack = node, account, stack

    @property
    def own_j(self) -> Mapping[str, float | None]:
        """Joules per component without the windows that ran within it; empty while it runs.

        For an accounted window, without the accounted ones: the accounts of nested windows add up to the outermost.
        """
        return self._known(self._own[: len(self.measured)])

    @property
    def own_device_s(self) -> Mapping[str, float | None]:
        """Device seconds per component, as `own_j`."""
        return self._known(self._own[len(self.measured) :])

    def _known(self, own: list[float]) -> Mapping[str, float | None]:
        # Rounding must not turn an energy negative.
        known = [None if isnan(amount) else max(0.0, amount) for amount in own]
        return dict(zip((part.component for part in self.measured), known, strict=True))

    @property
    def accounted(self) -> bool:
        """Whether its energy is charged to somebody."""
        return self._account is not None

    @property
    def duration_s(self) -> float:
        """The seconds between its edges.

        Raises:
            ValueError: while it runs.
        """
        if self.end is None:
            raise ValueError(f"window {self.name!r} is still running")
        return self.end.time_s - self.begin.time_s


class Metering:
    """Reads all meters at the edges of windows. Safe to use from several threads; inert in a forked child.

        with Metering(open_meters()) as metering, metering.window("epoch") as window:
            ...
        window.measured

    A window that begins in a thread without an open window belongs to the innermost one of the thread that made this.

    Args:
        meters: what is read; closed with this.
        clock: what tells the time.
        synchronize: called before each edge is read, so that queued device work is inside its window.
    """

    def __init__(
        self, meters: Sequence[Meter], clock: Clock | None = None, synchronize: Callable[[], None] | None = None
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._meters = tuple(Guarded(meter, self._clock) for meter in meters)
        self._synchronize = synchronize
        self.components: tuple[Component, ...] = tuple(part for meter in self._meters for part in meter.components)
        self._mutex, self._inert = threading.Lock(), False
        self._home: list[Window] = []
        self._stacks = threading.local()
        self._stacks.mine = self._home
        self._open: dict[Node, Window] = {}
        self._due: dict[Node, list[float]] = {}
        # Nothing is read before it is asked for: opening is not part of what is measured.
        self._last = Edge(time_s=self._clock.monotonic_s(), readings=())
        _METERINGS.add(self)

    def read(self) -> Edge:
        """Read every component once, outside of all windows."""
        with self._mutex:
            return self._edge()

    def conditions(self) -> tuple[Condition, ...]:
        """Ask all devices for temperature and throttling."""
        return () if self._inert else tuple(part for meter in self._meters for part in meter.conditions())

    def failures(self) -> Mapping[str, str]:
        """Return how meters failed last, by the names of their components."""
        return {
            ", ".join(part.name for part in meter.components): meter.last_error
            for meter in self._meters
            if meter.errors
        }

    @contextmanager
    def window(self, name: str) -> Iterator[Window]:
        """Meter a stretch of work."""
        window = self.begin(name)
        try:
            yield window
        finally:
            self.end(window)

    def begin(self, name: str, *, accounted: bool = False) -> Window:
        """Open a window; with `accounted`, one whose energy is charged to somebody."""
        self.synchronize()
        window: Window | None = None
        try:
            with self._mutex:
                edge, stack = self._advance(), self._stack()
                now = amounts(edge.readings)
                parent = stack[-1] if stack else self._home[-1] if self._home else None
                node = Node(None if parent is None else parent._node, now)
                account = Node(_account_around(parent), now) if accounted else None
                window = Window(name, parent, edge, node, account, stack)
                stack.append(window)
                self._open[node] = window
                return window
        except BaseException:
            # Ctrl-C: nobody holds this window, so nobody would ever close it.
            if window is not None:
                self.abandon(window)
            raise

    def end(self, window: Window) -> None:
        """Close a window and measure it; nothing if that is done. Whatever is raised, the window is closed."""
        try:
            try:
                if window.end is None:
                    self.synchronize()
            finally:
                self.abandon(window)
        except BaseException:
            # Ctrl-C may have come while it was closed.
            self.abandon(window)
            raise

    def so_far(self, window: Window) -> Window:
        """Return a closed copy of a window that goes on, with all that was begun until now inside.

        Raises:
            ValueError: if it has ended.
        """
        self.synchronize()
        with self._mutex:
            if window.end is not None:
                raise ValueError(f"window {window.name!r} has ended")
            edge = self._advance()
            now = amounts(edge.readings)
            seen = Window(window.name, window.parent, window.begin, window._node, window._account, [])
            seen.end = edge
            mine, nodes = window._node, list(self._open)
            if window._account is not None:
                mine = window._account
                nodes = [other._account for other in self._open.values() if other._account is not None]
            within = [node for node in nodes if node.parent is mine]
            seen.nested = mine.enclosing or bool(within)
            self._fill(seen, edge, mine.own(now, within))
            return seen

    def abandon(self, window: Window) -> None:
        """Close a window as it is, without waiting for queued device work. May be done again if it is interrupted."""
        with self._mutex:
            if window.end is None:
                window.end = self._advance()
            if window._node in self._open:
                self._measure(window, window.end)
            if window in window._stack:
                window._stack.remove(window)
            self._open.pop(window._node, None)

    def synchronize(self) -> None:
        """Wait for queued device work."""
        if self._synchronize is not None and not self._inert:
            self._synchronize()

    def _stack(self) -> list[Window]:
        stack: list[Window] | None = getattr(self._stacks, "mine", None)
        if stack is None:
            stack = self._stacks.mine = []
        return stack

    def _measure(self, window: Window, edge: Edge) -> None:
        node, account = window._node, window._account
        now = amounts(edge.readings)
        own = node.close(now, [other for other in self._open if other.parent is node])
        for other in self._open.values():
            if other.parent is window:
                other.parent = window.parent
        window.nested = node.enclosing
        if account is not None:
            accounts = [other._account for other in self._open.values() if other._account is not None]
            own = account.close(now, [other for other in accounts if other.parent is account])
            window.nested = account.enclosing
        self._fill(window, edge, own)

    def _fill(self, window: Window, edge: Edge, own: list[float]) -> None:
        node = window._node
        measured = measure_all(self.components, window.begin.readings, edge.readings, window.duration_s)
        if any(node.foreign):
            names, count = [part.name for part in self.components], len(self.components)
            window.foreign_j = dict(zip(names, node.foreign[:count], strict=True))
            measured = tuple(map(charged, measured, node.foreign[:count], node.foreign[count:]))
        window.measured = measured
        window._own = own

    def _edge(self) -> Edge:
        time_s = self._clock.monotonic_s()
        if self._inert:  # What a forked child would read is its parent's.
            unread = tuple(Reading(component=part.name, energy_j=None, device_s=None) for part in self.components)
            return Edge(time_s=time_s, readings=self._last.readings or unread)
        return Edge(time_s=time_s, readings=tuple(reading for meter in self._meters for reading in meter.read()))

    def _advance(self) -> Edge:
        self._settle()
        edge, due = self._edge(), {}
        if len(self._open) > 1:
            around = {node.parent for node in self._open}
            leaves = [node for node in self._open if node not in around]
            if len(leaves) > 1:
                due = self._shared(leaves, amounts(self._last.readings), amounts(edge.readings))
        # In one step: no stretch of time is shared out twice, or not at all, if Ctrl-C breaks in.
        self._last, self._due = edge, due
        self._settle()
        return edge

    def _shared(self, leaves: list[Node], was: list[float], now: list[float]) -> dict[Node, list[float]]:
        """Return what is charged to others, by node, if the leaves share equally what was used in between."""
        held = dict.fromkeys(self._open, 0)
        for leaf in leaves:
            node: Node | None = leaf
            while node is not None:
                held[node] = held.get(node, 0) + 1
                node = node.parent
        spent = [0.0 if isnan(end - begin) else end - begin for begin, end in zip(was, now, strict=True)]
        due = {}
        for node, own_leaves in held.items():
            others = (len(leaves) - own_leaves) / len(leaves)
            due[node] = [before + others * used for before, used in zip(node.foreign, spent, strict=True)]
        return due

    def _settle(self) -> None:
        for node, foreign in self._due.items():
            node.foreign = foreign
            window = self._open.get(node)
            if window is not None and window._account is not None:
                window._account.foreign = foreign
        self._due = {}

    def close(self) -> None:
        """Close the meters. May be called twice."""
        if not self._inert:
            for meter in self._meters:
                meter.close()

    def __enter__(self) -> "Metering":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def let_go(self) -> None:
        """In a forked child: read nothing any more. The mutex may have been copied while it was locked."""
        self._mutex, self._inert = threading.Lock(), True


def _account_around(window: Window | None) -> Node | None:
    while window is not None and window._account is None:
        window = window.parent
    return None if window is None else window._account


_METERINGS: "weakref.WeakSet[Metering]" = weakref.WeakSet()


def _let_go_of_all() -> None:
    for metering in list(_METERINGS):
        metering.let_go()


# Forking exists on POSIX only.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_of_all)
