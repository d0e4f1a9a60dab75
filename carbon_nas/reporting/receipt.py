"""What one metered command used, as lines for a person who waits at a terminal."""

from collections.abc import Iterator, Sequence
from math import hypot

from carbon_nas.accounting.site import Site
from carbon_nas.ledger.idle import idle_powers_w
from carbon_nas.ledger.observations import Baseline
from carbon_nas.ledger.records import PhaseEnd
from carbon_nas.meters.agreement import Agreement
from carbon_nas.meters.base import Component
from carbon_nas.meters.hosts import not_covered
from carbon_nas.meters.measurement import Measurement
from carbon_nas.reporting.numbers import energy, mass
from carbon_nas.sources import Tier
from carbon_nas.units import total_known

__all__ = ["aligned", "receipt"]

Line = tuple[str, str]


def aligned(lines: Sequence[Line]) -> str:
    """Write labels and texts in two columns."""
    width = max(len(label) for label, _ in lines)
    return "\n".join(f"{label:<{width}}  {text}" for label, text in lines)


def receipt(
    components: Sequence[Component],
    end: PhaseEnd,
    *,
    place: Site | None = None,
    baseline: Baseline | None = None,
    agreement: Agreement | None = None,
) -> Iterator[Line]:
    """Say what a phase used: energy per component with its tier and uncertainty, and CO2e where a site is known.

    Args:
        components: what was metered.
        end: the phase.
        place: where it ran.
        baseline: what the components drew while nothing was done; shown beside the gross energy, not subtracted.
        agreement: a second opinion.
    """
    parts = {part.name: part for part in components}
    idle_w = {} if baseline is None else idle_powers_w([baseline])
    yield "phase", f"{end.phase}, {end.outcome}"
    yield "duration", f"{end.duration_s:.1f} s"
    for one in end.measured:
        told = _told(one, parts[one.component])
        # Where only the program's own work is counted, idle is nothing by construction.
        power_w = None if parts[one.component].own else idle_w.get(one.component)
        idle = (
            "" if power_w is None else f"; idle draws {power_w:.3g} W, {energy(power_w * end.duration_s)} in this time"
        )
        yield one.component, f"{told}{idle}"
    known_j = total_known(one.energy_j for one in end.measured)
    if known_j is not None:
        yield from _sums(end, parts, known_j, place)
    yield "not covered", ", ".join(not_covered(components))
    if agreement is not None:
        yield from _second(agreement)


def _told(one: Measurement, part: Component) -> str:
    if one.energy_j is None:
        return f"not known: {part.note}" if part.note else "not known"
    told = energy(one.energy_j)
    uncertain_j = [u_j for u_j in (one.random_u_j, one.systematic_u_j) if u_j]
    if uncertain_j:
        told += f" ± {energy(hypot(*uncertain_j))} (k = 1)"
    told += f", {part.tier}"
    if part.low_ratio is not None and part.high_ratio is not None:
        told += f", {energy(part.low_ratio * one.energy_j)} to {energy(part.high_ratio * one.energy_j)}"
    if not one.complete:
        most = "no bound is known" if one.high_j is None else f"at most {energy(one.high_j)}"
        told += f", incomplete: {most}"
    return f"{told}, too little to be told from zero" if one.below_resolution else told


def _sums(end: PhaseEnd, parts: dict[str, Component], known_j: float, place: Site | None) -> Iterator[Line]:
    at_least = "at least " if any(one.energy_j is None for one in end.measured) else ""
    tier = Tier.weakest({parts[one.component].tier for one in end.measured if one.energy_j is not None})
    if len(end.measured) > 1:
        yield "total", f"{at_least}{energy(known_j)}, {tier} at its weakest"
    if place is not None and place.named:
        yield "CO2e", f"{at_least}{mass(place.mass_kg(known_j, place.grids[0]))} ({place.label})"


def _second(agreement: Agreement) -> Iterator[Line]:
    label = "same sensor"
    if agreement.error:
        yield label, f"no second opinion: {agreement.error}"
        return
    ratios = {kind: agreement.ratio(kind) for kind in agreement.theirs_j}
    told = [
        f"{kind} {energy(theirs_j)}, {ratio:.2f} of ours"
        for kind, theirs_j in agreement.theirs_j.items()
        if theirs_j is not None and (ratio := ratios[kind]) is not None
    ]
    yield label, f"{agreement.tool} says {'; '.join(told) or 'nothing about what we meter'} (no validation)"
    for reason in agreement.reasons:
        yield label, f"warning: {reason}"
