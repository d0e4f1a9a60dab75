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
    """

    def __init__(self, clock: Clock, *, power_w: float = 100.0, component: str = "simulated") -> None:
        self._clock, self._power_w, self._start_s = clock, power_w, clock.monotonic_s()
        self.components: tuple[Component, ...] = (
            Component(
                name=component,
                tier=Tier.MODELLED,
                method="simulated: power_w x seconds",
                power_max_w=power_w,
                inputs={"power_w": power_w},
                note="simulated, no hardware was read",
            ),
        )

    def read(self) -> tuple[Reading, ...]:
        """Return power times the time since the meter was made."""
        elapsed_s = self._clock.monotonic_s() - self._start_s
        return (Reading(component=self.components[0].name, energy_j=self._power_w * elapsed_s, device_s=elapsed_s),)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
