"""Events for a ledger: any that can be, and a few plain ones."""

from hypothesis import strategies as st

from carbon_nas.ledger import Outcome, Result, Role, Scope
from carbon_nas.ledger.observations import Baseline, CrossCheck, Incident, Trace, WindowEnd
from carbon_nas.ledger.records import (
    SCHEMA,
    Header,
    LatencyLimit,
    PhaseBegin,
    PhaseEnd,
    Pulse,
    Saved,
    Session,
    TrainerLog,
    phase_key,
)
from carbon_nas.meters import Component, Reading
from carbon_nas.meters.base import Gaps
from carbon_nas.meters.measurement import Measurement
from carbon_nas.sources import Tier

__all__ = ["any_event", "begin", "end", "header", "pulse", "saved", "session"]

UTC = "2020-01-01T00:00:00.000+00:00"

# Training switches subnormal numbers off for a whole process, so no test may count on them.
number = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
maybe = st.none() | number
count = st.none() | st.integers(min_value=0)
name = st.text()
# What a JSON value can be: a tuple would come back as a list.
json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | number | name,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(name, inner, max_size=3),
    max_leaves=6,
)
gaps = st.builds(Gaps, segments=st.integers(1, 9), unseen_s=number, bridged_j=number, pending_s=number)
readings = st.lists(
    st.builds(
        Reading,
        component=name,
        energy_j=maybe,
        device_s=maybe,
        power_w=maybe,
        jitter_s=maybe,
        gaps=st.none() | gaps,
        sampling_u_j=maybe,
        attributed_j=maybe,
    ),
    max_size=3,
).map(tuple)
measured = st.lists(
    st.builds(
        Measurement,
        component=name,
        energy_j=maybe,
        low_j=maybe,
        high_j=maybe,
        random_u_j=maybe,
        systematic_u_j=maybe,
        device_s=maybe,
        attributed_j=maybe,
        complete=st.booleans(),
        below_resolution=st.booleans(),
        segments=st.integers(1, 9),
    ),
    max_size=2,
).map(tuple)
per_component = st.dictionaries(name, maybe, max_size=3)

any_event = st.one_of(
    st.builds(
        Result,
        scenario=name,
        accuracy_fraction=maybe,
        latency_ms=maybe,
        architecture=st.dictionaries(name, json_value, max_size=3),
        workload=st.none() | name,
        macs=count,
    ),
    st.builds(
        TrainerLog,
        phase=name,
        subject=name,
        epoch=st.integers(),
        steps=st.integers(),
        energy_j=maybe,
        accuracy_fraction=maybe,
        loss_nats=maybe,
    ),
    st.builds(
        PhaseBegin,
        phase=name,
        name=name,
        scope=st.sampled_from(Scope),
        scenario=st.none() | name,
        attempt=st.integers(1, 9),
        utc=name,
        time_s=number,
        readings=readings,
        parent=st.none() | name,
        resumes=st.none() | name,
    ),
    st.builds(
        Saved,
        phase=name,
        progress=st.integers(),
        utc=name,
        time_s=number,
        duration_s=number,
        readings=readings,
        energy_j=per_component,
        device_s=per_component,
        steps=count,
        macs=count,
        artefact_hash=name,
        measured=measured,
        own_j=per_component,
        own_device_s=per_component,
        foreign_j=st.dictionaries(name, number, max_size=2),
    ),
    st.builds(
        PhaseEnd,
        phase=name,
        outcome=st.sampled_from(Outcome),
        utc=name,
        time_s=number,
        duration_s=number,
        readings=readings,
        energy_j=per_component,
        device_s=per_component,
        steps=count,
        macs=count,
        artefact_hash=st.none() | name,
        measured=measured,
        own_j=per_component,
        foreign_j=st.dictionaries(name, number, max_size=2),
        images=count,
    ),
    st.builds(
        WindowEnd,
        name=name,
        parent=st.none() | name,
        time_s=number,
        duration_s=number,
        measured=measured,
        own_j=per_component,
    ),
    st.builds(
        Trace,
        component=name,
        times_s=st.lists(number, max_size=3).map(tuple),
        energies_j=st.lists(maybe, max_size=3).map(tuple),
        powers_w=st.lists(maybe, max_size=3).map(tuple),
        temperature_c=maybe,
        throttled_by=st.lists(name, max_size=2).map(tuple),
    ),
    st.builds(
        Incident,
        utc=name,
        time_s=number,
        what=name,
        detail=name,
        component=st.none() | name,
        duration_s=maybe,
        missing_max_j=maybe,
    ),
    st.builds(Baseline, utc=name, duration_s=number, measured=measured),
    st.builds(
        CrossCheck,
        tool=name,
        duration_s=number,
        ours_j=per_component,
        theirs_j=per_component,
        reasons=st.lists(name, max_size=2).map(tuple),
        error=name,
    ),
    st.builds(Pulse, phase=name, time_s=number, readings=readings),
    st.builds(LatencyLimit, scenario=name, limit_ms=number, rule=name, sample_ms=st.lists(number).map(tuple)),
)


