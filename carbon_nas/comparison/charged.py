"""What a strategy is charged with: its own entries and those of shared work, of the seeds and scenarios compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from carbon_nas.accounting.statement import Entry, Statement
from carbon_nas.comparison.finished import Finished
from carbon_nas.ledger.records import Role, Scope

__all__ = ["Charged", "charged", "counted", "repeated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Charged:
    """The entries of one ledger that one strategy and seed is charged with."""

    statement: Statement
    seed: int
    entries: tuple[Entry, ...]

    @property
    def shared(self) -> bool:
        """Whether it is work that every strategy is charged with in full."""
        return self.statement.role == Role.SHARED


def charged(statements: Sequence[Statement], strategy: str, done: Finished) -> Iterator[Charged]:
    """Yield what a strategy is charged with, ledger by ledger; shared ledgers once for every seed."""
    for seed in sorted(done.seeds):
        for one in statements:
            if one.role == Role.SHARED or (one.strategy, one.seed) == (strategy, seed):
                yield Charged(statement=one, seed=seed, entries=tuple(counted(one, done)))


def counted(statement: Statement, done: Finished) -> Iterator[Entry]:
    """Yield the entries of a statement that count as cost: no lost attempts, no use phase, no unfinished scenario."""
    for entry in statement.entries:
        once = entry.scope == Scope.ONCE
        finished = entry.scope == Scope.PER_SCENARIO and entry.scenario in done.scenarios
        if not entry.wasted and (once or finished):
            yield entry


def repeated(
    statements: Sequence[Statement], strategies: Sequence[str], done: Finished
) -> Mapping[str, frozenset[str]]:
    """Return the names of the phases that every strategy does for each scenario, shared work included."""
    return {
        strategy: frozenset(
            entry.name
            for one in charged(statements, strategy, done)
            for entry in one.entries
            if entry.scope == Scope.PER_SCENARIO
        )
        for strategy in strategies
    }
