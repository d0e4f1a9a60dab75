"""The conventional way: search and train again for every scenario.

Search is aging evolution (Real et al., AAAI 2019, algorithm 1): the oldest of the population dies, whatever its score.
The score is MnasNet's reward (Tan et al., CVPR 2019, equation 2) on a short proxy training. The budget is counted in
trained candidates. The winner is trained from scratch.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from carbon_nas.ledger.records import Scope, Selection, phase_key
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.strategies.base import Bench, Phase, Scenario, proving_phases
from carbon_nas.strategies.constraint import Constraint, Latencies, feasible_sample, infeasible
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.strategies.plain import epoch_passes, train_plain
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.static import StaticMobileNetV3, channels_last, initialise
from carbon_nas.training.loop import Journal

__all__ = ["Evolution", "EvolutionPlan", "reward"]

_TRAIN = "train"
_TRIES = 100  # random draws for one proposal within the limit
_PROPOSALS = 50  # proposals for one that has not been trained yet


class EvolutionPlan(BaseModel):
    """The budget of one scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates: int = Field(default=16, ge=1)
    """Candidates that are trained, duplicates never twice."""
    population: int = Field(default=6, ge=1)
    tournament: int = Field(default=3, ge=1)
    proxy_epochs: int = Field(default=5, ge=1)
    """Epochs of a candidate; MnasNet's five."""
    final_epochs: int = Field(default=30, ge=1)
    """Epochs of the winner from scratch; as many as the teacher of once-for-all gets."""
    learning_rate: float = Field(default=0.08, gt=0, allow_inf_nan=False)
    mutation_probability_fraction: float = Field(default=0.1, gt=0, le=1)
    latency_exponent_ratio: float = Field(default=-1.0, le=0, allow_inf_nan=False)
    """MnasNet's beta for candidates over the limit; those within it get their accuracy (alpha = 0)."""


def reward(accuracy_fraction: float, latency_ms: float, limit_ms: float, exponent: float) -> float:
    """Return MnasNet's reward with a hard limit: `ACC x (LAT / T)^w`, where w is 0 within the limit."""
    return accuracy_fraction * (latency_ms / limit_ms) ** exponent if latency_ms > limit_ms else accuracy_fraction


