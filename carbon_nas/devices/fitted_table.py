"""A latency table that is fitted from whole networks: somebody measured them on a device that is not here.

Every layer starts from a prior, a time per layer plus a time per multiply-accumulate, and departs from it as far as the
measurements ask for it (ridge regression on the relative departures). What no network of the list has keeps its prior.
"""

import csv
import json
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_nas.devices.latency_table import LatencyTable, layer_specs, layers
from carbon_nas.devices.validation import validate
from carbon_nas.errors import UsageError
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.cost import layer_cost
from carbon_nas.supernet.space import SearchSpace

__all__ = ["MeasuredPair", "fewest_pairs", "fit_pairs", "read_pairs"]

_FOLDS = 5
# With fewer than ten networks in a fold, neither an error nor a rank correlation would say much.
_FEWEST = 10 * _FOLDS
# Made-up devices with 3 % of noise, in the official space: where what layers take has nothing to do with their MACs,
# held-out rank correlations are 0.77 to 0.85 with a network for every two layers, 0.88 to 0.92 with one for each, and
# 0.92 to 0.96 with three for two; where they follow them within 40 %, 0.91 to 0.99, 0.95 to 0.99 and 0.96 to 0.99.
_FEWEST_PER_LAYER_RATIO = 0.5

# Powers of ten of the penalty, over the largest eigenvalue: from no shrinking to hardly more than the prior.
_PENALTIES = np.logspace(-7, 1, 33)
_LEAST_FREEDOM_RATIO = 1e-9

_COLUMNS = ("ks", "e", "d", "r")


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredPair:
    """An architecture, and what it takes end to end on some device."""

    architecture: Architecture
    latency_ms: float


def read_pairs(path: Path, space: SearchSpace) -> tuple[MeasuredPair, ...]:
    """Read measured networks from a CSV file.

    The columns are `latency_ms` and either `ks,e,d,r` in the official encoding, lists as JSON or separated by blanks or
    commas, or `architecture`, all of them as JSON. `r` may be missing where the space has one resolution.

    Raises:
        UsageError: if a column is missing, or a line is no architecture of the space with a latency above 0.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = tuple(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]  # Blank lines are lines, but no rows.
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"this file cannot be read as CSV ({error})", where=str(path)) from error
    wanted = ("architecture",) if "architecture" in names else _COLUMNS[: 3 if len(space.resolutions) == 1 else 4]
    missing = [name for name in (*wanted, "latency_ms") if name not in names]
    if missing:
        raise UsageError(
            f"there is no column {missing[0]}",
            where=str(path),
            cure="name the columns ks,e,d,r,latency_ms, or architecture,latency_ms; latencies are in milliseconds",
        )
    return tuple(_pair(row, space, f"{path}, line {number}") for number, row in rows)


def fewest_pairs(space: SearchSpace, num_classes: int) -> int:
    """Return how many networks must have been measured at least: one for every two layers to be found out, and 50."""
    return _fewest(len(layer_specs(space, num_classes)))


def _fewest(layers_of_space: int) -> int:
    return max(_FEWEST, math.ceil(_FEWEST_PER_LAYER_RATIO * layers_of_space))


def fit_pairs(
    space: SearchSpace,
    pairs: Sequence[MeasuredPair],
    num_classes: int,
    *,
    rng: random.Random,
    target: str = "measured pairs",
) -> LatencyTable:
    """Fit a table to measured networks, and check it: every network is predicted by a fit to the others, in five folds.

    Errors count relative to the latency. Networks that were measured several times count once, with their median.

    Raises:
        UsageError: if there are fewer different networks than `fewest_pairs` says.
    """
    by_arch: dict[Architecture, list[float]] = {}
    for pair in pairs:
        by_arch.setdefault(pair.architecture, []).append(pair.latency_ms)
    specs = layer_specs(space, num_classes)
    fewest = _fewest(len(specs))
    if len(by_arch) < fewest:
        raise UsageError(
            f"{len(by_arch)} different architectures are too few to fit a table of {len(specs)} layers and to check "
            f"it: {fewest} are needed",
            where=f"measured pairs of {target}",
            cure=f"measure {fewest - len(by_arch)} more, or name fewer resolutions",
        )
    latency_ms = np.array([statistics.median(values) for values in by_arch.values()])
    place = {key: number for number, key in enumerate(specs)}
    counts = np.zeros((len(by_arch), len(specs)))
    for row, arch in enumerate(by_arch):
        for key in layers(space, arch, num_classes):
            counts[row, place[key]] += 1
    macs = np.array([layer_cost(spec).macs for spec in specs.values()], dtype=float)
    order = np.array(rng.sample(range(len(by_arch)), len(by_arch)))
    predicted_ms = np.empty_like(latency_ms)
    for fold in range(_FOLDS):
        held_out = order[fold::_FOLDS]
        rest = np.setdiff1d(order, held_out)
        predicted_ms[held_out] = counts[held_out] @ _fit(counts[rest], macs, latency_ms[rest])
    entries_ms = _fit(counts, macs, latency_ms)
    table = LatencyTable(
        target=target,
        entries_ms={key: float(entries_ms[place[key]]) for key in sorted(specs)},
        scale_ratio=1.0,
        offset_ms=0.0,
        anchor_ms=None,
        anchor_spread_ratio=None,
        error_fraction=None,
        rank_correlation_ratio=None,
        num_classes=num_classes,
        made=f"fitted to {len(by_arch)} networks that were measured whole{_warning(len(by_arch), len(specs))}",
        unseen_layers=int((counts.sum(axis=0) == 0).sum()),
        space=space.name,
    )
    return table.checked(validate(predicted_ms.tolist(), latency_ms.tolist()))


def _warning(networks: int, layers_of_space: int) -> str:
    return f", which are few: fewer than its {layers_of_space} layers" if networks < layers_of_space else ""


def _fit(
    counts: NDArray[np.float64], macs: NDArray[np.float64], latency_ms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a time for every layer."""
    prior_ms = _prior_ms(counts, macs, latency_ms)
    # Relative on both sides: what share of a network's latency a departure of one layer from its prior explains.
    shares = counts * prior_ms / latency_ms[:, None]
    departures = _ridge(shares, 1 - shares.sum(axis=1))
    # No layer takes less than no time.
    layers_ms: NDArray[np.float64] = prior_ms * np.maximum(0.0, 1 + departures)
    return layers_ms


