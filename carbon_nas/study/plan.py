"""Studies: what is compared, as a TOML file that is checked before anything runs."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from carbon_nas.devices.catalog import target_named
from carbon_nas.devices.profiler import ProfilePlan
from carbon_nas.errors import CarbonNasError, InvalidStudy, UnknownName
from carbon_nas.files import name_for_file
from carbon_nas.strategies.evolution import EvolutionPlan
from carbon_nas.strategies.once_for_all import ONCE_FOR_ALL, SANDWICH, OnceForAllPlan
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.spaces import mobilenet_v3_space, small_image_space, thumbnail_space
from carbon_nas.training.data import WORKLOADS
from carbon_nas.training.loop import TrainerPlan
from carbon_nas.training.recipe import sandwich

__all__ = ["STRATEGIES", "SpacePlan", "Study", "UsePlan", "built_in_studies", "load_study"]

STRATEGIES = (ONCE_FOR_ALL, SANDWICH, "evolution")


class SpacePlan(BaseModel):
    """The search space that all strategies share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["small_image", "thumbnail", "mobilenet_v3"] = "small_image"
    """For images of about 10, 32, and 128 to 224 pixels; the last one is the official space."""
    width_mult: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Scales every width; weights were released for 1.0 and 1.2 of `mobilenet_v3`."""

    def space(self, *, in_channels: int, resolutions: tuple[int, ...]) -> SearchSpace:
        """Return the space for some images."""
        make = {"small_image": small_image_space, "thumbnail": thumbnail_space, "mobilenet_v3": mobilenet_v3_space}
        return make[self.name](width_mult=self.width_mult, in_channels=in_channels, resolutions=resolutions)


class UsePlan(BaseModel):
    """How a delivered network is let work on its device, once it is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    """For how long, for every scenario, seed and strategy; 0: not at all."""


class Study(BaseModel):
    """A comparison to be run. Field names and defaults are the documentation of the file format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    note: str | None = None
    """What a reader should know first, such as that nobody has run it; `--plan` and the run itself begin with it."""
    workload: str
    data: str | None = None
    """Where the images are, for workloads that do not come with a package; `--data` goes before it."""
    device: str | None = None
    """What networks are trained on: cpu, cuda, cuda:1. If not given, a GPU if there is one; `--device` goes first."""
    strategies: tuple[str, ...] = (ONCE_FOR_ALL, "evolution")
    scenarios: tuple[str, ...]
    seeds: int = Field(default=1, ge=1)
    threads: int = Field(default=1, ge=1)
    space: SpacePlan = SpacePlan()
    resolutions: tuple[int, ...] = (8, 12)
    """The sides of images in pixels: one is drawn for every batch, and each is a choice of the search."""
    trainer: TrainerPlan = TrainerPlan()
    profile: ProfilePlan = ProfilePlan()
    use: UsePlan = UsePlan()
    once_for_all: OnceForAllPlan = OnceForAllPlan()
    sandwich: OnceForAllPlan = Field(default_factory=lambda: OnceForAllPlan(stages=sandwich()))
    evolution: EvolutionPlan = EvolutionPlan()

    @field_validator("name")
    @classmethod
    def _fit_for_a_folder(cls, name: str) -> str:
        if name != name_for_file(name):
            raise ValueError(f"a study's name becomes a folder: try {name_for_file(name)!r}")
        return name

    @field_validator("workload")
    @classmethod
    def _known_workload(cls, name: str) -> str:
        if name not in WORKLOADS:
            raise ValueError(f"there is no workload {name!r}; choose one of {', '.join(WORKLOADS)}")
        return name

    @field_validator("strategies")
    @classmethod
    def _known_strategies(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in STRATEGIES]
        if unknown or not names or len(set(names)) != len(names):
            raise ValueError(f"name each of some of {', '.join(STRATEGIES)} once, not {', '.join(names) or 'nothing'}")
        return names

    @field_validator("scenarios")
    @classmethod
    def _known_scenarios(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or len(set(names)) != len(names):
            raise ValueError("name at least one scenario, and each once")
        for name in names:
            try:
                target_named(name)
            except CarbonNasError as error:
                raise ValueError(str(error)) from error
        return names

    @field_validator("resolutions")
    @classmethod
    def _ascending(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < 4:
            raise ValueError("list resolutions in ascending order, each at least 4 pixels")
        return sizes

    @model_validator(mode="after")
    def _kin_alike(self) -> "Study":
        if not {ONCE_FOR_ALL, SANDWICH} <= {*self.strategies}:
            return self
        for name in OnceForAllPlan.model_fields:
            one, other = getattr(self.once_for_all, name), getattr(self.sandwich, name)
            if name not in _OF_THE_TRAINING and one != other:
                raise ValueError(
                    f"{ONCE_FOR_ALL} and {SANDWICH} are compared as two trainings of one network, and here they differ "
                    f"in {name}: say the same under [{ONCE_FOR_ALL}] and [{SANDWICH}], or compare them in two studies"
                )
        return self

    def identity(self) -> dict[str, Any]:
        """Return what makes a recorded run this study.

        The number of seeds does not: more can be added later. Nor does where data, latency tables and the supernets to
        start from lie, but what they are.
        """
        where = {"start": {"checkpoint", "ledger"}}
        return self.model_dump(
            mode="json",
            exclude={
                "note": True,
                "seeds": True,
                "data": True,
                "device": True,
                "profile": {"tables"},
                ONCE_FOR_ALL: where,
                SANDWICH: where,
            },
        )


_OF_THE_TRAINING = ("stages", "start")


def built_in_studies() -> list[str]:
    """Return the names of the studies that come with the package."""
    folder = resources.files(__package__) / "defaults"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        # A recipe is a whole: one with a stage of its own is another recipe, and no longer list of the same stages.
        another = both and key == "stages" and not value.keys() <= merged[key].keys()
        merged[key] = _merged(merged[key], value) if both and not another else value
    return merged


def _shortened(fields: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the fields of a study with what --quick changes of them."""
    shortened = _merged(fields, changes)
    for name, plan in shortened.items():
        before, change = fields.get(name), changes.get(name)
        if not isinstance(plan, dict) or not isinstance(before, Mapping) or not isinstance(change, Mapping):
            continue
        if before.get("predictor") is False:
            plan["predictor"] = False  # What is switched off is not switched on by a shorter version of it.
        stages, fewer = before.get("stages"), change.get("stages")
        if isinstance(stages, Mapping) and isinstance(fewer, Mapping) and not fewer.keys() <= stages.keys():
            raise InvalidStudy(
                f"quick.{name}.stages: --quick shortens {', '.join(sorted(fewer.keys() - stages.keys()))}, and the "
                f"study's stages are {', '.join(stages)}",
                where=where,
                cure=f"say under [quick.{name}.stages] how those are shortened, or leave --quick out",
            )
    return shortened


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidStudy(f"this file cannot be read as text ({error})", where=str(path)) from error