class Evolution:
    """The strategy `evolution`."""

    name = "evolution"
    made_by = _TRAIN
    """The phase that leaves the finished network of a scenario."""

    def __init__(self, bench: Bench, plan: EvolutionPlan) -> None:
        self._bench, self._plan = bench, plan

    def phases(self) -> Iterator[Phase]:
        """Yield a search, a training from scratch and what proves it for every scenario: nothing is shared."""
        plan, bench = self._plan, self._bench
        epoch = epoch_passes(bench)
        for scenario in bench.scenarios:
            name = scenario.name
            proxy, final = plan.candidates * plan.proxy_epochs * epoch, plan.final_epochs * epoch
            yield Phase("search", Scope.PER_SCENARIO, partial(self._search, scenario), name, proxy)
            yield Phase(_TRAIN, Scope.PER_SCENARIO, partial(self._train, scenario), name, final)
            yield from proving_phases(bench, scenario, _TRAIN)

    def _search(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        plan, space, rng = self._plan, self._bench.space, context.rng
        constraint = self._bench.constraint(scenario)
        latencies, proposing = constraint.latencies(space, rng, context.tally), constraint.proposing(space)
        kept = context.resume()
        facts = {} if kept is None else kept.facts
        history = _History.of(space, facts)
        latencies.remember(facts.get("timed", ()))
        while len(history.reward_ratio) < plan.candidates:
            arch = None
            if len(history.reward_ratio) < plan.population:
                arch = self._new(partial(feasible_sample, space, proposing, rng, tries=_TRIES), history)
            if arch is None and history.reward_ratio:  # Chance may not find a whole population within a tight limit.
                alive = history.youngest(plan.population)
                parent = max((rng.choice(alive) for _ in range(plan.tournament)), key=history.reward_ratio.__getitem__)
                arch = self._new(partial(space.mutate, parent, rng, plan.mutation_probability_fraction), history)
            if arch is None:  # The space is smaller than the budget: everything in reach has been trained.
                break
            subject = f"candidate {len(history.reward_ratio) + 1}"
            _, correct = self._fit(arch, plan.proxy_epochs, subject, context)
            latency_ms = latencies.latency_ms(arch)
            history.correct_fraction[arch] = correct
            history.reward_ratio[arch] = reward(correct, latency_ms, constraint.limit_ms, plan.latency_exponent_ratio)
            context.keep(len(history.reward_ratio), facts=history.to_json() | {"timed": latencies.to_json()})
        return self._winner(scenario, constraint, latencies, history)

    def _winner(
        self, scenario: Scenario, constraint: Constraint, latencies: Latencies, history: "_History"
    ) -> Artefact:
        # Every network that is chosen is timed end to end first, whoever chooses it: tables err.
        best_first = sorted(history.reward_ratio, key=history.reward_ratio.__getitem__, reverse=True)
        candidates = [*best_first, constraint.table.fastest(self._bench.space)]
        fits = (place for place, arch in enumerate(candidates) if latencies.time_ms(arch) <= constraint.limit_ms)
        place = next(fits, None)
        if place is None:
            fastest = min(candidates, key=latencies.time_ms)
            raise infeasible(
                constraint.limit_ms, fastest, latencies.time_ms(fastest), where=f"scenario {scenario.name}", how="took"
            )
        best = candidates[place]
        chosen = Selection(
            scenario=scenario.name,
            scored=len(history.reward_ratio),
            timed=place + 1,
            predicted_ms=constraint.table.predict_ms(self._bench.space, best),
            measured_ms=latencies.time_ms(best),
            validation_accuracy_fraction=history.correct_fraction.get(best),
        )
        facts = {
            "architecture": best.to_json(),
            "validation_accuracy_fraction": history.correct_fraction.get(best),
            "trained_candidates": len(history.reward_ratio),
        }
        return Artefact(facts=facts, events=(chosen,))

    @staticmethod
    def _new(propose: Callable[[], Architecture], history: "_History") -> Architecture | None:
        return next((arch for arch in (propose() for _ in range(_PROPOSALS)) if arch not in history.reward_ratio), None)

    def _fit(
        self, arch: Architecture, epochs: int, subject: str, context: PhaseContext, journal: Journal | None = None
    ) -> tuple[StaticMobileNetV3, float]:
        bench = self._bench
        net = StaticMobileNetV3(bench.space, arch, bench.workload.num_classes)
        initialise(net, context.generator)
        channels_last(net.to(bench.device))
        last = train_plain(
            bench,
            arch,
            net,
            epochs=epochs,
            learning_rate=self._plan.learning_rate,
            subject=subject,
            context=context,
            journal=journal,
        )
        return net, last

    def _train(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        found = self._bench.artefacts.load(phase_key("search", scenario.name)).facts
        arch = self._bench.space.from_json(found["architecture"])
        net, _ = self._fit(arch, self._plan.final_epochs, "winner", context, journal=context)
        return Artefact(tensors=net.state_dict(), facts={"architecture": arch.to_json()})


@dataclass(frozen=True, slots=True)
class _History:
    """Every candidate that was trained, in that order: its reward and its accuracy on the validation split."""

    reward_ratio: dict[Architecture, float]
    correct_fraction: dict[Architecture, float]

    @classmethod
    def of(cls, space: SearchSpace, facts: Mapping[str, Any]) -> "_History":
        trained = [(space.from_json(arch), one, score) for arch, one, score in facts.get("trained", ())]
        return cls(
            reward_ratio={arch: one for arch, one, _ in trained},
            correct_fraction={arch: score for arch, _, score in trained},
        )

    def to_json(self) -> dict[str, Any]:
        pairs = self.reward_ratio.items()
        return {"trained": [[arch.to_json(), one, self.correct_fraction[arch]] for arch, one in pairs]}

    def youngest(self, count: int) -> list[Architecture]:
        """Return those that are still alive: the oldest dies, whatever its reward."""
        return list(self.reward_ratio)[-count:]
