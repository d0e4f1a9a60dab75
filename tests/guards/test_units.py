"""The unit of every number is in its name."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel, create_model

from tests.guards.source import importable

UNITS = (
    *("c", "days", "g_per_kwh", "gib", "h", "inches", "j", "kg", "kwh", "lb", "lb_per_kwh"),
    *("ms", "nats", "per_day", "s", "usd", "w", "w_per_core", "years"),
)
DIMENSIONLESS = ("fraction", "ratio", "share")
# Terms of the field that every paper uses; any other word, or a suffix, would only hide what is meant.
HYPER_PARAMETERS = {"learning_rate", "momentum", "weight_decay", "width_mult"}
# An interval is a number itself: its unit is in the name under which it is held, or beside it, as with a value.
NUMBERS = {"Interval"}


def is_quantity(hint: Any) -> bool:
    """Whether a type holds floats: alone, optional, or in a container."""
    origin, parts = get_origin(hint), [part for part in get_args(hint) if part not in (NoneType, Ellipsis)]
    if origin is Annotated:
        return is_quantity(parts[0])
    if origin in (Union, UnionType):
        # Numbers that may also be text are facts by name, such as a meter's inputs: there the unit is in each key.
        return str not in parts and any(map(is_quantity, parts))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return is_quantity(parts[1])
    if origin is Callable:
        return False
    return hint is float or getattr(hint, "__name__", "") in NUMBERS or any(map(is_quantity, parts))


def has_unit(name: str, others: set[str]) -> bool:
    if name == "value":
        return "unit" in others
    return name == "pue" or name in HYPER_PARAMETERS or name.endswith(tuple(f"_{end}" for end in UNITS + DIMENSIONLESS))


def fields_of(record: type) -> dict[str, Any]:
    # A pydantic model lists its fields itself; the type hints also hold its configuration.
    names = getattr(record, "model_fields", None) or [field.name for field in dataclasses.fields(record)]
    hints = get_type_hints(record)
    return {name: hints[name] for name in names}


def is_interval(hint: Any) -> bool:
    return any(getattr(part, "__name__", "") in NUMBERS for part in (hint, *get_args(hint)))


def nameless(record: type) -> list[str]:
    fields = fields_of(record)
    if record.__name__ in NUMBERS:
        return []
    beside = {name for name, hint in fields.items() if is_interval(hint) and "unit" in fields}
    return [
        name
        for name, hint in fields.items()
        if is_quantity(hint) and name not in beside and not has_unit(name, set(fields))
    ]


def records() -> Iterator[type]:
    for module in map(import_module, importable()):
        for thing in vars(module).values():
            own = isinstance(thing, type) and thing.__module__ == module.__name__
            if own and (dataclasses.is_dataclass(thing) or issubclass(thing, BaseModel)):
                yield thing


def test_there_are_records_to_look_at():
    assert {"Reading", "PhaseEnd", "CostCurve", "TrainerPlan"} <= {record.__name__ for record in records()}


def test_every_float_of_a_record_has_its_unit_in_its_name():
    found = [f"{record.__module__}.{record.__name__}.{name}" for record in records() for name in nameless(record)]
    assert found == []


@pytest.mark.parametrize(
    "hint", [float, float | None, tuple[float, ...], Mapping[str, float | None], dict[str, list[float]]]
)
def test_the_guard_catches_a_float_without_a_unit(hint):
    assert nameless(dataclasses.make_dataclass("Record", [("energy", hint)])) == ["energy"]
    assert nameless(create_model("Model", energy=(hint, ...))) == ["energy"]


@pytest.mark.parametrize("hint", [int, str, str | float | None, Callable[[float], None]])
def test_the_guard_asks_no_unit_of_what_is_no_quantity(hint):
    assert not is_quantity(hint)


def test_a_value_needs_its_unit_beside_it():
    assert nameless(dataclasses.make_dataclass("Bare", [("value", float)])) == ["value"]
    assert nameless(dataclasses.make_dataclass("Whole", [("value", float), ("unit", str)])) == []
