"""A ledger while it is written: torn lines, other writers, forks, interrupts, full disks."""

import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from carbon_nas import files
from carbon_nas.errors import LedgerBusy, LedgerCorrupt, LedgerError, OutputError
from carbon_nas.ledger import Journal, Result, journal, read_events
from carbon_nas.ledger.records import LatencyLimit
from tests.ledger.accidents import in_a_fork, interrupted_at, needs_fork
from tests.ledger.events import end, pulse

needs_locks = pytest.mark.skipif(files.fcntl is None, reason="this system has no flock")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "ledger.jsonl"


def written(path: Path, *times_s: float) -> Path:
    """Write a heartbeat at each of the given times."""
    ledger = Journal(path)
    for time_s in times_s:
        ledger.append(pulse(time_s))
    ledger.close()
    return path


def times_s(path: Path) -> list[float]:
    return [event.time_s for event in read_events(path)]


def test_a_ledger_is_made_with_its_folder_and_grows_when_it_is_opened_again(path):
    written(path, 1.0, 2.0)
    written(path, 3.0)
    assert times_s(path) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", ["a-file/ledger.jsonl", "."])
def test_a_ledger_that_cannot_be_written_is_an_error_that_says_where(tmp_path, name):
    (tmp_path / "a-file").touch()
    with pytest.raises(OutputError, match=re.escape(str(tmp_path / name))):
        Journal(tmp_path / name)


# Damage


def test_a_torn_last_line_is_cut_off_on_opening_and_reported(path):
    whole = written(path, 1.0, 2.0).read_bytes()
    path.write_bytes(whole + b'{"kind":"heartb')
    seen = []
    ledger = Journal(path, seen.append)
    assert ledger.bytes_cut == len(b'{"kind":"heartb')
    assert [event.time_s for event in seen] == [1.0, 2.0]
    ledger.append(pulse(3.0))
    ledger.close()
    assert path.read_bytes().startswith(whole)
    assert times_s(path) == [1.0, 2.0, 3.0]


def test_a_whole_ledger_is_opened_without_changing_a_byte(path):
    whole = written(path, 1.0, 2.0).read_bytes()
    ledger = Journal(path)
    ledger.close()
    assert ledger.bytes_cut == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("torn", [b"", b'{"kind":"heartb'])
def test_a_corrupt_middle_line_is_named_and_nothing_is_changed(path, torn):
    lines = written(path, 1.0, 2.0, 3.0).read_bytes().splitlines(keepends=True)
    damaged = lines[0] + lines[1].replace(b"2.0", b"9.0") + lines[2] + torn
    path.write_bytes(damaged)
    for use in (Journal, lambda where: list(read_events(where))):
        with pytest.raises(LedgerCorrupt, match=rf"{re.escape(str(path))}, line 2: .*; .*nothing was changed"):
            use(path)
    assert path.read_bytes() == damaged


def test_a_corrupt_ledger_is_not_held_after_it_was_refused(path):
    whole = written(path, 1.0).read_bytes()
    path.write_bytes(b"damage\n")
    with pytest.raises(LedgerCorrupt):
        Journal(path)
    path.write_bytes(whole)
    written(path, 2.0)


# Numbers


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "event",
    [
        lambda number: pulse(number),
        lambda number: pulse(1.0, number),
        lambda number: end("a phase", energy_j=number),
        lambda number: LatencyLimit(scenario="x", limit_ms=1.0, rule="", sample_ms=(1.0, number)),
        lambda number: Result(
            scenario="x", accuracy_fraction=None, latency_ms=None, architecture={"w": [{"a": number}]}
        ),
    ],
)
def test_a_number_that_is_none_is_refused_wherever_it_hides_and_nothing_is_written(path, event, number):
    ledger = Journal(path)
    ledger.append(pulse(1.0))
    with pytest.raises(ValueError, match="write None for what is not known"):
        ledger.append(event(number))
    ledger.append(pulse(2.0))
    ledger.close()
    assert times_s(path) == [1.0, 2.0]


def test_what_json_has_no_word_for_is_refused_and_nothing_is_written(path):
    ledger = Journal(path)
    with pytest.raises(LedgerError, match="no JSON value"):
        ledger.append(Result(scenario="x", accuracy_fraction=None, latency_ms=None, architecture={"net": object()}))
    ledger.append(pulse(1.0))
    ledger.close()
    assert times_s(path) == [1.0]


# Other writers


@needs_locks
def test_a_second_writer_is_refused_until_the_first_is_done(path):
    ledger = Journal(path)
    assert ledger.locked is True
    with pytest.raises(LedgerBusy, match="another process is writing to this ledger; wait for it"):
        Journal(path)
    ledger.append(pulse(1.0))
    ledger.close()
    written(path, 2.0)
    assert times_s(path) == [1.0, 2.0]


@needs_locks
def test_a_second_process_is_refused(path, run_python):
    ledger = Journal(path)
    ask = "import sys; from pathlib import Path; from carbon_nas.ledger import Journal; Journal(Path(sys.argv[1]))"
    assert "LedgerBusy" in run_python("-c", ask, str(path)).stderr
    ledger.close()
    assert run_python("-c", ask + ".close()", str(path)).returncode == 0