def _prior_ms(
    counts: NDArray[np.float64], macs: NDArray[np.float64], latency_ms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a time per layer plus a time per multiply-accumulate, by least squares, neither below zero."""
    features = np.stack([np.ones_like(macs), macs / macs.max()], axis=1)
    sums = counts @ features / latency_ms[:, None]
    both = np.linalg.lstsq(sums, np.ones(len(sums)), rcond=None)[0]
    if (both >= 0).all():
        prior_ms: NDArray[np.float64] = features @ both
        return prior_ms
    # One of them alone, whichever explains more.
    alone = sums.sum(axis=0) / (sums**2).sum(axis=0)
    errors = ((sums * alone - 1) ** 2).sum(axis=0)
    best = int(errors.argmin())
    single_ms: NDArray[np.float64] = features[:, best] * alone[best]
    return single_ms


def _ridge(design: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve least squares with the penalty under which each row is best predicted by all others.

    Source: Allen's PRESS, Technometrics 16 (1974), 125-127: the residual without a row is `residual / (1 - leverage)`.
    """
    left, singular, right = np.linalg.svd(design, full_matrices=False)
    along, squares = left.T @ wanted, singular**2
    best, least = np.zeros(design.shape[1]), math.inf
    for penalty in _PENALTIES * squares.max():
        kept = squares / (squares + penalty)
        leverage = (left**2) @ kept
        left_out = (wanted - left @ (kept * along)) / np.maximum(1 - leverage, _LEAST_FREEDOM_RATIO)
        error = float((left_out**2).mean())
        if error < least:
            best, least = right.T @ (singular / (squares + penalty) * along), error
    return best


def _pair(row: Mapping[Any, Any], space: SearchSpace, where: str) -> MeasuredPair:
    # What `csv` makes of rows that are too long and too short.
    if None in row:
        raise UsageError(
            "this line has more values than there are columns", where=where, cure='put lists in quotes: "3,5,3"'
        )
    wanted = ("architecture",) if "architecture" in row else _COLUMNS
    for name in (*wanted, "latency_ms"):
        if name in row and row[name] is None:
            raise UsageError(f"this line ends before the column {name}", where=where)
    latency_ms = _number(row["latency_ms"], where)
    if "architecture" in row:
        encoding = _json(row["architecture"], where)
    else:
        encoding = {name: _choices(name, row[name], where) for name in _COLUMNS if row.get(name)}
    if len(space.resolutions) > 1 and not {"r", "image_size"} & encoding.keys():
        raise UsageError(f"the resolution r is missing, and {space.name} has several", where=where)
    try:
        return MeasuredPair(architecture=space.from_json(encoding), latency_ms=latency_ms)
    except UsageError as error:
        raise UsageError(f"this is no architecture of {space.name}: {error.what}", where=where) from error


def _number(text: str, where: str) -> float:
    try:
        latency_ms = float(text)
    except ValueError as error:
        raise UsageError(f"column latency_ms: {text!r} is no number", where=where) from error
    if not (math.isfinite(latency_ms) and latency_ms > 0):
        raise UsageError(f"column latency_ms: a latency must be above 0 ms, not {latency_ms}", where=where)
    return latency_ms


def _json(text: str, where: str) -> dict[str, Any]:
    try:
        encoding = json.loads(text)
    except ValueError as error:
        raise UsageError(f"column architecture: this is no JSON ({error})", where=where) from error
    if not isinstance(encoding, dict):
        raise UsageError("column architecture: it must be written as {ks, e, d, r}", where=where)
    return encoding


def _choices(name: str, text: str, where: str) -> Any:
    """Read a whole number, or a list of them as JSON or separated by blanks or commas."""
    try:
        if "[" in text:
            return json.loads(text)
        numbers = [int(word) for word in text.replace(",", " ").split()]
        return numbers[0] if len(numbers) == 1 else numbers
    except ValueError as error:
        raise UsageError(
            f"column {name}: {text!r} is neither a whole number nor a list of them",
            where=where,
            cure="write lists as 3 5 3, as [3, 5, 3], or in quotes as 3,5,3",
        ) from error
