"""What is declared is what is imported, no more and no less."""

import ast
import re
import tomllib

import pytest

from tests.guards.source import REPOSITORY, imports, modules, tree, wing

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULE_OF = {"nvidia-ml-py": "pynvml", "pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}
# Each of these runs code that a file brings along.
UNSAFE_READERS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}


def names(requirements: list[str]) -> list[str]:
    return [re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in requirements]


def declared(requirements: list[str]) -> set[str]:
    return {MODULE_OF.get(name, name) for name in names(requirements)}


BASE = declared(PROJECT["dependencies"])
TOOLS = {"bench", "test"}  # What works on the package, and is no part of it.
EXTRAS = [name for name in PROJECT["optional-dependencies"] if name not in TOOLS]
EXTRA = set().union(*(declared(PROJECT["optional-dependencies"][name]) for name in EXTRAS))
THIRD_PARTY = [one for one in imports() if not one.inside and not one.is_standard]


def test_every_import_is_declared_and_every_declaration_imported():
    assert {one.top for one in THIRD_PARTY} == BASE | EXTRA


def test_no_package_is_declared_twice():
    groups = [BASE, *(declared(PROJECT["optional-dependencies"][name]) for name in EXTRAS)]
    assert sum(map(len, groups)) == len(BASE | EXTRA)


def test_what_an_extra_brings_is_imported_in_the_doing_wing_only():
    assert [str(one) for one in THIRD_PARTY if one.top in EXTRA and wing(one.importer) != "doing"] == []


@pytest.mark.parametrize("group", ["dependencies", *PROJECT["optional-dependencies"]])
def test_declared_names_are_sorted(group):
    requirements = PROJECT["optional-dependencies"].get(group, PROJECT["dependencies"])
    assert names(requirements) == sorted(names(requirements))


def test_no_file_can_run_code_when_it_is_read():
    assert [str(one) for one in imports() if one.top in UNSAFE_READERS] == []


def test_torch_loads_weights_only():
    careless = []
    for name in modules():
        for node in ast.walk(tree(name)):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load")):
                    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                    if given.get("weights_only") != "True":
                        careless.append(f"{name}, line {node.lineno}")
    assert careless == []
