"""From a trained supernet to a network for each scenario: predictor, search, extraction, fine-tuning.

Source: Cai et al., ICLR 2020, section 3.4 and appendix A.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from carbon_nas.ledger.records import Scope, phase_key
from carbon_nas.strategies.artefact import Artefact
from carbon_nas.strategies.base import Bench, Phase, Scenario, made, proving_phases
from carbon_nas.strategies.constraint import Constraint
from carbon_nas.strategies.context import PhaseContext
from carbon_nas.strategies.plain import epoch_passes, train_plain
from carbon_nas.strategies.predictor import AccuracyPredictor, PredictorPlan, fit_predictor
from carbon_nas.strategies.search import Ranking, SearchPlan, evolve, one_by_one
from carbon_nas.strategies.selection import SelectionPlan, select
from carbon_nas.strategies.stages import kept_supernet
from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.extract import extract
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.static import channels_last
from carbon_nas.training.calibration import calibrated, supernet_accuracy

__all__ = ["FineTuningPlan", "PHASES", "PREDICT", "Specialisation", "SpecialisationPlan"]

MEASURE, PREDICT, SEARCH, EXTRACT, FINE_TUNE = (
    "measure accuracies",
    "train predictor",
    "search",
    "extract",
    "fine-tune",
)
PHASES = (MEASURE, PREDICT, SEARCH, EXTRACT, FINE_TUNE, "evaluate", "use")
"""The names of all phases that may follow the training of a supernet, those of `proving_phases` included."""

_DRAWS = 20  # for every architecture that is wanted
_KEEP_EVERY = 10  # architectures that are scored
_PREDICTOR_PASSES = 20_000  # A second or two: about as long as so many images take through a small network.


class FineTuningPlan(BaseModel):
    """Training an extracted network on: 25 or 75 epochs in the paper, whose recipe beyond that is not published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0, allow_inf_nan=False)


