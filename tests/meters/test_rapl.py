"""RAPL is read from the powercap tree: every joule once, wraps only where they are plain, and None where refused."""

import os
import random
import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.errors import NoDevice
from carbon_nas.meters import ManualClock, SystemClock
from carbon_nas.meters.measurement import measure
from carbon_nas.meters.powercap import SimulatedPowercap, SimulatedZone
from carbon_nas.meters.rapl import RaplMeter
from carbon_nas.meters.waves import Constant, Ramp, Square, Telegraph
from carbon_nas.meters.zones import open_counter
from carbon_nas.sources import Tier
from tests.contracts.meter import MeterContract

RANGE_UJ = 262_143_328_850


def zone(path: str = "intel-rapl:0", name: str = "package-0", power_w: float = 50.0, **fields) -> SimulatedZone:
    return SimulatedZone(path=path, name=name, **{"wave": Constant(level_w=power_w), "power_max_w": 200.0} | fields)


class Machine:
    """A clock, a tree and a meter on it."""

    def __init__(self, folder, *zones: SimulatedZone) -> None:
        folder.mkdir(exist_ok=True)
        self.clock = ManualClock(start_s=1.0)
        self.tree = SimulatedPowercap(folder, self.clock, zones)
        self.meter = RaplMeter(self.clock, folder, open_file=self.tree.open)

    def run(self, duration_s: float):
        self.clock.advance(duration_s)
        self.tree.refresh()
        return self.meter.read()

    def names(self) -> list[str]:
        return [component.name for component in self.meter.components]


@pytest.fixture
def machine(tmp_path):
    machines = []

    def build(*zones: SimulatedZone) -> Machine:
        machines.append(Machine(tmp_path / f"tree-{len(machines)}", *zones))
        return machines[-1]

    yield build
    for one in machines:
        one.meter.close()


def window(machine: Machine, duration_s: float, index: int = 0):
    begin = machine.meter.read()
    end = machine.run(duration_s)
    return measure(machine.meter.components[index], begin[index], end[index], duration_s)


TWO_SOCKETS = (
    zone("intel-rapl:0", "package-0", 50.0),
    zone("intel-rapl:0:0", "core", 40.0),
    zone("intel-rapl:0:1", "uncore", 1.0),
    zone("intel-rapl:0:2", "dram", 5.0),
    zone("intel-rapl:1", "package-1", 70.0),
    zone("intel-rapl:1:0", "dram", 7.0),
)


class TestRaplMeter(MeterContract):
    @pytest.fixture
    def zones(self):
        return TWO_SOCKETS

    @pytest.fixture
    def here(self, machine, zones):
        return machine(*zones)

    @pytest.fixture
    def meter(self, here):
        return here.meter

    @pytest.fixture
    def spend(self, here):
        return lambda: here.run(0.5)


class TestRaplMeterThatIsRefused(TestRaplMeter):
    @pytest.fixture
    def zones(self):
        return (zone(readable=False), zone("intel-rapl:0:0", "dram"))


class TestRaplMeterWithoutLimitAndRange(TestRaplMeter):
    @pytest.fixture
    def zones(self):
        return (zone(power_max_w=None, max_range_uj=None),)


def test_joules_are_the_counters_microjoules(machine):
    here = machine(zone(power_w=50.0))
    (reading,) = here.run(2.0)
    assert reading.energy_j == pytest.approx(100.0, abs=0.051)
    assert reading.gaps is None
    assert reading.device_s is None


def test_it_is_measured_and_says_what_it_covers(machine):
    (component,) = machine(zone()).meter.components
    assert component.tier == Tier.MEASURED
    assert "without its memory, whoever used it" in component.note
    assert not component.own
    assert component.gain_fraction is None
    assert component.tick_s == 0.001


def test_two_sockets_and_their_memories_are_four_components_and_their_parts_are_none(machine):
    here = machine(*TWO_SOCKETS)
    assert here.names() == ["cpu:package-0", "cpu:package-1", "dram:package-0", "dram:package-1"]
    joules = [reading.energy_j for reading in here.run(10.0)]
    assert joules == pytest.approx([500.0, 700.0, 50.0, 70.0], abs=0.08)


