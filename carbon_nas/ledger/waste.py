"""Writing off what a killed process left open."""

from carbon_nas.ledger.records import Waste
from carbon_nas.ledger.run import Run
from carbon_nas.meters.base import spent

__all__ = ["write_off"]


def write_off(run: Run, *, utc: str) -> Waste | None:
    """Return the waste record of a phase that has begun and will never end; None if there is none.

    What was seen is last heartbeat minus begin: a lower bound. What came after it is bounded by the most that every
    component can draw, for the longest time between two heartbeats that the ledger shows: a heartbeat can come late
    when the interpreter is busy. Without a heartbeat there is no bound.
    """
    lost = run.open_phase
    if lost is None:
        return None
    session = run.sessions[-1]
    interval_s = session.heartbeat_interval_s
    rest_max_s = None if interval_s is None else max(interval_s, run.longest_gap_s)
    return Waste(
        phase=lost.begin.phase,
        attempt=lost.begin.attempt,
        utc=utc,
        seen_duration_s=lost.last_time_s - lost.begin.time_s,
        seen_energy_j=spent(lost.begin.readings, lost.last_readings, "energy_j"),
        seen_device_s=spent(lost.begin.readings, lost.last_readings, "device_s"),
        rest_max_s=rest_max_s,
        rest_max_j={
            component.name: None
            if component.power_max_w is None or rest_max_s is None
            else component.power_max_w * rest_max_s
            for component in session.components
        },
    )
