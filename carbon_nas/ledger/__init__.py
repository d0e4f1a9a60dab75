"""The ledger: append-only, hash-chained JSON lines; the only bridge between doing and reading."""

from carbon_nas.ledger.folding import fold, read, read_run
from carbon_nas.ledger.journal import Journal, read_events
from carbon_nas.ledger.records import Outcome, Result, Role, Scope
from carbon_nas.ledger.run import Activity, Run

__all__ = [
    "Activity",
    "Journal",
    "Outcome",
    "Result",
    "Role",
    "Run",
    "Scope",
    "fold",
    "read",
    "read_events",
    "read_run",
]
