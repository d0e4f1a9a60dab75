"""Everything that a report says, as numbers: the comparison, how sure it is, and what others would say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from carbon_nas.accounting.choices import ChoiceRange
from carbon_nas.accounting.sites import Sites
from carbon_nas.accounting.statement import account
from carbon_nas.accounting.tornado import Swing, tornado
from carbon_nas.accounting.uncertainty import Spread, simulate
from carbon_nas.comparison.by_method import MethodCost, by_method
from carbon_nas.comparison.claims import ClaimStep, OwnRun, why_not
from carbon_nas.comparison.delivery import deliveries
from carbon_nas.comparison.family import FAMILY, FINE_TUNE, ONCE_FOR_ALL, Trainings, trainings
from carbon_nas.comparison.finished import finished
from carbon_nas.comparison.hourly import HourlyMean, hourly_means
from carbon_nas.comparison.payback import FleetPayback, Payback, paybacks, spent_on_networks
from carbon_nas.comparison.priors import InFull, PriorWork, charged_in_full, prior_works
from carbon_nas.comparison.published_hours import FineTuning
from carbon_nas.comparison.quality import Quality, quality
from carbon_nas.comparison.ranges import ranges
from carbon_nas.comparison.speedup import Speedup, speedups
from carbon_nas.comparison.spread import spread_model
from carbon_nas.comparison.table import Comparison, compare
from carbon_nas.comparison.use_phase import Fleet, Inference, inferences
from carbon_nas.ledger.idle import idle_powers_w
from carbon_nas.ledger.merge import Overlap, merge
from carbon_nas.ledger.run import Run

__all__ = ["Findings", "MARGIN_FRACTION", "find", "own_run"]

MARGIN_FRACTION = 0.01
"""A loss of accuracy of up to one percentage point counts as equal; beyond it is named, whatever the energy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What was found.

    Attributes:
        spreads: how sure each cost, ratio and break-even is, by name: parametric intervals.
        ranges: what another choice of power or PUE would make of each, by name: never merged with intervals.
        swings: what moves each ratio or cost most, by name.
        methods: what published methods say of the same activity data.
        claim: from the published ratio to this one, step by step; empty if nobody paid once.
        uses: networks at work.
        speedups: networks beside hand-scaled ones.
        paybacks: when cheaper work has returned what finding a network took.
        fleets: the same in the life of a fleet, if one was named.
        fleet: how the networks will be used, if anybody said.
        hourly: what the hours of a series come to over the energy of these phases, and how much of it was filled in.
        quality: how good tables and predictors are, and what the choices made with them came to.
        trainings: two ways to train one network for all scenarios; None if only one was run.
        priors: what strategies started from that was paid for before.
        in_full: those strategies charged with it, beside every other.
    """

    comparison: Comparison
    spreads: Mapping[str, Spread]
    ranges: Mapping[str, tuple[ChoiceRange, ...]]
    swings: Mapping[str, tuple[Swing, ...]]
    methods: tuple[MethodCost, ...]
    claim: tuple[ClaimStep, ...]
    uses: tuple[Inference, ...]
    speedups: tuple[Speedup, ...]
    paybacks: tuple[Payback, ...]
    fleets: tuple[FleetPayback, ...]
    hourly: tuple[HourlyMean, ...]
    fleet: Fleet | None = None
    quality: Quality = field(default_factory=Quality)
    trainings: Trainings | None = None
    priors: tuple[PriorWork, ...] = ()
    in_full: tuple[InFull, ...] = ()

    @property
    def filled_share(self) -> Mapping[str, float]:
        """The part of the energy that fell into gaps of a series, where its mean stood in; by series."""
        sites = self.comparison.sites
        return {
            one.view if sites.only is not None else f"{one.view} ({sites.sites[one.site].place})": one.mean.filled_share
            for one in self.hourly
        }


def find(
    runs: Sequence[Run],
    sites: Sites,
    *,
    methods: Sequence[str] = (),
    fleet: Fleet | None = None,
    overlap: Overlap = Overlap.REFUSE,
) -> Findings:
    """Account for some runs and compare them.

    Args:
        runs: ledgers that belong together.
        sites: where they were recorded.
        methods: names of published methods to apply beside ours.
        fleet: how the networks will be used.
        overlap: what to do with joules that stand in two ledgers.

    Raises:
        LedgerError: if there is nothing finished to compare.
        LedgerOverlap: if two of them metered one device at the same time, and no rule was asked for.
        UnknownQuantity: if the energy of a phase is not known.
        InvalidSite: if a site does not fit what was recorded.
    """
    merged = merge(list(runs), overlap=overlap)
    sites.check_hardware({run.path.name: run.components for run in merged.runs})
    statements = [account(run, sites.of(run.path.name)) for run in merged.runs]
    found = deliveries(runs)
    idle_w = idle_powers_w(baseline for run in runs for baseline in run.baselines)
    comparison = replace(
        compare(statements, found, idle_w), overlap=str(overlap), attributed=tuple(map(str, merged.attributions))
    )
    done = finished(statements, found)
    order = [cost.strategy for cost in comparison.strategies]
    doubt = spread_model(statements, order, done)
    switches = ranges(comparison, doubt, merged.runs)
    uses = inferences(statements, found)
    works = prior_works(runs)
    own = own_run(comparison, "this study", works, runs)
    repaid = paybacks(uses, spent_on_networks(comparison.curves))
    return Findings(
        comparison=comparison,
        spreads=simulate(doubt.model, doubt.derived),
        ranges=switches,
        swings={
            # What is no number to begin with, such as a crossing that is never reached, is moved by nothing.
            name: tornado(doubt.model, doubt.derived, name, choices=switches[name])
            for name in switches
        },
        methods=by_method(merged.runs, statements, order, done, methods),
        # A TPU-hour is no GPU-hour, and nobody asked to take one for the other here.
        claim=() if own is None else why_not(own, mnasnet=None),
        uses=uses,
        speedups=speedups(comparison.deliveries, margin_fraction=MARGIN_FRACTION),
        paybacks=repaid,
        fleet=fleet,
        hourly=hourly_means(statements),
        fleets=() if fleet is None else tuple(FleetPayback(payback=one, fleet=fleet) for one in repaid),
        quality=quality(runs),
        trainings=trainings(comparison, {work.strategy for work in works}),
        priors=works,
        in_full=charged_in_full(comparison, works),
    )


def own_run(
    comparison: Comparison, label: str, works: Sequence[PriorWork] = (), runs: Sequence[Run] = ()
) -> OwnRun | None:
    """Return once-for-all beside the rival that costs most, as the end of the way from the published claim.

    Where only its kin was run, that stands for it; a rival is whoever trains no network for all scenarios.

    Args:
        comparison: the numbers.
        label: what the run is called.
        works: what strategies started from that was paid for before.
        runs: the ledgers behind it, whose plans say for how long networks were trained on.

    Returns:
        None if one of them was not run, or used nothing.
    """
    costs = {cost.strategy: cost for cost in comparison.strategies}
    own = next((costs[name] for name in FAMILY if name in costs), None)
    rivals = [cost for name, cost in costs.items() if name not in FAMILY]
    rival = max(rivals, key=lambda cost: cost.energy_j, default=None)
    if own is None or rival is None or not own.energy_j or not rival.energy_j:
        return None
    gaps = [gap for gap in comparison.gaps if {gap.strategy, gap.rival} == {own.strategy, rival.strategy}]
    gap = gaps[0].mean_fraction if gaps else None
    fine_tuning, tuned = _fine_tuning(comparison, own.strategy, runs)
    started = dict.fromkeys(work.phase for work in works if work.strategy == own.strategy)
    return OwnRun(
        label=label if own.strategy == ONCE_FOR_ALL else f"{label}, {own.strategy}",
        rival=rival.strategy,
        n=len(comparison.scenarios),
        ofa_j=own.energy_j,
        rival_j=rival.energy_j,
        tier=comparison.tier,
        accuracy_gap_fraction=-gap if gap is not None and gaps[0].strategy != own.strategy else gap,
        fine_tuning=fine_tuning,
        tuned=tuned,
        left_out=", ".join(started),
    )


def _fine_tuning(comparison: Comparison, strategy: str, runs: Sequence[Run]) -> tuple[FineTuning | None, str]:
    """Return the published fine-tuning that a strategy did, or its own in words; nothing if no phase is called so."""
    if not any((phase.strategy, phase.name) == (strategy, FINE_TUNE) for phase in comparison.phases):
        return None, ""
    plans = [run.header.study.get(strategy) for run in runs if run.header.strategy == strategy]
    recipes = [plan.get("fine_tuning") for plan in plans if isinstance(plan, Mapping)]
    epochs = {recipe.get("epochs") for recipe in recipes if isinstance(recipe, Mapping)}
    if len(epochs) != 1 or None in epochs:
        return None, "epochs that its plan does not tell"
    (number,) = epochs
    published = next((one for one in FineTuning if one.value == f"#{number}"), None)
    return published, "" if published else f"{number} epoch{'' if number == 1 else 's'}"
