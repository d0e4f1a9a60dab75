"""What is finished: only networks that were delivered count, and only where every strategy delivered one."""

from collections.abc import Sequence
from dataclasses import dataclass

from carbon_nas.accounting.statement import Statement
from carbon_nas.comparison.delivery import Delivery
from carbon_nas.errors import LedgerError
from carbon_nas.ledger.records import Role

__all__ = ["Finished", "finished"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What can be compared: the seeds and scenarios for which every strategy has delivered a network."""

    seeds: frozenset[int]
    scenarios: tuple[str, ...]
    unfinished: tuple[str, ...]


def finished(statements: Sequence[Statement], found: Sequence[Delivery]) -> Finished:
    """Find what can be compared.

    Raises:
        LedgerError: if a strategy has delivered nothing yet, or the strategies have nothing in common.
    """
    own = {(one.strategy, one.seed) for one in statements if one.role != Role.SHARED}
    delivered = {pair: {item.scenario for item in found if (item.strategy, item.seed) == pair} for pair in own}
    by_strategy = {
        strategy: {seed for name, seed in own if name == strategy and delivered[name, seed]} for strategy, _ in own
    }
    without = sorted(strategy for strategy, seeds in by_strategy.items() if not seeds)
    if without or not own:
        raise LedgerError(
            f"{', '.join(without) or 'no strategy'} has not delivered a network for any scenario yet",
            cure="run the study first, with carbon-nas compare; an own loop says it with Recorder.result()",
        )
    seeds = frozenset[int].intersection(*(frozenset(each) for each in by_strategy.values()))
    compared = [scenarios for (_, seed), scenarios in delivered.items() if seed in seeds]
    common = set[str].intersection(*compared) if compared else set()
    if not common:
        raise LedgerError("the strategies have no finished scenario in common", cure="run the study to its end")
    everything = set[str].union(*delivered.values())
    order = dict.fromkeys(item.scenario for item in found if item.scenario in common)
    unfinished = [
        f"{name}, seed {seed}" for name, seed in sorted(own) if seed not in seeds or delivered[name, seed] != everything
    ]
    return Finished(seeds=seeds, scenarios=tuple(order), unfinished=tuple(unfinished))
