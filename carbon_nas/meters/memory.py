"""Memory energy as an estimate: installed memory times a constant power per GiB. Never called a measurement.

Boundary: all memory that the system shows, whoever uses it, at the same power whether it is used or not. In a virtual
machine that is the guest's share.
"""

import math

import psutil

from carbon_nas.errors import MeterError
from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.clock import Clock
from carbon_nas.sources import Tier

__all__ = ["MEMORY_W_PER_GIB", "MemoryEstimateMeter"]

# Lannelongue et al., Green Algorithms, Advanced Science 8(12), 2021, doi 10.1002/advs.202100707: 0.3725 W per GB. A
# module that is sold as 8 GB holds 8 GiB, so their GB of memory is our GiB: 7 % more bytes than 10^9.
MEMORY_W_PER_GIB = 0.3725

_BYTES_PER_GIB = 2**30


class MemoryEstimateMeter:
    """Estimates memory energy as `memory_gib x watts_per_gib x seconds`. Not beside RAPL's dram: it is the same memory.

    The range of the truth is not quantified: the source gives none.

    Args:
        clock: what tells the time.
        watts_per_gib: overrides the published constant.

    Raises:
        MeterError: if `watts_per_gib` is not positive.
    """

    def __init__(self, clock: Clock, watts_per_gib: float | None = None) -> None:
        if watts_per_gib is not None and not 0 < watts_per_gib < math.inf:
            raise MeterError("the power of a GiB of memory must be above 0 W, and finite", where="watts_per_gib")
        origin = "given by the user" if watts_per_gib is not None else "Green Algorithms (Lannelongue et al. 2021)"
        watts_per_gib = MEMORY_W_PER_GIB if watts_per_gib is None else watts_per_gib
        # What the kernel keeps for itself at boot is missing in it, some per cent of what is plugged in.
        memory_gib = psutil.virtual_memory().total / _BYTES_PER_GIB
        self._power_w = memory_gib * watts_per_gib
        self._clock, self._start_s = clock, clock.monotonic_s()
        self.components: tuple[Component, ...] = (
            Component(
                name="dram",
                tier=Tier.ESTIMATED,
                method="memory_gib x watts_per_gib x seconds (all memory that the system shows)",
                power_max_w=self._power_w,
                inputs={
                    "memory_gib": memory_gib,
                    "watts_per_gib": watts_per_gib,
                    "watts_per_gib_from": origin,
                    "power_w": self._power_w,
                },
                note="the whole memory, whoever used it, at constant power",
                tick_s=0.0,
            ),
        )

    def read(self) -> tuple[Reading, ...]:
        """Return the constant power times the time since the meter was made."""
        elapsed_s = self._clock.monotonic_s() - self._start_s
        energy_j = self._power_w * elapsed_s
        return (Reading(component="dram", energy_j=energy_j, device_s=None, power_w=self._power_w),)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
