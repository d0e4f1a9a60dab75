from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.meters import ManualClock, SimulatedMeter
from carbon_nas.sources import Tier


@settings(deadline=None)
@given(st.integers(1, 1_000), st.lists(st.integers(0, 10**6), max_size=20))
def test_joules_are_power_times_seconds_exactly(power_w, waits_s):
    clock = ManualClock(start_s=50.0)
    meter = SimulatedMeter(clock, power_w=float(power_w))
    for wait_s in waits_s:
        clock.advance(wait_s)
    (reading,) = meter.read()
    assert reading.energy_j == power_w * sum(waits_s)
    assert reading.device_s == sum(waits_s)


def test_it_never_passes_for_hardware():
    (component,) = SimulatedMeter(ManualClock()).components
    assert component.tier is Tier.MODELLED
    assert "no hardware was read" in component.note
