"""The sentences at the top: what was found, and what must be known before it is quoted."""

from collections.abc import Iterator, Sequence

from carbon_nas.comparison.break_even import BreakEven
from carbon_nas.comparison.delivery import Gap
from carbon_nas.comparison.table import Comparison
from carbon_nas.reporting.numbers import energy, points, significant
from carbon_nas.sources import Tier

__all__ = ["MARGIN_FRACTION", "caveats", "verdict"]

MARGIN_FRACTION = 0.01
"""Networks within one percentage point of accuracy count as equally good."""


def _scenarios(number: int) -> str:
    return "1 scenario" if number == 1 else f"{number} scenarios"


def _crossing(found: BreakEven) -> str:
    if found.n_ratio is None:
        return (
            f"{found.upfront} costs more once and not less per scenario than {found.rival}: "
            "on these measurements it never breaks even."
        )
    spread = ""
    if found.low_ratio is not None and found.high_ratio is not None:
        spread = (
            f" (from {significant(found.low_ratio, 2)} to {significant(found.high_ratio, 2)} "
            "by scenario and seed; a range, not a confidence interval)"
        )
    beyond = (
        f" That is beyond the {_scenarios(found.measured_n)} that were run: extrapolated." if found.extrapolated else ""
    )
    return (
        f"{found.upfront} breaks even with {found.rival} at N* = {significant(found.n_ratio, 2)} scenarios{spread}, "
        f"and costs less from N = {found.first_n} on.{beyond}"
    )


def _quality(gap: Gap) -> str:
    if gap.mean_fraction is None or gap.worst_fraction is None:
        return f"The accuracy of {gap.strategy} and {gap.rival} cannot be compared: results are missing."
    figures = f"{points(gap.mean_fraction)} on average, {points(gap.worst_fraction)} in the worst scenario"
    if gap.worst_fraction < -MARGIN_FRACTION:
        return (
            f"The networks are not equally good: those of {gap.strategy} are less accurate than those of {gap.rival} "
            f"({figures}), so lower energy is not a saving at equal quality."
        )
    if gap.mean_fraction > MARGIN_FRACTION:
        return f"The networks of {gap.strategy} are more accurate than those of {gap.rival} ({figures})."
    return f"The networks of {gap.strategy} are as accurate as those of {gap.rival} within one point ({figures})."


def verdict(comparison: Comparison) -> tuple[str, ...]:
    """Say what was found, in sentences."""
    return tuple(_sentences(comparison))


def _sentences(comparison: Comparison) -> Iterator[str]:
    costs = ", ".join(f"{cost.strategy} {energy(cost.energy_j)}" for cost in comparison.strategies)
    yield f"For {_scenarios(comparison.strategies[0].scenarios)}, really run: {costs}."
    yield from map(_crossing, comparison.break_evens)
    yield from map(_quality, comparison.gaps)


def caveats(comparison: Comparison, *, quick: bool) -> Sequence[str]:
    """Say what must be known before anything is quoted."""
    found = []
    if comparison.tier is Tier.ESTIMATED:
        found.append("Energy here is CPU time times a constant power: an estimate, not a measurement.")
    elif comparison.tier is Tier.MODELLED:
        found.append("Energy here comes from a simulated meter: no hardware was read.")
    seeds = min(cost.seeds for cost in comparison.strategies)
    if seeds < 3:
        found.append(f"{'One seed' if seeds == 1 else f'{seeds} seeds'}: no statement about chance is possible.")
    if quick:
        found.append("This was a quick run: the phases are real, but too short to conclude anything from.")
    return found
