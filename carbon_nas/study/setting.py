"""From a study to what it names: its space, its scenarios and its strategies."""

from collections.abc import Callable, Mapping

from carbon_nas.devices.device import Device
from carbon_nas.devices.targets import Target, target_named
from carbon_nas.strategies.base import Bench, Scenario
from carbon_nas.strategies.evolution import Evolution
from carbon_nas.strategies.once_for_all import ONCE_FOR_ALL, SANDWICH, OnceForAll, OnceForAllPlan
from carbon_nas.strategies.start import StartPlan
from carbon_nas.study.plan import Study
from carbon_nas.training.recipe import StagePlan

__all__ = ["scenarios_of", "stages_of", "starts_of", "strategy_of"]


def scenarios_of(study: Study, device: Callable[[Target], Device]) -> tuple[Scenario, ...]:
    """Return the deployment scenarios, each with a device that times its target."""
    return tuple(Scenario(name=name, device=device(target_named(name))) for name in study.scenarios)


def _plans(study: Study) -> Mapping[str, OnceForAllPlan]:
    return {ONCE_FOR_ALL: study.once_for_all, SANDWICH: study.sandwich}


def strategy_of(study: Study, name: str, bench: Bench) -> OnceForAll | Evolution:
    """Return a strategy of the study on a bench."""
    plan = _plans(study).get(name)
    return Evolution(bench, study.evolution) if plan is None else OnceForAll(bench, plan, name)


def stages_of(study: Study, name: str) -> Mapping[str, StagePlan]:
    """Return the stages in which a strategy trains its supernet; none if it has none, or starts from one."""
    plan = _plans(study).get(name)
    return {} if plan is None or plan.start is not None else plan.stages


def starts_of(study: Study) -> Mapping[str, StartPlan]:
    """Return where those strategies of the study start that do not train their supernet themselves."""
    plans = _plans(study)
    starts = {name: plans[name].start for name in study.strategies if name in plans}
    return {name: start for name, start in starts.items() if start is not None}
