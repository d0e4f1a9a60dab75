"""Statements as one table of numbers, ready for a group-by. No strategy has a formula of its own."""

from collections.abc import Mapping, Sequence

import pandas as pd

from carbon_nas.accounting.statement import Entry, Statement
from carbon_nas.comparison.finished import Finished
from carbon_nas.errors import UnknownQuantity
from carbon_nas.ledger.records import Role, Scope

__all__ = ["NUMBERS", "charged_rows", "mass_columns", "mean_or_gap", "sum_or_gap", "whole_number"]

NUMBERS = ("energy_j", "facility_j", "estimated_j", "device_s", "duration_s", "steps", "macs")
_MASS = "mass_kg:"


def mass_columns(frame: pd.DataFrame) -> Mapping[str, str]:
    """Return the columns of CO2e by the views they belong to."""
    return {name.removeprefix(_MASS): name for name in frame.columns if name.startswith(_MASS)}


def _row(run: int, statement: Statement, entry: Entry, views: Sequence[str]) -> dict[str, object]:
    masses_kg = entry.mass_kg
    return {
        "run": run,
        "strategy": statement.strategy,
        "seed": statement.seed,
        "shared": statement.role == Role.SHARED,
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

    Lost attempts are left out, and so is the use phase, which is no part of what it cost to find a network.

    Raises:
        UnknownQuantity: if the energy of an entry is not known.
    """
    rows = [
        _row(number, statement, entry, views)
        for number, statement in enumerate(statements)
        for entry in statement.entries
        if not entry.wasted and entry.scope in (Scope.ONCE, Scope.PER_SCENARIO)
    ]
    numbers = [*NUMBERS, *(f"{_MASS}{view}" for view in views)]
    # As floats, for a column of nothing but None would be one of objects, which pandas cannot add.
    frame = _charged(pd.DataFrame(rows).astype(dict.fromkeys(numbers, float)))
    once = frame["scope"] != Scope.PER_SCENARIO
    frame = frame[frame["seed"].isin(done.seeds) & (once | frame["scenario"].isin(done.scenarios))]
    _complete(frame)
    return frame


def _charged(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every strategy and seed its own copy of the shared rows: each alone would have had to pay them."""
    own, shared = frame[~frame["shared"]], frame[frame["shared"]]
    copies = [
        shared.assign(strategy=strategy, seed=seed)
        for strategy, seed in own[["strategy", "seed"]].drop_duplicates().itertuples(index=False)
    ]
    # Shared work comes first, as it was run.
    return pd.concat([*copies, own], ignore_index=True) if copies else own


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
