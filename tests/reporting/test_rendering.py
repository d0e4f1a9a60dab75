"""What a page shows and what a file holds: columns for programs only, folded tables, and the last mark of a title."""

import pytest

from carbon_nas.reporting.document import Cell, Column, Document, FigureBlock, Section, Table
from carbon_nas.reporting.rendering import files_of, images_of
from carbon_nas.sources import Source, Tier

FIGURES = {"curve": {"svg": b"<svg/>", "png": b"png"}}


def document(*, folded: bool = False, title: str = "A curve") -> Document:
    table = Table(
        key="costs",
        title="Costs",
        columns=(
            Column(key="method", title="method", numeric=False),
            Column(key="range", title="range", numeric=False),
            Column(key="low_kg", title="the low end", shown=False),
        ),
        rows=(
            (
                Cell(text="one"),
                Cell(text="1 to 2 kg", tier=Tier.MODELLED),
                Cell(text="1 kg", tier=Tier.MODELLED, value=1.25, unit="kg"),
            ),
        ),
        folded=folded,
    )
    figure = FigureBlock(key="curve", title=title, caption="What it shows.")
    return Document(
        title="A report",
        subtitle="",
        verdict=(),
        caveats=(),
        cards=(),
        sections=(Section(title="All", blocks=(table, figure)),),
        sources=(Source(key="cai2020", where="Table 1"),),
    )


def texts(**facts: object) -> dict[str, str]:
    files = files_of(document(**facts), FIGURES, numbers={"data/numbers.json": "{}\n"})
    return {path: data.decode() for path, data in files.items()}


def test_a_report_is_a_page_a_text_a_bibliography_its_numbers_and_its_tables():
    assert set(texts()) == {"index.html", "report.md", "references.bib", "data/numbers.json", "data/costs.csv"}
    assert images_of(FIGURES) == {"figures/curve.svg": b"<svg/>", "figures/curve.png": b"png"}


def test_a_column_for_programs_is_in_the_data_and_on_no_page():
    found = texts()
    assert "the low end" not in found["index.html"] + found["report.md"]
    assert found["data/costs.csv"].splitlines() == ["method,range,low_kg,low_kg_tier", "one,1 to 2 kg,1.25,modelled"]


def test_what_is_shown_stays_beneath_its_own_title():
    table = document().tables[0]
    assert [column.key for column in table.shown_columns] == ["method", "range"]
    assert [[cell.text for cell in row] for row in table.shown_rows] == [["one", "1 to 2 kg"]]


@pytest.mark.parametrize("folded", [False, True])
def test_a_folded_table_is_named_with_its_length_and_opens_on_demand(folded):
    page = texts(folded=folded)["index.html"]
    assert ("<summary>Costs (1 row)" in page) == ("<details>" in page) == ("</details>" in page) == folded
    assert "1 to 2 kg" in page


@pytest.mark.parametrize(("title", "said"), [("A curve", "A curve."), ("Why?", "Why?"), ("Stop!", "Stop!")])
def test_a_title_that_ends_with_a_mark_gets_no_other(title, said):
    found = texts(title=title)
    assert f"<b>{said}</b> What it shows." in found["index.html"]
    assert f"*{said}* What it shows." in found["report.md"]