class SpecialisationPlan(BaseModel):
    """How networks are taken out of a supernet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration_images: int = Field(default=400, ge=2)
    """Training images that batch norm is recalibrated on before a sub-network is scored; the paper takes 2,000."""
    predictor: PredictorPlan | None = PredictorPlan(architectures=100)
    """None, in a study file `false`: every architecture that the search proposes is scored on the supernet itself."""
    search: SearchPlan = SearchPlan()
    selection: SelectionPlan = SelectionPlan()
    fine_tuning: FineTuningPlan | None = None

    @field_validator("predictor", mode="before")
    @classmethod
    def _switched_off(cls, predictor: object) -> object:
        # TOML has no null.
        return None if predictor is False else predictor


class Specialisation:
    """The phases that follow the training of a supernet.

    Args:
        bench: what all strategies share.
        plan: how it is done.
        supernet: the phase that left the supernet.
    """

    def __init__(self, bench: Bench, plan: SpecialisationPlan, supernet: str) -> None:
        self._bench, self._plan, self._supernet = bench, plan, supernet

    @property
    def made_by(self) -> str:
        """The phase that leaves the finished network of a scenario."""
        return EXTRACT if self._plan.fine_tuning is None else FINE_TUNE

    def phases(self) -> Iterator[Phase]:
        """Yield what is done once for all scenarios, then what is done for each."""
        plan, once = self._plan, Scope.ONCE
        calibrating = min(plan.calibration_images, len(self._bench.workload.train))
        scoring = len(self._bench.workload.validation) + calibrating
        searching = plan.selection.finalists * scoring
        if plan.predictor is None:
            searching += plan.search.evaluations * scoring
        else:
            measure, fit = partial(self._measure, plan.predictor), partial(self._fit_predictor, plan.predictor)
            yield Phase(MEASURE, once, measure, image_passes=plan.predictor.architectures * scoring)
            yield Phase(PREDICT, once, fit, image_passes=_PREDICTOR_PASSES)
        each = Scope.PER_SCENARIO
        for scenario in self._bench.scenarios:
            name = scenario.name
            yield Phase(SEARCH, each, partial(self._search, scenario), name, searching)
            yield Phase(EXTRACT, each, partial(self._extract, scenario), name, calibrating)
            if plan.fine_tuning is not None:
                passes = plan.fine_tuning.epochs * epoch_passes(self._bench)
                yield Phase(FINE_TUNE, each, partial(self._fine_tune, plan.fine_tuning, scenario), name, passes)
            yield from proving_phases(self._bench, scenario, self.made_by)

    def _score(self, net: ElasticMobileNetV3, arch: Architecture, context: PhaseContext) -> float:
        workload, images = self._bench.workload, self._plan.calibration_images
        return supernet_accuracy(net, arch, workload, split=workload.validation, images=images, tally=context.tally)

    def _measure(self, plan: PredictorPlan, context: PhaseContext) -> Artefact:
        """Score random architectures on the supernet: what the predictor learns from."""
        net, space = kept_supernet(self._bench, self._supernet), self._bench.space
        wanted, kept = plan.architectures, context.resume()
        facts: Mapping[str, Any] = {"pairs": [], "draws": 0} if kept is None else kept.facts
        pairs = [(space.from_json(arch), score) for arch, score in facts["pairs"]]
        seen = {arch for arch, _ in pairs}
        for draw in range(facts["draws"], _DRAWS * wanted):  # A tiny space may not hold as many different ones.
            if len(pairs) == wanted:
                break
            arch = space.sample(context.rng)
            if arch in seen:
                continue
            seen.add(arch)
            pairs.append((arch, self._score(net, arch, context)))
            if len(pairs) % _KEEP_EVERY == 0:
                context.keep(len(pairs), facts={"pairs": _plain(pairs), "draws": draw + 1})
        return Artefact(facts={"pairs": _plain(pairs)})

    def _fit_predictor(self, plan: PredictorPlan, context: PhaseContext) -> Artefact:
        space = self._bench.space
        pairs = self._bench.artefacts.load(MEASURE).facts["pairs"]
        archs, scores = [space.from_json(arch) for arch, _ in pairs], [score for _, score in pairs]
        predictor, check = fit_predictor(space, archs, scores, plan, context.generator, context.tally)
        return Artefact(tensors=predictor.tensors(), events=(check,))

    def _search(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        bench, plan = self._bench, self._plan
        net, constraint = kept_supernet(bench, self._supernet), bench.constraint(scenario)
        measured = partial(self._score, net, context=context)
        if plan.predictor is None:
            score = one_by_one(measured)
        else:
            predictor = AccuracyPredictor.of(bench.space, bench.artefacts.load(PREDICT).tensors)
            score = partial(predictor.score, tally=context.tally)

        def ranking(under: Constraint) -> Ranking:
            return evolve(bench.space, under, score, plan.search, context.rng)

        arch, how = select(
            ranking(constraint.proposing(bench.space)),
            constraint,
            scenario=scenario.name,
            time_ms=constraint.latencies(bench.space, context.rng, context.tally).time_ms,
            # What was scored on the supernet itself need not be scored again.
            score=None if plan.predictor is None else measured,
            plan=plan.selection,
            again=ranking,
            ranked_by="supernet" if plan.predictor is None else "predictor",
        )
        return Artefact(facts={"architecture": arch.to_json()}, events=(how,))

    def _extract(self, scenario: Scenario, context: PhaseContext) -> Artefact:
        bench, net = self._bench, kept_supernet(self._bench, self._supernet)
        found = bench.artefacts.load(phase_key(SEARCH, scenario.name)).facts
        arch = bench.space.from_json(found["architecture"])
        images = self._plan.calibration_images
        statistics = calibrated(net, arch, bench.workload, images=images, tally=context.tally)
        return Artefact(tensors=extract(net, arch, statistics).state_dict(), facts={"architecture": arch.to_json()})

    def _fine_tune(self, plan: FineTuningPlan, scenario: Scenario, context: PhaseContext) -> Artefact:
        arch, net = made(self._bench, scenario, EXTRACT)
        train_plain(
            self._bench,
            arch,
            channels_last(net.to(self._bench.device)),
            epochs=plan.epochs,
            learning_rate=plan.learning_rate,
            subject="sub-network",
            context=context,
            journal=context,
        )
        return Artefact(tensors=net.state_dict(), facts={"architecture": arch.to_json()})


def _plain(pairs: Sequence[tuple[Architecture, float]]) -> list[tuple[dict[str, Any], float]]:
    return [(arch.to_json(), score) for arch, score in pairs]