def test_a_zone_that_is_linked_and_nested_is_counted_once(machine):
    here = machine(zone(), zone("intel-rapl:0:0", "dram"))
    listed = sorted(path.name for path in here.tree.folder("intel-rapl:0").parents[1].iterdir())
    assert listed == ["intel-rapl", "intel-rapl:0", "intel-rapl:0:0"]
    assert here.names() == ["cpu:package-0", "dram:package-0"]


def test_a_container_that_shows_only_the_nested_tree_is_read_as_well(tmp_path):
    clock = ManualClock()
    tree = SimulatedPowercap(tmp_path, clock, [zone(), zone("intel-rapl:0:0", "dram")])
    for link in tmp_path.glob("intel-rapl:*"):
        link.unlink()
    meter = RaplMeter(clock, tmp_path, open_file=tree.open)
    assert [component.name for component in meter.components] == ["cpu:package-0", "dram:package-0"]
    meter.close()


def test_two_sockets_whose_zones_have_one_name_stay_apart(machine):
    here = machine(zone("intel-rapl:0", "package-0", 10.0), zone("intel-rapl:1", "package-0", 20.0))
    assert here.names() == ["cpu:package-0", "cpu:package-0.intel-rapl-1"]
    assert [reading.energy_j for reading in here.run(10.0)] == pytest.approx([100.0, 200.0], abs=0.02)


def test_the_memory_mapped_door_to_the_same_package_is_left_out(machine):
    here = machine(zone(), zone("intel-rapl-mmio:0", "package-0"))
    assert here.names() == ["cpu:package-0"]
    assert here.meter.components[0].inputs["zone"] == "intel-rapl:0"


def test_the_memory_mapped_door_is_taken_where_it_is_the_only_one(machine):
    assert machine(zone("intel-rapl-mmio:0", "package-0")).names() == ["cpu:package-0"]


def test_the_zone_of_the_whole_platform_is_named_and_not_counted(machine):
    here = machine(zone(), zone("intel-rapl:1", "psys", 90.0))
    assert here.names() == ["cpu:package-0"]
    assert "psys" in here.meter.components[0].note


def test_ten_sockets_keep_their_order(machine):
    here = machine(*(zone(f"intel-rapl:{number}", f"package-{number}") for number in range(11)))
    assert here.names() == [f"cpu:package-{number}" for number in range(11)]


def test_dies_with_counters_of_their_own_are_components(machine):
    here = machine(zone(name="package-0-die-0"), zone("intel-rapl:1", "package-0-die-1", start_uj=10**9))
    assert here.names() == ["cpu:package-0-die-0", "cpu:package-0-die-1"]


def test_dies_that_all_show_the_counter_of_their_package_are_counted_once(machine):
    here = machine(zone(name="package-0-die-0", start_uj=7), zone("intel-rapl:1", "package-0-die-1", start_uj=7))
    assert here.names() == ["cpu:package-0-die-0"]


def test_a_wrap_is_followed(machine):
    here = machine(zone(start_uj=RANGE_UJ - 10_000_000))
    one = window(here, 2.0)
    assert one.energy_j == pytest.approx(100.0, abs=0.06)
    assert (one.complete, one.segments) == (True, 1)


def test_many_wraps_are_followed_if_it_is_read_as_often_as_it_asks_for(machine):
    here = machine(zone(power_w=200.0, max_range_uj=1_000_000_000))
    (component,) = here.meter.components
    assert component.sampling_s == pytest.approx(2.5)
    for _ in range(40):
        (reading,) = here.run(component.sampling_s)
    assert reading.energy_j == pytest.approx(20_000.0, abs=0.21)
    assert reading.gaps is None