def test_where_a_system_has_no_locks_the_ledger_says_so(path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    ledger = Journal(path)
    ledger.append(pulse(1.0))
    ledger.close()
    assert ledger.locked is None
    assert times_s(path) == [1.0]


def test_four_threads_write_one_whole_chain(path):
    ledger = Journal(path)

    def write(first: int) -> None:
        for time_s in range(first, first + 100):
            ledger.append(pulse(float(time_s)))

    threads = [threading.Thread(target=write, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
    assert sorted(times_s(path)) == [float(number) for number in range(400)]


def test_closing_twice_is_fine(path):
    ledger = Journal(path)
    ledger.close()
    ledger.close()


def test_what_is_written_after_closing_is_not_lost_in_silence(path):
    ledger = Journal(path)
    ledger.close()
    with pytest.raises(LedgerError):
        ledger.append(pulse(1.0))


# Forks


@needs_fork
def test_a_forked_child_writes_nothing_and_leaves_the_parent_its_lock(path):
    ledger = Journal(path)
    ledger.append(pulse(1.0))

    def child():
        ledger.append(pulse(2.0), durable=True)
        ledger.close()

    assert in_a_fork(child) == 0
    if ledger.locked:
        with pytest.raises(LedgerBusy):
            Journal(path)
    ledger.append(pulse(3.0))
    ledger.close()
    assert times_s(path) == [1.0, 3.0]


@needs_fork
def test_a_child_forked_while_another_thread_writes_does_not_hang(path, monkeypatch):
    ledger, writing, go_on = Journal(path), threading.Event(), threading.Event()

    def slow_disk(handle):
        writing.set()
        go_on.wait(60)

    monkeypatch.setattr(os, "fsync", slow_disk)
    writer = threading.Thread(target=ledger.append, args=(pulse(1.0),), kwargs={"durable": True})
    writer.start()
    assert writing.wait(60)

    def child():
        ledger.append(pulse(2.0))
        ledger.close()

    status = in_a_fork(child)
    go_on.set()
    writer.join()
    ledger.close()
    assert status == 0
    assert times_s(path) == [1.0]


FORK_AND_WAIT = """
import os, sys
from pathlib import Path
from carbon_nas.ledger import Journal
ledger = Journal(Path(sys.argv[1]))
if os.fork() == 0:
    print("forked", flush=True)
sys.stdin.read()
"""


@needs_fork
@needs_locks
def test_a_worker_that_outlives_its_killed_parent_does_not_hold_the_ledger(path, offline_env):
    command = [sys.executable, "-c", FORK_AND_WAIT, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=offline_env) as parent:
        assert parent.stdout.readline() == b"forked\n"
        parent.kill()
        parent.wait()
        # The child reads the same pipe, and lives until it is closed.
        written(path, 1.0)


# Interrupts and full disks


def test_ctrl_c_at_any_line_of_append_leaves_a_whole_chain(tmp_path):
    for line in range(1, 200):
        path = tmp_path / f"{line}.jsonl"
        ledger = Journal(path)
        ledger.append(pulse(1.0))
        interrupted = interrupted_at(line, journal, lambda ledger=ledger: ledger.append(pulse(2.0)))
        ledger.append(pulse(3.0))
        ledger.close()
        assert times_s(path) in ([1.0, 2.0, 3.0], [1.0, 3.0])
        if not interrupted:
            return
    pytest.fail("append never came to an end")


@pytest.mark.parametrize(
    ("accident", "raised"), [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.EIO, "I/O error"), OutputError)]
)
def test_a_line_that_could_not_be_made_durable_does_not_break_the_chain(path, monkeypatch, accident, raised):
    ledger = Journal(path)

    def fail(handle):
        raise accident

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(raised):
            ledger.append(pulse(1.0), durable=True)
    ledger.append(pulse(2.0), durable=True)
    ledger.close()
    assert times_s(path)[-1] == 2.0


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from carbon_nas.errors import OutputError
from carbon_nas.ledger import Journal, read_events
from tests.ledger.events import pulse
path = Path(sys.argv[1])
ledger = Journal(path)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
written = 0
try:
    while written < 1_000:
        ledger.append(pulse(float(written)))
        written += 1
except OutputError as error:
    print(error)
for _ in range(3):
    try:
        ledger.append(pulse(-1.0))
    except OutputError:
        continue
print(written, len(list(read_events(path))))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
ledger.append(pulse(float(written)))
ledger.close()
"""


def test_a_full_disk_leaves_whole_lines_and_the_ledger_goes_on_when_there_is_room(path, run_python):
    pytest.importorskip("resource")
    done = run_python("-c", FILL_THE_DISK, str(path), cwd=Path(__file__).parents[2])
    assert done.stderr == ""
    error, counts = done.stdout.splitlines()
    assert error.startswith(f"{path}: cannot be written")
    appended, read = map(int, counts.split())
    assert 0 < appended == read < 1_000
    assert times_s(path) == [float(number) for number in range(appended + 1)]


# Systems that lack a call

WITHOUT_FORKING = """
import os, sys
from pathlib import Path
for name in ("register_at_fork", "fork"):
    if hasattr(os, name):
        delattr(os, name)
sys.modules["fcntl"] = None  # What an import of it finds on Windows.
from carbon_nas.ledger import Journal, Result
with_lock = Journal(Path(sys.argv[1]))
with_lock.append(Result(scenario="a", accuracy_fraction=None, latency_ms=None), durable=True)
with_lock.close()
print(with_lock.locked)
"""


def test_a_system_without_forks_and_locks_still_writes_and_says_what_it_lacks(path, run_python):
    done = run_python("-c", WITHOUT_FORKING, str(path))
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
    assert len(list(read_events(path))) == 1
