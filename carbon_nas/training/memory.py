"""How the C library treats the memory of tensors that are gone."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Hand freed memory out again instead of giving it back to the system; tell whether that is possible here.

    By itself glibc maps every large tensor anew and unmaps it afterwards, and the system fills each of its pages with
    zeros first: on large feature maps that takes longer than the arithmetic. The process keeps what it needed at its
    peak until it ends. Source: mallopt(3).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
