"""Profiling the devices: not a strategy, but work that every strategy needs, done once and charged to each in full."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from carbon_nas.devices.kept_table import find_table
from carbon_nas.devices.latency_table import layer_specs
from carbon_nas.devices.profiler import Profile, ProfilePlan, check_table, profile
from carbon_nas.ledger.records import LatencyLimit, LatencyTableRecord, Scope
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.strategies.base import Phase, Scenario
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.supernet.space import SearchSpace

__all__ = ["Profiling"]


class Profiling:
    """Finds a latency table for every scenario, and sets its limit to the median of random architectures.

    A table is built, or taken from those that were kept and checked here. Either is a metered phase.
    """

    name = "profiling"

    def __init__(
        self, space: SearchSpace, num_classes: int, scenarios: tuple[Scenario, ...], plan: ProfilePlan
    ) -> None:
        self._space, self._num_classes, self._scenarios, self._plan = space, num_classes, scenarios, plan

    def phases(self) -> Iterator[Phase]:
        """Yield one profile per scenario."""
        subjects = self._plan.check_networks
        if self._plan.tables is None:
            subjects += self._plan.fit_networks + len(layer_specs(self._space, self._num_classes))
        # A sample with its anchors takes about as long as so many images through a network of this size.
        passes = self._plan.passes * subjects * 60
        for scenario in self._scenarios:
            yield Phase("profile", Scope.PER_SCENARIO, partial(self._profile, scenario), scenario.name, passes)

    def _profile(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        found = self._found(scenario, context)
        context.tally.macs += found.macs
        return Artefact(
            facts={"trusted": found.table.trusted, "verdict": found.table.verdict},
            events=(
                LatencyTableRecord(scenario=scenario.name, table=found.table.to_json()),
                LatencyLimit(
                    scenario=scenario.name,
                    limit_ms=found.limit_ms,
                    rule=f"median of {len(found.sample_ms)} random architectures, each timed end to end",
                    sample_ms=found.sample_ms,
                ),
            ),
        )

    def _found(self, scenario: Scenario, context: PhaseContext) -> Profile:
        device, plan = scenario.device, self._plan
        if plan.tables is None:
            return profile(device, self._space, self._num_classes, plan, context.rng)
        table = find_table(Path(plan.tables).resolve(), device.target.name)
        table.check_space(self._space, self._num_classes)
        return check_table(device, table, self._space, plan, context.rng)
