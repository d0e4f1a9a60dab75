"""Writing off what a killed process left open."""

from carbon_nas.ledger.records import Waste
from carbon_nas.ledger.run import Run

__all__ = ["write_off"]


def write_off(run: Run, *, utc: str) -> tuple[Waste, ...]:
    """Return the waste records of the phases that have begun and will never end, the innermost first.

    What was seen is last heartbeat minus begin: a lower bound. What came after it is bounded by the most that every
    component can draw, for the longest time between two heartbeats that the ledger shows: a heartbeat can come late
    when the interpreter is busy. Without a heartbeat there is no bound. The rest is charged to the innermost phase.
    """
    if not run.open_phases:
        return ()
    session = run.sessions[-1]
    interval_s = session.heartbeat_interval_s
    rest_max_s = None if interval_s is None else max(interval_s, run.longest_gap_s)
    rest_max_j = {
        component.name: None
        if component.power_max_w is None or rest_max_s is None
        else component.power_max_w * rest_max_s
        for component in session.components
    }
    found = []
    for lost in reversed(run.open_phases):
        children = tuple(other for other in run.open_phases if other.begin.parent == lost.begin.phase)
        found.append(
            Waste(
                phase=lost.begin.phase,
                attempt=lost.begin.attempt,
                utc=utc,
                seen_duration_s=lost.last_time_s - lost.begin.time_s,
                seen_energy_j=lost.own("energy_j", besides=children),
                seen_device_s=lost.own("device_s", besides=children),
                rest_max_s=rest_max_s if not children else 0.0,
                rest_max_j=rest_max_j if not children else dict.fromkeys(rest_max_j, 0.0),
            )
        )
    return tuple(found)
