import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.reporting import numbers


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.energy(0.0), "0 J"),
        (numbers.energy(0.1234), "123 mJ"),
        (numbers.energy(1.95e-6), "1.95 µJ"),
        (numbers.energy(1234.0), "1.23 kJ"),
        (numbers.energy(99_960.0), "100 kJ"),
        (numbers.kwh(0.000189), "0.000189 kWh"),
        (numbers.mass(7.7e-6), "7.70 mg"),
        (numbers.mass(284_019.0), "284 t"),
        (numbers.mass_lb(626_155), "626,155 lb"),
        (numbers.mass_lb(0.000017), "0.0000170 lb"),
        (numbers.count(None), "not known"),
        (numbers.count(4_620), "4,620"),
        (numbers.count(611e9), "611 G"),
        (numbers.percent(0.98708), "98.7 %"),
        (numbers.points(-0.0123), "-1.2 points"),
        (numbers.points(0.0123), "+1.2 points"),
        (numbers.latency(0.80352), "0.804 ms"),
    ],
)
def test_numbers_read_as_people_write_them(written: str, expected: str) -> None:
    assert written == expected


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_three_digits_keep_a_number_within_half_a_percent(value: float) -> None:
    assert float(numbers.significant(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)
