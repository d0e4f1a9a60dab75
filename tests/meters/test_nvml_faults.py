"""Whatever happens to a GPU, at any moment: nothing is raised, and the true energy is within what is stated."""

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.meters import ManualClock
from carbon_nas.meters.measurement import measure
from carbon_nas.meters.nvml import NvmlMeter
from carbon_nas.meters.simulated_gpu import Lost, NotReady, Reset, SimulatedGpu, Unsupported
from carbon_nas.meters.simulated_nvml import SimulatedNvml
from carbon_nas.meters.waves import Constant, Square

ONE, TWO = "GPU-aaaa1111", "GPU-bbbb2222"
FIELDS = "nvmlDeviceGetFieldValues"


def simulated(*faults, gpu=None, **changes) -> SimpleNamespace:
    clock = ManualClock()
    gpu = gpu or SimulatedGpu(**{"uuid": ONE, "wave": Constant(level_w=100.0)} | changes)
    nvml = SimulatedNvml(clock, [gpu, SimulatedGpu(uuid=TWO)], faults=faults)
    return SimpleNamespace(clock=clock, nvml=nvml, meter=NvmlMeter(clock, nvml, environment={}))


def after(sim: SimpleNamespace, seconds: float):
    sim.clock.advance(seconds)
    return sim.meter.read()[0]


def test_a_lost_gpu_keeps_what_was_seen_while_the_others_go_on():
    sim = simulated(Lost(uuid=ONE, begin_s=1.5))
    after(sim, 1.0)
    sim.clock.advance(2.0)
    lost, other = sim.meter.read()
    assert (lost.energy_j, lost.power_w, lost.gaps.pending_s) == (100.0, None, 2.0)
    assert (other.energy_j, other.gaps) == (300.0, None)


def test_a_gpu_that_comes_back_has_lost_nothing_if_its_counter_went_on():
    sim = simulated(Lost(uuid=ONE, begin_s=1.0, end_s=3.0))
    assert after(sim, 2.0).gaps.pending_s == 2.0
    back = after(sim, 2.0)
    assert (back.energy_j, back.gaps, back.power_w) == (400.0, None, 100.0)


def test_a_gpu_is_found_again_by_its_uuid_where_its_old_handle_is_dead():
    sim = simulated(Lost(uuid=ONE, begin_s=1.0, end_s=3.0, new_handle=True))
    after(sim, 2.0)
    assert after(sim, 2.0).energy_j == 400.0


def test_a_driver_that_is_loaded_anew_breaks_the_counter_and_the_gap_is_bridged():
    sim = simulated(Lost(uuid=ONE, begin_s=1.0, end_s=2.0, new_handle=True), Reset(uuid=ONE, at_s=2.0))
    after(sim, 0.9)
    after(sim, 0.6)
    back = after(sim, 1.5)
    assert (back.gaps.segments, back.gaps.unseen_s) == (2, pytest.approx(2.1))
    assert back.gaps.bridged_j == pytest.approx(210.0)
    assert back.energy_j == pytest.approx(300.0, abs=11.0)


def test_nvml_that_was_shut_down_by_somebody_else_is_started_again():
    sim = simulated()
    after(sim, 1.0)
    sim.nvml.nvmlShutdown()
    assert after(sim, 1.0).gaps.pending_s == 1.0
    assert after(sim, 1.0).energy_j == 300.0
    sim.meter.close()
    assert sim.nvml.users == 0


def test_a_gpu_that_is_gone_is_looked_for_less_and_less_often():
    sim = simulated(Lost(uuid=ONE, begin_s=0.5))
    tries = []
    find = sim.nvml.nvmlDeviceGetHandleByUUID
    sim.nvml.nvmlDeviceGetHandleByUUID = lambda uuid: (tries.append(sim.clock.monotonic_s()), find(uuid))[1]
    for _ in range(2_000):
        after(sim, 0.1)
    waits_s = [later - earlier for earlier, later in zip([0.5, *tries], tries, strict=False)]
    assert waits_s == [pytest.approx(wait_s, abs=0.11) for wait_s in (0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30)]


def test_a_gpu_that_is_not_ready_for_a_moment_has_lost_nothing():
    sim = simulated(NotReady(uuid=ONE, begin_s=1.0, end_s=2.0))
    busy = after(sim, 1.5)
    assert (busy.energy_j, busy.gaps.pending_s) == (0.0, 1.5)
    assert after(sim, 1.0).energy_j == 250.0


