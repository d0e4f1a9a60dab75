"""What the two wings say to each other through the ledger, and so have to spell alike: neither may import the other."""

from carbon_nas.comparison import family
from carbon_nas.devices import validation
from carbon_nas.ledger import findings
from carbon_nas.strategies import once_for_all, specialisation
from carbon_nas.training.data import WORKLOADS
from tests.reporting.test_sources import DATA


def test_what_ledgers_are_read_by_is_what_strategies_write():
    assert family.ONCE_FOR_ALL == once_for_all.ONCE_FOR_ALL
    assert family.SANDWICH == once_for_all.SANDWICH
    assert family.FINE_TUNE == specialisation.FINE_TUNE


def test_whoever_makes_a_table_and_whoever_reads_of_it_trust_it_alike():
    for name in ("MOST_ERROR_FRACTION", "LEAST_RANK_CORRELATION_RATIO"):
        assert getattr(findings, name) == getattr(validation, name)


def test_every_workload_of_public_images_has_its_citation_looked_at():
    assert {*DATA, "folder", "arrays"} == set(WORKLOADS)
