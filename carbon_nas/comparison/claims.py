"""The headline ratios of once-for-all, and the steps from 1,300x to a run's own ratio.

Source: Cai et al. 2020, section 4.2 and Figure 8: at N = 40, CO2e "16x fewer than ProxylessNAS, 19x fewer than FBNet,
and 1,300x fewer than MnasNet".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import inf
from typing import Any

from carbon_nas.comparison.published_hours import MNASNET, FineTuning, MnasNetHours, published_hours
from carbon_nas.references import REFERENCES, NasCost, Reference
from carbon_nas.sources import Source, Tier
from carbon_nas.uncertain import Interval, printed

__all__ = ["Claim", "ClaimStep", "OwnRun", "claims", "why_not"]

_PROXYLESSNAS = "cai2020-proxylessnas"
_CLAIMS = {
    _PROXYLESSNAS: "cai2020-claim-proxylessnas",
    "cai2020-fbnet-c": "cai2020-claim-fbnet",
    MNASNET: "cai2020-claim-mnasnet",
}
_TUNING = "fine-tuning of every network"
_PUBLISHED_EPOCHS = " or ".join(one.value.removeprefix("#") for one in FineTuning if one is not FineTuning.NONE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One headline ratio, as printed and from the table beneath it.

    Attributes:
        rival_key: its row in the table.
        text: as printed.
        scenarios: the N it is claimed for.
        printed_ratio: every ratio that rounds to it.
        from_co2e_ratio: from the printed pounds of both rows, as the sentence says.
        from_hours_ratio: from the printed total hours of both rows.
        unrounded_ratio: from the formulas of both rows, the search of once-for-all included.
        without_search_ratio: the same with that search dropped, as the rounding of the table does.
        unreported: what the rival's row leaves out.
    """

    rival_key: str
    rival: str
    text: str
    scenarios: int
    source: Source
    printed_ratio: Interval
    from_co2e_ratio: Interval
    from_hours_ratio: Interval
    unrounded_ratio: float
    without_search_ratio: float
    unreported: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the printed pounds can give the printed ratio."""
        return self.printed_ratio.meets(self.from_co2e_ratio)


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnRun:
    """What a run measured: a rival's energy beside that of once-for-all, for the same scenarios.

    Attributes:
        n: for how many scenarios both were run.
        accuracy_gap_fraction: accuracy of once-for-all minus the rival's; None if it is not known.
        fine_tuning: for how long the networks cut from the supernet were trained on; None: not known, or not published.
        tuned: for how long they were, in words, where nothing is published for so long; empty otherwise.
        left_out: work of once-for-all that was paid for before the run, in words; empty if it paid for everything.
    """

    label: str
    rival: str
    n: int
    ofa_j: float
    rival_j: float
    tier: Tier
    accuracy_gap_fraction: float | None = None
    fine_tuning: FineTuning | None = None
    tuned: str = ""
    left_out: str = ""

    def __post_init__(self) -> None:
        if self.n < 1 or not (0.0 < self.ofa_j < inf and 0.0 < self.rival_j < inf):
            raise ValueError(f"{self.label}: a ratio needs joules of both, and 1 scenario or more")

    @property
    def own_ratio(self) -> float:
        """The rival's energy over that of once-for-all."""
        return self.rival_j / self.ofa_j


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimStep:
    """One step of the way.

    Attributes:
        before_ratio: where it begins: where the step before it ended.
        after_ratio: where it ends.
        applies: False for a step that this run skips; then nothing changes.
        low_ratio, high_ratio: what `after_ratio` would be at the ends of a range; None where there is none.
        over: what that range is over, in words; empty where there is none.
        source: None for what the run measured.
    """

    label: str
    before_ratio: float
    after_ratio: float
    note: str
    source: Source | None
    applies: bool = True
    low_ratio: float | None = None
    high_ratio: float | None = None
    over: str = ""

    @property
    def factor_ratio(self) -> float:
        """By what it multiplies."""
        return self.after_ratio / self.before_ratio


def claims() -> tuple[Claim, ...]:
    """Return the three headline ratios."""
    return tuple(_claim(published_hours()[rival_key], REFERENCES[key]) for rival_key, key in _CLAIMS.items())


