"""What goes wrong in practice, as scenarios of a few seconds: the rows of the fault matrix."""

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["GPU_W", "MATRIX", "UUID", "Scenario", "constant", "gpu"]

GPU_W = 300.0
UUID = "GPU-4d1f6b0e-52a8-4a6c-9d1b-8b9a3f5e2c70"
OTHER = "GPU-9a0c7e35-1b2d-4c8f-8e6a-0d4b7c1f9e22"
SLICE = "MIG-6f2a9c14-83d5-5b7e-a1c0-3e9d8f7b6a55"
_RANGE_UJ = 262_143_328_850


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One simulated machine, what is done on it and what happens meanwhile.

    Attributes:
        name: as it stands in the table.
        action: what the driver does; see `driver.ACTIONS`.
        seconds: how long, where the action does not say.
        gpus, faults: the simulated GPUs and their faults, as the fields of their classes.
        true: the waves whose energy has to be reported.
        counted: what is asked about: `gpu`, `cpu` or `cpu+dram`.
        knowable: whether the joules can be known at all. If so, giving no number is no answer.
        visible: CUDA_VISIBLE_DEVICES; None: not set.
        absent: there is no driver.
        crash_s: between these times every call on a GPU fails with an error that is none of NVML's.
        zones, zone_resets, denied: the powercap tree, when counters begin anew, and whether reading is refused.
        clock_steps: jumps of the wall clock and of the time since boot.
        raises: the program fails at its end.
        files: the tool writes its usual file.
        signal: what kills the program from outside, by its name; empty: nothing.
    """

    name: str
    action: str = "window"
    seconds: float = 3.0
    gpus: tuple[dict[str, Any], ...] = ()
    faults: tuple[dict[str, Any], ...] = ()
    true: tuple[dict[str, Any], ...] = ()
    counted: str = "gpu"
    knowable: bool = True
    visible: str | None = None
    absent: bool = False
    crash_s: tuple[float, ...] = ()
    zones: tuple[dict[str, Any], ...] = ()
    zone_resets: tuple[dict[str, Any], ...] = ()
    denied: bool = False
    clock_steps: tuple[dict[str, float], ...] = ()
    raises: bool = False
    files: bool = True
    signal: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = asdict(self)
        return {**values, **values.pop("more")}


def constant(level_w: float) -> dict[str, Any]:
    """Describe a constant wave."""
    return {"kind": "Constant", "level_w": level_w}


def gpu(uuid: str = UUID, wave: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Describe a GPU whose counter ticks every 20 ms, the fast end of what is published."""
    return {"uuid": uuid, "wave": wave or constant(GPU_W), "tick_s": 0.02, "power_limit_w": 400.0, **more}


def _one_gpu(name: str, **more: Any) -> Scenario:
    return Scenario(**{"name": name, "gpus": (gpu(),), "true": (constant(GPU_W),), **more})


def _zone(path: str, name: str, level_w: float, **more: Any) -> dict[str, Any]:
    return {"path": path, "name": name, "wave": constant(level_w), "power_max_w": 250.0, **more}


def _rapl(name: str, *, true_w: tuple[float, ...] = (100.0,), **more: Any) -> Scenario:
    return Scenario(**{"name": name, "counted": "cpu", "true": tuple(map(constant, true_w)), **more})


_PACKAGE = _zone("intel-rapl:0", "package-0", 100.0, start_uj=150_000_000_000)
# A sensor that always shows the same is the worst case of a tool that drops equal samples, and no real one does.
_JITTER = {"kind": "Telegraph", "low_w": 280.0, "high_w": 320.0, "mean_s": 0.05, "seed": 3}
_SOCKETS = (
    _PACKAGE,
    _zone("intel-rapl:0:0", "dram", 20.0, start_uj=7_000_000_000),
    _zone("intel-rapl:1", "package-1", 60.0, start_uj=90_000_000_000),
    _zone("intel-rapl:1:0", "dram", 10.0, start_uj=3_000_000_000),
)