@pytest.mark.parametrize("start_uj", [100_000_000_000, 200_000_000_000, 250_000_000_000])
@pytest.mark.parametrize("limit_w", [200.0, None])
def test_a_step_back_that_is_no_wrap_begins_anew_and_is_never_a_range_of_joules(machine, limit_w, start_uj):
    here = machine(zone(start_uj=start_uj, power_max_w=limit_w))
    begin = here.meter.read()
    here.clock.advance(5.0)
    here.tree.reset("intel-rapl:0")
    here.meter.read()
    end = here.run(5.0)
    one = measure(here.meter.components[0], begin[0], end[0], 10.0)
    assert (one.complete, one.segments) == (False, 2)
    assert one.energy_j == pytest.approx(250.0, abs=0.06)
    assert one.low_j <= 500.0
    assert one.high_j is None if limit_w is None else 500.0 <= one.high_j <= 1250.1


def test_a_step_back_without_a_range_is_never_a_wrap(machine):
    here = machine(zone(start_uj=RANGE_UJ - 1_000_000, max_range_uj=None))
    here.run(1.0)
    here.tree.reset("intel-rapl:0", to_uj=10)
    (reading,) = here.run(0.0)
    assert reading.gaps.segments == 2
    assert reading.energy_j == pytest.approx(50.0, abs=0.06)


def test_near_the_end_of_the_range_a_wrap_is_taken_even_without_a_limit(machine):
    here = machine(zone(start_uj=RANGE_UJ - 1_000_000, power_max_w=None))
    assert window(here, 10.0).energy_j == pytest.approx(500.0, abs=0.06)


def test_a_refused_counter_is_not_known_in_every_reading_and_the_remedy_is_told(machine):
    here = machine(zone(readable=False), zone("intel-rapl:0:0", "dram", 5.0))
    package, memory = here.meter.components
    assert "chmod" in package.note
    assert "CVE-2020-8694" in package.note
    assert "chmod" not in memory.note
    for _ in range(3):
        refused, known = here.run(1.0)
        assert refused.energy_j is None
        assert known.energy_j is not None
    one = window(here, 2.0)
    assert (one.energy_j, one.low_j, one.high_j, one.complete) == (None, 0.0, 400.0, False)


def test_a_counter_that_falls_silent_and_comes_back_has_lost_nothing(machine):
    here = machine(zone())
    begin = here.run(1.0)
    here.tree.lose("intel-rapl:0")
    silent = here.run(2.0)
    assert silent[0].gaps.pending_s == pytest.approx(2.0)
    assert silent[0].energy_j == begin[0].energy_j
    assert not measure(here.meter.components[0], begin[0], silent[0], 2.0).complete
    here.tree.bring_back("intel-rapl:0")
    one = measure(here.meter.components[0], begin[0], here.run(2.0)[0], 4.0)
    assert one.complete
    assert one.energy_j == pytest.approx(200.0, abs=0.06)


@pytest.mark.parametrize("fault", ["", "many words\n", "-5\n"])
def test_what_is_no_number_is_no_answer(machine, fault):
    here = machine(zone())
    (here.tree.folder("intel-rapl:0") / "energy_uj").write_text(fault)
    (reading,) = here.meter.read()
    assert reading.energy_j == 0.0
    assert reading.gaps.pending_s > 0


def test_a_counter_whose_file_breaks_is_opened_again(machine, tmp_path):
    handles = []

    def open_file(path):
        handles.append(open_counter(path))
        return handles[-1]

    clock = ManualClock()
    tree = SimulatedPowercap(tmp_path, clock, [zone()])
    meter = RaplMeter(clock, tmp_path, open_file=open_file)
    os.close(handles[-1])
    (broken,) = meter.read()
    assert broken.gaps.pending_s > 0
    clock.advance(1.0)
    tree.refresh()
    (reading,) = meter.read()
    assert reading.gaps is None
    assert reading.energy_j == pytest.approx(50.0, abs=0.06)
    assert len(handles) == 2
    meter.close()


def test_a_closed_meter_answers_nothing_and_raises_nothing(machine):
    here = machine(zone())
    here.run(1.0)
    here.meter.close()
    (reading,) = here.run(1.0)
    assert reading.gaps.pending_s == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["core", "psys", "dram"])
