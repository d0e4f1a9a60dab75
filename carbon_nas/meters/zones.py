"""The zones of Linux's powercap tree: which there are, what they are called, and what is said of them.

Source:
    Linux, Documentation/power/powercap/powercap.rst and Documentation/ABI/testing/sysfs-class-powercap.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["UJ_PER_J", "Zone", "find_zones", "limit_w", "open_counter", "range_uj"]

UJ_PER_J = 1_000_000

_UW_PER_W = 1_000_000
_ZONE = re.compile(r"intel-rapl(-mmio)?(:\d+)+")
# 15 bits at the usual 1/8 W: what firmware writes for "no limit" (Intel SDM, volume 3B, MSR_PKG_POWER_LIMIT).
_NO_LIMIT_W = 4095
# Limits that hold for long enough to bound an energy; `peak_power` is a matter of milliseconds.
_LASTING = ("long_term", "short_term")


@dataclass(frozen=True, kw_only=True, slots=True)
class Zone:
    """A folder of the tree; `key` is unique in the kernel, `name` is not."""

    key: str
    name: str
    folder: Path

    @property
    def parent(self) -> str:
        """The key of the zone it is nested in."""
        return self.key.rpartition(":")[0]

    @property
    def mirrored(self) -> bool:
        """Whether it is the memory-mapped door to registers that also have another."""
        return self.key.startswith("intel-rapl-mmio")

    @property
    def order(self) -> tuple[int, ...]:
        """Its place among the zones, so that the tenth comes after the ninth."""
        return tuple(int(part) for part in self.key.split(":")[1:])


def open_counter(path: Path) -> int:
    """Open a file for reading and return its descriptor; it is not handed on to programs that are started."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _text(path) or ""
    return int(text) if text.isdigit() and int(text) > 0 else None


def find_zones(root: Path) -> dict[str, Zone]:
    """Return every zone that has a name, by its key."""
    # The class folder lists all zones side by side as links; a container may be shown the nested tree only.
    found: dict[str, Zone] = {}
    folders = [root]
    for folder in folders:
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.name in {"intel-rapl", "intel-rapl-mmio"}:
                folders.append(entry)
            elif _ZONE.fullmatch(entry.name) and entry.name not in found:
                name = _text(entry / "name")
                if name:
                    found[entry.name] = Zone(key=entry.name, name=name, folder=entry)
                folders.append(entry)
    return found


def range_uj(folder: Path) -> int | None:
    """Return after how many microjoules the counter of a zone starts again at 0; None if that is not told."""
    return _number(folder / "max_energy_range_uj")


def limit_w(folder: Path) -> float | None:
    """Return the most that a zone may draw for long; the larger of what is said, so that a bound is one."""
    limits_uw = [_number(path) for path in folder.glob("constraint_*_max_power_uw")]
    for named in folder.glob("constraint_*_name"):
        if _text(named) in _LASTING:
            limits_uw.append(_number(named.with_name(named.name.replace("_name", "_power_limit_uw"))))
    known_w = [limit / _UW_PER_W for limit in limits_uw if limit is not None and limit < _NO_LIMIT_W * _UW_PER_W]
    return max(known_w, default=None)