def _read(study: str) -> tuple[dict[str, Any], str]:
    """Return what the file of a study holds, and what it is called in messages."""
    path = Path(study)
    if study in built_in_studies():
        built_in = resources.files(__package__) / "defaults" / f"{study}.toml"
        text, where = built_in.read_text(encoding="utf-8"), f"study {study}"
    elif path.is_file():
        text, where = _text_of(path), str(path)
    else:
        raise UnknownName(
            f"there is no study {study!r}",
            cure=f"choose one of {', '.join(built_in_studies())}, or give the path of a TOML file",
        )
    try:
        return tomllib.loads(text), where
    except tomllib.TOMLDecodeError as error:
        raise InvalidStudy(f"this is no TOML ({error})", where=where) from error


def load_study(
    study: str,
    *,
    quick: bool = False,
    seeds: int | None = None,
    data: Path | None = None,
    device: str | None = None,
) -> Study:
    """Read a study by the name of a built-in one or by the path of a TOML file.

    A file may begin with `extends = "digits"`: it then says only what differs from that built-in study, and its name is
    that of the file unless it gives another. Stages that are all of that study change what they say of them; with a
    stage of another name they are a recipe of their own.

    Args:
        study: a name or a path.
        quick: apply the file's `[quick]` table, and add "-quick" to the name.
        seeds: how many seeds; the file's number if not given.
        data: where its images are; as the file says if not given.
        device: what networks are trained on; as the file says if not given.

    Raises:
        UnknownName: if there is neither such a study nor such a file.
        InvalidStudy: if the file does not say what it must.
    """
    fields, where = _read(study)
    if "extends" in fields:
        base = fields.pop("extends")
        if base not in built_in_studies():
            cure = f"choose one of {', '.join(built_in_studies())}"
            raise InvalidStudy(f"extends: there is no built-in study {base!r}", where=where, cure=cure)
        fields = _merged(_read(base)[0], {"name": Path(study).stem, **fields})
    changes = fields.pop("quick", {})
    if not isinstance(changes, Mapping):
        raise InvalidStudy("quick: this must be a table of what --quick changes", where=where)
    if quick:
        if not changes:
            raise InvalidStudy("this study has no [quick] table", where=where, cure="leave --quick out, or add one")
        fields = _shortened(fields, changes, where)
        fields["name"] = f"{fields.get('name', Path(study).stem)}-quick"
    given = {"seeds": seeds, "data": None if data is None else str(data), "device": device}
    fields |= {name: value for name, value in given.items() if value is not None}
    try:
        return Study.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise InvalidStudy(f"{place}: {said}" if place else said, where=where) from error