def test_a_machine_without_a_package_has_no_device(tmp_path, name):
    SimulatedPowercap(tmp_path, ManualClock(), [zone(name=name)])
    with pytest.raises(NoDevice, match="RAPL"):
        RaplMeter(ManualClock(), tmp_path)


def test_a_machine_without_the_tree_has_no_device(tmp_path):
    with pytest.raises(NoDevice, match="RAPL"):
        RaplMeter(ManualClock(), tmp_path / "none")


def constraint(folder, number: int, name: str, **values: int) -> None:
    (folder / f"constraint_{number}_name").write_text(f"{name}\n")
    for key, value in values.items():
        (folder / f"constraint_{number}_{key}").write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("constraints", "limit_w"),
    [
        ({}, None),
        ({"long_term": {"max_power_uw": 65_000_000, "power_limit_uw": 0}}, 65.0),
        ({"long_term": {"power_limit_uw": 28_000_000, "max_power_uw": 15_000_000}}, 28.0),
        ({"long_term": {"max_power_uw": 125_000_000}, "short_term": {"power_limit_uw": 253_000_000}}, 253.0),
        ({"long_term": {"max_power_uw": 28_000_000}, "peak_power": {"power_limit_uw": 140_000_000}}, 28.0),
        ({"long_term": {"power_limit_uw": 4_095_875_000}}, None),
        ({"long_term": {"power_limit_uw": 4_095_875_000, "max_power_uw": 125_000_000}}, 125.0),
    ],
)
def test_the_limit_is_the_most_that_may_last(tmp_path, constraints, limit_w):
    clock = ManualClock()
    tree = SimulatedPowercap(tmp_path, clock, [zone(power_max_w=None)])
    for number, (name, values) in enumerate(constraints.items()):
        constraint(tree.folder("intel-rapl:0"), number, name, **values)
    meter = RaplMeter(clock, tmp_path)
    assert meter.components[0].power_max_w == limit_w
    meter.close()


@pytest.mark.parametrize(
    ("range_uj", "limit_w", "sampling_s"),
    [(RANGE_UJ, 200.0, 60.0), (65_532_610_987, 1_000.0, 32.8), (65_532_610_987, None, 32.77), (None, 200.0, 60.0)],
)
def test_it_asks_to_be_read_before_two_wraps_can_go_by(machine, range_uj, limit_w, sampling_s):
    (component,) = machine(zone(max_range_uj=range_uj, power_max_w=limit_w)).meter.components
    assert component.sampling_s == pytest.approx(sampling_s, rel=0.01)


def test_power_is_the_mean_since_the_last_reading_if_that_was_just_now(machine):
    here = machine(zone(power_w=50.0))
    assert here.run(1.0)[0].power_w == pytest.approx(50.0, rel=0.01)
    assert here.run(0.002)[0].power_w is None
    assert here.run(30.0)[0].power_w is None


def test_many_threads_read_one_counter_without_breaking_it(tmp_path):
    clock = SystemClock()
    # Without a limit: a thread that writes late is no counter that rises too fast.
    tree = SimulatedPowercap(tmp_path, clock, [zone(start_uj=RANGE_UJ - 1_000, power_max_w=None)])
    meter = RaplMeter(clock, tmp_path)
    stop, seen = threading.Event(), []

    def look():
        while not stop.is_set():
            seen.append(meter.read()[0])

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        tree.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    assert {reading.gaps.segments for reading in seen if reading.gaps is not None} <= {1}
    meter.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_reads_and_closes_without_harm_even_if_the_lock_was_held(machine):
    here = machine(zone())
    here.run(1.0)
    here.meter._mutex.acquire()
    child = os.fork()
    if child == 0:
        here.meter.read()
        here.meter.close()
        os._exit(0)
    here.meter._mutex.release()
    assert os.waitpid(child, 0)[1] == 0
    assert here.run(1.0)[0].energy_j == pytest.approx(100.0, abs=0.06)


