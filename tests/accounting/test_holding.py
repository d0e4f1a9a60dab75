"""Every second in which hardware was held belongs to one activity."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_nas.accounting.holding import own_seconds


@dataclass(frozen=True)
class Span:
    began_s: float | None
    ended_s: float | None
    session: int = 0
    duration_s: float = 0.0


def covered_s(spans: list[Span]) -> float:
    """The time in which anything ran, counted by second."""
    return float(len({second for span in spans for second in range(int(span.began_s or 0), int(span.ended_s or 0))}))


def test_a_phase_within_another_is_taken_out_of_it() -> None:
    assert own_seconds([Span(0, 10), Span(2, 5)]) == (7.0, 3.0)
    assert own_seconds([Span(0, 10), Span(2, 8), Span(3, 4)]) == (4.0, 5.0, 1.0)


def test_phases_one_after_the_other_keep_their_time() -> None:
    assert own_seconds([Span(0, 4), Span(4, 9)]) == (4.0, 5.0)


def test_phases_that_overlap_do_not_count_their_common_time_twice() -> None:
    assert own_seconds([Span(0, 6), Span(4, 10)]) == (4.0, 6.0)


def test_times_of_two_sessions_have_nothing_to_do_with_each_other() -> None:
    assert own_seconds([Span(0, 10), Span(2, 5, session=1)]) == (10.0, 3.0)


def test_without_edges_the_duration_stands() -> None:
    assert own_seconds([Span(None, None, duration_s=3.5), Span(0, 2)]) == (3.5, 2.0)
    assert own_seconds([]) == ()


edges = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: Span(min(pair), max(pair)))


@given(st.lists(edges, max_size=12))
def test_the_parts_add_up_to_the_time_in_which_anything_ran(spans: list[Span]) -> None:
    own_s = own_seconds(spans)
    assert sum(own_s) == pytest.approx(covered_s(spans))
    assert all(0 <= part <= (span.ended_s or 0) - (span.began_s or 0) for part, span in zip(own_s, spans, strict=True))
