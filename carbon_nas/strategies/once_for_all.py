"""Once-for-all: train one network once, then take a sub-network for every scenario without training.

Source: Cai et al., ICLR 2020. The two strategies of this family differ in the recipe alone: `once_for_all` shrinks
progressively, `sandwich` trains all sizes at once (Yu et al., ECCV 2020).
"""

from collections.abc import Iterator, Mapping
from functools import partial

from pydantic import Field, field_validator

from carbon_nas.files import name_for_file
from carbon_nas.ledger.records import Scope
from carbon_nas.strategies.base import Bench, Phase
from carbon_nas.strategies.specialisation import PHASES, Specialisation, SpecialisationPlan
from carbon_nas.strategies.stages import Stages
from carbon_nas.strategies.start import LOAD, StartPlan, load
from carbon_nas.training.recipe import StagePlan, check_recipe, progressive_shrinking

__all__ = ["ONCE_FOR_ALL", "OnceForAll", "OnceForAllPlan", "SANDWICH"]

ONCE_FOR_ALL, SANDWICH = "once_for_all", "sandwich"


class OnceForAllPlan(SpecialisationPlan):
    """How the supernet comes about, and what is done with it."""

    stages: Mapping[str, StagePlan] = Field(default_factory=progressive_shrinking)
    """The recipe, by the names of the phases."""
    start: StartPlan | None = None
    """A supernet that was trained before, in place of the stages."""

    @field_validator("stages")
    @classmethod
    def _in_order(cls, stages: Mapping[str, StagePlan]) -> Mapping[str, StagePlan]:
        taken = {name_for_file(name).lower() for name in (LOAD, *PHASES)}
        for name in stages:
            if name_for_file(name).lower() in taken:
                raise ValueError(f"a stage cannot be called {name!r}: a phase after the training is called so")
        return check_recipe(stages)


class OnceForAll:
    """The strategies `once_for_all` and `sandwich`, which is which being a matter of the plan.

    Attributes:
        name: the name under which its cost is compared.
    """

    def __init__(self, bench: Bench, plan: OnceForAllPlan, name: str = ONCE_FOR_ALL) -> None:
        self.name = name
        self._bench, self._plan = bench, plan
        self._stages = Stages(bench, plan.stages, calibration_images=plan.calibration_images)
        self._specialisation = Specialisation(bench, plan, self.supernet)

    @property
    def supernet(self) -> str:
        """The phase that leaves the finished supernet."""
        return self._stages.last if self._plan.start is None else LOAD

    @property
    def made_by(self) -> str:
        """The phase that leaves the finished network of a scenario."""
        return self._specialisation.made_by

    def phases(self) -> Iterator[Phase]:
        """Yield one training of the supernet, then what takes a network for every scenario out of it."""
        start = self._plan.start
        if start is None:
            yield from self._stages.phases()
        else:
            yield Phase(LOAD, Scope.ONCE, partial(load, self._bench, start))
        yield from self._specialisation.phases()