def random_wave(chance: random.Random):
    low_w, high_w = sorted((chance.uniform(5, 190), chance.uniform(5, 190)))
    period_s = 10 ** chance.uniform(-1.5, 1)
    begin_s = chance.uniform(0, 10)
    return chance.choice(
        [
            Constant(level_w=high_w),
            Square(low_w=low_w, high_w=high_w, period_s=period_s, high_ratio=chance.uniform(0.1, 0.9)),
            Ramp(from_w=low_w, to_w=high_w, begin_s=begin_s, end_s=begin_s + period_s),
            Telegraph(low_w=low_w, high_w=high_w, mean_s=period_s, seed=chance.randrange(10**6), horizon_s=25.0),
        ]
    )


def test_the_truth_lies_within_two_standard_uncertainties_for_95_percent_of_random_waves(machine):
    chance, tries, hits, shares = random.Random(20180411), 1_200, 0, []
    zones = []
    for number in range(tries):
        # Most of them wrap within the window, or just before or after it.
        start_uj = RANGE_UJ - round(10 ** chance.uniform(3, 9.5))
        zones.append(zone(f"intel-rapl:{number}", f"package-{number}", wave=random_wave(chance), start_uj=start_uj))
    for first in range(0, tries, 10):
        here = machine(*zones[first : first + 10])
        here.run(chance.uniform(0, 10))
        begin_s, begin = here.clock.monotonic_s(), here.meter.read()
        duration_s = 10 ** chance.uniform(-2, 1)
        end = here.run(duration_s)
        end_s = here.clock.monotonic_s()
        for component, was, now, true in zip(here.meter.components, begin, end, zones[first : first + 10], strict=True):
            one = measure(component, was, now, duration_s)
            assert one.complete
            assert one.random_u_j is not None
            hits += abs(one.energy_j - true.wave.energy_j(begin_s, end_s)) <= 2 * one.random_u_j
            shares.append(one.random_u_j / one.energy_j)
    assert hits >= 0.95 * tries
    # An uncertainty that is huge would always be right: here it is 0.08 % of a second's energy.
    assert sum(shares) / tries < 0.03


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_whatever_happens_joules_never_fall_and_the_truth_is_within_the_bounds(tmp_path_factory, data):
    chance = data.draw(st.randoms(use_true_random=False))
    # A reset can be seen if the counter is then below its last value, and is no wrap: here it always is, and is once.
    resets = data.draw(st.booleans())
    start_uj = RANGE_UJ // 2 if resets else data.draw(st.sampled_from([0, 10**9, RANGE_UJ - 1_000, RANGE_UJ - 10**8]))
    wave = random_wave(chance)
    here = Machine(tmp_path_factory.mktemp("tree"), zone(wave=wave, start_uj=start_uj))
    begin_s, begin = here.clock.monotonic_s(), here.meter.read()[0]
    steps, last = data.draw(st.lists(st.sampled_from(["run", "run", "reset", "lose", "back"]), max_size=12)), begin
    for step in steps:
        here.clock.advance(chance.uniform(0.001, 20))
        if step == "reset" and resets:
            resets = False
            here.tree.reset("intel-rapl:0")
        elif step == "lose":
            here.tree.lose("intel-rapl:0")
        elif step == "back":
            here.tree.bring_back("intel-rapl:0")
        here.tree.refresh()
        (reading,) = here.meter.read()
        assert reading.energy_j >= last.energy_j
        last = reading
        now_s = here.clock.monotonic_s()
        one = measure(here.meter.components[0], begin, reading, now_s - begin_s)
        true_j = wave.energy_j(begin_s, now_s)
        slack_j = 200.0 * 0.001 * 2
        assert one.low_j - slack_j <= true_j <= one.high_j + slack_j
    here.meter.close()


def test_windows_in_a_row_add_up_to_the_window_around_them(machine):
    here = machine(zone(wave=Square(low_w=20, high_w=150, period_s=0.7), start_uj=RANGE_UJ - 50_000_000))
    edges = [here.run(0.3)[0] for _ in range(20)]
    (component,) = here.meter.components
    parts = [measure(component, *pair, 0.3).energy_j for pair in pairwise(edges)]
    assert sum(parts) == pytest.approx(measure(component, edges[0], edges[-1], 5.7).energy_j, abs=1e-9)
