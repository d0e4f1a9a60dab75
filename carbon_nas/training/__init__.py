"""Data, the one trainer, and the training of supernets."""

from carbon_nas.training.calibration import supernet_accuracy
from carbon_nas.training.data import Split, Workload, load_workload
from carbon_nas.training.learners import ElasticLearner, SandwichLearner
from carbon_nas.training.loop import StaticLearner, TrainerPlan, accuracy, fit
from carbon_nas.training.tally import Tally

__all__ = [
    "ElasticLearner",
    "SandwichLearner",
    "Split",
    "StaticLearner",
    "Tally",
    "TrainerPlan",
    "Workload",
    "accuracy",
    "fit",
    "load_workload",
    "supernet_accuracy",
]
