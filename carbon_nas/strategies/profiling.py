"""Profiling the devices: not a strategy, but work that every strategy needs, done once and charged to each in full."""

from collections.abc import Iterator
from functools import partial

from carbon_nas.devices.profiler import ProfilePlan, layer_specs, profile
from carbon_nas.ledger.records import LatencyLimit, LatencyTableRecord, Scope
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.strategies.base import Phase, Scenario
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.supernet.space import SearchSpace

__all__ = ["Profiling"]


class Profiling:
    """Builds a latency table for every scenario, and sets its limit to the median of random architectures."""

    name = "profiling"

    def __init__(
        self, space: SearchSpace, num_classes: int, scenarios: tuple[Scenario, ...], plan: ProfilePlan
    ) -> None:
        self._space, self._num_classes, self._scenarios, self._plan = space, num_classes, scenarios, plan

    def phases(self) -> Iterator[Phase]:
        """Yield one profile per scenario."""
        networks = self._plan.fit_networks + self._plan.check_networks
        # A sample with its anchors takes about as long as so many images through a network of this size.
        passes = self._plan.passes * (networks + len(layer_specs(self._space, self._num_classes))) * 60
        for scenario in self._scenarios:
            yield Phase("profile", Scope.PER_SCENARIO, partial(self._profile, scenario), scenario.name, passes)

    def _profile(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        found = profile(scenario.device, self._space, self._num_classes, self._plan, context.rng)
        context.tally.macs += found.macs
        return Artefact(
            events=(
                LatencyTableRecord(scenario=scenario.name, table=found.table.to_json()),
                LatencyLimit(
                    scenario=scenario.name,
                    limit_ms=found.limit_ms,
                    rule=f"median of {len(found.sample_ms)} random architectures, each timed end to end",
                    sample_ms=found.sample_ms,
                ),
            )
        )
