"""The same activity data by several methods, side by side."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from carbon_nas.accounting.activity import ActivityData, Conditions, MethodResult, Processor
from carbon_nas.accounting.entry import busy_seconds
from carbon_nas.accounting.methods import METHODS
from carbon_nas.accounting.recipes import RECIPES
from carbon_nas.accounting.site import EMBODIED_VIEW, Site
from carbon_nas.accounting.statement import Entry, Part, Statement
from carbon_nas.comparison.charged import Charged, charged
from carbon_nas.comparison.finished import Finished
from carbon_nas.ledger.run import Run
from carbon_nas.meters.base import Component
from carbon_nas.units import sum_or_none, total, total_known

__all__ = ["MethodCost", "activity_data", "by_method"]

SEVERAL = "several"
_KINDS = ("cpu", "dram", "gpu")
_OF_SEVERAL = "its ledgers were recorded at several sites"


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodCost:
    """What a method says about a strategy on one grid: the mean over seeds."""

    strategy: str
    grid: str
    result: MethodResult


def by_method(
    runs: Sequence[Run],
    statements: Sequence[Statement],
    strategies: Sequence[str],
    done: Finished,
    names: Sequence[str],
) -> tuple[MethodCost, ...]:
    """Apply every method to every strategy, on every grid of its site.

    Args:
        runs: the ledgers, one for each statement, in the same order.
        statements: what they say at their sites.
        strategies: which to account for.
        done: what can be compared.
        names: of `METHODS`.

    Where a strategy's ledgers are of several sites, no method has a way to say so, and each says that it does not know.
    """
    found = []
    for strategy in strategies:
        mine = list(charged(statements, strategy, done))
        sites = list(dict.fromkeys(one.statement.site for one in mine))
        if len(sites) != 1:
            found += [
                MethodCost(strategy=strategy, grid=SEVERAL, result=RECIPES[name].not_known(_OF_SEVERAL))
                for name in names
            ]
            continue
        ledgers = {id(one.statement) for one in mine}
        components = {
            name: part
            for run, statement in zip(runs, statements, strict=True)
            if id(statement) in ledgers
            for name, part in run.components.items()
        }
        data = _with_shares(activity_data(mine, components, outputs=len(done.scenarios)), sites[0])
        for conditions, grid in _conditions(sites[0]):
            found += [
                MethodCost(strategy=strategy, grid=grid, result=METHODS[name](data, conditions)) for name in names
            ]
    return tuple(found)


def _with_shares(data: ActivityData, site: Site) -> ActivityData:
    """Add what was not metered and the site has a share for: no method can tell it from what was."""
    if not site.added_ratio():
        return data
    added_j = float(site.added_ratio()) * total(data.energy_j.values())
    return replace(data, energy_j={**data.energy_j, "other": total([data.energy_j.get("other", 0.0), added_j])})


def _conditions(site: Site) -> Iterator[tuple[Conditions, str]]:
    for grid in site.grids:
        yield (
            Conditions(
                intensity_g_per_kwh=grid.intensity_g_per_kwh,
                intensity_from=f"{grid.name}: {grid.source.where}",
                pue=site.pue,
                facility_metered=site.facility_metered,
            ),
            grid.name,
        )


def activity_data(mine: Sequence[Charged], components: Mapping[str, Component], *, outputs: int) -> ActivityData:
    """Return what one strategy did, the mean over its seeds, as methods want to have it."""
    seeds = sorted({one.seed for one in mine})
    by_seed = [[one for one in mine if one.seed == seed] for seed in seeds]
    parts = [[part for one in seed for entry in one.entries for part in entry.parts] for seed in by_seed]
    kinds = sorted({_kind(part.component) for seed in parts for part in seed})
    embodied_kg = [
        total_known(entry.mass_kg.get(EMBODIED_VIEW) for one in seed for entry in one.entries) for seed in by_seed
    ]
    return ActivityData(
        energy_j={kind: fmean(total(part.energy_j for part in _of(kind, seed)) for seed in parts) for kind in kinds},
        duration_s=fmean(sum(entry.own_s for one in seed for entry in one.entries) for seed in by_seed),
        device_s={
            kind: _mean([_busy_s(kind, [entry for one in seed for entry in one.entries]) for seed in by_seed])
            for kind in kinds
        },
        processors=tuple(_processors(components.values())),
        memory_gib=_memory_gib(components.values()),
        outputs=outputs,
        embodied_kg=_mean(embodied_kg),
    )


def _busy_s(kind: str, entries: Sequence[Entry]) -> float | None:
    """Return for how long a kind was busy; None if that is not known of one entry in which it was metered."""
    metered = [
        {part.component: part.device_s for part in entry.parts if _kind(part.component) == kind} for entry in entries
    ]
    return sum_or_none(busy_seconds(device_s) for device_s in metered if device_s)


def _kind(component: str) -> str:
    kind = component.partition(":")[0]
    return kind if kind in _KINDS else "other"


def _of(kind: str, parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if _kind(part.component) == kind]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _processors(components: Iterable[Component]) -> Iterator[Processor]:
    for part in components:
        kind, inputs = _kind(part.name), part.inputs
        if kind == "gpu":
            yield Processor(
                kind="gpu",
                name=str(inputs.get("name") or part.name),
                tdp_w=_number(inputs.get("power_limit_w")),
                tdp_source="power limit of the board, NVML",
            )
        elif part.name == "cpu:process":
            sockets = int(_number(inputs.get("sockets")) or 1)
            cores = _number(inputs.get("logical_cores"))
            yield Processor(
                kind="cpu",
                name=str(inputs.get("cpu_model") or "unnamed CPU"),
                count=sockets,
                cores=None if cores is None else max(1, round(cores / sockets)),
                tdp_w=_number(inputs.get("socket_tdp_w")),
                tdp_source="TDP of the socket, codecarbon's table",
            )
        elif kind == "cpu":
            yield Processor(
                kind="cpu",
                name=part.name,
                tdp_w=_number(inputs.get("power_limit_w")),
                tdp_source="power limit of the package, RAPL",
            )


def _memory_gib(components: Iterable[Component]) -> float | None:
    return next((_number(part.inputs["memory_gib"]) for part in components if "memory_gib" in part.inputs), None)
