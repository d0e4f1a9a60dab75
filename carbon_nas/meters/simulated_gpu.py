"""One simulated NVIDIA GPU, and what can go wrong with it at which moment. No hardware, every joule known exactly."""

from dataclasses import dataclass
from math import floor

from carbon_nas.meters.waves import Constant, Wave

__all__ = ["Fault", "Lost", "NotReady", "Reset", "SimulatedGpu", "Unsupported"]

_MJ_PER_J = 1_000
_MW_PER_W = 1_000
# What the driver's counter had seen before the simulation began.
_BEFORE_MJ = 10**9
_STEADY = Constant(level_w=100.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """The GPU does not answer at all; its counter goes on meanwhile.

    Attributes:
        end_s: when it comes back; None: never.
        new_handle: whether a handle from before stays dead after it came back.
    """

    uuid: str
    begin_s: float
    end_s: float | None = None
    new_handle: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reset:
    """The driver is loaded anew: the energy counter starts again at 0."""

    uuid: str
    at_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class NotReady:
    """Energy and power cannot be read for a while: `NVML_ERROR_NOT_READY`."""

    uuid: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Unsupported:
    """One function is not offered for this GPU.

    Attributes:
        what: the name of the function in `pynvml`.
    """

    uuid: str
    what: str


Fault = Lost | NotReady | Reset | Unsupported


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedGpu:
    """A board whose sensor follows a wave of power, as NVML would show it.

    Attributes:
        wave: the true power; its time 0 is when the simulation is made.
        tick_s: how often counter and power are updated; between two updates they stand still.
        phase_s: when one of the updates happens.
        gain_ratio: what the sensor shows over the truth.
        power_limit_w: the enforced limit; None if it does not tell.
        counter, instant, average: whether energy counter, instantaneous power and power over the last second are there.
        module: whether it is a superchip, whose module power can be read as well.
        mig: the UUIDs of its MIG slices, each beginning with `MIG-`.
        users: process ids, and the percentage of the multiprocessors that each one uses.
        temperature_c: what the thermometer shows.
        throttle: the bit mask of `nvmlDeviceGetCurrentClocksEventReasons`.
    """

    uuid: str
    wave: Wave = _STEADY
    tick_s: float = 0.1
    phase_s: float = 0.0
    gain_ratio: float = 1.0
    power_limit_w: float | None = 700.0
    counter: bool = True
    instant: bool = True
    average: bool = True
    module: bool = False
    name: str = "Simulated GPU"
    mig: tuple[str, ...] = ()
    users: tuple[tuple[int, int], ...] = ()
    temperature_c: float = 40.0
    throttle: int = 0

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Return the true energy between two moments."""
        return self.wave.energy_j(begin_s, end_s)

    def counter_mj(self, time_s: float, resets_s: tuple[float, ...] = ()) -> int:
        """Return what the energy counter shows, in whole millijoules.

        Args:
            time_s: the moment.
            resets_s: when the counter began anew, in any order.
        """
        origin_s = max((at_s for at_s in resets_s if at_s <= time_s), default=None)
        updated_s = self._updated_s(time_s)
        if origin_s is None:
            return _BEFORE_MJ + floor(self.gain_ratio * _MJ_PER_J * self.wave.energy_j(0.0, updated_s))
        return floor(self.gain_ratio * _MJ_PER_J * self.wave.energy_j(origin_s, max(origin_s, updated_s)))

    def instant_mw(self, time_s: float) -> int:
        """Return the power as it was at the last update."""
        return round(self.gain_ratio * _MW_PER_W * self.wave.power_w(self._updated_s(time_s)))

    def average_mw(self, time_s: float) -> int:
        """Return the mean power over the second before the last update."""
        updated_s = self._updated_s(time_s)
        return round(self.gain_ratio * _MW_PER_W * self.wave.energy_j(updated_s - 1.0, updated_s))

    def _updated_s(self, time_s: float) -> float:
        # A reading at the very moment of an update sees it, however the division rounds.
        return floor((time_s - self.phase_s) / self.tick_s + 1e-9) * self.tick_s + self.phase_s
