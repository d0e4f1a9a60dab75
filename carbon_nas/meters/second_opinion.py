"""A second opinion: codecarbon over the same components and the same time, in a process of its own.

It reads the same sensors, or guesses as we do, so agreement shows that neither lost or invented energy on the way. It
validates no sensor: only an external meter can. It never disturbs the run; if it fails, the opinion says why.
"""

import json
import os
import queue
import shutil
import site
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

import carbon_nas
from carbon_nas.meters.agreement import Agreement, Opinion, agree
from carbon_nas.meters.base import Component
from carbon_nas.meters.measurement import Measurement

__all__ = ["CrossChecked", "SecondOpinion", "cross_checked", "gpu_uuids"]

_READY_S, _ANSWER_S = 90.0, 30.0
_TRACK = "import sys; sys.path.append(sys.argv[1]); from carbon_nas.meters.tracker import main; main()"


def gpu_uuids(components: Sequence[Component]) -> tuple[str, ...]:
    """Return the UUIDs of the GPUs among some components."""
    return tuple(part.name.partition(":")[2] for part in components if part.name.startswith("gpu:"))


class SecondOpinion:
    """Lets codecarbon track a process beside us.

        opinion = SecondOpinion(os.getpid(), gpu_uuids(components))
        opinion.start()
        ...
        opinion.finish()

    Not to be finished within a phase that counts the CPU time of this process: when it ends, its own is added to that,
    as that of every child is.

    Args:
        pid: the process whose CPU time counts, its children included, where there is no RAPL.
        gpu_ids: the UUIDs of the GPUs that we meter.
        command: what is started instead of the tracker, with the same words to say.
        ready_s, answer_s: how long it may take to get ready and to answer.
    """

    def __init__(
        self,
        pid: int,
        gpu_ids: Sequence[str] = (),
        *,
        command: Sequence[str] | None = None,
        ready_s: float = _READY_S,
        answer_s: float = _ANSWER_S,
    ) -> None:
        self._request = {"pid": pid, "gpu_ids": list(gpu_ids)}
        self._command = command or (sys.executable, "-c", _TRACK, str(Path(carbon_nas.__file__).parents[1]))
        self._ready_s, self._answer_s = ready_s, answer_s
        self._answers: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self._folder: str | None = None
        self._opinion: Opinion | None = None

    def start(self) -> None:
        """Start it and wait until it tracks, some seconds. Never raises: `finish` tells what went wrong."""
        try:
            self._folder = tempfile.mkdtemp(prefix="second-opinion-")
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env=_environment(self._folder),
                text=True,
                start_new_session=True,  # Ctrl-C in the terminal is meant for the run, not for this.
            )
            threading.Thread(
                target=_listen, args=(self._process.stdout, self._answers), name="carbon-nas-opinion", daemon=True
            ).start()
            self._say(json.dumps(self._request))
            answer = self._answers.get(timeout=self._ready_s)
        except queue.Empty:
            self._fail(f"it was not ready within {self._ready_s:g} s")
        except OSError as error:
            self._fail(f"it cannot be started ({error})")
        else:
            if "ready" not in answer:
                self._fail(str(answer.get("error", "it said something else than that it is ready")))

    def finish(self) -> Opinion:
        """Stop it and return what it found. Called again, it returns the same."""
        if self._opinion is None:
            self._opinion = self._ask()
            self.close()
        return self._opinion

    def _ask(self) -> Opinion:
        if self._process is None:
            return Opinion(error="it was not started")
        try:
            self._say("stop")
            answer = self._answers.get(timeout=self._answer_s)
        except queue.Empty:
            return Opinion(error=f"it did not answer within {self._answer_s:g} s")
        try:
            return Opinion(**answer)
        except TypeError:
            return Opinion(error="it answered something that is no opinion")

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            # One that has ended does not listen; that it has ended is told by whoever listens to it.
            with suppress(OSError):
                self._process.stdin.write(f"{line}\n")
                self._process.stdin.flush()

    def _fail(self, why: str) -> None:
        self._opinion = Opinion(error=why)
        self.close()

    def close(self) -> None:
        """End it, whether it has answered or not, and remove its folder. May be called twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    # A line it never read may still lie in the pipe.
                    with suppress(OSError, ValueError):
                        pipe.close()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> "SecondOpinion":
        self.start()
        return self

    def __exit__(self, *_: "type[BaseException] | BaseException | TracebackType | None") -> None:
        self.close()


def _environment(home: str) -> dict[str, str]:
    # codecarbon is steered by variables and by files in the home and working folders: none of them may reach it.
    kept = {name: value for name, value in os.environ.items() if not name.lower().startswith("codecarbon_")}
    base = {} if site.getuserbase() is None else {"PYTHONUSERBASE": site.getuserbase()}
    return kept | base | {"HOME": home, "USERPROFILE": home}


def _listen(lines: IO[str] | None, answers: "queue.SimpleQueue[Mapping[str, Any]]") -> None:
    with suppress(OSError, ValueError):
        for line in lines or ():
            with suppress(json.JSONDecodeError):
                answers.put(dict(json.loads(line)))
    answers.put({"error": "it ended by itself"})


@dataclass(kw_only=True, slots=True)
class CrossChecked:
    """Filled in when the stretch that is cross-checked has ended: what both found."""

    agreement: Agreement = field(default_factory=lambda: Agreement(tool="codecarbon", error="it has not ended"))


class _Stretch(Protocol):
    """A window that has ended, or a phase's."""

    @property
    def duration_s(self) -> float: ...

    @property
    def measured(self) -> tuple[Measurement, ...]: ...


@contextmanager
def cross_checked(
    window: AbstractContextManager[_Stretch], components: Sequence[Component], *, opinion: SecondOpinion | None = None
) -> Iterator[CrossChecked]:
    """Meter a stretch of work twice over the same time: in a window of ours, and by codecarbon.

        with cross_checked(recorder.window("cross-check"), recorder.components) as check:
            ...
        recorder.append(CrossCheck(**asdict(check.agreement)))

    Args:
        window: of a recorder or a metering; it is entered when the other is ready.
        components: what the window measures.
        opinion: whom to ask; codecarbon about this process and the GPUs among the components if not given.
    """
    check = CrossChecked()
    with opinion or SecondOpinion(os.getpid(), gpu_uuids(components)) as other:
        stretch: _Stretch | None = None
        try:
            with window as stretch:
                yield check
        finally:
            found = other.finish()
            if stretch is not None:
                check.agreement = agree(components, stretch.measured, stretch.duration_s, found)
