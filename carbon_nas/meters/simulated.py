"""A meter whose joules are known exactly, for tests and dry runs. It ships with the product."""

from carbon_nas.meters.base import Component, Reading
from carbon_nas.meters.clock import Clock
from carbon_nas.sources import Tier

__all__ = ["SimulatedMeter"]


class SimulatedMeter:
    """Draws constant power on a given clock: `energy_j == power_w * seconds`, exactly.

    Args:
        clock: what tells the time; with a `ManualClock` every joule is decided by the test.
        power_w: the constant power.
        component: the name of the only component.
        own: whether it stands for something that belongs to this process alone; False for a device that others share.
    """

    def __init__(self, clock: Clock, *, power_w: float = 100.0, component: str = "simulated", own: bool = True) -> None:
        self._clock, self._power_w, self._start_s = clock, power_w, clock.monotonic_s()
        self.components: tuple[Component, ...] = (
            Component(
                name=component,
                tier=Tier.MODELLED,
                method="simulated: power_w x seconds",
                power_max_w=power_w,
                inputs={"power_w": power_w},
                note="simulated, no hardware was read",
                tick_s=0.0,
                own=own,
            ),
        )

    def read(self) -> tuple[Reading, ...]:
        """Return power times the time since the meter was made."""
        elapsed_s = self._clock.monotonic_s() - self._start_s
        energy_j = self._power_w * elapsed_s
        name = self.components[0].name
        return (Reading(component=name, energy_j=energy_j, device_s=elapsed_s, power_w=self._power_w),)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
