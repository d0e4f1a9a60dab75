"""The cost table of the once-for-all paper: what the methods cost for N deployment scenarios, in GPU-hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from carbon_nas.references.library import CostLine, Paper, paper
from carbon_nas.sources import Source

__all__ = ["NasCost", "nas_costs"]

_DASH = "-"


@dataclass(frozen=True, kw_only=True, slots=True)
class NasCost:
    """One row of the table.

    Attributes:
        accelerator: whose hours they are, as the paper labels them; in truth rows from other papers mix accelerators.
        accuracy_verified: the accuracy was read in the table itself.
        search_once_gpu_h: hours of search paid once. None: the paper prints a dash, so it is not reported.
        search_each_gpu_h: hours of search for each scenario.
        train_once_gpu_h: hours of training paid once.
        train_each_gpu_h: hours of training for each scenario.
        total_text: total hours as printed, for the number of scenarios in `scenarios`.
        co2e_text: pounds of CO2e as printed.
        cost_text: dollars as printed.
        scenarios: the N of the printed totals.

    Source: Cai et al. 2020, Table 1.
    """

    key: str
    label: str
    source: Source
    accelerator: str
    accuracy_fraction: float | None
    accuracy_verified: bool
    search_once_gpu_h: float | None
    search_each_gpu_h: float | None
    train_once_gpu_h: float | None
    train_each_gpu_h: float | None
    total_text: str
    co2e_text: str
    cost_text: str
    scenarios: int
    version: str
    erratum: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.unreported == ("search", "training"):
            raise ValueError(f"{self.key} reports neither search nor training, so it has no cost")

    @property
    def unreported(self) -> tuple[str, ...]:
        """What the row leaves out: its hours are a partial sum, and so a lower bound."""
        columns = {
            "search": (self.search_once_gpu_h, self.search_each_gpu_h),
            "training": (self.train_once_gpu_h, self.train_each_gpu_h),
        }
        return tuple(name for name, hours in columns.items() if hours == (None, None))

    @property
    def once_gpu_h(self) -> float:
        """Hours paid once, of what is reported; see `unreported`."""
        return _reported(self.search_once_gpu_h, self.train_once_gpu_h)

    @property
    def each_gpu_h(self) -> float:
        """Hours paid for each scenario, of what is reported; see `unreported`."""
        return _reported(self.search_each_gpu_h, self.train_each_gpu_h)

    def gpu_h(self, n: int) -> float:
        """Return the hours for N scenarios, of what is reported, without any rounding."""
        return self.once_gpu_h + n * self.each_gpu_h


@cache
def nas_costs() -> Mapping[str, NasCost]:
    """Return every row of the table by its key, in the order of the paper."""
    table = paper("cai2020")
    return MappingProxyType({line.key: _row(table, line) for line in table.cost})


def _row(table: Paper, line: CostLine) -> NasCost:
    search, train = _hours(line.search), _hours(line.train)
    return NasCost(
        key=line.key,
        label=line.label,
        source=Source(key=table.paper, where=f"{table.where}, {line.label}"),
        accelerator=table.accelerator,
        accuracy_fraction=line.accuracy_fraction,
        accuracy_verified=line.accuracy_verified,
        search_once_gpu_h=search[0],
        search_each_gpu_h=search[1],
        train_once_gpu_h=train[0],
        train_each_gpu_h=train[1],
        total_text=line.total,
        co2e_text=line.co2e,
        cost_text=line.cost,
        scenarios=table.scenarios,
        version=table.version,
        erratum=line.erratum,
        note=line.note,
    )


def _hours(text: str) -> tuple[float | None, float | None]:
    """Read "288+24N": hours once and for each scenario."""
    if text == _DASH:
        return None, None
    terms = text.replace(",", "").split("+")
    once = [float(term) for term in terms if not term.endswith("N")]
    each = [float(term.removesuffix("N")) for term in terms if term.endswith("N")]
    return sum(once, 0.0), sum(each, 0.0)


def _reported(*hours: float | None) -> float:
    return sum((number for number in hours if number is not None), 0.0)
