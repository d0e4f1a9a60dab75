"""A sampler: one daemon thread that calls back at fixed times and never disturbs what it watches."""

import os
import threading
import time
from collections.abc import Callable

__all__ = ["Sampler"]


class Sampler:
    """Calls `sample` every `interval_s` until closed, on absolute deadlines so that lateness does not add up.

    An exception in `sample` is counted in `errors` and kept in `last_error`; it never reaches the main thread and never
    stops the sampler. In a forked child the thread does not exist and `close()` does nothing.
    """

    def __init__(self, sample: Callable[[], None], *, interval_s: float = 1.0) -> None:
        if not interval_s > 0:
            raise ValueError("a sampler needs an interval above 0 s")
        self._sample, self._interval_s = sample, interval_s
        self._stop, self._pid = threading.Event(), os.getpid()
        self.errors, self.last_error = 0, ""
        self._thread = threading.Thread(target=self._run, name="carbon-nas-sampler", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def _run(self) -> None:
        deadline_s = time.monotonic() + self._interval_s
        while not self._stop.wait(max(0.0, deadline_s - time.monotonic())):
            try:
                self._sample()
            except BaseException as error:  # Not even `sys.exit()` in a callback ends it: counted, shown, survived.
                self.errors += 1
                self.last_error = f"{type(error).__name__}: {error}"
            now_s = time.monotonic()
            # After a stall (a suspended laptop) the missed samples are skipped, not made up for.
            deadline_s = max(deadline_s + self._interval_s, now_s)

    def close(self) -> None:
        """Stop, and wait briefly for a sample under way. May be called twice."""
        self._stop.set()
        if self._pid == os.getpid() and self._thread.is_alive():
            self._thread.join(timeout=5.0)
