"""The tables of where published methods break even."""

from collections.abc import Iterator, Sequence

from carbon_nas.comparison.published import PublishedRow, PublishedTable
from carbon_nas.comparison.published_break_even import PublishedBreakEven, UpfrontBreakEven
from carbon_nas.comparison.published_hours import FineTuning, is_once_for_all
from carbon_nas.reporting.cells import word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import significant
from carbon_nas.sources import Tier

__all__ = ["crossing_words", "pair_table", "published_break_even_table"]


def crossing_words(found: PublishedBreakEven) -> str:
    """Write N* with its sign: "= 2.48", or "≤ 6.89" where it is a bound.

    Raises:
        ValueError: if there is none.
    """
    if found.n_ratio is None:
        raise ValueError(f"{' and '.join(found.methods)} never break even")
    return f"{'≤' if found.at_most else '='} {significant(found.n_ratio)}"


def published_break_even_table(table: PublishedTable) -> Table:
    """Return from how many scenarios on once-for-all takes fewer hours than each rival, for every fine-tuning."""
    return Table(
        key="published_break_even",
        title="Break-even of once-for-all with every other method",
        columns=(
            Column(key="rival", title="against", numeric=False),
            Column(key="once_gpu_h", title="its GPU-hours once"),
            Column(key="each_gpu_h", title="for each scenario"),
            *(Column(key=f"{_plain(kind)}_n_ratio", title=_titled(kind)) for kind in FineTuning),
            Column(key="first_n", title=f"fewer hours from N = (fine-tuning: {table.setting.fine_tuning})"),
            Column(key="partial", title="not reported in full", numeric=False),
        ),
        rows=tuple(_crossing_row(row, table.setting.fine_tuning) for row in table.against_upfront),
        note="N* is where the hours of both are the same. Power, PUE, intensity and price are the same for all, so N* "
        "holds for energy, CO2e and dollars at any site. ≤: the rival is not reported in full, so N* can only be "
        "lower. Below 1: once-for-all takes fewer hours from the first scenario on."
        + "".join(f" {words}" for words in _alike(table.rows)),
    )


def _plain(kind: FineTuning) -> str:
    return {"none": "bare"}.get(kind.value, f"tuned_{kind.value.removeprefix('#')}")


def _titled(kind: FineTuning) -> str:
    return "N*, no fine-tuning" if kind is FineTuning.NONE else f"N*, {kind.value.removeprefix('#')} epochs each"


def _alike(rows: Sequence[PublishedRow]) -> Iterator[str]:
    """Name the rows of once-for-all that take the hours of one that is shown."""
    shown = {row.key: row for row in rows if row.key in {kind.row_key for kind in FineTuning}}
    for row in rows:
        if is_once_for_all(row.key) and row.key not in shown:
            for other in shown.values():
                if (row.once_gpu_h, row.each_gpu_h) == (other.once_gpu_h, other.each_gpu_h):
                    yield f"{row.label} takes the hours of {other.label}, and breaks even where that does."


def _crossing_row(row: UpfrontBreakEven, fine_tuning: FineTuning) -> tuple[Cell, ...]:
    asked = row.crossings[fine_tuning]
    return (
        word(row.rival),
        _hours(row.once_gpu_h),
        _hours(row.each_gpu_h),
        *(_crossing(row.crossings[kind]) for kind in FineTuning),
        _first(asked),
        word(", ".join(asked.partial)),
    )


def _hours(hours: float) -> Cell:
    return Cell(text=f"{hours:,.0f}", tier=Tier.MODELLED, value=hours, unit="GPU-hours")


def _crossing(found: PublishedBreakEven) -> Cell:
    if found.n_ratio is None:
        return word("never")
    text = "below 1" if found.n_ratio < 1.0 else crossing_words(found).removeprefix("= ")
    return Cell(text=text, tier=Tier.MODELLED, value=found.n_ratio, unit="scenarios")


def _first(found: PublishedBreakEven) -> Cell:
    if found.first_n is None:
        return word("never")
    bound = "≤ " if found.at_most and found.first_n > 1 else ""
    return Cell(text=f"{bound}{found.first_n:,}", tier=Tier.MODELLED, value=found.first_n, unit="scenarios")


def pair_table(table: PublishedTable) -> Table:
    """Return where the other methods break even with each other; pairs of which one is always cheaper are left out."""
    own = {row.label for row in table.rows if is_once_for_all(row.key)}
    others = [found for found in table.break_evens if not own & {*found.methods}]
    crossing = [found for found in others if found.n_ratio is not None and found.cheaper is None]
    return Table(
        key="published_break_even_pairs",
        title="Break-even of the other methods with each other",
        columns=(
            Column(key="upfront", title="pays more once", numeric=False),
            Column(key="rival", title="against", numeric=False),
            Column(key="n_ratio", title="N*"),
            Column(key="first_n", title="fewer hours from N ="),
            Column(key="partial", title="not reported in full", numeric=False, shown=False),
        ),
        rows=tuple(map(_pair_row, crossing)),
        note=f"In the other {len(others) - len(crossing)} pairs one takes fewer hours for every N from 1 on. All "
        f"{len(table.break_evens)} pairs of the table, those with once-for-all included, stand in the data of this "
        "report.",
    )


def _pair_row(found: PublishedBreakEven) -> tuple[Cell, ...]:
    upfront, rival = found.methods
    return (word(upfront), word(rival), _crossing(found), _first(found), word(", ".join(found.partial)))
