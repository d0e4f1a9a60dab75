"""Places whose factors are easy to reckon with: grids, series and hardware of round numbers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carbon_nas.accounting.embodied import EmbodiedItem
from carbon_nas.accounting.grid import Grid, Kind
from carbon_nas.accounting.series import IntensitySeries
from carbon_nas.accounting.site import Site
from carbon_nas.ledger import Run, read_run
from carbon_nas.meters import ManualClock
from carbon_nas.recorder import Recorder
from carbon_nas.sources import Source
from tests.gauge import Gauge

__all__ = ["KWH_J", "NEW_YEAR", "a_grid", "a_place", "a_series", "an_item", "record"]

KWH_J = 3.6e6
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
"""Where the wall clock of a `ManualClock` begins."""
OWN = Source(key="", where="made up")


def a_grid(intensity_g_per_kwh: float = 100.0, kind: Kind = Kind.LOCATION, **facts: Any) -> Grid:
    usual = {"zone": "lab", "name": "the lab's grid", "year": None, "basis": "made up", "source": OWN}
    return Grid(**(usual | facts), intensity_g_per_kwh=intensity_g_per_kwh, kind=kind)


def a_series(*values_g_per_kwh: float | None, kind: Kind = Kind.LOCATION) -> IntensitySeries:
    """Return hours from New Year 2020 on."""
    return IntensitySeries(
        name="the lab's hours",
        zone="lab",
        kind=kind,
        basis="made up",
        start_utc=NEW_YEAR,
        step_s=3600.0,
        values_g_per_kwh=values_g_per_kwh,
        source=OWN,
    )


def a_place(intensity_g_per_kwh: float = 100.0, **facts: Any) -> Site:
    return Site(**({"grids": (a_grid(intensity_g_per_kwh),), "named": True, "pue": None} | facts))


def an_item(component: str = "gpu:*", **facts: Any) -> EmbodiedItem:
    """Return a piece that wears out by a kilogram for every thousand seconds."""
    usual = {"name": component, "mass_kg": 100.0, "lifetime_s": 1e5, "utilisation_ratio": 1.0, "source": OWN}
    return EmbodiedItem(component=component, **(usual | facts))


def record(path: Path, *phases: tuple[float, float], component: str = "gpu:a") -> Run:
    """Record phases one after the other, each so many seconds at so many watts, from New Year 2020 on."""
    clock = ManualClock()
    gauge = Gauge(clock, component)
    with Recorder(path, strategy="a", meters=[gauge], clock=clock, heartbeat_interval_s=None) as recorder:
        for number, (duration_s, power_w) in enumerate(phases):
            gauge.power_w = power_w
            with recorder.phase(f"phase {number}"):
                clock.advance(duration_s)
    return read_run(path)
