"""Processors and memory through RAPL, as Linux shows it in the powercap tree. Tier: measured.

Boundary: a `package` zone is one whole socket, whoever used it: its cores, caches, memory controller and built-in
graphics. It does not contain `dram`, which is a component of its own where the hardware has that zone. Not counted:
`core` and `uncore`, which are parts of the package; `psys`, the whole platform with the package in it; and
`intel-rapl-mmio`, the same package through another door. AMD processors use the same tree and the same names.

Source:
    Layout: Linux, Documentation/power/powercap/powercap.rst and Documentation/ABI/testing/sysfs-class-powercap.
    Update about every millisecond, with jitter: Khan et al., RAPL in Action, ACM TOMPECS 3(2), 2018.
    Why only root may read it: CVE-2020-8694, Lipp et al., PLATYPUS, IEEE S&P 2021.
"""

import contextlib
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from carbon_nas.errors import NoDevice
from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.clock import Clock
from carbon_nas.meters.counter import Counter
from carbon_nas.meters.zones import UJ_PER_J, Zone, find_zones, limit_w, open_counter, range_uj
from carbon_nas.sources import Tier

__all__ = ["REMEDY", "RaplMeter"]

REMEDY = (
    "only root may read this counter, because its steps can give secrets away (CVE-2020-8694, PLATYPUS); on a machine "
    "of your own allow it with: sudo chmod -R a+r /sys/class/powercap/intel-rapl (until the next boot; a udev rule "
    "for the subsystem powercap makes it last)"
)

_TICK_S = 0.001
_PACKAGE = re.compile(r"package-\d+(-die-\d+)?")
_DIE = re.compile(r"-die-\d+$")
_SLOWEST_S = 60.0
# For how often to look where the limit is not known, not for any bound: no socket draws more.
_LARGE_SOCKET_W = 1_000.0
# Over less, a mean is mostly the tick; over more, it is no power "at that moment".
_MEAN_OVER_S = (0.01, 2.0)


