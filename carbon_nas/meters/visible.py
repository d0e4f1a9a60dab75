"""Which GPUs `CUDA_VISIBLE_DEVICES` lets a process use, read as CUDA reads it."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from carbon_nas.errors import MeterError

__all__ = ["VisibleGpu", "require_order", "visible_gpus"]

_OLD_SLICE = re.compile(r"MIG-(?P<board>GPU-[^/]+)/\d+/\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class VisibleGpu:
    """One board that a process may use.

    Attributes:
        slices: the MIG slices of it that were named; empty if the whole board was.
    """

    uuid: str
    slices: tuple[str, ...] = ()


def visible_gpus(
    selection: str | None, uuids: Sequence[str], board_of: Callable[[str], str | None]
) -> tuple[VisibleGpu, ...]:
    """Resolve a selection, in its order. Of a MIG slice, the board is what can be metered.

    CUDA stops at the first entry that it cannot resolve, and at the first that is of another kind than the one before
    (index, GPU, MIG); an entry that comes twice leaves nothing visible.

    Args:
        selection: the value of the variable; None if it is not set.
        uuids: every board, in the order of the driver.
        board_of: tells the UUID of the board that a MIG slice is on; None if there is no such slice.

    Source:
        CUDA C++ Programming Guide, "CUDA Environment Variables"; the same rules are kept by `torch.cuda.device_count`.
    """
    if selection is None:
        return tuple(VisibleGpu(uuid=uuid) for uuid in uuids)
    entries = [entry.strip() for entry in selection.split(",")]
    kind = _kind(entries[0])
    boards: dict[str, list[str]] = {}
    seen: set[str] = set()
    for entry in entries:
        uuid = _resolved(entry, uuids, board_of) if _kind(entry) == kind else None
        if uuid is None:
            break
        # Two slices of one board are two entries; the same slice, index or board twice is a mistake.
        once = entry if kind == "MIG-" else uuid
        if once in seen:
            return ()
        seen.add(once)
        boards.setdefault(uuid, []).extend([entry] if kind == "MIG-" else [])
    return tuple(VisibleGpu(uuid=uuid, slices=tuple(slices)) for uuid, slices in boards.items())


def _kind(entry: str) -> str:
    return next((prefix for prefix in ("GPU-", "MIG-") if entry.startswith(prefix)), "")


def _resolved(entry: str, uuids: Sequence[str], board_of: Callable[[str], str | None]) -> str | None:
    if old := _OLD_SLICE.fullmatch(entry):
        return _only([uuid for uuid in uuids if uuid == old["board"]])
    if entry.startswith("MIG-"):
        board = board_of(entry)
        return board if board in uuids else None
    if entry.startswith("GPU-"):
        return _only([uuid for uuid in uuids if uuid.startswith(entry)])
    # As strtol reads it: digits at the beginning count, what follows them does not.
    digits = re.match(r"\+?(\d+)", entry, re.ASCII)
    return uuids[int(digits[1])] if digits and int(digits[1]) < len(uuids) else None


def _only(found: list[str]) -> str | None:
    return found[0] if len(found) == 1 else None


def require_order(environment: Mapping[str, str], names: Collection[str]) -> None:
    """Make sure that an index means the same board to CUDA as it does to NVML.

    CUDA counts the fastest GPU first unless told otherwise, NVML counts by bus: unlike boards would be mixed up.

    Args:
        environment: the environment variables.
        names: the product names of all boards.

    Raises:
        MeterError: if boards are picked by index and which are meant cannot be told.
    """
    selection, order = environment.get("CUDA_VISIBLE_DEVICES", ""), environment.get("CUDA_DEVICE_ORDER", "")
    if len(set(names)) > 1 and re.match(r"\s*\+?\d", selection, re.ASCII) and order != "PCI_BUS_ID":
        raise MeterError(
            f"which GPU is meant cannot be told: this host has {' and '.join(sorted(set(names)))}",
            where=f"CUDA_VISIBLE_DEVICES={selection}",
            cure="set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs by UUID",
        )
