"""What the README says about studies is what can be run."""

import re
from pathlib import Path

import pytest

from carbon_nas.study import built_in_studies, load_study
from carbon_nas.study.attempt import SAVE_INTERVAL_S

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
LEAST = 'name = "mine"\nworkload = "digits"\nscenarios = ["eager-b1"]\n'
EXAMPLES = [block for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "once_for_all" in block]


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(LEAST + text, encoding="utf-8")
        return str(path)

    return write


def test_the_recipe_of_the_readme_is_one(written):
    (recipe,) = [block for block in EXAMPLES if "stages" in block]
    study = load_study(written(recipe))
    assert list(study.once_for_all.stages) == ["train teacher", "shrink kernel", "shrink the rest"]
    assert study.once_for_all.stages["shrink the rest"].taught_by == "train teacher"
    assert [stage.rule for stage in study.sandwich.stages.values()] == ["sandwich"]


def test_fine_tuning_is_said_as_in_the_readme(written):
    (line,) = re.findall(r"`(fine_tuning = .*?)`", README)
    assert load_study(written(f"[once_for_all]\n{line}\n")).once_for_all.fine_tuning.epochs == 25


def test_both_starts_of_the_readme_are_ones(written):
    (start,) = [block for block in EXAMPLES if "start" in block]
    own = load_study(written(start)).once_for_all.start
    assert own.ledger.endswith("once_for_all-seed0.jsonl")
    released = re.sub(r"ledger = .*?or, for released weights: ", "", start)
    assert load_study(written(released)).once_for_all.start.reference == "cai2020-ofa"


def test_every_built_in_study_is_in_the_table():
    rows = re.findall(r"^\| `(\w+)` \| ", README, re.MULTILINE)
    assert [row for row in rows if row in built_in_studies()] == ["digits", "mnist5k", "cifar10", "imagenet", "folder"]
    for name in built_in_studies():
        (row,) = re.findall(rf"^\| `{name}` \| .*$", README, re.MULTILINE)
        assert ("sandwich" in row) == ("sandwich" in load_study(name).strategies)


def test_states_are_saved_as_often_as_it_says():
    assert SAVE_INTERVAL_S == 5.0
    assert "at most every five seconds" in " ".join(README.split())
