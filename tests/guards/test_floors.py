"""Imports only go down, and the wings meet at the bridge only."""

import ast
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.guards.source import (
    DOORS,
    GROUND,
    PACKAGE,
    WINGS,
    Import,
    floor,
    imports,
    imports_of,
    modules,
    room,
    tree,
    wing,
)

FORBIDDEN_WINGS = {"doing": {"reading"}, "reading": {"doing"}, "bridge": {"doing", "reading"}}


def climbs(found: Iterable[Import]) -> list[str]:
    """The imports that go up, or sideways into another room."""
    wrong = []
    for one in found:
        if not one.inside or room(one.importer) == room(one.target):
            continue
        if one.importer == PACKAGE.name and one.typing_only:
            continue  # The package names for type checkers what it loads when asked for.
        here, there = floor(one.importer), floor(one.target)
        # The ground floor and the doors are single modules side by side, each floor one room.
        if there > here or (there == here and here not in (GROUND, DOORS)):
            wrong.append(str(one))
    return wrong


def crossings(found: Iterable[Import]) -> list[str]:
    """The imports from one wing into another that must not know of it."""
    return [str(one) for one in found if one.inside and wing(one.target) in FORBIDDEN_WINGS.get(wing(one.importer), ())]


def test_every_module_stands_on_a_floor():
    homeless = []
    for name in modules():
        try:
            floor(name)
        except StopIteration:
            homeless.append(name)
    assert homeless == []


def test_imports_only_go_down():
    assert climbs(imports()) == []


def test_wings_meet_at_the_bridge_only():
    assert crossings(imports()) == []


def test_imports_are_written_in_full():
    assert [str(one) for one in imports() if one.target.startswith(".")] == []


def test_modules_that_are_named_at_run_time_stay_in_their_own_package():
    # A computed name hides from this guard. Only a package's own door may load its members that way.
    escapes = []
    for name, path in modules().items():
        for node in ast.walk(tree(name)):
            match node:
                case ast.Call(func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module")):
                    argument = ast.unparse(node.args[0])
                    own = argument.startswith("f'{__name__}.") or name == PACKAGE.name
                    if not isinstance(node.args[0], ast.Constant) and not (path.name == "__init__.py" and own):
                        escapes.append(f"{name}, line {node.lineno}: {argument}")
    assert escapes == []


def test_the_ground_floor_needs_only_the_standard_library():
    ground = [one for one in imports() if floor(one.importer) == GROUND]
    assert [str(one) for one in ground if not one.inside and not one.is_standard] == []


def test_torch_is_imported_in_the_doing_wing_only():
    assert [str(one) for one in imports() if one.top == "torch" and wing(one.importer) != "doing"] == []


def test_the_bridge_never_imports_pandas():
    assert [str(one) for one in imports() if one.top == "pandas" and wing(one.importer) == "bridge"] == []


def test_codecarbon_is_imported_only_when_it_is_needed():
    assert [str(one) for one in imports() if one.top == "codecarbon" and not one.deferred] == []


def test_modules_do_not_import_each_other_in_circles():
    graph = {name: set[str]() for name in modules()}
    for one in imports():
        if one.inside and not one.deferred and not one.typing_only:
            graph[one.importer].add(one.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def made_up(importer: str, source: str) -> list[Import]:
    return imports_of(importer, ast.parse(source))


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("carbon_nas.meters.base", "from carbon_nas.ledger.records import Scope"),
        ("carbon_nas.meters.base", "from carbon_nas import ledger"),
        ("carbon_nas.ledger.run", "import carbon_nas.recorder"),
        ("carbon_nas.units", "def f():\n    from carbon_nas.accounting import grid"),
        ("carbon_nas.ledger.run", "if TYPE_CHECKING:\n    from carbon_nas.study.plan import Study"),
        ("carbon_nas.ledger.run", "import_module('carbon_nas.compare')"),
        ("carbon_nas.training.loop", "from carbon_nas.devices import catalog"),
        ("carbon_nas", "from carbon_nas.recorder import Recorder"),
    ],
)
def test_the_guard_catches_a_climb(importer, source):
    assert len(climbs(made_up(importer, source))) == 1


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("carbon_nas.recorder", "from carbon_nas.ledger.records import Scope"),
        ("carbon_nas.ledger.run", "from carbon_nas.ledger.records import Scope"),
        ("carbon_nas.ledger.run", "import carbon_nas\nfrom carbon_nas import __version__"),
        ("carbon_nas.files", "from carbon_nas.errors import OutputError"),
        ("carbon_nas.cli", "from carbon_nas.compare import compare"),
        ("carbon_nas", "if TYPE_CHECKING:\n    from carbon_nas.recorder import Recorder"),
    ],
)
def test_the_guard_lets_a_descent_pass(importer, source):
    assert climbs(made_up(importer, source)) == []


@pytest.mark.parametrize("source", ["from carbon_nas.supernet import cost", "from carbon_nas.accounting import grid"])
def test_the_guard_catches_a_crossing(source):
    importers = {name: f"carbon_nas.{min(rooms)}.somewhere" for name, rooms in WINGS.items()}
    found = [one for name in importers.values() for one in made_up(name, source)]
    # The wing that owns the target may import it; the other wing and the bridge may not.
    assert len(crossings(found)) == len(WINGS) - 1
