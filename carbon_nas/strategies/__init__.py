"""Strategies: each a list of phases, all on the same bench."""

from carbon_nas.strategies.artefact import Artefact, Artefacts
from carbon_nas.strategies.base import Bench, Phase, Scenario, Strategy
from carbon_nas.strategies.context import Kept, PhaseContext
from carbon_nas.strategies.evolution import Evolution, EvolutionPlan
from carbon_nas.strategies.once_for_all import OnceForAll, OnceForAllPlan
from carbon_nas.strategies.profiling import Profiling

__all__ = [
    "Artefact",
    "Artefacts",
    "Bench",
    "Evolution",
    "EvolutionPlan",
    "Kept",
    "OnceForAll",
    "OnceForAllPlan",
    "Phase",
    "PhaseContext",
    "Profiling",
    "Scenario",
    "Strategy",
]
