"""The conventional way: search and train again for every scenario.

Search is aging evolution (Real et al., AAAI 2019, algorithm 1): the oldest of the population dies, whatever its score.
The score is MnasNet's reward (Tan et al., CVPR 2019, equation 2) on a short proxy training. The budget is counted in
trained candidates. The winner is trained from scratch.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from carbon_nas.ledger.records import Scope, phase_key
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.strategies.base import Bench, Constraint, Phase, Scenario, feasible_sample, proving_phases
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.static import StaticMobileNetV3, channels_last, initialise
from carbon_nas.training.loop import StaticLearner, accuracy, fit, steps_per_epoch

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
    learning_rate: float = Field(default=0.08, gt=0)
    mutation_probability_fraction: float = Field(default=0.1, gt=0, le=1)
    latency_exponent_ratio: float = Field(default=-1.0, le=0)
    """MnasNet's beta for candidates over the limit; those within it get their accuracy (alpha = 0)."""


def reward(accuracy_fraction: float, latency_ms: float, limit_ms: float, exponent: float) -> float:
    """Return MnasNet's reward with a hard limit: `ACC x (LAT / T)^w`, where w is 0 within the limit."""
    return accuracy_fraction * (latency_ms / limit_ms) ** exponent if latency_ms > limit_ms else accuracy_fraction


class Evolution:
    """The strategy `evolution`."""

    name = "evolution"

    def __init__(self, bench: Bench, plan: EvolutionPlan) -> None:
        self._bench, self._plan = bench, plan

    def phases(self) -> Iterator[Phase]:
        """Yield a search, a training from scratch and what proves it for every scenario: nothing is shared."""
        plan, bench = self._plan, self._bench
        images = steps_per_epoch(bench.workload.train, bench.trainer) * bench.trainer.batch_size
        epoch = 3 * images + len(bench.workload.validation)
        for scenario in bench.scenarios:
            name = scenario.name
            proxy, final = plan.candidates * plan.proxy_epochs * epoch, plan.final_epochs * epoch
            yield Phase("search", Scope.PER_SCENARIO, partial(self._search, scenario), name, proxy)
            yield Phase(_TRAIN, Scope.PER_SCENARIO, partial(self._train, scenario), name, final)
            yield from proving_phases(bench, scenario, _TRAIN)

    def _search(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        plan, space, rng = self._plan, self._bench.space, context.rng
        constraint = self._bench.constraint(scenario)
        history: dict[Architecture, float] = {}
        correct: dict[Architecture, float] = {}
        population: deque[Architecture] = deque()
        while len(history) < plan.candidates:
            if len(history) < min(plan.population, plan.candidates):
                arch = self._new(partial(feasible_sample, space, constraint, rng, tries=_TRIES), history)
            else:
                contenders = [rng.choice(population) for _ in range(plan.tournament)]
                parent = max(contenders, key=history.__getitem__)
                arch = self._new(partial(space.mutate, parent, rng, plan.mutation_probability_fraction), history)
            if arch is None:  # The space is smaller than the budget: everything in reach has been trained.
                break
            subject = f"candidate {len(history) + 1}"
            _, correct[arch] = self._fit(arch, plan.proxy_epochs, subject, context)
            latency_ms = constraint.table.predict_ms(space, arch)
            history[arch] = reward(correct[arch], latency_ms, constraint.limit_ms, plan.latency_exponent_ratio)
            population.append(arch)
            if len(population) > plan.population:
                population.popleft()
        return self._winner(constraint, history, correct)

    def _winner(
        self, constraint: Constraint, history: dict[Architecture, float], correct: dict[Architecture, float]
    ) -> Artefact:
        # The first candidate was drawn within the limit, so there is always one to choose.
        allowed = [arch for arch in history if constraint.met_by(self._bench.space, arch)]
        best = max(allowed, key=history.__getitem__)
        return Artefact(
            facts={
                "architecture": best.to_json(),
                "validation_accuracy_fraction": correct[best],
                "trained_candidates": len(history),
            }
        )

    @staticmethod
    def _new(propose: Callable[[], Architecture], history: dict[Architecture, float]) -> Architecture | None:
        return next((arch for arch in (propose() for _ in range(_PROPOSALS)) if arch not in history), None)

    def _fit(
        self, arch: Architecture, epochs: int, subject: str, context: PhaseContext
    ) -> tuple[StaticMobileNetV3, float]:
        bench = self._bench
        net = StaticMobileNetV3(bench.space, arch, bench.workload.num_classes)
        initialise(net, context.generator)
        channels_last(net.to(bench.device))
        macs, last = bench.macs(arch), 0.0

        def after_epoch(epoch: int) -> None:
            nonlocal last
            net.eval()
            last = accuracy(
                net, bench.workload.validation, resolution=arch.resolution, macs_per_image=macs, tally=context.tally
            )
            context.log(subject, epoch, last)

        fit(
            StaticLearner(net, resolution=arch.resolution, macs_per_image=macs, tally=context.tally),
            bench.workload.train,
            bench.trainer,
            epochs=epochs,
            learning_rate=self._plan.learning_rate,
            generator=context.generator,
            tally=context.tally,
            after_epoch=after_epoch,
        )
        return net, last

    def _train(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        found = self._bench.artefacts.load(phase_key("search", scenario.name)).facts
        arch = self._bench.space.from_json(found["architecture"])
        net, _ = self._fit(arch, self._plan.final_epochs, "winner", context)
        return Artefact(tensors=net.state_dict(), facts={"architecture": arch.to_json()})
