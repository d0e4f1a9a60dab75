"""The recipe of a supernet's training as data: a list of stages, each of which starts from what the last one left.

Sources: progressive shrinking, Cai et al., ICLR 2020, section 4.1 and appendix B, with the warm-up and the learning
rates of the OFA code; the sandwich rule, Yu et al., ECCV 2020, section 3.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from carbon_nas.files import name_for_file
from carbon_nas.supernet.space import Choices, SearchSpace

__all__ = ["ALL", "StagePlan", "TEACHER", "check_recipe", "progressive_shrinking", "sandwich"]

ALL: Final = "all"
TEACHER = "train teacher"

Count = Annotated[int, Field(ge=1)] | Literal["all"]


class StagePlan(BaseModel):
    """One stage of a supernet's training.

    `kernel_sizes`, `depths` and `expand_ratios` say how many of the space's largest choices may be sampled: 1 is the
    largest alone, "all" every one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(ge=1)
    """Passes over the training split, those of the warm-up included."""
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    """Its peak."""
    warmup_epochs: int | None = Field(default=None, ge=0)
    """How long it rises; the trainer's fraction of all epochs if not given."""
    subnets: int = Field(default=1, ge=1)
    """Sub-networks per step, their gradients summed."""
    rule: Literal["sampled", "sandwich"] = "sampled"
    """`sandwich`: the largest on the true labels; the smallest and the others on the largest one's soft labels."""
    kernel_sizes: Count = ALL
    depths: Count = ALL
    expand_ratios: Count = ALL
    taught_by: str | None = None
    """The stage whose largest network gives soft labels; without it the true labels teach alone."""
    distillation_ratio: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The weight of soft labels beside true ones."""
    dropout_fraction: float = Field(default=0.0, ge=0, lt=1)
    """Of the features before the classifier."""

    def choices(self, space: SearchSpace) -> Choices:
        """Return what may be sampled from a space in this stage; of a space with fewer choices, all of them."""

        def largest(choices: tuple[int, ...], count: Count) -> tuple[int, ...]:
            return choices if isinstance(count, str) else choices[-count:]

        return space.restricted(
            kernel_sizes=largest(space.kernel_sizes, self.kernel_sizes),
            expand_ratios=largest(space.expand_ratios, self.expand_ratios),
            depths=largest(space.depths, self.depths),
        )


def check_recipe(stages: Mapping[str, StagePlan]) -> Mapping[str, StagePlan]:
    """Return the stages of a recipe if they can follow each other.

    Raises:
        ValueError: which names the stage and what is wrong with it.
    """
    if not stages:
        raise ValueError("a recipe has at least one stage")
    files = {name_for_file(name).lower(): name for name in stages}
    if len(files) < len(stages):
        twice = next(name for name in stages if name not in files.values())
        raise ValueError(f"stage {twice!r} and another one would be kept in the same file: give it another name")
    before: list[str] = []
    for name, stage in stages.items():
        if stage.taught_by is not None and stage.taught_by not in before:
            known = ", ".join(before) or "none: it is the first"
            raise ValueError(f"stage {name!r} is taught by {stage.taught_by!r}, which is no stage before it ({known})")
        if stage.rule == "sandwich" and (stage.subnets < 2 or stage.taught_by is not None):
            raise ValueError(f"stage {name!r}: a sandwich is of at least 2 sub-networks and teaches itself")
        if stage.warmup_epochs is not None and stage.warmup_epochs > stage.epochs:
            raise ValueError(f"stage {name!r} warms up for longer than it lasts")
        before.append(name)
    return stages


def progressive_shrinking() -> Mapping[str, StagePlan]:
    """Return the paper's stages for minutes instead of days.

    Epochs are in its proportions, 180 : 125 : 25 : 125 : 25 : 125. Learning rates fall by half after the first stage:
    the paper's fall to 0.03 to 0.37 of it, which is little where an epoch is of some ten steps.
    """
    depth = {"learning_rate": 0.04, "subnets": 2, "expand_ratios": 1, "taught_by": TEACHER}
    width = {"learning_rate": 0.04, "subnets": 4, "taught_by": TEACHER}
    kernel = {"learning_rate": 0.05, "depths": 1, "expand_ratios": 1, "taught_by": TEACHER}
    stages: dict[str, dict[str, Any]] = {
        TEACHER: {"epochs": 30, "learning_rate": 0.08, "kernel_sizes": 1, "depths": 1, "expand_ratios": 1},
        "shrink kernel": {"epochs": 21, **kernel},
        "shrink depth 1": {"epochs": 4, "depths": 2, **depth},
        "shrink depth 2": {"epochs": 21, **depth},
        "shrink width 1": {"epochs": 4, "expand_ratios": 2, **width},
        "shrink width 2": {"epochs": 21, **width},
    }
    return {name: StagePlan.model_validate(fields) for name, fields in stages.items()}


def sandwich() -> Mapping[str, StagePlan]:
    """Return one stage without a teacher, twice as long as that of the largest network alone."""
    return {"train supernet": StagePlan(epochs=60, learning_rate=0.12, rule="sandwich", subnets=4)}
