"""Every public name is listed, sorted, there, and explained."""

import ast
from importlib import import_module

import pytest

from tests.guards.source import importable, modules, tree


def has_code(module: str) -> bool:
    return any(not isinstance(node, ast.Expr) for node in tree(module).body)


LISTED = [name for name in importable() if has_code(name)]


@pytest.mark.parametrize("module", LISTED)
def test_every_module_lists_its_public_names_in_order(module):
    names = getattr(import_module(module), "__all__", None)
    assert names is not None, f"{modules()[module]} has no __all__"
    assert list(names) == sorted(set(names))


@pytest.mark.parametrize("module", LISTED)
def test_every_listed_name_is_there(module):
    loaded = import_module(module)
    assert [name for name in loaded.__all__ if not hasattr(loaded, name)] == []


@pytest.mark.parametrize("module", LISTED)
def test_every_public_name_has_a_docstring(module):
    # Read from the source: at run time a dataclass without a docstring gets a made-up one, a method an inherited one.
    public = set(import_module(module).__all__)
    definitions = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    silent = []
    for node in tree(module).body:
        if not isinstance(node, definitions) or node.name not in public:
            continue
        # A protocol that only lists what a record must have leaves the explaining to the record.
        members = [
            part
            for part in node.body
            if isinstance(part, definitions) and not part.name.startswith("_") and ast.unparse(part.body) != "..."
        ]
        silent += [node.name] if ast.get_docstring(node) is None else []
        silent += [
            f"{node.name}.{part.name}"
            for part in (members if isinstance(node, ast.ClassDef) else [])
            if ast.get_docstring(part) is None
        ]
    assert silent == []


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("carbon_nas", {"Recorder", "Scope"}),
        ("carbon_nas.meters", {"ManualClock", "ReplayMeter", "SimulatedMeter", "open_meters"}),
        ("carbon_nas.references", {"REFERENCES"}),
        (
            "carbon_nas.supernet",
            {
                "Architecture",
                "ElasticMobileNetV3",
                "SearchSpace",
                "extract",
                "load_official_state_dict",
                "load_supernet",
                "mobilenet_v3_space",
                "recalibrate",
                "save_supernet",
            },
        ),
    ],
)
def test_the_stable_names_stay(module, names):
    assert names <= set(import_module(module).__all__)
