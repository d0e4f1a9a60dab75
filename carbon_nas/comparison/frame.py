"""Statements as one table of numbers, ready for a group-by. No strategy has a formula of its own."""

from collections.abc import Mapping, Sequence

import pandas as pd

from carbon_nas.accounting.statement import Entry, Statement
from carbon_nas.comparison.charged import Charged, charged
from carbon_nas.comparison.finished import Finished
from carbon_nas.errors import UnknownQuantity
from carbon_nas.ledger.records import Role

__all__ = ["NUMBERS", "charged_rows", "mass_columns", "mean_or_gap", "sum_or_gap", "whole_number"]

NUMBERS = ("energy_j", "facility_j", "estimated_j", "device_s", "duration_s", "steps", "macs")
_MASS = "mass_kg:"


def mass_columns(frame: pd.DataFrame) -> Mapping[str, str]:
    """Return the columns of CO2e by the views they belong to."""
    return {name.removeprefix(_MASS): name for name in frame.columns if name.startswith(_MASS)}


def _row(strategy: str, one: Charged, entry: Entry, views: Sequence[str]) -> dict[str, object]:
    masses_kg = entry.mass_kg
    return {
        "strategy": strategy,
        "seed": one.seed,
        "shared": one.shared,
        "phase": entry.phase,
        "name": entry.name,
        "scope": entry.scope,
        "scenario": entry.scenario,
        "tier": entry.tier,
        **{number: getattr(entry, number) for number in NUMBERS},
        **{f"{_MASS}{view}": masses_kg.get(view) for view in views},
    }


def charged_rows(statements: Sequence[Statement], done: Finished, views: Sequence[str]) -> pd.DataFrame:
    """Return what every strategy and seed is charged with: one row for each entry, shared ones copied to all.

    Raises:
        UnknownQuantity: if the energy of an entry is not known.
    """
    strategies = dict.fromkeys(one.strategy for one in statements if one.role != Role.SHARED)
    rows = [
        _row(strategy, one, entry, views)
        for strategy in strategies
        # Shared work comes first, as it was run.
        for one in sorted(charged(statements, strategy, done), key=lambda one: (one.seed, not one.shared))
        for entry in one.entries
    ]
    numbers = [*NUMBERS, *(f"{_MASS}{view}" for view in views)]
    # As floats, for a column of nothing but None would be one of objects, which pandas cannot add.
    frame = pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))
    _complete(frame)
    return frame


def _complete(frame: pd.DataFrame) -> None:
    unknown = frame[frame["energy_j"].isna()]
    if len(unknown):
        first = unknown.iloc[0]
        raise UnknownQuantity(
            f"the energy of {len(unknown)} phases is not known, so strategies cannot be compared",
            where=f"{first['strategy']}, seed {first['seed']}, phase {first['phase']}",
            cure="a device was lost while it was metered; record the study again with another --out",
        )


def sum_or_gap(values: "pd.Series[float]") -> float:
    """Add numbers; a gap makes the sum a gap, where pandas would skip it."""
    return float(values.sum(skipna=False))


def mean_or_gap(values: "pd.Series[float]") -> float | None:
    """Return the mean; None if one of them is not known."""
    return None if values.isna().any() else float(values.mean())


def whole_number(value: float | None) -> int | None:
    """Round what may be not known."""
    return None if value is None else round(value)
