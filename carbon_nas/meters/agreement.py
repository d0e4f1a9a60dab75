"""Two opinions on one energy set side by side: by how much they differ, and why, as far as it can be told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from carbon_nas.meters.base import Component
from carbon_nas.meters.measurement import Measurement
from carbon_nas.sources import Tier

__all__ = ["Agreement", "KINDS", "Opinion", "TOLERATED_FRACTION", "WINDOW", "agree", "by_kind"]

KINDS = ("gpu", "cpu", "dram")
"""The classes of components that both tools know."""

TOLERATED_FRACTION = 0.1
"""Above this difference the reader is warned."""

WINDOW = "cross-check"
"""The window over which the two are compared: a whole session, with what lies between its phases."""

# Below this, both are noise.
_NOTHING_J = 0.1

# How the joules are quoted in a reason.
_JOULES, _JOULES_END = "ours ", " J: "


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """What another tool found.

    Attributes:
        tool: its name and version.
        energy_j: per class of component; None where it does not cover it.
        methods: how it knows them, per class.
        error: why there is no opinion; empty if there is one.
    """

    tool: str = "codecarbon"
    duration_s: float = 0.0
    energy_j: Mapping[str, float | None] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Our totals beside the other tool's; "same sensor", so no validation.

    The fields are those of the ledger's `CrossCheck`, so that `CrossCheck(**asdict(agreement))` writes it down.

    Attributes:
        ours_j, theirs_j: per class of component (`gpu`, `cpu`, `dram`); None where one of them does not cover it.
        reasons: one sentence for each class that differs by more than `TOLERATED_FRACTION`, and for each that only one
            of them covers.
        error: why there is no second opinion; empty if there is one.
    """

    tool: str
    duration_s: float = 0.0
    ours_j: Mapping[str, float | None] = field(default_factory=dict)
    theirs_j: Mapping[str, float | None] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    error: str = ""

    def ratio(self, kind: str) -> float | None:
        """Return theirs over ours; None where one is not known or ours is nothing."""
        ours_j, theirs_j = self.ours_j.get(kind), self.theirs_j.get(kind)
        return None if ours_j is None or theirs_j is None or ours_j <= 0 else theirs_j / ours_j

    def differs(self, kind: str) -> bool:
        """Tell whether the reader is to be warned about a class of component."""
        return _differ(self.ours_j.get(kind), self.theirs_j.get(kind))

    def why(self, kind: str) -> str:
        """Return why the opinions on a class of component differ, without the joules; empty if nothing is said."""
        told = next((reason for reason in self.reasons if reason.startswith(f"{kind}: ")), "").removeprefix(f"{kind}: ")
        return told.partition(_JOULES_END)[2] if told.startswith(_JOULES) else told


def _differ(ours_j: float | None, theirs_j: float | None) -> bool:
    if ours_j is None or theirs_j is None:
        return False
    return abs(theirs_j - ours_j) > max(TOLERATED_FRACTION * ours_j, _NOTHING_J)


def by_kind(measured: Sequence[Measurement]) -> dict[str, float | None]:
    """Add joules up per class of component. None where a class has no component, or one of them is not known."""
    sums: dict[str, float | None] = {}
    for kind in KINDS:
        joules = [part.energy_j for part in measured if part.component.partition(":")[0] == kind]
        known = [value for value in joules if value is not None]
        sums[kind] = sum(known) if known and len(known) == len(joules) else None
    return sums


def agree(
    components: Sequence[Component], measured: Sequence[Measurement], duration_s: float, opinion: Opinion
) -> Agreement:
    """Set our measurements of a stretch beside another tool's opinion on it.

    Args:
        components: what we metered.
        measured: what we found, one per component.
        duration_s: of the stretch.
        opinion: what the other tool found over the same stretch.
    """
    ours_j = by_kind(measured)
    if opinion.error:
        return Agreement(tool=opinion.tool, duration_s=duration_s, ours_j=ours_j, error=opinion.error)
    theirs_j = {kind: opinion.energy_j.get(kind) for kind in KINDS}
    reasons: list[str] = []
    for kind in KINDS:
        mine, other = ours_j[kind], theirs_j[kind]
        if (mine is None) != (other is None):
            reasons.append(f"{kind}: only {f'{opinion.tool} covers' if mine is None else 'we cover'} it")
        elif mine is not None and other is not None and _differ(mine, other):
            parts = [part for part in components if part.name.partition(":")[0] == kind]
            why = [*_edges(duration_s, opinion), *_why(kind, parts, measured, opinion)]
            told = "; ".join(why) or "why cannot be told"
            reasons.append(f"{kind}: {_JOULES}{mine:.4g} J, theirs {other:.4g}{_JOULES_END}{told}")
    return Agreement(tool=opinion.tool, duration_s=duration_s, ours_j=ours_j, theirs_j=theirs_j, reasons=tuple(reasons))


def _edges(duration_s: float, opinion: Opinion) -> Iterator[str]:
    if abs(opinion.duration_s - duration_s) > TOLERATED_FRACTION / 2 * duration_s:
        yield f"it covers {opinion.duration_s:.1f} s and we cover {duration_s:.1f} s"


def _why(kind: str, parts: Sequence[Component], measured: Sequence[Measurement], opinion: Opinion) -> Iterator[str]:
    names = {part.name for part in parts}
    found = [one for one in measured if one.component in names]
    if any(not one.complete for one in found):
        yield "a counter was lost or began anew in between, which the two tools bridge differently"
    if any(one.below_resolution for one in found):
        yield "it is too little to be told from zero"
    measures, method = any(part.tier is Tier.MEASURED for part in parts), opinion.methods.get(kind, "")
    match kind:
        case "gpu":
            if any(part.sampling_s is not None for part in parts):
                yield "there is no energy counter; we integrate power samples, it averages one a second"
        case "cpu":
            yield from _why_cpu(parts, measures, method)
        case _:
            yield (
                f"ours is RAPL's counter, theirs a guess ({method})"
                if measures
                else f"both are guesses: ours is power per GB, theirs {method}"
            )


def _why_cpu(parts: Sequence[Component], measures: bool, method: str) -> Iterator[str]:
    sensor = "rapl" in method.lower()
    if measures and sensor:
        yield "both read RAPL, but it may count other zones, and takes any step back of a counter for a wrap"
    elif measures:
        yield f"ours is RAPL's counter of the whole package, theirs an estimate for this process ({method})"
    elif sensor:
        yield "ours is an estimate for this process, theirs RAPL's counter of the whole package"
    else:
        told = [part.inputs["watts_per_core"] for part in parts if part.inputs.get("watts_per_core") is not None]
        ours = f"{told[0]:g} W per core" if told and isinstance(told[0], int | float) else "our power per core"
        yield f"both are estimates from CPU time: ours takes {ours}, theirs {method} over all cores"
        yield "it looks once a second, and counts a child from its second look to its last"