def test_a_gpu_that_is_not_ready_when_the_meter_is_opened_is_known_from_when_it_is():
    sim = simulated(NotReady(uuid=ONE, begin_s=0.0, end_s=1.0))
    assert sim.meter.components[0].inputs["source"] == "energy counter"
    assert sim.meter.read()[0].energy_j is None
    assert after(sim, 1.0).energy_j == 0.0
    assert after(sim, 1.0).energy_j == 100.0


def test_a_gpu_that_is_lost_and_has_no_counter_has_lost_what_it_used_meanwhile():
    sim = simulated(Lost(uuid=ONE, begin_s=1.0, end_s=2.0), counter=False)
    for _ in range(30):
        reading = after(sim, 0.1)
    assert reading.gaps.segments == 2
    assert reading.gaps.unseen_s >= 1.0
    assert reading.energy_j == pytest.approx(300.0)


def test_a_reading_that_had_to_wait_for_seconds_is_no_reset():
    sim = simulated(power_limit_w=100.0)
    after(sim, 1.0)
    sim.nvml.call_cost_s = 5.0
    late = after(sim, 1.0)
    assert (late.energy_j, late.gaps, late.jitter_s) == (700.0, None, 2.5)


def test_conditions_of_a_lost_gpu_are_not_known():
    sim = simulated(Lost(uuid=ONE, begin_s=1.0))
    after(sim, 1.0)
    assert [condition.temperature_c for condition in sim.meter.conditions()] == [None, 40.0]
    assert sim.meter.shares(1)[f"gpu:{ONE}"] is None


MOMENTS_S = st.floats(0.0, 12.0)
# One at most: a counter that began at 0 may begin anew below what it showed, and that nobody can see.
RESETS = st.lists(st.builds(Reset, uuid=st.just(ONE), at_s=MOMENTS_S), max_size=1)
SILENCES = st.one_of(
    st.builds(
        lambda begin_s, length_s, new_handle: Lost(
            uuid=ONE, begin_s=begin_s, end_s=None if length_s is None else begin_s + length_s, new_handle=new_handle
        ),
        st.floats(0.01, 12.0),
        st.none() | st.floats(0.01, 5.0),
        st.booleans(),
    ),
    st.builds(
        lambda begin_s, length_s: NotReady(uuid=ONE, begin_s=begin_s, end_s=begin_s + length_s),
        MOMENTS_S,
        st.floats(0.01, 5.0),
    ),
)
WAVES = st.one_of(
    st.builds(Constant, level_w=st.floats(20, 600)),
    st.builds(Square, low_w=st.floats(20, 100), high_w=st.floats(100, 600), period_s=st.floats(0.5, 5)),
)
BOARDS = st.sampled_from([{}, {"counter": False}, {"instant": False}, {"average": False}])


@settings(deadline=None, max_examples=200)
@given(
    st.tuples(RESETS, st.lists(SILENCES, max_size=2)).map(lambda both: both[0] + both[1]),
    WAVES,
    BOARDS,
    st.sampled_from(["", FIELDS]),
    st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True).map(sorted),
)
def test_with_faults_at_any_moment_nothing_is_raised_and_the_truth_is_within_the_bounds(
    faults, wave, board, without, edges
):
    hidden = [Unsupported(uuid=ONE, what=without)] if without else []
    sim = simulated(*faults, *hidden, wave=wave, **board)
    component, readings = sim.meter.components[0], []
    for _ in range(101):
        readings.append(sim.meter.read()[0])
        sim.meter.conditions()
        sim.clock.advance(0.1)
    energies_j = [reading.energy_j for reading in readings if reading.energy_j is not None]
    assert energies_j == sorted(energies_j)
    begin, end = readings[edges[0]], readings[edges[1]]
    window = measure(component, begin, end, 0.1 * (edges[1] - edges[0]))
    true_j = wave.energy_j(0.1 * edges[0], 0.1 * edges[1])
    doubt_j = 2 * window.random_u_j + 1e-6 if window.random_u_j is not None else 1e-6
    assert window.low_j - doubt_j <= true_j <= window.high_j + doubt_j
    if not faults:
        assert window.complete
    if end.gaps is not None and end.gaps.pending_s:
        assert not window.complete
    if window.complete and true_j > 2 * doubt_j:
        assert window.energy_j == pytest.approx(true_j, abs=doubt_j)
