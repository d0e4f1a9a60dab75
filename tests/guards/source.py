"""The package as source text: its modules, what they import, and where each stands in the house."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "carbon_nas"

FLOORS: tuple[frozenset[str], ...] = (
    # The empty name is the package's own `__init__`: a version, and names that are loaded when asked for.
    frozenset({"", "errors", "files", "sources", "uncertain", "units"}),
    frozenset({"accounting", "meters", "supernet"}),
    frozenset({"devices", "ledger", "references", "training"}),
    frozenset({"comparison", "importers", "recorder", "strategies"}),
    frozenset({"reporting", "study"}),
    frozenset(
        {
            *("__main__", "cli", "compare", "doctor", "importing", "live", "meter"),
            *("options", "planning", "profile", "report", "verify"),
        }
    ),
)
GROUND, DOORS = 0, len(FLOORS) - 1
WINGS = {
    "doing": frozenset({"devices", "strategies", "study", "supernet", "training"}),
    "reading": frozenset({"accounting", "comparison", "importers", "references", "reporting"}),
    "bridge": frozenset({"ledger", "meters", "recorder"}),
}


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import of one module, wherever it stands.

    Attributes:
        deferred: it stands in a function.
        typing_only: it stands under `if TYPE_CHECKING`.
    """

    importer: str
    target: str
    line: int
    deferred: bool
    typing_only: bool

    @property
    def inside(self) -> bool:
        """Whether a module of this package is imported."""
        return self.target.split(".")[0] == PACKAGE.name

    @property
    def top(self) -> str:
        """The installed package it belongs to."""
        return self.target.split(".")[0]

    @property
    def is_standard(self) -> bool:
        """Whether it comes with Python."""
        return self.top in sys.stdlib_module_names

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.target}"


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def importable() -> list[str]:
    """Every module that can be imported without running the program."""
    return [name for name in modules() if not name.endswith("__main__")]


@cache
def tree(module: str) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def room(module: str) -> str:
    """The part of the house a module belongs to: the name below `carbon_nas`."""
    return module.partition(".")[2].partition(".")[0]


def floor(module: str) -> int:
    """The floor a module stands on."""
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


def wing(module: str) -> str | None:
    """The wing of a module; None for the ground floor and the doors, which belong to nobody."""
    return next((name for name, rooms in WINGS.items() if room(module) in rooms), None)


def imports_of(importer: str, syntax: ast.AST) -> list[Import]:
    """Find every import in a syntax tree: at the top, in functions, for type checkers only, and by literal name."""
    known = modules()
    found = []
    for node, deferred, typing_only in _placed(syntax):
        for target in _targets(node):
            # `from carbon_nas import ledger` imports a module, `from carbon_nas import __version__` a name of one.
            if target.split(".")[0] == PACKAGE.name and target not in known:
                target = target.rpartition(".")[0] or target
            place = {"line": node.lineno, "deferred": deferred, "typing_only": typing_only}
            found.append(Import(importer=importer, target=target, **place))
    return found


def imports() -> list[Import]:
    """Every import of the package."""
    return [found for name in modules() for found in imports_of(name, tree(name))]


def _placed(node: ast.AST, deferred: bool = False, typing_only: bool = False) -> Iterator[tuple[ast.AST, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        late = deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from _placed(ast.Module(body=child.body), late, True)
                yield from _placed(ast.Module(body=child.orelse), late, typing_only)
            case _:
                yield child, late, typing_only
                yield from _placed(child, late, typing_only)


def _targets(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
        case ast.Call(
            func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str() as name), *_],
        ):
            return [name]
    return []
