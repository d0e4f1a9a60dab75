"""A simulated powercap tree: real files, whose joules are the exact integral of a wave. It ships with the product."""

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from pathlib import Path

from carbon_nas.meters.clock import Clock
from carbon_nas.meters.waves import Wave
from carbon_nas.meters.zones import open_counter

__all__ = ["SimulatedPowercap", "SimulatedZone"]

_UJ_PER_J = _UW_PER_W = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedZone:
    """One zone of the tree.

    Attributes:
        path: its place, as in `intel-rapl:0` or `intel-rapl:0:2`; a nested one lies in the folder of its parent.
        name: `package-0`, `dram`, `core`, ...
        wave: its power over time.
        start_uj: what the counter shows at the beginning.
        max_range_uj: after how many microjoules it starts again at 0; None: the file is missing.
        power_max_w: its `long_term` constraint; None: there is none.
        readable: whether its counter may be read by others than root.
        tick_s: how often the counter moves; 0.0 if it always is current.
    """

    path: str
    name: str
    wave: Wave
    start_uj: int = 0
    max_range_uj: int | None = 262_143_328_850
    power_max_w: float | None = None
    readable: bool = True
    tick_s: float = 0.001


class SimulatedPowercap:
    """Writes a tree in the layout of `/sys/class/powercap`, and moves its counters with a clock.

    Give `RaplMeter` the folder as its root, and `open` as its `open_file`: root passes over permission bits, so the
    refusal is made there.

    Args:
        folder: where the tree is written; it must exist.
        clock: what tells the time of the waves.
        zones: what the machine has; parents before their children.
    """

    def __init__(self, folder: Path, clock: Clock, zones: Sequence[SimulatedZone]) -> None:
        self._folder, self._clock = folder, clock
        self._zones = {zone.path: zone for zone in zones}
        # Since when a counter runs, from which value, and whether it is lost.
        self._since = {zone.path: (clock.monotonic_s(), zone.start_uj) for zone in zones}
        self._lost: set[str] = set()
        for zone in zones:
            self._write(zone)
        self.refresh()

    def folder(self, path: str) -> Path:
        """Return the folder of a zone."""
        control, *numbers = path.split(":")
        parts = [":".join((control, *numbers[: depth + 1])) for depth in range(len(numbers))]
        return self._folder.joinpath(control, *parts)

    def _write(self, zone: SimulatedZone) -> None:
        folder = self.folder(zone.path)
        folder.mkdir(parents=True)
        facts: dict[str, str | int] = {"name": zone.name}
        if zone.max_range_uj is not None:
            facts["max_energy_range_uj"] = zone.max_range_uj
        if zone.power_max_w is not None:
            limit_uw = round(zone.power_max_w * _UW_PER_W)
            facts["constraint_0_name"] = "long_term"
            facts["constraint_0_max_power_uw"] = facts["constraint_0_power_limit_uw"] = limit_uw
        for name, value in facts.items():
            (folder / name).write_text(f"{value}\n", encoding="ascii")
        # The class folder lists every zone as a link, nested or not.
        (self._folder / zone.path).symlink_to(folder.relative_to(self._folder), target_is_directory=True)

    def shown_uj(self, path: str) -> int:
        """Return what a counter shows now."""
        zone, (since_s, start_uj) = self._zones[path], self._since[path]
        now_s = self._clock.monotonic_s()
        if zone.tick_s:
            now_s = max(since_s, floor(now_s / zone.tick_s) * zone.tick_s)
        total_uj = start_uj + floor(zone.wave.energy_j(since_s, now_s) * _UJ_PER_J)
        return total_uj if zone.max_range_uj is None else total_uj % zone.max_range_uj

    def refresh(self) -> None:
        """Let every counter show what it must at this moment."""
        for path in self._zones:
            shown = b"" if path in self._lost else b"%d\n" % self.shown_uj(path)
            # In place: a reader keeps the file open, as it does in sysfs.
            handle = os.open(self.folder(path) / "energy_uj", os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.pwrite(handle, shown, 0)
                os.ftruncate(handle, len(shown))
            finally:
                os.close(handle)

    def reset(self, path: str, to_uj: int = 0) -> None:
        """Let a counter begin anew, as after a suspend or a reload of the driver."""
        self._since[path] = (self._clock.monotonic_s(), to_uj)
        self.refresh()

    def lose(self, path: str) -> None:
        """Let a counter stop to answer; it goes on counting."""
        self._lost.add(path)
        self.refresh()

    def bring_back(self, path: str) -> None:
        """Let a counter answer again."""
        self._lost.discard(path)
        self.refresh()

    def open(self, path: Path) -> int:
        """Open a counter, unless its zone may not be read.

        Raises:
            PermissionError: as the kernel does for anybody but root.
        """
        zone = self._zones.get(path.parent.name)
        if zone is not None and not zone.readable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return open_counter(path)
