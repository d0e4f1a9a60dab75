"""A command runs as it would without us: its streams, its exit code, and the signals that are meant for it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from carbon_nas.meters.child import Child, signals_held_back

pytestmark = pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not tell what a child used")

BUSY = "import time\nwhile time.process_time() < {}: pass"


def run(script: str):
    return Child([sys.executable, "-c", script]).wait()


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_is_the_childs(code):
    ended = run(f"import sys; sys.exit({code})")
    assert (ended.exit_code, ended.interrupted) == (code, False)


@pytest.mark.parametrize(("name", "interrupted"), [("SIGKILL", False), ("SIGTERM", False), ("SIGINT", True)])
def test_a_killed_child_has_the_code_that_a_shell_gives(name, interrupted):
    number = getattr(signal, name)
    script = f"import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), {int(number)})"
    ended = run(script)
    assert (ended.exit_code, ended.interrupted) == (128 + number, interrupted)


def test_cpu_time_of_the_whole_tree_that_was_waited_for_is_told():
    inner = f"subprocess.run([sys.executable, '-c', {BUSY.format(0.3)!r}])"
    ended = run(f"import subprocess, sys\n{inner}\n{BUSY.format(0.3)}")
    assert ended.usage.ru_utime + ended.usage.ru_stime >= 0.6


def test_it_can_be_looked_at_when_it_has_ended_and_before_it_is_gone():
    child = Child([sys.executable, "-c", "pass"])
    there = []
    child.wait(lambda: there.append(os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT) is not None))
    assert there == [True]


def test_a_program_that_is_not_there_raises():
    with pytest.raises(OSError, match="such"):
        Child(["/there/is/no/such/program"])


# A process of its own, for the signals of the one that runs the tests are none of ours.
METER = """
import sys
from carbon_nas.meters.child import Child
child = Child([sys.executable, "-c", sys.argv[1]])
ended = child.wait()
print(ended.exit_code, ended.interrupted, flush=True)
"""
PATIENT = """
import signal, sys, time
heard = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: heard.append(number))
print("ready", flush=True)
while not heard: time.sleep(0.01)
print("heard", int(heard[0]), flush=True)
"""


@pytest.mark.parametrize(("name", "interrupted"), [("SIGINT", True), ("SIGTERM", True), ("SIGUSR1", False)])
def test_a_signal_that_is_sent_to_us_reaches_the_child_which_decides(name, interrupted):
    number = getattr(signal, name)
    process = subprocess.Popen([sys.executable, "-c", METER, PATIENT], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert said == f"heard {int(number)}\n0 {interrupted}\n"


COUNTS = """
import os, signal, sys, time
heard = []
signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
print("ready", flush=True)
while not heard: time.sleep(0.01)
# A second one would have been sent by the meter, before it could notice that the child has gone on.
print("again", flush=True)
sys.stdin.readline()
print("heard", len(heard), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no terminals of this kind")
def test_ctrl_c_in_a_terminal_reaches_the_child_once():
    ours, theirs = os.openpty()
    # A session without a terminal takes the first one that it opens for its own.
    script = f'exec 0<>{os.ttyname(theirs)} && exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "-c", METER, COUNTS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    os.close(theirs)
    assert process.stdout.readline() == "ready\n"
    os.write(ours, b"\x03")
    assert process.stdout.readline() == "again\n"
    os.write(ours, b"\n")
    said, _ = process.communicate(timeout=60)
    os.close(ours)
    assert said == "heard 1\n0 True\n"


def test_signals_are_as_before_afterwards():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    with signals_held_back():
        run("pass")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)] == handlers


def test_threads_that_begin_while_signals_are_held_back_never_take_them():
    masks = []
    with signals_held_back():
        thread = threading.Thread(target=lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        thread.start()
    thread.join()
    assert {signal.SIGINT, signal.SIGTERM} <= masks[0]


def test_the_child_itself_starts_with_no_signal_held_back():
    script = "import signal, sys; sys.exit(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
    assert run(script).exit_code == 0
