"""Metering is a guest in somebody else's program: it touches nothing that is not its own, and loads little."""

import pytest

METERS_DO_WITHOUT = {"codecarbon", "pandas", "psutil", "pydantic", "pynvml", "torch"}
DOCUMENTED = {
    # Which GPUs the program may see.
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    # Which of several processes of one job it is.
    "OMPI_COMM_WORLD_RANK",
    "OMPI_COMM_WORLD_SIZE",
    "PMI_RANK",
    "PMI_SIZE",
    "RANK",
    "SLURM_NTASKS",
    "SLURM_PROCID",
    "WORLD_SIZE",
}

RECORD = """
import logging, os, signal, sys, threading

def state():
    loggers = {name: logger for name, logger in logging.root.manager.loggerDict.items()
               if isinstance(logger, logging.Logger)} | {"": logging.root}
    return (
        {number: signal.getsignal(number) for number in signal.valid_signals()},
        {name: (tuple(logger.handlers), logger.propagate) for name, logger in loggers.items() if logger.handlers},
        {name: logger.level for name, logger in loggers.items() if logger.level},
        sys.excepthook, threading.excepthook, logging.raiseExceptions, logging.root.manager.disable,
    )

before, threads, opened, asked = state(), set(threading.enumerate()), set(), set()

from carbon_nas.recorder import Recorder
import carbon_nas.meters.hosts

ours = os.path.dirname(carbon_nas.__file__)

def listen(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.add(arguments[0])

sys.addaudithook(listen)

class Asked(type(os.environ)):
    def __getitem__(self, key):
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith("<frozen"):  # `get` and its like.
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(ours):
            asked.add(key)
        return super().__getitem__(key)

os.environ.__class__ = Asked

with Recorder(sys.argv[1], strategy="mine") as recorder:
    more = [thread for thread in threading.enumerate() if thread not in threads]
    with recorder.phase("train"), recorder.window("step/1"):
        recorder.beat()
    recorder.result(scenario="phone", accuracy=0.5)
left = [thread for thread in threading.enumerate() if thread not in threads]
print([thread.name for thread in more], all(thread.daemon for thread in more), left)
print(state() == before)
print(*sorted(asked))
print(*sorted(path for path in opened if path.endswith((".cfg", ".conf", ".config", ".env", ".ini", ".toml", ".yaml"))))
"""


@pytest.fixture
def told(run_python, tmp_path):
    """What a process that records a run with the meters of this host tells of itself, line by line."""
    for name in (".codecarbon.config", ".env", "carbon_nas.toml", "pyproject.toml"):
        (tmp_path / name).write_text("pue = 2\n", encoding="utf-8")
    done = run_python("-c", RECORD, str(tmp_path / "run.jsonl"))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")


def test_a_recorder_starts_exactly_one_thread_and_leaves_none(told):
    assert told[0] == "['carbon-nas-sampler'] True []"


def test_a_recorder_installs_no_signal_handler_no_hook_and_no_logging(told):
    assert told[1] == "True"


def test_a_recorder_asks_the_environment_for_what_is_documented_and_nothing_else(told):
    asked = set(told[2].split())
    assert asked
    assert asked <= DOCUMENTED


def test_a_recorder_opens_no_configuration_file(told):
    assert told[3] == ""


@pytest.mark.parametrize("name", ["", ".Metering", ".ManualClock", ".SimulatedMeter"])
def test_importing_the_meters_loads_none_of_what_they_may_need_later(run_python, name):
    script = "import sys, carbon_nas.meters; carbon_nas.meters{0}; print(*{{n.partition('.')[0] for n in sys.modules}})"
    done = run_python("-c", script.format(name))
    assert done.returncode == 0, done.stderr
    assert METERS_DO_WITHOUT & set(done.stdout.split()) == set()
