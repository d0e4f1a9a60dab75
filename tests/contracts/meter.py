"""What every meter must keep. Subclass it, and give it an open `meter` and a way to `spend` energy."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from carbon_nas.ledger import Journal, read_events
from carbon_nas.ledger.records import Pulse, Session
from carbon_nas.meters import Meter, Reading
from carbon_nas.sources import Tier

# A kind, and after a colon which one: `dram`, `cpu:process`, `gpu:GPU-0f1e`.
NAME = re.compile(r"[a-z][a-z0-9_]*(:[A-Za-z0-9_.-]+)?")


class MeterContract:
    """Inherited by one test class per meter."""

    @pytest.fixture
    def meter(self) -> Meter:
        raise NotImplementedError

    @pytest.fixture
    def spend(self) -> Callable[[], None]:
        """Make every counter that is known rise."""
        raise NotImplementedError

    def test_it_meters_something_and_every_name_is_valid_and_its_own(self, meter):
        names = [component.name for component in meter.components]
        assert names
        assert len(set(names)) == len(names)
        assert all(NAME.fullmatch(name) for name in names)

    def test_every_component_says_its_tier_and_its_method(self, meter):
        for component in meter.components:
            assert isinstance(component.tier, Tier)
            assert component.method

    def test_a_power_limit_is_above_zero_or_not_known(self, meter):
        limits = [component.power_max_w for component in meter.components if component.power_max_w is not None]
        assert all(0 < limit < math.inf for limit in limits)

    def test_there_is_one_reading_per_component_in_their_order(self, meter, spend):
        names = [component.name for component in meter.components]
        for _ in range(3):
            assert [reading.component for reading in meter.read()] == names
            spend()

    def test_what_was_used_is_none_or_a_finite_number_not_below_zero(self, meter, spend):
        for _ in range(3):
            values = [value for reading in meter.read() for value in (reading.energy_j, reading.device_s)]
            assert all(value is None or 0 <= value < math.inf for value in values)
            spend()

    def test_a_counter_never_falls(self, meter, spend):
        seen: dict[tuple[str, str], float] = {}
        for _ in range(5):
            for key, value in _known(meter.read()).items():
                assert value >= seen.get(key, 0.0)
                seen[key] = value
            spend()

    def test_a_known_counter_rises_when_energy_is_spent(self, meter, spend):
        before = _known(meter.read())
        spend()
        after = _known(meter.read())
        assert all(after[key] > value for key, value in before.items())

    def test_closing_twice_is_fine(self, meter):
        meter.close()
        meter.close()

    def test_what_it_says_comes_back_equal_from_a_ledger(self, meter, tmp_path: Path):
        session = Session(
            utc="2020-01-01T00:00:00+00:00",
            time_s=0.0,
            boot_s=None,
            host={},
            versions={},
            components=meter.components,
            heartbeat_interval_s=1.0,
            locked=True,
        )
        said = [session, Pulse(phase="a phase", time_s=0.0, readings=meter.read())]
        journal = Journal(tmp_path / "ledger.jsonl")
        for event in said:
            journal.append(event)
        journal.close()
        assert list(read_events(tmp_path / "ledger.jsonl")) == said


def _known(readings: tuple[Reading, ...]) -> dict[tuple[str, str], float]:
    counters = {
        (reading.component, what): getattr(reading, what) for reading in readings for what in ("energy_j", "device_s")
    }
    return {key: value for key, value in counters.items() if value is not None}
