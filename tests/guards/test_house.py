"""The repository stays tidy, and what the README says is what is checked."""

import re
import shutil
import subprocess
from pathlib import PurePosixPath

import pytest

from tests.guards.source import PACKAGE, REPOSITORY

TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "carbon_nas",
    "experiments",
    "pyproject.toml",
    "reports",
    "tests",
}
LONGEST_MODULE = 350


@pytest.fixture(scope="module")
def tracked() -> list[PurePosixPath]:
    """Every file under version control; in an unpacked archive, every file but those of tools and environments."""
    if shutil.which("git") and (REPOSITORY / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout
        return [PurePosixPath(name) for name in listing.split("\0") if name]
    files = [path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*") if path.is_file()]
    ours = [path for path in files if path.parts[0] in {".ci", ".github"} or path.parts[0][0] != "."]
    return [PurePosixPath(path.as_posix()) for path in ours]


def bash_blocks() -> list[str]:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```bash\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)


def command_with(word: str) -> str:
    """The README's first command that holds a word."""
    blocks = [block for block in bash_blocks() if word in block]
    assert blocks, f"no ```bash block of README.md holds {word!r}"
    return blocks[0]


def lines(text: str) -> list[str]:
    stripped = [line.strip() for line in text.splitlines()]
    return [line for line in stripped if line and not line.startswith("#")]


def test_the_top_level_holds_only_what_belongs_there(tracked):
    assert {path.parts[0] for path in tracked if not path.parts[0].startswith(".")} - TOP_LEVEL == set()


def test_every_file_name_works_on_every_system(tracked):
    assert [str(path) for path in tracked if set(str(path)) & set(":@")] == []


def test_every_module_can_be_read_in_one_sitting():
    lengths = {
        str(path.relative_to(REPOSITORY)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_ci_runs_the_test_command_of_the_readme_line_for_line():
    ci = lines((REPOSITORY / ".ci" / "run").read_text(encoding="utf-8"))
    assert [line for line in lines(command_with("pytest")) if line not in ci] == []


@pytest.mark.parametrize("word", ["-m carbon_nas.compare", "pytest"])
def test_both_readme_commands_install_the_pinned_versions(word):
    installs = [line for line in lines(command_with(word)) if "pip install" in line]
    assert installs
    assert [line for line in installs if ".ci/constraints.txt" not in line] == []


def test_the_constraints_pin_torch():
    assert "torch==2.13.0" in lines((REPOSITORY / ".ci" / "constraints.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "pattern", ["study/defaults/*.toml", "reporting/templates/*.j2", "references/data/*.toml", "py.typed"]
)
def test_package_data_lies_inside_the_package(pattern):
    assert list(PACKAGE.glob(pattern))
