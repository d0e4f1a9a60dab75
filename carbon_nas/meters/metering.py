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
from dataclasses import dataclass, replace
from math import isnan, nan

from carbon_nas.meters.base import Component, Condition, Meter, Reading
from carbon_nas.meters.clock import Clock, SystemClock
from carbon_nas.meters.guard import Guarded
from carbon_nas.meters.measurement import Measurement, measure_all

__all__ = ["Edge", "Metering", "Window"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """All components at one moment of the monotonic clock."""

    time_s: float
    readings: tuple[Reading, ...]


class _Node:
    """A place in the tree of open windows. Amounts are joules and device seconds of all components; NaN: not known."""

    __slots__ = ("begin", "children", "credited", "enclosing", "foreign", "inner", "parent")

    def __init__(self, parent: "_Node | None", begin: list[float]) -> None:
        self.parent, self.begin = parent, begin
        self.children: list[_Node] = []
        self.enclosing = False
        self.inner = self.credited = self.foreign = [0.0] * len(begin)
        if parent is not None:
            parent.children.append(self)

    def gross(self, now: list[float]) -> list[float]:
        return [end - begin - other for end, begin, other in zip(now, self.begin, self.foreign, strict=True)]

    def close(self, now: list[float]) -> list[float]:
        """Leave the tree; return its own amounts."""
        for child in self.children:
            # A child of another thread outlives its parent: what it used so far is settled, it moves up.
            child.credit(child.gross(now), self)
            child.parent = self.parent
            if self.parent is not None:
                self.parent.children.append(child)
        gross = self.gross(now)
        if self.parent is not None:
            self.credit(gross, self.parent)
            self.parent.children.remove(self)
        return [whole - part for whole, part in zip(gross, self.inner, strict=True)]

    def credit(self, gross: list[float], to: "_Node") -> None:
        fresh = [now - before for now, before in zip(gross, self.credited, strict=True)]
        to.enclosing = True
        to.inner = [sum(pair) for pair in zip(to.inner, fresh, strict=True)]
        self.credited = gross


class Window:
    """A stretch of work, and after its end what it used.

    Attributes:
        name: what is done.
        parent: the window it runs in; None if it runs in none.
        begin: its first edge.
        end: its last edge; None while it runs.
        measured: one measurement per component, once it has ended.
        own_j, own_device_s: per component, without the windows that ran within it; for an accounted window, without
            the accounted ones, so that the accounts of nested windows add up to the outermost.
        nested: whether other windows were charged for a part of it.
        foreign_j: per component, what windows of other threads were charged meanwhile and `measured` does not contain;
            empty if there were none.
    """

    def __init__(self, name: str, parent: "Window | None", begin: Edge, node: _Node, account: _Node | None) -> None:
        self.name, self.parent, self.begin = name, parent, begin
        self.end: Edge | None = None
        self.measured: tuple[Measurement, ...] = ()
        self.own_j: Mapping[str, float | None] = {}
        self.own_device_s: Mapping[str, float | None] = {}
        self.foreign_j: Mapping[str, float] = {}
        self.nested = False
        self._node, self._account = node, account

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
        self._open: dict[_Node, Window] = {}
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
        with self._mutex:
            edge = self._advance()
            stack, amounts = self._stack(), _amounts(edge)
            parent = stack[-1] if stack else self._home[-1] if self._home else None
            node = _Node(None if parent is None else parent._node, amounts)
            account = _Node(_account_around(parent), amounts) if accounted else None
            window = Window(name, parent, edge, node, account)
            self._open[node] = window
            stack.append(window)
            return window

    def end(self, window: Window) -> None:
        """Close a window and measure it. A device that fails to synchronise raises after the window is closed."""
        failure: Exception | None = None
        try:
            self.synchronize()
        except Exception as error:
            failure = error
        with self._mutex:
            edge = self._advance()
            self._close(window, edge)
        if failure is not None:
            raise failure

    def synchronize(self) -> None:
        """Wait for queued device work."""
        if self._synchronize is not None and not self._inert:
            self._synchronize()

    def _stack(self) -> list[Window]:
        stack: list[Window] | None = getattr(self._stacks, "mine", None)
        if stack is None:
            stack = self._stacks.mine = []
        return stack

    def _close(self, window: Window, edge: Edge) -> None:
        node, names = window._node, [part.name for part in self.components]
        own = node.close(_amounts(edge))
        window.nested = node.enclosing
        if window._account is not None:
            own = window._account.close(_amounts(edge))
            window.nested = window._account.enclosing
        del self._open[node]
        for stack in (self._stack(), self._home):
            if window in stack:
                stack.remove(window)
        window.end = edge
        count = len(names)
        measured = measure_all(self.components, window.begin.readings, edge.readings, window.duration_s)
        if any(node.foreign):
            window.foreign_j = dict(zip(names, node.foreign[:count], strict=True))
            measured = tuple(map(_without, measured, node.foreign[:count], node.foreign[count:]))
        window.measured = measured
        known = [None if isnan(amount) else amount for amount in own]
        window.own_j = dict(zip(names, known[:count], strict=True))
        window.own_device_s = dict(zip(names, known[count:], strict=True))

    def _edge(self) -> Edge:
        time_s = self._clock.monotonic_s()
        if self._inert:  # What a forked child would read is its parent's.
            unread = tuple(Reading(component=part.name, energy_j=None, device_s=None) for part in self.components)
            return Edge(time_s=time_s, readings=self._last.readings or unread)
        return Edge(time_s=time_s, readings=tuple(reading for meter in self._meters for reading in meter.read()))

    def _advance(self) -> Edge:
        edge, last = self._edge(), self._last
        self._last = edge
        leaves = [node for node in self._open if not node.children]
        if len(leaves) > 1:
            self._share(leaves, _amounts(last), _amounts(edge))
        return edge

    def _share(self, leaves: list[_Node], was: list[float], now: list[float]) -> None:
        held = dict.fromkeys(self._open, 0)
        for leaf in leaves:
            node: _Node | None = leaf
            while node is not None:
                held[node] += 1
                node = node.parent
        spent = [0.0 if isnan(end - begin) else end - begin for begin, end in zip(was, now, strict=True)]
        for node, own_leaves in held.items():
            others = (len(leaves) - own_leaves) / len(leaves)
            node.foreign = [before + others * used for before, used in zip(node.foreign, spent, strict=True)]
            account = self._open[node]._account
            if account is not None:
                account.foreign = node.foreign

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


def _account_around(window: Window | None) -> _Node | None:
    while window is not None and window._account is None:
        window = window.parent
    return None if window is None else window._account


def _amounts(edge: Edge) -> list[float]:
    return [
        *(nan if reading.energy_j is None else reading.energy_j for reading in edge.readings),
        *(nan if reading.device_s is None else reading.device_s for reading in edge.readings),
    ]


def _without(measured: Measurement, foreign_j: float, foreign_s: float) -> Measurement:
    def less(value: float | None, part: float) -> float | None:
        return None if value is None else max(0.0, value - part)

    return replace(
        measured,
        energy_j=less(measured.energy_j, foreign_j),
        low_j=less(measured.low_j, foreign_j),
        high_j=less(measured.high_j, foreign_j),
        device_s=less(measured.device_s, foreign_s),
    )


_METERINGS: "weakref.WeakSet[Metering]" = weakref.WeakSet()


def _let_go_of_all() -> None:
    for metering in list(_METERINGS):
        metering.let_go()


# Forking exists on POSIX only.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_of_all)
