"""The wheel alone is enough: the clone is not needed to run a comparison."""

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# One test on purpose: building and running takes most of a minute, and is done once.
@pytest.mark.slow
def test_an_installed_wheel_runs_a_quick_comparison_from_an_empty_folder(run_python, offline_env, tmp_path):
    clone, wheels, target, empty, temporary = (
        tmp_path / name for name in ("clone", "wheels", "target", "empty", "temporary")
    )
    empty.mkdir()
    temporary.mkdir()
    shutil.copytree(REPOSITORY, clone, ignore=shutil.ignore_patterns(".*", "__pycache__", "reports", "tests"))

    pip = ["-m", "pip", "--no-cache-dir", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index"]
    built = run_python(*pip, "wheel", *alone, "--no-build-isolation", "--wheel-dir", str(wheels), str(clone))
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.glob("*.whl")
    installed = run_python(*pip, "install", *alone, "--target", str(target), str(wheel))
    assert installed.returncode == 0, installed.stderr
    shutil.rmtree(clone)

    home = Path(offline_env["HOME"])
    shutil.rmtree(home)  # pip asks for the versions of other tools, and some of those leave files there.
    home.mkdir()
    # First on the path, so that an editable install of the clone does not answer in the wheel's place.
    place = {
        "PYTHONPATH": os.pathsep.join([str(target), offline_env["PYTHONPATH"]]),
        "TMPDIR": str(temporary),
    }
    found = run_python("-c", "import carbon_nas; print(carbon_nas.__file__)", cwd=empty, **place)
    assert Path(found.stdout.strip()).is_relative_to(target)

    done = run_python("-m", "carbon_nas.compare", "--quick", cwd=empty, **place)
    assert done.returncode == 0, done.stderr
    report = empty / "reports" / "digits-quick"
    assert str(Path("reports", "digits-quick", "index.html")) in done.stdout
    expected = {"index.html", "report.md", "data/comparison.json"} | {
        f"figures/{figure}.{suffix}" for figure in ("cost_curve", "phase_energy") for suffix in ("pdf", "png", "svg")
    }
    assert expected <= files_below(report)

    # Nothing anywhere else: not beside the report, not in the home, not left in the temporary folder.
    assert {path.name for path in empty.iterdir()} == {"reports"}
    assert {path.name for path in (empty / "reports").iterdir()} == {"digits-quick"}
    assert files_below(home) == set()
    assert files_below(temporary) == set()
