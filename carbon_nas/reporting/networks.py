"""The table of what was delivered."""

from collections.abc import Callable, Mapping

from carbon_nas.comparison.delivery import Delivery
from carbon_nas.comparison.table import Comparison
from carbon_nas.reporting.cells import counted, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import latency, percent
from carbon_nas.sources import Tier

__all__ = ["delivery_table"]


_MODEL = (
    Column(key="model", title="model", numeric=False),
    Column(key="model_folder", title="folder of its files", numeric=False, shown=False),
)


def _known(value: float | None, write: Callable[[float], str], unit: str) -> Cell:
    if value is None:
        return word("not known")
    return Cell(text=write(value), tier=Tier.MEASURED, value=value, unit=unit)


def _delivery_cells(item: Delivery, shipped: Mapping[tuple[str, str, int], str]) -> tuple[Cell, ...]:
    over = item.over_limit_fraction
    met = "not known" if over is None else "met" if over <= 0 else f"missed by {percent(over)}"
    correct, ms, limit = item.accuracy_fraction, item.latency_ms, item.latency_limit_ms
    return (
        word(item.scenario),
        word(item.strategy),
        word(str(item.seed)),
        _known(correct, percent, "fraction"),
        _known(ms, latency, "ms"),
        _known(limit, latency, "ms"),
        word(met),
        counted(item.parameters, "parameters", Tier.MODELLED),
        counted(item.macs, "MACs", Tier.MODELLED),
        word(item.architecture),
        *(_model_cells(shipped.get((item.strategy, item.scenario, item.seed), "")) if shipped else ()),
    )


def _model_cells(path: str) -> tuple[Cell, ...]:
    return (Cell(text="files", link=path) if path else word("none")), word(path.rpartition("/")[0])


def delivery_table(comparison: Comparison, shipped: Mapping[tuple[str, str, int], str] | None = None) -> Table:
    """Return the networks that were found, with accuracy and latency beside their limits.

    Args:
        comparison: what was delivered.
        shipped: where their files lie beside the report, by strategy, scenario and seed.
    """
    titles = {
        "scenario": "scenario",
        "strategy": "strategy",
        "seed": "seed",
        "accuracy_fraction": "test accuracy",
        "latency_ms": "latency",
        "latency_limit_ms": "limit",
        "limit_met": "limit met",
        "parameters": "parameters",
        "macs": "MACs",
        "architecture": "architecture",
    }
    words = {"scenario", "strategy", "seed", "limit_met", "architecture"}
    ordered = sorted(comparison.deliveries, key=lambda item: item.seed)
    places = list(dict.fromkeys(item.scenario for item in ordered))
    ordered.sort(key=lambda item: places.index(item.scenario))
    sizes = {item.test_size for item in ordered if item.test_size}
    noise = (
        f"Accuracy on the test split, which no search has seen; latency end to end, normalised by an anchor kernel. "
        f"On {max(sizes)} test images the standard error of an accuracy near 95 % is "
        f"{100 * (0.95 * 0.05 / max(sizes)) ** 0.5:.1f} points."
        if sizes
        else ""
    )
    return Table(
        key="deliveries",
        title="What was delivered",
        columns=(
            *(Column(key=key, title=title, numeric=key not in words) for key, title in titles.items()),
            *(_MODEL if shipped else ()),
        ),
        rows=tuple(_delivery_cells(item, shipped or {}) for item in ordered),
        note=noise,
    )
