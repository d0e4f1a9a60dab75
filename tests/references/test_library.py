import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import carbon_nas.references
from carbon_nas.references.formulas import FORMULAS
from carbon_nas.references.library import Paper, RowLine, number, papers

DATA = Path(carbon_nas.references.__file__).parent / "data"
ROW = {"key": "a", "label": "a", "where": "Table 1", "text": "1", "unit": "kWh", "kind": "measured"}


def test_there_is_one_file_for_each_paper_under_its_name() -> None:
    assert [one.paper for one in papers()] == sorted(path.stem for path in DATA.glob("*.toml"))


def test_every_constant_is_used_by_some_row() -> None:
    for sheet in papers():
        used = {name for row in sheet.row for name in row.constants}
        if sheet.cost:
            used |= {"price", "gpus"}
        assert set(sheet.constant) == used


def test_every_formula_is_used_and_every_used_formula_exists() -> None:
    used = {row.formula for sheet in papers() for row in sheet.row if row.formula}
    assert used | {"scenario-hours", "gpu-hours-cost"} == set(FORMULAS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "about 5"},
        {"kind": "guessed"},
        {"colour": "green"},
        {"inputs": {"hours": {"text": "many", "unit": "h"}}},
    ],
)
def test_a_line_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    RowLine.model_validate(ROW)
    with pytest.raises(ValidationError):
        RowLine.model_validate(ROW | wrong)


def test_a_paper_outside_the_bibliography_is_refused() -> None:
    with pytest.raises(ValidationError, match="not in the bibliography"):
        Paper.model_validate(tomllib.loads('paper = "nobody1900"\nversion = "v1"'))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("79", 79),
        ("0.34k", 340),
        ("1,507", 1_507),
        ("5875.2k", 5_875_200),
        ("979M", 979_000_000),
        ("0.2855296", 0.2855296),
    ],
)
def test_the_number_of_a_printed_text(text: str, value: float) -> None:
    assert number(text) == value


@settings(max_examples=100)
@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=0, max_value=4))
def test_a_number_comes_back_from_its_digits(digits: int, decimals: int) -> None:
    text = f"{digits / 10**decimals:,.{decimals}f}"
    assert number(text) == float(text.replace(",", ""))