def _claim(rival: NasCost, claimed: Reference) -> Claim:
    ofa = _ofa()
    return Claim(
        rival_key=rival.key,
        rival=rival.label,
        text=claimed.text,
        scenarios=ofa.scenarios,
        source=claimed.printed.source,
        printed_ratio=_rounded(claimed.text),
        from_co2e_ratio=printed(rival.co2e_text) / printed(ofa.co2e_text),
        from_hours_ratio=printed(rival.total_text) / printed(ofa.total_text),
        unrounded_ratio=_ratio(rival, ofa, ofa.scenarios),
        without_search_ratio=rival.gpu_h(ofa.scenarios) / (ofa.gpu_h(ofa.scenarios) - _search_gpu_h(ofa)),
        unreported=rival.unreported,
    )


def _ofa(fine_tuning: FineTuning = FineTuning.NONE) -> NasCost:
    return published_hours()[fine_tuning.row_key]


def _ratio(rival: NasCost, ofa: NasCost, n: int) -> float:
    return rival.gpu_h(n) / ofa.gpu_h(n)


def _search_gpu_h(ofa: NasCost) -> float:
    return (ofa.search_once_gpu_h or 0.0) + ofa.scenarios * (ofa.search_each_gpu_h or 0.0)


def _rounded(text: str) -> Interval:
    # A headline is rounded to its last digit that is not zero: "1,300" is every ratio from 1,250 to 1,350.
    digits = text.replace(",", "")
    half = 0.5 * 10.0 ** (len(digits) - len(digits.rstrip("0")))
    return Interval(low=float(digits) - half, high=float(digits) + half)


def why_not(
    own: OwnRun | None = None,
    *,
    n: int | None = None,
    fine_tuning: FineTuning = FineTuning.NONE,
    mnasnet: MnasNetHours | None = MnasNetHours.OWN_PAPER,
) -> tuple[ClaimStep, ...]:
    """Lead from the published 1,300x to a run's own ratio, or to the published one at another N, step by step.

    Every step begins where the one before it ended, so the product of all factors is the ratio at the end. The size of
    a step depends on the order of the steps; where they lead does not.

    Args:
        own: what the run measured; without it the steps end at the published table.
        n: where they end without a run; None: at the N of the printed table.
        fine_tuning: of once-for-all, without a run.
        mnasnet: another published cost that MnasNet is charged with on the way; None leaves that step out.
    """
    end = _to_own(own) if own else _to_number(_ofa().scenarios if n is None else n, fine_tuning)
    steps: list[ClaimStep] = []
    for step in (*_published(mnasnet), *end):
        steps.append(replace(step, before_ratio=steps[-1].after_ratio) if steps else step)
    return tuple(steps)


def _published(mnasnet: MnasNetHours | None) -> Iterator[ClaimStep]:
    rival, ofa, proxyless = published_hours()[MNASNET], _ofa(), _proxyless()
    n, claimed = ofa.scenarios, REFERENCES[_CLAIMS[MNASNET]]
    yield _step(
        f"as claimed: MnasNet over once-for-all, N = {n}",
        claimed.printed.value,
        f"{', '.join(rival.unreported)} of MnasNet is not reported, and its search is repeated for every network",
        claimed.printed.source,
    )
    yield _step(
        "total hours without rounding",
        _ratio(rival, ofa, n),
        f"{rival.gpu_h(n):,.0f} over {ofa.gpu_h(n):,.0f} GPU-hours, with the {_search_gpu_h(ofa):,.0f} hours of search "
        "that the rounded total drops",
        ofa.source,
    )
    if mnasnet and mnasnet is not MnasNetHours.TABLE:
        reference = REFERENCES[mnasnet.reference_key]
        yield _step(
            f"a search of MnasNet for {reference.text} {reference.printed.unit}, not {MnasNetHours.TABLE} GPU-hours",
            _ratio(published_hours(mnasnet)[MNASNET], ofa, n),
            mnasnet.assumption,
            reference.printed.source,
            **_range(
                "for all its published costs", (published_hours(hours)[MNASNET] for hours in MnasNetHours), ofa, (n,)
            ),
        )
    yield _step(
        "ProxylessNAS in place of MnasNet as the rival",
        _ratio(proxyless, ofa, n),
        "a method that reports both search and training; top-1 of the networks compared: "
        f"ProxylessNAS {_accuracy(proxyless)}, MnasNet {_accuracy(rival)}, once-for-all {_accuracy(ofa)}",
        proxyless.source,
    )


