"""The tables of work that was paid for before a run: what it had cost, and strategies charged with it in full."""

from collections.abc import Iterable, Iterator, Sequence

from carbon_nas.comparison.break_even import BreakEven
from carbon_nas.comparison.gpu_power import gpu_powers
from carbon_nas.comparison.priors import InFull, PriorWork
from carbon_nas.reporting.cells import counted, joules, maybe, word
from carbon_nas.reporting.document import Cell, Column, Table
from carbon_nas.reporting.numbers import significant
from carbon_nas.sources import Source, Tier

__all__ = ["IN_FULL", "in_full_table", "left_out", "power_sources", "prior_table", "started"]

IN_FULL = "Charged in full"
_METERED = "metered"


def started(works: Iterable[PriorWork]) -> dict[str, str]:
    """Return what every strategy started from, in words, by strategy."""
    phases: dict[str, dict[str, None]] = {}
    for work in works:
        told = f"{work.phase} ({f'published, {work.origin}' if work.published else work.origin})"
        phases.setdefault(work.strategy, {})[told] = None
    return {strategy: " and ".join(told) for strategy, told in phases.items()}


def left_out(works: Iterable[PriorWork]) -> Iterator[str]:
    """Say what is in no number but those of the two tables here."""
    for strategy, told in started(works).items():
        yield (
            f"{strategy} starts from work that was paid for before, {told}: no energy, CO2e, ratio, break-even or "
            f"payback here holds it, but for the table '{IN_FULL}'."
        )


def power_sources(works: Iterable[PriorWork]) -> Iterator[Source]:
    """Yield where published hours and the powers that they are multiplied by stand."""
    published = [work for work in works if work.published]
    yield from (work.source for work in published if work.source is not None)
    if any(work.gpu_h is not None for work in published):
        yield from (power.source for power in gpu_powers().values() if power.source is not None)


def prior_table(works: Sequence[PriorWork]) -> Table | None:
    """Return what strategies started from; None if every one began from nothing."""
    if not works:
        return None
    seeds: dict[PriorWork, list[int]] = {}
    for work in works:
        same = next((one for one in seeds if _same(one, work)), work)
        seeds.setdefault(same, []).append(work.seed)
    powers = gpu_powers() if any(work.gpu_h is not None for work in works) else {}
    rows = [
        (
            word(work.strategy),
            word(", ".join(map(str, mine))),
            word(work.phase),
            word(work.origin),
            counted(work.gpu_h, "GPU-hours", Tier.PUBLISHED) if work.published else word(_METERED),
            maybe(work.metered_j, work.tier, "published" if work.published else "not known"),
            *(
                maybe(work.energy_j(power), work.energy_tier, "not known") if work.published else word(_METERED)
                for power in powers.values()
            ),
            word(work.note),
            word(work.weights_hash),
        )
        for work, mine in seeds.items()
    ]
    return Table(
        key="priors",
        title="What was paid for before",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="seeds", title="seeds", numeric=False),
            Column(key="phase", title="work", numeric=False),
            Column(key="origin", title="from", numeric=False),
            Column(key="published_gpu_h", title="GPU-hours"),
            Column(key="metered_j", title="metered, IT energy"),
            *(
                Column(key=f"{name}_j", title=f"at {significant(power.power_w)} W per GPU [{name}]")
                for name, power in powers.items()
            ),
            Column(key="note", title="note", numeric=False),
            Column(key="weights_hash", title="hash of the weights", numeric=False, shown=False),
        ),
        rows=tuple(rows),
        note="Work that a strategy starts from: it was not done in this study, and is in no other table but the next. "
        "Published: hours of other hardware, somebody else's, times a published power per GPU with its share of the "
        "host, before any PUE: a model. What was in vain, such as attempts that were lost, is left out of both.",
    )


def _same(one: PriorWork, other: PriorWork) -> bool:
    return (one.strategy, one.phase, one.weights_hash, one.origin) == (
        other.strategy,
        other.phase,
        other.weights_hash,
        other.origin,
    )


def in_full_table(found: Sequence[InFull]) -> Table | None:
    """Return strategies as already spent and charged in full; None if none started from earlier work."""
    if not found:
        return None
    rows = [
        (
            word(one.strategy),
            word(one.rival or "nothing else"),
            word(_power(one)),
            maybe(one.prior_j, one.tier, "not known"),
            joules(one.spent_j, one.spent_tier),
            maybe(one.full_j, one.tier, "not known"),
            maybe(one.rival_full_j, one.tier if one.rival_prior_j else one.spent_tier, _unknown(one)),
            _ratio(one.spent_ratio),
            _ratio(one.full_ratio, _unknown(one) if None in (one.full_j, one.rival_full_j) else "none"),
            _crossing(one.spent, one),
            _crossing(one.full, one),
        )
        for one in found
    ]
    return Table(
        key="in_full",
        title=f"{IN_FULL}, for N = {found[0].n}",
        columns=(
            Column(key="strategy", title="strategy", numeric=False),
            Column(key="rival", title="against", numeric=False),
            Column(key="power", title="earlier hours at", numeric=False),
            Column(key="prior_j", title="paid before"),
            Column(key="spent_j", title="already spent"),
            Column(key="full_j", title="charged in full"),
            Column(key="rival_full_j", title="the other, in full"),
            Column(key="spent_ratio", title="ratio, already spent"),
            Column(key="full_ratio", title="ratio, in full"),
            Column(key="spent_n", title="N*, already spent"),
            Column(key="full_n", title="N*, in full"),
        ),
        rows=tuple(rows),
        note="IT energy, the mean over seeds. Already spent: as it was metered here, the earlier work taken as a fact "
        "that nobody can undo. Charged in full: with the earlier work in what is paid once, as whoever decides whether "
        f"to do it would count. {_provenance(found)}It is a question of purpose which of them is asked; neither is "
        "more right.",
    )


def _provenance(found: Sequence[InFull]) -> str:
    if not any(one.power for one in found):
        return ""
    return (
        "Here joules that were metered on this machine and joules from published hours of other hardware stand in one "
        "sum: the order of magnitude is what can be read from it, for the earlier work may have been on another task "
        "and another size. Two published powers per GPU are a range of choices. No CO2e: at which grid that work was "
        "done, this study does not know. "
    )


def _power(one: InFull) -> str:
    if one.power:
        return f"{significant(gpu_powers()[one.power].power_w)} W per GPU [{one.power}]"
    unknown = one.prior_j is None or (one.rival is not None and one.rival_prior_j is None)
    return "not known" if unknown else _METERED


def _unknown(one: InFull) -> str:
    return "not known" if one.rival else "none"


# A quotient is a model, however sure the joules in it are.
def _ratio(value: float | None, missing: str = "none") -> Cell:
    return (
        word(missing) if value is None else Cell(text=significant(value), tier=Tier.MODELLED, value=value, unit="ratio")
    )


def _crossing(found: BreakEven | None, one: InFull) -> Cell:
    if one.kin:
        return word("side by side")
    if found is None:
        return word(_unknown(one))
    if found.n_ratio is None:
        return word("never")
    turned = "" if found.upfront == one.strategy else f" ({found.upfront} pays more once)"
    text = f"{significant(found.n_ratio)}{turned}"
    return Cell(text=text, tier=Tier.MODELLED, value=found.n_ratio, unit="scenarios")
