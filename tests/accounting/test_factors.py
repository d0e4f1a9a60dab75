"""The user's own factors: what a file must say, and how it is told what is wrong."""

from pathlib import Path

import pytest

from carbon_nas.accounting.factors import read_factors
from carbon_nas.accounting.grid import Grid, Kind
from carbon_nas.errors import InvalidSite
from carbon_nas.sources import Source

HEADER = "name,intensity_g_per_kwh,year,basis,source"
ROW = "town supply,112.5,2024,supplier mix,label of 2024"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "factors.csv"


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def refusal(path: Path, *lines: str) -> str:
    with pytest.raises(InvalidSite) as caught:
        read_factors(written(path, *lines))
    return str(caught.value)


def test_a_row_is_a_grid_with_the_users_words_as_its_source(path: Path) -> None:
    assert read_factors(written(path, HEADER, ROW)) == {
        "town supply": Grid(
            zone="town supply",
            name="town supply",
            intensity_g_per_kwh=112.5,
            year=2024,
            basis="supplier mix",
            source=Source(key="", where="label of 2024"),
        )
    }


def test_optional_columns_may_stand_anywhere_and_be_empty(path: Path) -> None:
    factors = read_factors(
        written(
            path,
            "kind,zone,name,gsd_ratio,intensity_g_per_kwh,year,basis,source,licence",
            "market-based,DEU,residual,1.1,700,2023,residual mix,national body,CC BY 4.0",
            ",,plain,,0,,wind contract,bill,",
        )
    )
    residual, plain = factors.values()
    assert (residual.kind, residual.zone, residual.gsd_ratio) == (Kind.MARKET, "DEU", 1.1)
    assert residual.licence == "CC BY 4.0"
    assert (plain.kind, plain.zone, plain.gsd_ratio, plain.year) == (Kind.LOCATION, "plain", None, None)
    assert plain.intensity_g_per_kwh == 0.0


@pytest.mark.parametrize("wanted", list(Kind))
def test_a_row_that_tells_no_kind_is_of_the_one_that_is_wanted_and_one_that_does_keeps_it(
    path: Path, wanted: Kind
) -> None:
    file = written(path, f"{HEADER},kind", f"{ROW},", "margin,700,,build,study,marginal")
    untold, told = read_factors(file, kind=wanted).values()
    assert (untold.kind, told.kind) == (wanted, Kind.MARGINAL)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_kind_may_be_written_in_full_or_short(path: Path, kind: Kind) -> None:
    words = enumerate((kind.value, kind.name.lower(), kind.name))
    lines = [f"{ROW.replace('town', str(number))},{word}" for number, word in words]
    assert {one.kind for one in read_factors(written(path, f"{HEADER},kind", *lines)).values()} == {kind}


def test_factors_keep_the_order_of_the_file_and_blank_lines_are_left_out(path: Path) -> None:
    factors = read_factors(written(path, HEADER, "", ROW, " , , , , ", ROW.replace("town", "a"), ""))
    assert list(factors) == ["town supply", "a supply"]


def test_what_a_spreadsheet_writes_is_read(path: Path) -> None:
    path.write_bytes(f'\ufeff{HEADER}\r\n"Stadtwerke, Süd",99,2022,"mix, as sold",bill\r\n'.encode())
    assert read_factors(path)["Stadtwerke, Süd"].basis == "mix, as sold"


def test_a_name_that_stands_twice_is_refused_with_both_lines(path: Path) -> None:
    said = refusal(path, HEADER, ROW, "", ROW)
    assert "factors.csv, line 4, column name: 'town supply' stands in line 2 already" in said


def test_the_line_of_a_row_is_where_it_begins(path: Path) -> None:
    said = refusal(path, HEADER, '"town\nsupply",1,2024,mix,bill', "b,wrong,2024,mix,bill")
    assert "line 4, column intensity_g_per_kwh: 'wrong' is no number" in said


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("name,intensity_g_per_kwh,year,basis", "there is no column source"),
        (f"{HEADER},kinds", "the column 'kinds' is not known, did you mean kind?"),
        (HEADER.replace("intensity_g_per_kwh", "intensity_kg_per_kwh"), "did you mean intensity_g_per_kwh?"),
        (f"{HEADER},year", "the column year stands there more than once"),
        (HEADER.replace(",", ";"), "there is no column name"),
        ("", "there is no column name"),
    ],
)
def test_a_wrong_header_is_refused_with_the_right_one(path: Path, header: str, said: str) -> None:
    refused = refusal(path, header, ROW)
    assert "line 1: " in refused
    assert said in refused
    assert f"the header is {HEADER}; zone, kind, gsd_ratio, licence may follow, separated by commas" in refused


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("name", "", "this cell is empty"),
        ("basis", "", "this cell is empty; a factor needs"),
        ("source", " ", "this cell is empty"),
        ("intensity_g_per_kwh", "", "'' is no number; write it with a point"),
        ("intensity_g_per_kwh", '"56,04"', "'56,04' is no number; write it with a point"),
        ("year", "2023/24", "'2023/24' is no year"),
        ("year", "23", "'23' is no year"),
        (
            "kind",
            "markt",
            "there is no kind 'markt', did you mean market?; write location-based, market-based, marginal",
        ),
        ("gsd_ratio", "10 %", "'10 %' is no number"),
    ],
)
def test_a_wrong_cell_is_refused_with_its_line_its_column_and_the_cure(
    path: Path, column: str, cell: str, said: str
) -> None:
    columns = f"{HEADER},kind,gsd_ratio".split(",")
    cells = dict(zip(columns, f"{ROW},market,1.2".split(","), strict=True)) | {column: cell}
    assert f"line 2, column {column}: {said}" in refusal(path, ",".join(columns), ",".join(cells.values()))


@pytest.mark.parametrize("intensity", ["-1", "nan", "inf"])
def test_what_no_grid_can_be_is_refused_with_its_line(path: Path, intensity: str) -> None:
    assert "line 2: an intensity of" in refusal(path, HEADER, ROW.replace("112.5", intensity))


def test_text_with_a_bare_comma_is_refused_with_the_cure(path: Path) -> None:
    said = refusal(path, HEADER, ROW + ", page 3")
    assert "line 2: 6 cells under 5 columns" in said
    assert 'in "quotation marks"' in said


def test_a_file_without_rows_is_refused(path: Path) -> None:
    assert "there is no row under the header" in refusal(path, HEADER)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00n", f'{HEADER}\n"open'.encode()])
def test_what_is_no_csv_text_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InvalidSite, match="this is no CSV text"):
        read_factors(path)


def test_a_file_that_is_not_there_is_refused_with_the_header_it_should_have(path: Path) -> None:
    with pytest.raises(InvalidSite, match=f"cannot be read .*{HEADER}"):
        read_factors(path)
