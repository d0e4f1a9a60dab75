"""Ink: the figures of a comparison."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from carbon_nas.accounting.tornado import Swing, SwingKind, drawn
from carbon_nas.comparison.family import are_kin
from carbon_nas.comparison.findings import Findings
from carbon_nas.comparison.table import Comparison
from carbon_nas.reporting.figures import COLOURS, Ink
from carbon_nas.reporting.numbers import energy, scenarios, significant
from carbon_nas.reporting.record_inks import claim_ink, waterfall_ink
from carbon_nas.reporting.uncertainty import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cost_curve", "inks", "phase_energy", "tornado"]


_FEW_ROWS = 2


def _joule_scale(largest_j: float) -> tuple[float, str]:
    for size, unit in ((1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ")):
        if largest_j >= size:
            return size, unit
    return 1.0, "J"


def _named(strategy: str, before: Collection[str]) -> str:
    """Name a strategy; what was paid for before the run is in no figure."""
    return f"{strategy}, already spent" if strategy in before else strategy


def phase_energy(comparison: Comparison, axes: "Axes", *, before: Collection[str] = ()) -> None:
    """Draw what each strategy was charged, phase by phase.

    Args:
        comparison: the numbers.
        axes: where to.
        before: the strategies that started from work that was paid for before.
    """
    size, unit = _joule_scale(max(cost.energy_j for cost in comparison.strategies))
    look = _looks(comparison)
    for row, cost in enumerate(comparison.strategies):
        left = 0.0
        for phase in comparison.phases:
            if phase.strategy != cost.strategy:
                continue
            axes.barh(
                row,
                phase.energy_j / size,
                left=left,
                height=0.6,
                edgecolor="white",
                linewidth=0.8,
                label=phase.name,
                **look[phase.name],
            )
            left += phase.energy_j / size
        axes.annotate(
            energy(cost.energy_j), (left, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=10
        )
    axes.set_yticks(
        range(len(comparison.strategies)), [_named(cost.strategy, before) for cost in comparison.strategies]
    )
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"IT energy in {unit} ({comparison.tier}), {scenarios(len(comparison.scenarios))}")
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    # Below the label of the axis, whose distance in parts of the axes shrinks as rows are added.
    below = -0.24 * _FEW_ROWS / max(_FEW_ROWS, len(comparison.strategies))
    axes.legend(
        unique.values(), unique.keys(), loc="upper center", bbox_to_anchor=(0.45, below), ncols=4, handlelength=1.2
    )


def _looks(comparison: Comparison) -> Mapping[str, Mapping[str, Any]]:
    """Give every phase a colour, and a pattern where the colours begin anew."""
    shared = {phase.name for phase in comparison.phases if phase.shared}
    names = list(dict.fromkeys(phase.name for phase in comparison.phases))
    return {
        name: {
            "color": COLOURS[index % len(COLOURS)],
            "hatch": "///" if name in shared else (None, "...", "xxx")[index // len(COLOURS) % 3],
        }
        for index, name in enumerate(names)
    }


def _height(comparison: Comparison) -> float:
    """Return the inches that bars and their legend take: two strategies and twelve phases fit into 2.9."""
    rows, phases = len(comparison.strategies), len({phase.name for phase in comparison.phases})
    return 2.9 + 0.6 * max(0, rows - _FEW_ROWS) + 0.22 * max(0, -(-phases // 4) - 3)


def cost_curve(comparison: Comparison, axes: "Axes", *, before: Collection[str] = ()) -> None:
    """Draw energy over the number of scenarios, with crossings. `before` as for `phase_energy`."""
    # Where two differ in training alone, the lines run side by side, and their crossing would only stretch the picture.
    each = comparison.repeated()
    apart = [found for found in comparison.break_evens if not are_kin(found.upfront, found.rival, each)]
    crossings = [found for found in apart if found.n_ratio is not None]
    measured = max(curve.measured_n for curve in comparison.curves)
    reach = max([measured + 1.0, *(min(found.n_ratio or 0.0, 100.0) * 1.25 for found in crossings)])
    size, unit = _joule_scale(max(curve.energy_j(reach) for curve in comparison.curves))
    for index, curve in enumerate(comparison.curves):
        colour, run = COLOURS[index % len(COLOURS)], curve.measured_n
        axes.plot(
            [0, run],
            [curve.energy_j(n) / size for n in (0, run)],
            color=colour,
            linewidth=2,
            label=_named(curve.strategy, before),
        )
        axes.plot(
            [run, reach],
            [curve.energy_j(n) / size for n in (run, reach)],
            color=colour,
            linewidth=2,
            linestyle=(0, (4, 3)),
        )
        axes.plot(
            range(run + 1),
            [joules / size for joules in curve.points_j()],
            color=colour,
            marker="o",
            markersize=6,
            linestyle="none",
            markeredgecolor="white",
            clip_on=False,
            zorder=4,
        )
    marks = []
    for found, marker in zip(crossings, cycle("DsPX"), strict=False):
        if found.n_ratio is None or found.n_ratio > reach:
            continue
        upfront = next(curve for curve in comparison.curves if curve.strategy == found.upfront)
        at = (found.n_ratio, upfront.energy_j(found.n_ratio) / size)
        if found.low_ratio is not None and found.high_ratio is not None:
            axes.axvspan(found.low_ratio, min(found.high_ratio, reach), color="0.5", alpha=0.12, linewidth=0)
        said = f"N* = {significant(found.n_ratio, 2)}" + (" (extrapolated)" if found.extrapolated else "")
        drawn_at = axes.plot(*at, marker=marker, markersize=7, color="black", linestyle="none", zorder=5)
        if len(crossings) > 1:
            # They lie close together, so their names stand apart, where no line comes.
            drawn_at[0].set_label(f"{found.upfront} against {found.rival}: {said}")
            marks += drawn_at
            continue
        axes.annotate(
            said,
            at,
            xytext=(-8, 10),
            textcoords="offset points",
            ha="right",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
    axes.axvline(measured, color="0.6", linewidth=0.8, linestyle=":")
    axes.annotate(
        "run | not run", (measured, 0.02), xycoords=("data", "axes fraction"), ha="center", fontsize=8, color="0.35"
    )
    axes.set_xlim(0, reach)
    axes.locator_params(axis="x", integer=True)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("number of deployment scenarios N")
    axes.set_ylabel(f"IT energy in {unit} ({comparison.tier})")
    lines = [line for line in axes.get_lines() if line not in marks and not str(line.get_label()).startswith("_")]
    named = axes.legend(handles=lines, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(comparison.curves))
    if marks:
        axes.legend(handles=marks, loc="upper left", handletextpad=0.2)
        axes.add_artist(named)


def _boundless(swing: Swing) -> str:
    """Say why a swing has no bar."""
    if not swing.quantified or swing.low is None or swing.high is None:
        return "no number at one end" if swing.quantified else "not quantified"
    return "cancels" if swing.low.value == swing.high.value else "less than a thousandth"


def tornado(swings: Sequence[Swing], name: str, value: float, axes: "Axes") -> None:
    """Draw what moves a quantity, the widest on top."""
    for row, swing in enumerate(swings):
        if swing.visible and swing.low is not None and swing.high is not None:
            low, high = sorted((swing.low.value, swing.high.value))
            chosen = swing.kind is SwingKind.CHOICE
            axes.barh(
                row,
                high - low,
                left=low,
                height=0.6,
                color=COLOURS[1] if chosen else COLOURS[0],
                hatch="///" if chosen else None,
                edgecolor="white",
                linewidth=0.8,
            )
            for end, side in ((low, "right"), (high, "left")):
                axes.annotate(
                    significant(end),
                    (end, row),
                    xytext=(-4 if side == "right" else 4, 0),
                    textcoords="offset points",
                    ha=side,
                    va="center",
                    fontsize=8,
                )
        else:
            words = _boundless(swing)
            axes.annotate(
                words, (value, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8, color="0.35"
            )
    axes.axvline(value, color="black", linewidth=1)
    axes.set_yticks(range(len(swings)), [swing.factor for swing in swings], fontsize=9)
    axes.set_ylim(len(swings) - 0.4, -0.6)
    # At least a tenth to either side: what moves a result by next to nothing has to look like it.
    ends = [end.value for swing in swings for end in (swing.low, swing.high) if end is not None]
    low, high = min([0.9 * value, *ends]), max([1.1 * value, *ends])
    axes.set_xlim(low - 0.18 * (high - low), high + 0.18 * (high - low))
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xlabel(f"{name} (here {significant(value)})")


def inks(findings: Findings) -> Mapping[str, Ink]:
    """Return how the figures of a report are drawn, by key."""
    comparison, before = findings.comparison, {work.strategy for work in findings.priors}
    found = {
        "cost_curve": Ink(partial(cost_curve, comparison, before=before), (7.0, 4.2)),
        "phase_energy": Ink(partial(phase_energy, comparison, before=before), (7.0, _height(comparison))),
    }
    name = headline(findings)
    swings = findings.swings.get(name or "", ())
    value = findings.spreads[name].value if name else None
    if name is not None and drawn(swings) and value is not None:
        found["tornado"] = Ink(partial(tornado, swings, name, value), (7.0, 1.1 + 0.34 * len(swings)))
    if findings.claim:
        found["claim_steps"] = Ink(partial(claim_ink, findings.claim), (7.0, 3.6))
    found["waterfall"] = Ink(waterfall_ink, (7.0, 3.4))
    return found
