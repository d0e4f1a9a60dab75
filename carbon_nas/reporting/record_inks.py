"""Ink: the figures of the published record."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING, Any

from carbon_nas.comparison.claims import ClaimStep
from carbon_nas.comparison.published import PublishedRow, PublishedTable
from carbon_nas.comparison.published_break_even import PublishedBreakEven
from carbon_nas.comparison.published_hours import is_once_for_all
from carbon_nas.references.waterfall import Step, waterfall
from carbon_nas.reporting.figures import COLOURS
from carbon_nas.reporting.numbers import mass_lb, significant
from carbon_nas.reporting.published_crossings import crossing_words
from carbon_nas.reporting.record_cells import factor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["claim_ink", "published_curves_ink", "waterfall_ink"]

_BLUE, _ORANGE, _GREEN, _RED, _GREY, _PALE = (COLOURS[index] for index in (0, 1, 2, 5, 7, 9))
_SMALL = 8.5
# A white ground keeps grid lines out of the digits.
_BESIDE: dict[str, Any] = {
    "textcoords": "offset points",
    "va": "center",
    "fontsize": _SMALL,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8},
}
# An edge, so that a step by less than one percent can be seen.
_STEP: dict[str, Any] = {"linewidth": 1.2}
# The methods that the claims and the nearest break-evens are about; the rest of the table is drawn in grey.
_RIVALS = (
    "cai2020-mnasnet",
    "cai2020-fbnet-c",
    "cai2020-proxylessnas",
    "cai2020-mobilenetv3-large",
    "cai2020-mobilenetv2",
)


def _rows_of(axes: "Axes", labels: Sequence[str], width: int) -> None:
    axes.set_yticks(
        range(len(labels)), [fill(label, width, break_on_hyphens=False) for label in labels], fontsize=_SMALL
    )
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def waterfall_ink(axes: "Axes") -> None:
    """Draw what became of 626,155 lb: every correction a bar from the mass before it to the mass after it."""
    steps = waterfall()
    start, end = steps[0], steps[-1]
    bottom_lb = end.mass_lb / 2.5
    ends = [(0, start.mass_lb, _ORANGE), (len(steps), end.mass_lb, _GREEN)]
    for row, mass, colour in ends:
        axes.barh(row, mass - bottom_lb, left=bottom_lb, height=0.62, color=colour)
        axes.annotate(mass_lb(mass), (mass, row), xytext=(5, 0), fontweight="bold", **_BESIDE)
    for row, (before, after) in enumerate(pairwise(steps), start=1):
        axes.barh(
            row, before.mass_lb - after.mass_lb, left=after.mass_lb, height=0.62, color=_BLUE, edgecolor=_BLUE, **_STEP
        )
        axes.plot([after.mass_lb] * 2, [row, row + 1], color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axes.annotate(_divided(after), (before.mass_lb, row), xytext=(5, 0), **_BESIDE)
    axes.set_xscale("log")
    axes.set_xlim(bottom_lb, start.mass_lb * 9.0)
    _rows_of(axes, [start.label, *(_short(step) for step in steps[1:]), "as corrected (Patterson et al. 2021)"], 34)
    axes.set_xlabel("CO2e in lb, logarithmic (published; steps between modelled)")


def _short(step: Step) -> str:
    return f"{step.label} (what is left)" if step.residual else step.label


def _divided(step: Step) -> str:
    return f"÷ {factor(step.factor_ratio)}: {mass_lb(step.mass_lb)}"


def claim_ink(steps: Sequence[ClaimStep], axes: "Axes") -> None:
    """Draw the way from the published claim to where its steps lead; at a ratio of 1 both cost the same."""
    low_ratio = min([1.0, *(one.after_ratio for one in steps), *(one.low_ratio for one in steps if one.low_ratio)])
    high_ratio = max([1.0, *(one.after_ratio for one in steps), *(one.high_ratio for one in steps if one.high_ratio)])
    bottom_ratio = low_ratio / 1.6
    axes.axvline(1.0, color="0.4", linewidth=1.0)
    axes.annotate(
        "the same cost",
        (1.0, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=_SMALL,
        color="0.3",
    )
    for row, step in enumerate(steps):
        ends = (1.0, step.after_ratio) if row == 0 else (step.before_ratio, step.after_ratio)
        colour = _colour(row, step)
        axes.barh(row, max(ends) - min(ends), left=min(ends), height=0.56, color=colour, edgecolor=colour, **_STEP)
        if step.after_ratio == step.before_ratio:
            axes.plot(
                [step.after_ratio] * 2, [row - 0.28, row + 0.28], color=_GREY if step.applies else _PALE, linewidth=2
            )
        reach = max(ends)
        if step.low_ratio is not None and step.high_ratio is not None:
            span = (step.low_ratio, step.high_ratio)
            axes.plot(span, [row + 0.36] * 2, color=_GREY, linewidth=1.2, marker="|", markersize=6, zorder=4)
            reach = max(reach, step.high_ratio)
        axes.annotate(_claimed(row, step), (reach, row), xytext=(5, 0), **_BESIDE)
        if row + 1 < len(steps):
            axes.plot([step.after_ratio] * 2, [row, row + 1], color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    axes.set_xscale("log")
    axes.set_xlim(bottom_ratio, high_ratio * (high_ratio / bottom_ratio) ** 0.5)
    _rows_of(axes, [step.label for step in steps], 36)
    axes.set_xlabel("cost of the rival over once-for-all, logarithmic")


def _colour(row: int, step: ClaimStep) -> str:
    if row == 0:
        return _ORANGE
    if not step.applies:
        return _PALE
    return _BLUE if step.after_ratio <= step.before_ratio else _RED


def _claimed(row: int, step: ClaimStep) -> str:
    if not step.applies:
        return "does not apply"
    text = f"{significant(step.after_ratio)}x"
    if row and step.after_ratio != step.before_ratio:
        text = f"x {factor(step.factor_ratio)}: {text}"
    if step.low_ratio is not None and step.high_ratio is not None:
        text += f" ({significant(step.low_ratio)} to {significant(step.high_ratio)})"
    return text


def published_curves_ink(table: PublishedTable, axes: "Axes") -> None:
    """Draw GPU-hours over N for once-for-all and its rivals, with CO2e beside, and mark where they break even."""
    setting = table.setting
    upfront = next(row for row in table.rows if row.key == setting.fine_tuning.row_key)
    reach = max(100, 2 * setting.n)
    crossings = {row.rival: row.crossings[setting.fine_tuning] for row in table.against_upfront}
    # On logarithmic axes a line with a constant part is bent.
    numbers = [reach ** (step / 200.0) for step in range(201)]
    for row in table.rows:
        if row.key not in _RIVALS and not is_once_for_all(row.key):
            axes.plot(numbers, list(_hours(row, numbers)), color=_PALE, linewidth=1.2, label="others of the table")
    for index, row in enumerate(sorted((one for one in table.rows if one.key in _RIVALS), key=_steepest_first)):
        crossing = crossings[row.label]
        axes.plot(
            numbers,
            list(_hours(row, numbers)),
            color=COLOURS[(2, 1, 5, 3, 4)[index]],
            linewidth=2,
            linestyle=(0, (4, 2)) if row.unreported else "-",
            label=f"{row.label}{_marked(crossing)}",
        )
        if crossing.n_ratio is not None and 1.0 <= crossing.n_ratio <= reach:
            axes.plot(
                crossing.n_ratio,
                *_hours(upfront, [crossing.n_ratio]),
                marker="D",
                markersize=6,
                color="black",
                zorder=5,
            )
    axes.plot(numbers, list(_hours(upfront, numbers)), color=_BLUE, linewidth=2.8, label=upfront.label)
    axes.axvline(setting.n, color="0.5", linewidth=0.8, linestyle=":")
    axes.annotate(
        f"N = {setting.n}",
        (setting.n, 0.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, 5),
        textcoords="offset points",
        fontsize=_SMALL,
        color="0.3",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, reach)
    axes.set_xlabel("number of deployment scenarios N, logarithmic")
    axes.set_ylabel("GPU-hours, logarithmic")
    per_hour_kg = setting.footprint(1.0, setting.power).mass_kg
    if per_hour_kg > 0:
        both_ways: Any = (lambda hours: hours * per_hour_kg, lambda mass_kg: mass_kg / per_hour_kg)
        beside = axes.secondary_yaxis("right", functions=both_ways)
        beside.set_ylabel(f"kg CO2e at {significant(setting.power.power_w)} W per GPU")
        axes.spines["right"].set_visible(True)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(reversed(labels), reversed(handles), strict=True))
    axes.legend(
        unique.values(),
        unique.keys(),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.17),
        ncols=2,
        fontsize=_SMALL,
        handlelength=2.2,
    )


def _steepest_first(row: PublishedRow) -> float:
    return -row.each_gpu_h


def _hours(row: PublishedRow, numbers: Sequence[float]) -> Iterator[float]:
    return (row.once_gpu_h + n * row.each_gpu_h for n in numbers)


def _marked(crossing: PublishedBreakEven) -> str:
    if crossing.n_ratio is None:
        return " (never breaks even)"
    return " (N* below 1)" if crossing.n_ratio < 1.0 else f" (N* {crossing_words(crossing)})"