MATRIX: tuple[Scenario, ...] = (
    _one_gpu("no fault"),
    _one_gpu("GPU lost and back", faults=({"kind": "Lost", "uuid": UUID, "begin_s": 0.8, "end_s": 2.1},)),
    _one_gpu(
        "GPU lost and back, its old handle dead",
        faults=({"kind": "Lost", "uuid": UUID, "begin_s": 0.8, "end_s": 1.4, "new_handle": True},),
    ),
    _one_gpu(
        "GPU lost, and reset before it is back",
        faults=(
            {"kind": "Lost", "uuid": UUID, "begin_s": 0.8, "end_s": 1.9},
            {"kind": "Reset", "uuid": UUID, "at_s": 1.5},
        ),
        knowable=False,
    ),
    _one_gpu("GPU lost to the end", faults=({"kind": "Lost", "uuid": UUID, "begin_s": 1.3},), knowable=False),
    _one_gpu("counter reset (driver reload)", faults=({"kind": "Reset", "uuid": UUID, "at_s": 1.5},)),
    _one_gpu(
        "counter reset, no power to bridge it by",
        gpus=(gpu(instant=False, average=False),),
        faults=({"kind": "Reset", "uuid": UUID, "at_s": 1.5},),
        knowable=False,
    ),
    _one_gpu("counter unsupported", gpus=(gpu(wave=_JITTER, counter=False),), true=(_JITTER,)),
    _one_gpu("NOT_READY within", faults=({"kind": "NotReady", "uuid": UUID, "begin_s": 0.9, "end_s": 1.6},)),
    _one_gpu(
        "NOT_READY at the last edge",
        faults=({"kind": "NotReady", "uuid": UUID, "begin_s": 2.7, "end_s": 30.0},),
        knowable=False,
    ),
    _one_gpu("NVML absent", absent=True, knowable=False, seconds=1.5),
    _one_gpu(
        "CUDA_VISIBLE_DEVICES by UUID",
        gpus=(gpu(wave=constant(80.0)), gpu(OTHER)),
        visible=OTHER,
        seconds=2.0,
    ),
    # A slice has no sensor of its own: its board is right, and so is to say that it is not known.
    _one_gpu(
        "CUDA_VISIBLE_DEVICES by MIG id",
        gpus=(gpu(mig=(SLICE,)),),
        visible=SLICE,
        knowable=False,
        seconds=2.0,
    ),
    _rapl("RAPL permission refused", zones=(_PACKAGE,), denied=True, knowable=False, seconds=2.0),
    _rapl("RAPL wrap", zones=({**_PACKAGE, "start_uj": _RANGE_UJ - 150_000_000},)),
    _rapl("RAPL reset", zones=(_PACKAGE,), zone_resets=({"at_s": 1.5, "path": "intel-rapl:0"},), knowable=False),
    _rapl("two sockets with dram each", zones=_SOCKETS, true_w=(100.0, 20.0, 60.0, 10.0), counted="cpu+dram"),
    _one_gpu("suspend (10 min)", clock_steps=({"at_s": 1.0, "wall_s": 600.0, "boot_s": 600.0},)),
    _one_gpu("wall clock steps back 1 h", clock_steps=({"at_s": 1.0, "wall_s": -3600.0, "boot_s": 0.0},)),
    _one_gpu("SIGKILL", action="dies", seconds=60.0, signal="SIGKILL"),
    _one_gpu("SIGTERM", action="dies", seconds=60.0, signal="SIGTERM"),
    _one_gpu("exception in the training", action="dies", seconds=1.5, raises=True),
    _one_gpu("disk full", action="full", seconds=1.5),
    _one_gpu("fork", action="forks"),
    _one_gpu("two threads", action="threads"),
    _one_gpu("nested windows", action="nested"),
    _one_gpu("run with tasks in it", action="tasks"),
    _one_gpu("60 windows of 30 ms, 100 ms tick", action="short", gpus=(gpu(tick_s=0.1),)),
    _one_gpu("two meters on one host", action="twice", seconds=2.5),
    _one_gpu("meter thread failing", crash_s=(0.5, 2.4)),
)
