"""Runs one scenario with one tool and prints what it claims beside the truth, as one line of JSON.

    python -m experiments.benchmarks.metering.driver TOOL

Started by `processes.py`, which sets up the simulated machine; see `simulation.py`.
"""

import contextlib
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments.benchmarks.metering import simulation

__all__ = ["main"]

_PATIENCE_S = 5


class Session:
    """One tool on the machine of the scenario, and all that was said so far."""

    def __init__(self, name: str) -> None:
        from experiments.benchmarks.metering.tools import TOOLS

        self.scenario = simulation.scenario()
        self.folder = Path(os.environ[simulation.FOLDER])
        self.tool_name = name
        self.spans: list[dict[str, Any]] = []
        self.tool = TOOLS[name](self.folder, self.scenario["counted"], files=self.scenario["files"])

    @contextlib.contextmanager
    def around(self, name: str, make: Callable[[], contextlib.AbstractContextManager[Any]]) -> Iterator[None]:
        """Measure a stretch, and keep what the tool claims beside what is true at most and at least."""
        # An edge takes time: what was used during it belongs to the span or not, both are right.
        before_s = simulation.now_s()
        with make() as span:
            begin_s = simulation.now_s()
            yield
            end_s = simulation.now_s()
        after_s = simulation.now_s()
        true = self.scenario["true"]
        self.spans.append(
            {
                "name": name,
                "claim": None if span.claim is None else span.claim.as_json(),
                "true_low_j": simulation.true_j(true, begin_s, end_s),
                "true_high_j": simulation.true_j(true, before_s, after_s),
                "true_s": end_s - begin_s,
            }
        )

    def whole(self) -> contextlib.AbstractContextManager[None]:
        """Measure the run."""
        return self.around("run", self.tool.whole)

    def part(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Measure a stretch of it."""
        return self.around(name, lambda: self.tool.part(name))


def _window(session: Session) -> dict[str, Any]:
    with session.whole():
        time.sleep(session.scenario["seconds"])
    return {}


def _tasks(session: Session) -> dict[str, Any]:
    """A run with stretches in it that are looked at."""
    with session.whole():
        for number in range(3):
            time.sleep(0.4)
            with session.part(f"task-{number}"):
                time.sleep(0.4)
        time.sleep(0.4)
    return {}


def _nested(session: Session) -> dict[str, Any]:
    with session.part("outer"):
        for number in range(3):
            with session.part(f"inner-{number}"):
                time.sleep(0.6)
        time.sleep(0.4)
    return {}


def _short(session: Session) -> dict[str, Any]:
    for number in range(60):
        with session.part(f"short-{number}"):
            time.sleep(0.03)
    return {}


def _threads(session: Session) -> dict[str, Any]:
    errors: list[str] = []

    def work(name: str, wait_s: float) -> None:
        try:
            time.sleep(wait_s)
            with session.part(name):
                time.sleep(1.5)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(f"thread-{n}", 0.5 * n)) for n in range(2)]
    began_s = simulation.now_s()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"errors": errors, "all_j": simulation.true_j(session.scenario["true"], began_s, simulation.now_s())}


def _forks(session: Session) -> dict[str, Any]:
    """Children are forked: every other one leaves the span as its parent does, and then ends."""
    from experiments.benchmarks.metering.tools import rows_on_disk

    parent, codes, status = os.getpid(), [], 1
    try:
        with session.whole():
            for number in range(6):
                time.sleep(0.3)
                child = os.fork()
                if child == 0:
                    signal.signal(signal.SIGALRM, signal.SIG_DFL)
                    signal.alarm(_PATIENCE_S)
                    if number % 2:
                        break
                    os._exit(0)
                codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        session.tool.close()
        status = 0
    finally:
        if os.getpid() != parent:
            os._exit(status)
    return {"codes": codes, "rows": rows_on_disk(session.tool_name, session.folder)}


def _dies(session: Session) -> dict[str, Any]:
    """A run that never gets to its end: it is killed from outside, or raises."""
    began_s = time.monotonic()
    with session.tool.whole():
        print(json.dumps({"began_s": began_s}), file=_OUT, flush=True)
        if session.tool.parts_last:
            for number in range(3):
                with session.tool.part(f"part-{number}"):
                    time.sleep(0.5)
        with session.tool.part("last") if session.tool.parts_last else contextlib.nullcontext():
            time.sleep(session.scenario["seconds"])
            if session.scenario["raises"]:
                print(json.dumps({"ended_s": time.monotonic()}), file=_OUT, flush=True)
                raise RuntimeError("the training failed")
    return {}


def _full(session: Session) -> dict[str, Any]:
    """The disk is full from the middle of the run on: nothing can be added to any file."""
    raised = ""
    try:
        with session.whole():
            time.sleep(0.5)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            if session.tool.parts_last:
                with session.part("inner"):
                    time.sleep(0.5)
            time.sleep(session.scenario["seconds"])
    except OSError as error:
        raised = f"{type(error).__name__}: {error.strerror}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {"raised": raised}


def _meet(session: Session) -> None:
    (session.folder.parent / f"ready-{os.getpid()}").touch()
    deadline_s = time.monotonic() + 60
    while len(list(session.folder.parent.glob("ready-*"))) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.01)


def _twice(session: Session) -> dict[str, Any]:
    """Another process does the same on the same machine at the same time."""
    _meet(session)
    return _window(session)


def _series(session: Session) -> dict[str, Any]:
    """Windows of several lengths, for accuracy."""
    for length_s, count in session.scenario["lengths"]:
        for number in range(count):
            with session.part(f"{length_s}/{number}"):
                time.sleep(length_s)
            time.sleep(0.017)  # So that windows and ticks do not keep step.
    return {}


def _pairs(session: Session) -> dict[str, Any]:
    """What a pair of edges costs, in turn with what the same reads of the backend cost."""
    begin_us, end_us, backend_us = [], [], []
    read, now = session.tool.meter_read, time.perf_counter
    with session.tool.whole() if session.scenario["in_whole"] else contextlib.nullcontext():
        for number in range(session.scenario["count"] + 100):
            started = now()
            span = session.tool.part(f"evaluate/{number}")
            span.__enter__()
            entered = now()
            span.__exit__(None, None, None)
            left = now()
            read()
            read()
            backend_us.append(1e6 * (now() - left))
            begin_us.append(1e6 * (entered - started))
            end_us.append(1e6 * (left - entered))
    return {"begin_us": begin_us[100:], "end_us": end_us[100:], "backend_us": backend_us[100:]}


def _idle(session: Session) -> dict[str, Any]:
    """What goes on in the background while the program sleeps."""
    with session.tool.whole():
        time.sleep(1.5)
        cpu_s, wall_s = _all_cpu_s(), time.perf_counter()
        time.sleep(session.scenario["seconds"])
        cpu_s, wall_s = _all_cpu_s() - cpu_s, time.perf_counter() - wall_s
        threads = threading.active_count()
    return {"cpu_s": cpu_s, "wall_s": wall_s, "threads": threads}


def _all_cpu_s() -> float:
    import psutil

    helpers = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(times.user + times.system for times in helpers)


def _memory(session: Session) -> dict[str, Any]:
    """How much many windows leave behind."""
    import psutil

    own = psutil.Process()

    def work(count: int, family: str) -> None:
        for number in range(count):
            with session.tool.part(f"{family}/{number}"):
                pass

    work(200, "warm")
    before = own.memory_info().rss
    work(session.scenario["count"], "evaluate")
    rss = own.memory_info().rss - before
    import tracemalloc

    tracemalloc.start()
    work(50, "warm-again")
    kept = tracemalloc.get_traced_memory()[0]
    traced_count = max(100, session.scenario["count"] // 10)
    work(traced_count, "traced")
    kept = tracemalloc.get_traced_memory()[0] - kept
    return {"rss_bytes": rss, "traced_bytes": kept, "traced_count": traced_count}


ACTIONS: dict[str, Callable[[Session], dict[str, Any]]] = {
    "dies": _dies,
    "forks": _forks,
    "full": _full,
    "idle": _idle,
    "memory": _memory,
    "nested": _nested,
    "pairs": _pairs,
    "series": _series,
    "short": _short,
    "tasks": _tasks,
    "threads": _threads,
    "twice": _twice,
    "window": _window,
}


def _step_clocks(steps: list[dict[str, float]]) -> None:
    """Let the wall clock, and the time since boot, jump: what a process sees of a time server or of a suspend."""
    wall, clock = time.time, time.clock_gettime

    def jumped(which: str) -> float:
        return sum(step[which] for step in steps if simulation.now_s() >= step["at_s"])

    def stepped_clock(clock_id: int) -> float:
        which = {time.CLOCK_REALTIME: "wall_s", getattr(time, "CLOCK_BOOTTIME", -1): "boot_s"}.get(clock_id)
        return clock(clock_id) + (jumped(which) if which else 0.0)

    time.time = lambda: wall() + jumped("wall_s")
    time.clock_gettime = stepped_clock


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage().strip())


def _listen() -> _Ear:
    ear = _Ear()
    for name in (None, "codecarbon"):
        logging.getLogger(name).addHandler(ear)

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        ear.heard.append(str(message).strip())

    warnings.simplefilter("always")
    warnings.showwarning = show
    return ear


# What a tool prints must not get between the lines of this program.
_OUT = os.fdopen(os.dup(1), "w", encoding="utf-8")


def main() -> None:
    """Run the scenario."""
    os.dup2(2, 1)
    scenario = simulation.scenario()
    if scenario["clock_steps"]:
        _step_clocks(scenario["clock_steps"])
    ear = _listen()
    answer: dict[str, Any] = {"raised": "", "spans": []}
    session: Session | None = None
    with simulation.powercap():
        try:
            session = Session(sys.argv[1])
            simulation.begin()
            answer |= ACTIONS[scenario["action"]](session)
        except Exception as error:
            if scenario["raises"]:
                raise
            answer["raised"] = f"{type(error).__name__}: {error}"
        answer["warned"] = sorted(set(ear.heard))
        if session is not None:
            with contextlib.suppress(Exception):
                session.tool.close()
            answer["version"] = session.tool.version
            answer["spans"] = session.spans
            answer["said"] = session.tool.said()
    print(json.dumps(answer), file=_OUT, flush=True)


if __name__ == "__main__":
    main()
