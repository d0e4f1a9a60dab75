"""A meter of constant power whose component is the test's to describe, and that breaks and mends on demand."""

from typing import Any

from carbon_nas.meters import Component, ManualClock, Reading
from carbon_nas.sources import Tier

__all__ = ["Gauge"]


class Gauge:
    """Counts `power_w` joules a second on a clock; while it is broken it does not answer, and counts on."""

    def __init__(self, clock: ManualClock, name: str = "gpu:a", *, power_w: float = 1.0, **facts: Any) -> None:
        usual = {"tier": Tier.MEASURED, "method": "made up", "power_max_w": 10.0 * power_w, "tick_s": 0.0}
        self.components = (Component(name=name, **(usual | facts)),)
        self.power_w, self.broken = power_w, False
        self._clock, self._counted_j, self._last_s = clock, 0.0, clock.monotonic_s()

    def read(self) -> tuple[Reading, ...]:
        if self.broken:
            raise RuntimeError("the gauge fell off")
        now_s = self._clock.monotonic_s()
        self._counted_j += self.power_w * (now_s - self._last_s)
        self._last_s = now_s
        return (Reading(component=self.components[0].name, energy_j=self._counted_j, device_s=None),)

    def close(self) -> None:
        pass
