"""Accidents on purpose: a fork, and an interrupt at any line."""

import linecache
import os
import signal
import sys
import warnings
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

import pytest

__all__ = ["in_a_fork", "interrupted_at", "needs_fork"]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def in_a_fork(work: Callable[[], object], *, patience_s: int = 5) -> int:
    """Do some work in a forked child: 0 if it came back, 1 if it raised, below 0 if it hung and was killed."""
    with warnings.catch_warnings():
        # Python warns of forks beside threads: that they do no harm here is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(patience_s)
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def interrupted_at(nth_line: int, module: ModuleType, work: Callable[[], object]) -> bool:
    """Do some work and press Ctrl-C before the n-th line of a module that it runs. False if it is done before that."""
    left = nth_line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != module.__file__:
            return None
        # Python hears no signal at a bare `try:`, nor between the end of a `with` block and its release of a lock.
        source = linecache.getline(module.__file__, frame.f_lineno).strip()
        if event == "line" and not source.startswith(("with ", "try:")):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False
