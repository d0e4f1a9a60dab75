from dataclasses import replace

import pytest

from carbon_nas.references import REFERENCES
from carbon_nas.sources import BIBLIOGRAPHY, bibtex


def test_626155_pounds_always_come_with_their_correction() -> None:
    printed = [reference.printed.value for reference in REFERENCES["strubell2019-nas"].chain]
    assert printed == [626_155, 7_096]


def test_the_record_cannot_be_made_without_its_correction() -> None:
    with pytest.raises(ValueError, match="correction"):
        replace(REFERENCES["strubell2019-nas"], correction=None)


def test_every_reference_has_a_source_in_the_bibliography() -> None:
    for key, reference in REFERENCES.items():
        assert reference.key == key
        assert reference.printed.source.key in BIBLIOGRAPHY
        assert reference.printed.source.where


def test_bibtex_holds_each_entry_once_and_in_order() -> None:
    text = bibtex({"strubell2019", "patterson2021"})
    assert text.index("{patterson2021,") < text.index("{strubell2019,")
    assert text.count("@") == 2
