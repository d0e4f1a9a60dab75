"""Tables of networks at work: the rivals that were scaled by hand, or one sentence where there is none."""

from carbon_nas.comparison.payback import Payback
from carbon_nas.comparison.speedup import Speedup
from carbon_nas.reporting.document import Table, Text
from carbon_nas.reporting.use import payback_table, speedup_table


def speedup(rival: str | None, rival_ms: float | None) -> Speedup:
    return Speedup(strategy="a", seed=0, scenario="s", latency_ms=2.0, rival=rival, rival_ms=rival_ms)


def test_without_a_rival_there_is_a_sentence_in_place_of_rows_of_none():
    told = speedup_table([speedup(None, None)] * 2)
    assert isinstance(told, Text)
    assert "none" in told.text
    assert "1.5 times as fast as MobileNetV3 and 2.6 times as fast as EfficientNet [cai2020, abstract]" in told.text


def test_with_a_rival_there_is_a_table():
    told = speedup_table([speedup("manual", 3.0), speedup(None, None)])
    assert isinstance(told, Table)
    assert [row[-1].text for row in told.rows] == ["1.50 x", "none"]
    assert "1.5 times as fast as MobileNetV3" in told.note


def test_both_sides_of_a_payback_are_said_to_be_it_energy():
    one = Payback(
        strategy="a",
        seed=0,
        scenario="s",
        rival="b",
        spent_j=100.0,
        rival_spent_j=50.0,
        image_j=1.0,
        rival_image_j=2.0,
    )
    table = payback_table([one])
    titles = [column.title for column in table.columns]
    assert {"finding it took, IT energy", "saved per image, IT energy"} <= set(titles)
    assert table.note.startswith("IT energy on both sides, whatever the PUE of a site is.")
