"""A command as a child: run without a shell, waited for with what it used, and with signals passed on to it.

No signal handler is installed. Signals are held back from all threads and taken one by one while the child runs, so
none is lost between two of our own steps.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from carbon_nas.errors import UsageError

__all__ = ["Child", "ChildEnd", "Usage", "signals_held_back"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_PASSED_ON = frozenset(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
# What asks a program to end, of those. Batch systems send the others to say that the time is nearly over.
_ENDING = frozenset(getattr(signal, name) for name in _NAMES[:4] if hasattr(signal, name))
_SHELL_SIGNAL = 128


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold back the signals that a child is passed; threads that begin in here never take them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Usage(Protocol):
    """What `os.wait4` tells of a child, as far as it is used."""

    @property
    def ru_utime(self) -> float:
        """CPU seconds of its own code."""
        ...

    @property
    def ru_stime(self) -> float:
        """CPU seconds that the system worked for it."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildEnd:
    """How a child ended.

    Attributes:
        exit_code: as a shell gives it: 128 and the number of the signal for a child that was killed.
        interrupted: whether it was asked to end from outside.
        usage: what it and the children that it waited for used, from `wait4`.
    """

    exit_code: int
    interrupted: bool
    usage: Usage


class Child:
    """Runs a command with our standard streams, and is to be waited for: until then signals are held back.

    Args:
        command: the program and its arguments; no shell reads them.

    Raises:
        OSError: if it cannot be run.
        UsageError: on a system that does not tell what a child used.
    """

    def __init__(self, command: Sequence[str]) -> None:
        if not hasattr(os, "wait4"):
            raise UsageError(
                "this system does not tell what a child process used",
                cure="meter from within the program: with carbon_nas.Recorder(...) as recorder",
            )
        # The streams are ours as they are: whatever the child prints or reads is between it and the user.
        self._process = subprocess.Popen(command)  # noqa: S603
        # From here on every signal is taken by `wait`, but the child began with none held back.
        self._held = _PASSED_ON | {signal.SIGCHLD}
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._held)
        self.pid = self._process.pid

    def wait(self, before_end: Callable[[], None] | None = None) -> ChildEnd:
        """Wait until it has ended, passing on signals.

        Args:
            before_end: called when it has ended and can still be looked at, where the system allows that.
        """
        interrupted = False
        try:
            while not _has_ended(self.pid):
                number, theirs = _next_of(self._held)
                interrupted = interrupted or number in _ENDING
                if number != signal.SIGCHLD and not theirs:
                    with suppress(ProcessLookupError):
                        os.kill(self.pid, number)
            if before_end is not None:
                before_end()
            _, status, usage = os.wait4(self.pid, 0)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code  # It is reaped; nobody needs to look for it again.
        ended_by_ctrl_c = code == -signal.SIGINT
        return ChildEnd(
            exit_code=code if code >= 0 else _SHELL_SIGNAL - code,
            interrupted=interrupted or ended_by_ctrl_c,
            usage=usage,
        )


def _has_ended(pid: int) -> bool:
    # Looked at without reaping, so that what it used can still be read by others.
    if not hasattr(os, "waitid"):  # Some systems only tell by reaping: then the wait is in wait4.
        return True
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _next_of(held: frozenset[signal.Signals]) -> tuple[int, bool]:
    """Wait for a signal; return it, and whether the terminal has sent it to the child as well."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(held)
        # Above 0 it comes from the kernel: a key of the terminal, which goes to every process in the foreground.
        return info.si_signo, info.si_code > 0
    number = signal.sigwait(held)  # pragma: no cover
    return number, number in (signal.SIGINT, signal.SIGQUIT)  # pragma: no cover
