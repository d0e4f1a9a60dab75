from dataclasses import replace

import pytest

from carbon_nas.references import REFERENCES, Kind
from carbon_nas.references.formulas import FORMULAS
from carbon_nas.sources import BIBLIOGRAPHY, bibtex


def test_626155_pounds_always_come_with_their_correction() -> None:
    printed = [reference.printed.value for reference in REFERENCES["strubell2019-nas"].chain]
    assert printed == [626_155, 7_096]


def test_every_row_that_prints_626155_leads_to_7096() -> None:
    rows = [row for row in REFERENCES.values() if row.printed.value == 626_155]
    assert len(rows) == 2  # Strubell et al. print it, Patterson et al. compute it again.
    assert {row.chain[-1].printed.value for row in rows} == {7_096}


@pytest.mark.parametrize("key", ["strubell2019-nas", "patterson2021-nas-as-strubell"])
def test_the_record_cannot_be_made_without_its_correction(key: str) -> None:
    with pytest.raises(ValueError, match="correction"):
        replace(REFERENCES[key], correction=None)


def test_an_earlier_version_leads_to_the_paper_and_on_to_its_correction() -> None:
    assert [row.text for row in REFERENCES["strubell2019-nas-preview"].chain] == ["394,863", "626,155", "7,096"]


def test_the_claims_of_the_first_version_lead_to_those_of_the_conference_paper() -> None:
    claims = {
        rival: [(row.text, row.version) for row in REFERENCES[f"cai2020-v1-claim-{rival}"].chain]
        for rival in ("proxylessnas", "fbnet", "mnasnet")
    }
    assert claims == {
        "proxylessnas": [("14", "arXiv v1"), ("16", "ICLR 2020")],
        "fbnet": [("16", "arXiv v1"), ("19", "ICLR 2020")],
        "mnasnet": [("1,142", "arXiv v1"), ("1,300", "ICLR 2020")],
    }


def test_every_reference_has_a_source_in_the_bibliography() -> None:
    for key, reference in REFERENCES.items():
        assert reference.key == key
        assert reference.printed.source.key in BIBLIOGRAPHY
        assert reference.printed.source.where
        assert {one.source.key for one in reference.inputs} <= set(BIBLIOGRAPHY)
        assert all(one.source.where for one in reference.inputs)


def test_only_a_page_that_changes_without_notice_has_no_version() -> None:
    assert {row.printed.source.key for row in REFERENCES.values() if not row.version} == {"epa"}


def test_what_was_not_read_where_it_stands_says_so() -> None:
    assert {key for key, row in REFERENCES.items() if not row.verified} == {
        "epa-smartphone",
        "epa-vehicle-year",
        "patterson2021-nas-tpu-hours",
        "strubell2019-nas-preview",
    }


def test_inputs_are_those_of_the_formula_and_no_others() -> None:
    for reference in REFERENCES.values():
        names = {one.name for one in reference.inputs}
        if reference.formula:
            formula = FORMULAS[reference.formula]
            assert set(formula.needs) <= names <= {*formula.needs, *formula.optional}
        else:
            assert names == set()


def test_a_row_that_lacks_an_input_of_its_formula_cannot_be_made() -> None:
    row = REFERENCES["strubell2019-t2t-big"]
    with pytest.raises(ValueError, match="needs pue"):
        replace(row, inputs=tuple(one for one in row.inputs if one.name != "pue"))


def test_borrowed_inputs_keep_the_paper_they_come_from() -> None:
    sources = {one.name: one.source.key for one in REFERENCES["sahni2021-ofa"].inputs}
    assert sources == {
        "devices": "strubell2019",
        "hours": "sahni2021",
        "intensity": "strubell2019",
        "power": "strubell2019",
        "pue": "strubell2019",
    }


def test_power_is_measured_by_patterson_and_estimated_by_strubell() -> None:
    assert REFERENCES["patterson2021-power-v100"].kind is Kind.MEASURED
    assert REFERENCES["strubell2019-nas"].kind is Kind.ESTIMATED
    assert REFERENCES["cai2020-mnasnet"].kind is Kind.NORMALISED


def test_rows_without_inputs_claim_nothing() -> None:
    row = REFERENCES["strubell2019-flight"]
    assert (row.recomputed, row.recomputed_value, row.agrees) == (None, None, None)


def test_bibtex_holds_each_entry_once_and_in_order() -> None:
    text = bibtex({"strubell2019", "patterson2021"})
    assert text.index("{patterson2021,") < text.index("{strubell2019,")
    assert text.count("@") == 2
