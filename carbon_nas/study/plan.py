"""Studies: what is compared, as a TOML file that is checked before anything runs."""

import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from carbon_nas.devices.catalog import target_named
from carbon_nas.devices.profiler import ProfilePlan
from carbon_nas.errors import CarbonNasError, InvalidStudy, UnknownName
from carbon_nas.files import name_for_file, sha256
from carbon_nas.strategies.evolution import EvolutionPlan
from carbon_nas.strategies.once_for_all import OnceForAllPlan
from carbon_nas.training.data import WORKLOADS
from carbon_nas.training.loop import TrainerPlan

__all__ = ["STRATEGIES", "Study", "UsePlan", "built_in_studies", "load_study"]

STRATEGIES = ("once_for_all", "evolution")


class UsePlan(BaseModel):
    """How a delivered network is let work on its device, once it is found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    """For how long, for every scenario, seed and strategy; 0: not at all."""


class Study(BaseModel):
    """A comparison to be run. Field names and defaults are the documentation of the file format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    workload: str
    strategies: tuple[str, ...] = STRATEGIES
    scenarios: tuple[str, ...]
    seeds: int = Field(default=1, ge=1)
    threads: int = Field(default=1, ge=1)
    resolutions: tuple[int, ...] = (8, 12)
    trainer: TrainerPlan = TrainerPlan()
    profile: ProfilePlan = ProfilePlan()
    use: UsePlan = UsePlan()
    once_for_all: OnceForAllPlan = OnceForAllPlan()
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

    def identity(self) -> dict[str, Any]:
        """Return what makes a recorded run this study. The number of seeds does not: more can be added later."""
        return self.model_dump(mode="json", exclude={"seeds"})

    @property
    def hash(self) -> str:
        """The hash of the identity."""
        return sha256(json.dumps(self.identity(), sort_keys=True).encode())


def built_in_studies() -> list[str]:
    """Return the names of the studies that come with the package."""
    folder = resources.files(__package__) / "defaults"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidStudy(f"this file cannot be read as text ({error})", where=str(path)) from error


def load_study(study: str, *, quick: bool = False, seeds: int | None = None) -> Study:
    """Read a study by the name of a built-in one or by the path of a TOML file.

    Args:
        study: a name or a path.
        quick: apply the file's `[quick]` table, and add "-quick" to the name.
        seeds: how many seeds; the file's number if not given.

    Raises:
        UnknownName: if there is neither such a study nor such a file.
        InvalidStudy: if the file does not say what it must.
    """
    built_in = resources.files(__package__) / "defaults" / f"{study}.toml"
    path = Path(study)
    if study in built_in_studies():
        text, where = built_in.read_text(encoding="utf-8"), f"study {study}"
    elif path.is_file():
        text, where = _text_of(path), str(path)
    else:
        raise UnknownName(
            f"there is no study {study!r}",
            cure=f"choose one of {', '.join(built_in_studies())}, or give the path of a TOML file",
        )
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidStudy(f"this is no TOML ({error})", where=where) from error
    changes = data.pop("quick", {})
    if not isinstance(changes, Mapping):
        raise InvalidStudy("quick: this must be a table of what --quick changes", where=where)
    if quick:
        if not changes:
            raise InvalidStudy("this study has no [quick] table", where=where, cure="leave --quick out, or add one")
        data = _merged(data, changes)
        data["name"] = f"{data.get('name', path.stem)}-quick"
    if seeds is not None:
        data["seeds"] = seeds
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidStudy(f"{place}: {first['msg'].removeprefix('Value error, ')}", where=where) from error