class _Gauge:
    """One `energy_uj`, kept open. Opened again if it breaks, but never if it is refused."""

    def __init__(self, path: Path, open_file: Callable[[Path], int]) -> None:
        self._path, self._open_file = path, open_file
        self._handle: int | None = None
        self.refused = self._closed = False

    def raw(self) -> int | None:
        if self.refused or self._closed:
            return None
        try:
            if self._handle is None:
                self._handle = self._open_file(self._path)
            shown = int(os.pread(self._handle, 64, 0).partition(b"\n")[0])
        except PermissionError:
            self.refused = self._handle is None
            return None
        except OSError:  # The driver was unloaded, or the zone went away with its socket.
            self._let_go()
            return None
        except ValueError:
            return None
        return shown if shown >= 0 else None

    def _let_go(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with contextlib.suppress(OSError):
                os.close(handle)

    def close(self) -> None:
        self._closed = True
        self._let_go()


class _Channel:
    """A component with its counter."""

    def __init__(self, clock: Clock, zone: Zone, gauge: _Gauge, name: str, note: str) -> None:
        self._clock, self._gauge = clock, gauge
        wrap, most_w = range_uj(zone.folder), limit_w(zone.folder)
        now_s, _, raw = self._look()
        self._counter = Counter(
            unit_j=1 / UJ_PER_J, power_max_w=most_w or _LARGE_SOCKET_W, wrap=wrap, now_s=now_s, raw=raw, tick_s=_TICK_S
        )
        self._last_s, self._last_j = now_s, self._counter.energy_j
        silent = REMEDY if gauge.refused else "its counter did not answer when it was opened" if raw is None else ""
        self.component = Component(
            name=name,
            tier=Tier.MEASURED,
            method="RAPL energy counter (Linux powercap, energy_uj)",
            power_max_w=most_w,
            inputs={
                "zone": zone.key,
                "zone_name": zone.name,
                "counter_range_j": None if wrap is None else wrap / UJ_PER_J,
                "power_limit_w": most_w,
            },
            note="; ".join(filter(None, (silent and f"its energy is not known: {silent}", note))),
            tick_s=_TICK_S,
            sampling_s=None if gauge.refused else _sampling_s(wrap, most_w),
        )

    def _look(self) -> tuple[float, float, int | None]:
        begin_s = self._clock.monotonic_s()
        raw = self._gauge.raw()
        end_s = self._clock.monotonic_s()
        return (begin_s + end_s) / 2, (end_s - begin_s) / 2, raw

    def read(self) -> Reading:
        now_s, jitter_s, raw = self._look()
        segments = self._segments
        # A reader that was kept waiting between the two clocks saw the counter at either.
        self._counter.update(now_s + jitter_s, raw, asked_s=now_s - jitter_s)
        energy_j, power_w = self._counter.energy_j, None
        if raw is not None:
            passed_s = now_s - self._last_s
            unbroken = energy_j is not None and self._last_j is not None and self._segments == segments
            if unbroken and _MEAN_OVER_S[0] <= passed_s <= _MEAN_OVER_S[1]:
                power_w = ((energy_j or 0.0) - (self._last_j or 0.0)) / passed_s
            self._last_s, self._last_j = now_s, energy_j
        return Reading(
            component=self.component.name,
            energy_j=energy_j,
            device_s=None,
            power_w=power_w,
            jitter_s=jitter_s,
            gaps=self._counter.gaps,
        )

    @property
    def _segments(self) -> int:
        gaps = self._counter.gaps
        return 1 if gaps is None else gaps.segments

    def close(self) -> None:
        self._gauge.close()


class RaplMeter:
    """Reads every package and dram zone of this machine.

    A zone that only root may read is a component whose energy is None in every reading, with the remedy in its note. A
    counter that steps back is a wrap if nothing else explains it, and otherwise begins a new segment. What cannot be
    told from a counter that went on: one that began anew and had passed its old value before anybody looked.

    Args:
        clock: what tells the time of a reading.
        root: the powercap tree.
        open_file: opens a counter for reading and returns its descriptor.
        memory: whether dram zones are read as well.
        device_s: the CPU seconds that stand beside the joules, with the first package; without it they are not known.

    Raises:
        NoDevice: if there is no package zone.
    """

    def __init__(
        self,
        clock: Clock,
        root: Path = Path("/sys/class/powercap"),
        *,
        open_file: Callable[[Path], int] = open_counter,
        device_s: Callable[[], float] | None = None,
        memory: bool = True,
    ) -> None:
        self._mutex, self._device_s = threading.Lock(), device_s
        zones = find_zones(root)
        gauges = {key: _Gauge(zone.folder / "energy_uj", open_file) for key, zone in zones.items()}
        counted = [zone for zone in _counted(zones, gauges) if memory or zone.name != "dram"]
        for key in gauges.keys() - {zone.key for zone in counted}:
            gauges[key].close()
        if not counted:
            raise NoDevice("no processor of this machine shows RAPL", where=str(root))
        platform = any(zone.name == "psys" for zone in zones.values())
        self._channels: list[_Channel] = []
        taken: set[str] = set()
        for zone in counted:
            name = _component_name(zone, zones)
            if name in taken:  # Two zones of one name: told apart by where they are.
                name = f"{name}.{zone.key.replace(':', '-')}"
            taken.add(name)
            self._channels.append(_Channel(clock, zone, gauges[zone.key], name, _note(zone, platform=platform)))
        self.components: tuple[Component, ...] = tuple(channel.component for channel in self._channels)
        _METERS.add(self)

    def read(self) -> tuple[Reading, ...]:
        """Read every counter; one that does not answer has a gap that is pending."""
        # One thread at a time: a number that was overtaken by a later one would look like a reset.
        with self._mutex:
            readings = tuple(channel.read() for channel in self._channels)
        if self._device_s is None:
            return readings
        return (replace(readings[0], device_s=self._device_s()), *readings[1:])

    def close(self) -> None:
        """Close the counters. May be called twice."""
        with self._mutex:
            for channel in self._channels:
                channel.close()

    def renew(self) -> None:
        """In a forked child: the mutex may have been copied while another thread held it."""
        self._mutex = threading.Lock()


def _counted(zones: dict[str, Zone], gauges: dict[str, _Gauge]) -> Iterator[Zone]:
    direct = {zone.name for zone in zones.values() if not zone.mirrored}
    packages: dict[str, Zone] = {}
    for zone in sorted(zones.values(), key=lambda zone: (zone.mirrored, zone.order)):
        if not _PACKAGE.fullmatch(zone.name) or (zone.mirrored and zone.name in direct):
            continue
        if not any(_one_counter(zone, gauges[zone.key], other, gauges[other.key]) for other in packages.values()):
            packages[zone.key] = zone
    memories = [zone for zone in zones.values() if zone.name == "dram" and zone.parent in packages]
    yield from packages.values()
    yield from sorted(memories, key=lambda zone: (zone.mirrored, zone.order))


def _one_counter(zone: Zone, gauge: _Gauge, other: Zone, other_gauge: _Gauge) -> bool:
    """Whether two dies of one package show the package's counter, each of them: it would be counted twice."""
    if not _DIE.search(zone.name) or _DIE.sub("", zone.name) != _DIE.sub("", other.name):
        return False
    before, between, after = other_gauge.raw(), gauge.raw(), other_gauge.raw()
    # Two counters that run apart do not meet within microseconds, in a range of billions.
    return before is not None and between is not None and after is not None and before <= between <= after


def _component_name(zone: Zone, zones: dict[str, Zone]) -> str:
    kind, owner = ("dram", zones[zone.parent]) if zone.name == "dram" else ("cpu", zone)
    return f"{kind}:{owner.name}"


def _note(zone: Zone, *, platform: bool) -> str:
    if zone.name == "dram":
        return "the memory of this socket, whoever used it"
    whole = "the whole socket without its memory, whoever used it"
    return f"{whole}; the zone psys, which contains it, is not counted" if platform else whole


def _sampling_s(wrap: int | None, most_w: float | None) -> float:
    if wrap is None:
        return _SLOWEST_S
    range_j = wrap / UJ_PER_J
    # Half a range: two wraps cannot go by unseen.
    return min(_SLOWEST_S, range_j / 2 / (most_w or _LARGE_SOCKET_W))


_METERS: "weakref.WeakSet[RaplMeter]" = weakref.WeakSet()


def _renew_all() -> None:
    for meter in list(_METERS):
        meter.renew()


# Forking exists on POSIX only.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