def _to_number(n: int, fine_tuning: FineTuning) -> Iterator[ClaimStep]:
    most = max(n, _ofa().scenarios)
    yield _number(n, **_range(f"for N from 1 to {most}", (_proxyless(),), _ofa(), (1, most)))
    if fine_tuning is not FineTuning.NONE:
        tuned = _ofa(fine_tuning)
        yield _tuning(n, fine_tuning, **_range(f"for N from 1 to {most}", (_proxyless(),), tuned, (1, most)))


def _to_own(own: OwnRun) -> Iterator[ClaimStep]:
    yield _number(own.n)
    if own.fine_tuning is not None:
        yield _tuning(own.n, own.fine_tuning)
    elif own.tuned:
        yield _step(
            _TUNING,
            _ratio(_proxyless(), _ofa(), own.n),
            f"skipped: this run fine-tunes for {own.tuned}, not {_PUBLISHED_EPOCHS}; its joules are in the last step",
            _ofa().source,
            applies=False,
        )
    gap = own.accuracy_gap_fraction
    stated = "not known" if gap is None else f"{100 * gap:+.1f} percentage points for once-for-all"
    yield _step(
        "equal accuracy",
        _ratio(_proxyless(), _ofa(own.fine_tuning or FineTuning.NONE), own.n),
        f"no factor of energy; the gap in this run is {stated}",
        None,
        applies=False,
    )
    if own.left_out:
        yield _step(
            "charged in full",
            _ratio(_proxyless(), _ofa(own.fine_tuning or FineTuning.NONE), own.n),
            f"its training ({own.left_out}) was paid before: the published ratio holds it, these joules do not",
            None,
            applies=False,
        )
    spent = "energy without what was paid before, not GPU-hours" if own.left_out else "energy, not GPU-hours"
    yield _step(
        f"own task, own rival ({own.rival}), own machine: {spent}",
        own.own_ratio,
        f"what no published number explains; {own.label}, {own.tier.value}",
        None,
    )


def _number(n: int, **facts: Any) -> ClaimStep:
    ofa = _ofa()
    moved = n != ofa.scenarios
    return _step(
        f"N = {n} in place of {ofa.scenarios}" if moved else f"N = {n}, as claimed",
        _ratio(_proxyless(), ofa, n),
        "once-for-all pays once, so its advantage shrinks with every network that is not needed",
        ofa.source,
        **facts,
    )


def _tuning(n: int, fine_tuning: FineTuning, **facts: Any) -> ClaimStep:
    tuned = _ofa(fine_tuning)
    tunes = fine_tuning is not FineTuning.NONE
    return _step(
        f"{_TUNING} ({fine_tuning})" if tunes else _TUNING,
        _ratio(_proxyless(), tuned, n),
        f"{tuned.each_gpu_h:,.0f} GPU-hours for each network" if tunes else "skipped: this run does not fine-tune",
        tuned.source,
        applies=tunes,
        **facts,
    )


def _step(label: str, ratio: float, note: str, source: Source | None, **facts: Any) -> ClaimStep:
    return ClaimStep(label=label, before_ratio=1.0, after_ratio=ratio, note=note, source=source, **facts)


def _range(over: str, rivals: Iterable[NasCost], ofa: NasCost, numbers: Iterable[int]) -> dict[str, Any]:
    ratios = [_ratio(rival, ofa, n) for rival, n in product(rivals, numbers)]
    return {"low_ratio": min(ratios), "high_ratio": max(ratios), "over": over}


def _proxyless() -> NasCost:
    return published_hours()[_PROXYLESSNAS]


def _accuracy(cost: NasCost) -> str:
    if cost.accuracy_fraction is None:
        return "not reported"
    return f"{100 * cost.accuracy_fraction:.1f} %" + ("" if cost.accuracy_verified else " (not verified)")
