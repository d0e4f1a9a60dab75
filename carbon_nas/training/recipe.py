"""The recipe of a supernet's training as data: a list of stages, each of which starts from what the last one left.

Sources: progressive shrinking, Cai et al., ICLR 2020, section 4.1 and appendix B, with the warm-up and the learning
rates of the OFA code; the sandwich rule, Yu et al., ECCV 2020, section 3.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    learning_rate: float = Field(gt=0)
    """Its peak."""
    warmup_epochs: float | None = Field(default=None, ge=0)
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
    distillation_ratio: float = Field(default=1.0, ge=0)
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
    """Return the paper's stages in its proportions, scaled to minutes.

    Epochs are 180 : 125 : 25 : 125 : 25 : 125.
    """
    small, large = {"epochs": 4, "learning_rate": 0.0025}, {"epochs": 21, "learning_rate": 0.0075}
    depth = {"expand_ratios": 1, "subnets": 2, "taught_by": TEACHER}
    width = {"subnets": 4, "taught_by": TEACHER}
    return {
        name: StagePlan.model_validate(fields)
        for name, fields in {
            TEACHER: {"epochs": 30, "learning_rate": 0.08, "kernel_sizes": 1, "depths": 1, "expand_ratios": 1},
            "shrink kernel": {
                "epochs": 21,
                "learning_rate": 0.03,
                "depths": 1,
                "expand_ratios": 1,
                "taught_by": TEACHER,
            },
            "shrink depth 1": {**small, **depth, "depths": 2},
            "shrink depth 2": {**large, **depth},
            "shrink width 1": {**small, **width, "expand_ratios": 2},
            "shrink width 2": {**large, **width},
        }.items()
    }


def sandwich() -> Mapping[str, StagePlan]:
    """Return one stage without a teacher, of as many sub-network passes as the shrinking stages take."""
    return {"train supernet": StagePlan(epochs=48, learning_rate=0.08, rule="sandwich", subnets=4)}
