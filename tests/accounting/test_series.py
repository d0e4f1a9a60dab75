"""Intensity by the hour: means over time and energy, what is missing, and what a file must say."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from math import inf, nan
from pathlib import Path
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_nas.accounting.grid import Kind
from carbon_nas.accounting.series import Gaps, IntensitySeries, Weighted, energy_weighted, read_series
from carbon_nas.errors import IncompleteSeries, InvalidSite, MixedQuantities, UnknownQuantity
from carbon_nas.sources import Source

START = datetime(2023, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SOURCE = Source(key="", where="grid operator, download of 2024")
FEW = settings(max_examples=60, deadline=None)


def series(*values_g_per_kwh: float | None, step_s: float = 3600.0, start_utc: datetime = START) -> IntensitySeries:
    return IntensitySeries(
        name="hourly",
        zone="DEU",
        kind=Kind.LOCATION,
        basis="direct",
        start_utc=start_utc,
        step_s=step_s,
        values_g_per_kwh=values_g_per_kwh,
        source=SOURCE,
    )


def at(hours: float) -> datetime:
    return START + hours * HOUR


values = st.floats(min_value=0.0, max_value=2_000.0)
seconds = st.integers(min_value=0, max_value=12 * 3600)


@st.composite
def stretches(draw: Callable[..., int], *, points: int = 2) -> list[datetime]:
    """Some moments of a half day in ascending order, no two of them the same."""
    drawn = draw(st.lists(seconds, min_size=points, max_size=points, unique=True))
    return [START + timedelta(seconds=second) for second in sorted(drawn)]


# The mean over time


def test_a_mean_weighs_each_step_by_the_time_that_is_spent_in_it() -> None:
    found = series(100.0, 400.0).intensity(at(0.5), at(1.25))
    # Half an hour at 100 and a quarter at 400.
    assert found.intensity_g_per_kwh == pytest.approx((0.5 * 100 + 0.25 * 400) / 0.75, rel=1e-15)
    assert (found.filled_share, found.fill_g_per_kwh, found.weight) == (0.0, None, "time")
    assert (found.began_utc, found.ended_utc) == (at(0.5), at(1.25))


def test_a_whole_series_has_the_mean_of_its_values() -> None:
    three = series(100.0, 200.0, 600.0)
    assert three.intensity(START, three.end_utc).intensity_g_per_kwh == 300.0


def test_a_moment_has_the_intensity_of_the_step_that_it_lies_in() -> None:
    two = series(100.0, 400.0)
    assert two.intensity(at(0.5), at(0.5)).intensity_g_per_kwh == 100.0
    assert two.intensity(at(1), at(1)).intensity_g_per_kwh == 400.0


def test_a_marginal_mean_stays_marginal() -> None:
    marginal = IntensitySeries.from_json(series(500.0).to_json() | {"kind": "marginal"})
    assert marginal.intensity(at(0), at(1)).kind is Kind.MARGINAL


def test_times_may_be_given_in_any_time_zone() -> None:
    five_hours_west = timezone(timedelta(hours=-5))
    found = series(100.0, 400.0).intensity(at(1).astimezone(five_hours_west), at(2).astimezone(five_hours_west))
    assert (found.intensity_g_per_kwh, found.began_utc) == (400.0, at(1))


def test_local_clocks_that_skip_an_hour_do_not_skip_energy() -> None:
    # On 26 March 2023 Berlin went from 02:00 to 03:00: 01:30 and 03:30 by the clock are one hour apart.
    berlin = ZoneInfo("Europe/Berlin")
    began, ended = (datetime(2023, 3, 26, hour, 30, tzinfo=berlin) for hour in (1, 3))
    found = series(100.0, 400.0, 900.0, start_utc=datetime(2023, 3, 26, tzinfo=UTC)).intensity(began, ended)
    assert (found.ended_utc - found.began_utc, found.intensity_g_per_kwh) == (HOUR, 250.0)


@given(st.lists(values, min_size=12, max_size=12), stretches(points=3))
@FEW
def test_a_stretch_may_be_cut_anywhere(hours: list[float], moments: list[datetime]) -> None:
    whole_series, (began, cut, ended) = series(*hours), moments
    whole, left, right = (
        Fraction(whole_series.intensity(a, b).intensity_g_per_kwh) * Fraction((b - a) / timedelta(seconds=1))
        for a, b in ((began, ended), (began, cut), (cut, ended))
    )
    assert float(left + right) == pytest.approx(float(whole), rel=1e-14)


@given(values, stretches())
@FEW
def test_a_constant_series_gives_its_constant_exactly(value: float, moments: list[datetime]) -> None:
    assert series(*[value] * 12).intensity(*moments).intensity_g_per_kwh == value


@given(st.lists(values, min_size=12, max_size=12), stretches())
@FEW
def test_a_mean_lies_within_what_it_is_a_mean_of(hours: list[float], moments: list[datetime]) -> None:
    assert min(hours) <= series(*hours).intensity(*moments).intensity_g_per_kwh <= max(hours)


@given(st.lists(st.none() | values, min_size=12, max_size=12).filter(any), stretches(), values)
@FEW
def test_filled_gaps_are_what_a_series_with_these_values_gives(
    hours: list[float | None], moments: list[datetime], fill: float
) -> None:
    gappy, whole = series(*hours), series(*[fill if value is None else value for value in hours])
    filled = gappy.intensity(*moments, gaps=Gaps.FILL, fill_g_per_kwh=fill)
    assert filled.intensity_g_per_kwh == whole.intensity(*moments).intensity_g_per_kwh
    assert 0.0 <= filled.filled_share <= 1.0
    assert (filled.fill_g_per_kwh == fill) == (filled.filled_share > 0.0)


def test_ten_thousand_stretches_of_a_year_take_no_longer_than_their_number() -> None:
    year = series(*[float(hour % 24) for hour in range(8760)], start_utc=datetime(2023, 1, 1, tzinfo=UTC))
    began = [year.start_utc + timedelta(minutes=37 * number) for number in range(10_000)]
    clock_s = perf_counter()
    found = weighted(year, [(one, one + 24 * HOUR, 1.0) for one in began])
    # Looking at each hour of each stretch would take minutes, adding the year up for each stretch even longer.
    assert perf_counter() - clock_s < 3.0
    assert found.intensity_g_per_kwh == pytest.approx(11.5, rel=1e-12)


# What is missing


@pytest.mark.parametrize(
    ("began", "ended", "missing"),
    [
        (0.5, 2.5, "2023-03-01T01:00:00"),
        (1.25, 1.5, "2023-03-01T01:00:00"),
        (2.5, 3.5, "2023-03-01T03:00:00"),
        (-0.5, 0.5, "2023-02-28T23:00:00"),
        (7.5, 8.5, "2023-03-01T07:00:00"),
    ],
)
def test_time_without_a_value_is_refused_and_the_first_missing_hour_named(
    began: float, ended: float, missing: str
) -> None:
    with pytest.raises(IncompleteSeries, match=rf"no value for {missing}\+00:00, .*; add the rows .* or say gaps"):
        series(100.0, None, 400.0).intensity(at(began), at(ended))


def test_what_lies_beside_a_gap_is_not_refused() -> None:
    assert series(100.0, None, 400.0).intensity(at(2), at(3)).intensity_g_per_kwh == 400.0


def test_gaps_are_filled_with_the_mean_of_the_rest_and_say_so() -> None:
    found = series(100.0, None, 400.0).intensity(at(0), at(2), gaps=Gaps.FILL)
    assert found.intensity_g_per_kwh == (100.0 + 250.0) / 2
    assert (found.filled_share, found.fill_g_per_kwh) == (0.5, 250.0)


def test_time_outside_the_series_is_filled_like_a_gap() -> None:
    found = series(100.0).intensity(at(-1), at(3), gaps=Gaps.FILL, fill_g_per_kwh=500.0)
    assert (found.intensity_g_per_kwh, found.filled_share) == (400.0, 0.75)


def test_where_nothing_is_missing_nothing_is_filled() -> None:
    found = series(100.0, None).intensity(at(0), at(1), gaps=Gaps.FILL, fill_g_per_kwh=900.0)
    assert (found.intensity_g_per_kwh, found.filled_share, found.fill_g_per_kwh) == (100.0, 0.0, None)


@pytest.mark.parametrize("fill_g_per_kwh", [-1.0, nan, inf])
def test_a_fill_that_cannot_be_is_refused(fill_g_per_kwh: float) -> None:
    with pytest.raises(InvalidSite, match="hourly: an intensity of"):
        series(None, 1.0).intensity(at(0), at(1), gaps=Gaps.FILL, fill_g_per_kwh=fill_g_per_kwh)


def test_a_time_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidSite, match="has no time zone; say which"):
        series(1.0).intensity(at(0), datetime(2023, 3, 1, 1))  # noqa: DTZ001


def test_a_stretch_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidSite, match="before it begins"):
        series(1.0).intensity(at(1), at(0.5))


# The mean over energy


def weighted(one: IntensitySeries, stretches: list[tuple[datetime, datetime, float]], **gaps: Any) -> Weighted:
    return energy_weighted([(one.intensity(began, ended, **gaps), energy_j) for began, ended, energy_j in stretches])


def test_weighing_by_energy_is_not_the_mean_over_time() -> None:
    two = series(100.0, 400.0)
    found = weighted(two, [(at(0), at(1), 3.0e6), (at(1), at(2), 1.0e6)])
    # 3/4 of the energy at 100 and 1/4 at 400; by time it is half and half.
    assert (found.intensity_g_per_kwh, found.weight) == (175.0, "energy")
    assert two.intensity(at(0), at(2)).intensity_g_per_kwh == 250.0
    assert (found.began_utc, found.ended_utc, found.filled_share) == (at(0), at(2), 0.0)


def test_even_power_weighs_as_time_does() -> None:
    two = series(100.0, 400.0)
    assert weighted(two, [(at(0.5), at(2), 7.0)]).intensity_g_per_kwh == pytest.approx(
        two.intensity(at(0.5), at(2)).intensity_g_per_kwh, rel=1e-15
    )


def test_the_filled_share_is_one_of_the_energy() -> None:
    gappy = series(100.0, None)
    found = weighted(gappy, [(at(0), at(1), 1.0), (at(1), at(2), 3.0)], gaps=Gaps.FILL, fill_g_per_kwh=500.0)
    assert (found.intensity_g_per_kwh, found.filled_share, found.fill_g_per_kwh) == (400.0, 0.75, 500.0)


def test_a_gap_under_one_stretch_is_refused_for_all() -> None:
    with pytest.raises(IncompleteSeries, match="2023-03-01T01:00"):
        weighted(series(100.0, None), [(at(0), at(1), 1.0), (at(1), at(2), 3.0)])


@given(st.permutations([(0, 1, 5.0), (1, 3, 0.25), (2, 4, 17.0), (0, 4, 0.0)]))
@FEW
def test_the_order_of_stretches_does_not_matter(parts: list[tuple[int, int, float]]) -> None:
    whole = series(100.0, 333.3, 7.7, 400.0)
    expected = (5.0 * 100.0 + 0.25 * (333.3 + 7.7) / 2 + 17.0 * (7.7 + 400.0) / 2) / 22.25
    found = weighted(whole, [(at(a), at(b), energy_j) for a, b, energy_j in parts])
    assert found.intensity_g_per_kwh == pytest.approx(expected, rel=1e-14)
    assert found == weighted(whole, [(at(a), at(b), energy_j) for a, b, energy_j in sorted(parts)])


@pytest.mark.parametrize("parts", [[], [(at(0), at(1), 0.0)]])
def test_without_energy_there_is_nothing_to_weigh_by(parts: list[tuple[datetime, datetime, float]]) -> None:
    with pytest.raises(UnknownQuantity, match="no energy to weigh by"):
        weighted(series(1.0), parts)


@pytest.mark.parametrize("energy_j", [-1.0, nan, inf])
def test_an_energy_that_cannot_be_is_refused(energy_j: float) -> None:
    with pytest.raises(InvalidSite, match="an energy of"):
        weighted(series(1.0), [(at(0), at(1), energy_j)])


def test_an_average_and_a_marginal_intensity_have_no_mean() -> None:
    marginal = IntensitySeries.from_json(series(500.0).to_json() | {"kind": "marginal"})
    means = [(one.intensity(at(0), at(1)), 1.0) for one in (series(100.0), marginal)]
    with pytest.raises(MixedQuantities, match="location-based and marginal"):
        energy_weighted(means)


# The record


@pytest.mark.parametrize(
    ("start", "steps", "year"),
    [
        (datetime(2023, 1, 1, tzinfo=UTC), 8760, 2023),
        (datetime(2022, 12, 31, 23, tzinfo=UTC), 8760, 2023),  # A year in Berlin.
        (datetime(2023, 1, 1, 8, tzinfo=UTC), 8760, 2023),  # A year in California.
        (datetime(2023, 12, 31, tzinfo=UTC), 24, 2023),
        (datetime(2023, 7, 1, tzinfo=UTC), 8760, None),
    ],
)
def test_a_series_knows_its_year_unless_it_has_more_than_one(start: datetime, steps: int, year: int | None) -> None:
    assert series(*[1.0] * steps, start_utc=start).year == year


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"start_utc": "2023-03-01T00:00:00"}, "is not in UTC"),
        ({"start_utc": "2023-03-01T00:00:00+01:00"}, "is not in UTC"),
        ({"step_s": 0.0}, "a step of 0.0 s cannot be"),
        ({"step_s": -3600.0}, "a step of -3600.0 s"),
        ({"step_s": nan}, "a step of nan s"),
        ({"step_s": inf}, "a step of inf s"),
        ({"step_s": 1e-7}, "give whole microseconds"),
        ({"flow": "import"}, "there is no flow 'import'"),
        ({"values_g_per_kwh": []}, "there is not one value"),
        ({"values_g_per_kwh": [None]}, "there is not one value"),
        ({"values_g_per_kwh": [1.0, -1.0]}, "hourly, 2023-03-01T01:00:00+00:00: an intensity of -1 g/kWh"),
        ({"values_g_per_kwh": [nan]}, "an intensity of nan g/kWh"),
        ({"values_g_per_kwh": ["many"]}, "this is no series (could not convert"),
        ({"kind": "average"}, "this is no series ('average' is not a valid Kind)"),
        ({"source": {"url": "x"}}, "this is no series"),
        ({"start_utc": 5}, "this is no series"),
        ({"unit": "g"}, "unit: missing or not known"),
    ],
)
def test_a_series_that_cannot_be_is_refused_at_birth(fields: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidSite) as caught:
        IntensitySeries.from_json(series(1.0).to_json() | fields)
    assert said in str(caught.value)


def test_a_field_that_is_missing_is_named() -> None:
    data = series(1.0).to_json()
    del data["basis"]
    with pytest.raises(InvalidSite, match="basis: missing"):
        IntensitySeries.from_json(data)


@given(st.lists(st.none() | values, min_size=1, max_size=20).filter(lambda one: set(one) != {None}))
@FEW
def test_json_gives_the_same_series_back(hours: list[float | None]) -> None:
    one = series(*hours)
    back = IntensitySeries.from_json(json.loads(json.dumps(one.to_json())))
    assert (back, back.sha256) == (one, one.sha256)


def test_the_hash_is_one_of_the_content() -> None:
    one, used = series(1.0, 2.0), series(1, 2)
    used.intensity(at(0), at(1))
    assert used == one
    assert used.sha256 == one.sha256
    assert len({one.sha256, series(1.0, 2.5).sha256, series(1.0, 2.0, step_s=900.0).sha256}) == 3


# The file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hours.csv"


def read(path: Path, *lines: str, step_s: float | None = None) -> IntensitySeries:
    path.write_text("".join(f"{line}\n" for line in ("utc,intensity_g_per_kwh", *lines)), encoding="utf-8")
    return read_series(
        path, name="hourly", zone="DEU", kind=Kind.LOCATION, basis="direct", source=SOURCE, step_s=step_s
    )


def refusal(path: Path, *lines: str) -> str:
    with pytest.raises(InvalidSite) as caught:
        read(path, *lines)
    return str(caught.value)


def test_a_file_gives_what_was_written_by_hand(path: Path) -> None:
    assert read(path, "2023-03-01T00:00Z,100", "2023-03-01T01:00:00+00:00,400.5") == series(100.0, 400.5)


def test_the_step_is_what_most_rows_have(path: Path) -> None:
    found = read(
        path, *[f"2023-03-01T{hour:02}:{minute}Z,1" for hour in range(3) for minute in ("00", "15", "30", "45")]
    )
    assert (found.step_s, len(found.values_g_per_kwh)) == (900.0, 12)


def test_rows_that_are_missing_and_cells_that_are_empty_are_gaps_and_not_zero(path: Path) -> None:
    found = read(path, *[f"2023-03-01T{hour:02}:00Z,{'' if hour == 1 else hour}" for hour in (0, 1, 2, 3, 6)])
    assert found.values_g_per_kwh == (0.0, None, 2.0, 3.0, None, None, 6.0)


def test_one_row_is_enough_if_the_step_is_said(path: Path) -> None:
    assert read(path, "2023-03-01T00:00Z,100", step_s=3600.0) == series(100.0)
    assert "one row has no step" in refusal(path, "2023-03-01T00:00Z,100")


def day(path: Path, date: datetime, zone: str, *, write: Callable[[datetime], str]) -> list[str]:
    """The rows of a local day, hour by hour."""
    end = (date + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    moment, rows = date.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC), []
    while moment < end:
        rows.append(f"{write(moment.astimezone(ZoneInfo(zone)))},{100 + len(rows)}")
        moment += HOUR
    return rows


@pytest.mark.parametrize(("month", "date", "hours"), [(3, 26, 23), (10, 29, 25), (6, 1, 24)])
def test_days_of_the_change_of_clocks_have_as_many_hours_as_they_have(
    path: Path, month: int, date: int, hours: int
) -> None:
    midnight = datetime(2023, month, date)  # noqa: DTZ001
    found = read(path, *day(path, midnight, "Europe/Berlin", write=datetime.isoformat))
    assert found.values_g_per_kwh == tuple(100.0 + hour for hour in range(hours))


def test_the_hour_that_comes_twice_in_autumn_is_refused_if_its_offset_was_lost(path: Path) -> None:
    def as_in_summer(moment: datetime) -> str:
        return f"{moment:%Y-%m-%dT%H:%M}+02:00"

    said = refusal(path, *day(path, datetime(2023, 10, 29), "Europe/Berlin", write=as_in_summer))  # noqa: DTZ001
    assert "line 5, column utc: 2023-10-29T00:00:00+00:00 stands in line 4 already; " in said
    assert "local clocks show one hour twice in autumn" in said


def test_the_hour_that_spring_leaves_out_is_a_gap_if_its_offset_was_lost(path: Path) -> None:
    def as_in_winter(moment: datetime) -> str:
        return f"{moment:%Y-%m-%dT%H:%M}+01:00"

    found = read(path, *day(path, datetime(2023, 3, 26), "Europe/Berlin", write=as_in_winter))  # noqa: DTZ001
    assert found.values_g_per_kwh.index(None) == 2


@pytest.mark.parametrize("time", ["2023-03-01T00:00", "2023-03-01", "2023-03-01 00:00:00"])
def test_a_time_without_an_offset_is_refused(path: Path, time: str) -> None:
    assert f"line 2, column utc: the time '{time}' has no offset from UTC; write ISO 8601" in refusal(path, f"{time},1")


@pytest.mark.parametrize("time", ["", "01.03.2023 00:00", "2023-13-01T00:00Z", "1677628800"])
def test_what_is_no_time_is_refused(path: Path, time: str) -> None:
    assert f"line 2, column utc: {time!r} is no time; write ISO 8601" in refusal(path, f"{time},1")


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "n/a", "1.234.5"])
def test_what_is_no_intensity_is_refused(path: Path, value: str) -> None:
    said = refusal(path, "2023-03-01T00:00Z,1", f"2023-03-01T01:00Z,{value}")
    assert f"line 3, column intensity_g_per_kwh: {value!r} is no intensity; " in said
    assert "leave a gap empty" in said


def test_times_that_go_back_are_refused(path: Path) -> None:
    said = refusal(path, "2023-03-01T02:00Z,1", "2023-03-01T01:00Z,1")
    assert "line 3, column utc: 2023-03-01T01:00:00+00:00 is before line 2; sort the rows by time" in said


def test_a_row_between_the_steps_is_refused(path: Path) -> None:
    hours = [f"2023-03-01T{hour:02}:00Z,1" for hour in range(5)]
    said = refusal(path, *hours, "2023-03-01T04:30Z,1", "2023-03-01T05:00Z,1")
    assert "line 7, column utc: this row does not lie on steps of 3600 s from the first" in said


def test_a_year_that_was_mistyped_is_refused_before_it_fills_memory(path: Path) -> None:
    minutes = [f"2023-03-01T00:{minute:02}Z,1" for minute in range(3)]
    assert "line 5, column utc: from 2023-" in refusal(path, *minutes, "2203-03-01T00:03Z,1")


def test_a_mistyped_column_gets_a_suggestion(path: Path) -> None:
    path.write_text("utc,intensity_g_kwh\n2023-03-01T00:00Z,1\n", encoding="utf-8")
    with pytest.raises(InvalidSite, match="did you mean intensity_g_per_kwh"):
        read_series(path, name="x", zone="DEU", kind=Kind.MARGINAL, basis="direct", source=SOURCE)