def header(*, schema: int = SCHEMA) -> Header:
    """Begin a ledger."""
    return Header(
        run="run",
        role=Role.STRATEGY,
        strategy="a-strategy",
        seed=0,
        workload=None,
        study={},
        study_hash="",
        code_version="",
        code_hash="",
        schema=schema,
    )


def session(*, heartbeat_interval_s: float | None = 1.0, power_max_w: float | None = 10.0) -> Session:
    """Begin to write with one component, `dram`."""
    dram = Component(name="dram", tier=Tier.MODELLED, method="made up", power_max_w=power_max_w)
    return Session(
        utc=UTC,
        time_s=0.0,
        boot_s=None,
        host={},
        versions={},
        components=(dram,),
        heartbeat_interval_s=heartbeat_interval_s,
        locked=True,
    )


def _read(energy_j: float | None) -> tuple[Reading, ...]:
    return (Reading(component="dram", energy_j=energy_j, device_s=energy_j),)


def begin(
    phase: str,
    time_s: float = 0.0,
    energy_j: float | None = 0.0,
    *,
    scenario: str | None = None,
    attempt: int = 1,
    parent: str | None = None,
    resumes: str | None = None,
) -> PhaseBegin:
    """Begin a phase."""
    return PhaseBegin(
        phase=phase_key(phase, scenario),
        name=phase,
        scope=Scope.ONCE if scenario is None else Scope.PER_SCENARIO,
        scenario=scenario,
        attempt=attempt,
        utc=UTC,
        time_s=time_s,
        readings=_read(energy_j),
        parent=parent,
        resumes=resumes,
    )


def saved(phase: str, time_s: float, energy_j: float, digest: str, *, since_s: float = 0.0, steps: int = 1) -> Saved:
    """Keep the state of a phase that began at a time, with as many joules on the counter as seconds on the clock."""
    used = {"dram": energy_j - since_s}
    return Saved(
        phase=phase,
        progress=1,
        utc=UTC,
        time_s=time_s,
        duration_s=time_s - since_s,
        readings=_read(energy_j),
        energy_j=used,
        device_s=used,
        steps=steps,
        macs=100 * steps,
        artefact_hash=digest,
    )


def pulse(time_s: float = 0.0, energy_j: float | None = 0.0, *, phase: str = "a phase") -> Pulse:
    """Beat once in a phase."""
    return Pulse(phase=phase, time_s=time_s, readings=_read(energy_j))


def end(phase: str, time_s: float = 1.0, *, outcome: Outcome = Outcome.DONE, energy_j: float | None = 1.0) -> PhaseEnd:
    """End a phase that began at zero."""
    return PhaseEnd(
        phase=phase,
        outcome=outcome,
        utc=UTC,
        time_s=time_s,
        duration_s=time_s,
        readings=_read(energy_j),
        energy_j={"dram": energy_j},
        device_s={"dram": energy_j},
        steps=1,
        macs=1,
    )
