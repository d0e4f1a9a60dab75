"""Ink: figures drawn from a comparison that is already computed."""

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from carbon_nas.comparison.table import Comparison
from carbon_nas.reporting.numbers import energy, scenarios, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "draw"]

FORMATS = ("pdf", "svg", "png")

# Okabe and Ito (2008), colours that people with colour-vision deficiencies tell apart, and three greys between them.
_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#404040",
    "#8C8C8C",
    "#CFCFCF",
)
_STYLE: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.dpi": 100,
    "font.size": 10,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # Text stays text in a PDF.
    "svg.fonttype": "none",
    "svg.hashsalt": "carbon_nas",  # The same numbers give the same file.
}


def _joule_scale(largest_j: float) -> tuple[float, str]:
    for size, unit in ((1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ")):
        if largest_j >= size:
            return size, unit
    return 1.0, "J"


def _phase_energy(comparison: Comparison, axes: "Axes") -> None:
    size, unit = _joule_scale(max(cost.energy_j for cost in comparison.strategies))
    names = list(dict.fromkeys(phase.name for phase in comparison.phases))
    colour = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
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
                color=colour[phase.name],
                edgecolor="white",
                linewidth=0.8,
                hatch="///" if phase.shared else None,
                label=phase.name,
            )
            left += phase.energy_j / size
        axes.annotate(
            energy(cost.energy_j), (left, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=10
        )
    axes.set_yticks(range(len(comparison.strategies)), [cost.strategy for cost in comparison.strategies])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"IT energy in {unit} ({comparison.tier}), {scenarios(len(comparison.scenarios))}")
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(
        unique.values(), unique.keys(), loc="upper center", bbox_to_anchor=(0.45, -0.24), ncols=4, handlelength=1.2
    )


def _cost_curve(comparison: Comparison, axes: "Axes") -> None:
    crossings = [found for found in comparison.break_evens if found.n_ratio is not None]
    measured = max(curve.measured_n for curve in comparison.curves)
    reach = max([measured + 1.0, *(min(found.n_ratio or 0.0, 100.0) * 1.25 for found in crossings)])
    size, unit = _joule_scale(max(curve.energy_j(reach) for curve in comparison.curves))
    for index, curve in enumerate(comparison.curves):
        colour, run = _COLOURS[index % len(_COLOURS)], curve.measured_n
        axes.plot(
            [0, run], [curve.energy_j(n) / size for n in (0, run)], color=colour, linewidth=2, label=curve.strategy
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
    for found in crossings:
        if found.n_ratio is None or found.n_ratio > reach:
            continue
        upfront = next(curve for curve in comparison.curves if curve.strategy == found.upfront)
        at = (found.n_ratio, upfront.energy_j(found.n_ratio) / size)
        if found.low_ratio is not None and found.high_ratio is not None:
            axes.axvspan(found.low_ratio, min(found.high_ratio, reach), color="0.5", alpha=0.12, linewidth=0)
        axes.plot(*at, marker="D", markersize=7, color="black", zorder=5)
        axes.annotate(
            f"N* = {significant(found.n_ratio, 2)}" + (" (extrapolated)" if found.extrapolated else ""),
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
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(comparison.curves))


_FIGURES: Mapping[str, tuple[Callable[[Comparison, "Axes"], None], tuple[float, float]]] = {
    "cost_curve": (_cost_curve, (7.0, 4.2)),
    "phase_energy": (_phase_energy, (7.0, 2.9)),
}


def _encode(figure: "Figure", file_format: str) -> bytes:
    # No dates in the files: the same numbers give the same bytes.
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}[file_format]
    buffer = io.BytesIO()
    figure.savefig(buffer, format=file_format, metadata=metadata, bbox_inches="tight", dpi=200)
    return buffer.getvalue()


@contextlib.contextmanager
def _private_cache() -> Iterator[None]:
    # matplotlib writes its font cache into the user's home unless it is told another place before it is imported.
    if "MPLCONFIGDIR" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="carbon-nas-") as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            yield
        finally:
            del os.environ["MPLCONFIGDIR"]


def draw(comparison: Comparison) -> dict[str, dict[str, bytes]]:
    """Draw every figure of a report in every format.

    Returns:
        The files' bytes by figure and by format.
    """
    with _private_cache():
        import matplotlib as mpl
        from matplotlib.figure import Figure

        files: dict[str, dict[str, bytes]] = {}
        with mpl.rc_context(_STYLE):
            for key, (ink, inches) in _FIGURES.items():
                # Without pyplot there is no window, no global state, and no backend to choose.
                figure = Figure(figsize=inches, layout="constrained")
                ink(comparison, figure.add_subplot())
                files[key] = {file_format: _encode(figure, file_format) for file_format in FORMATS}
        return files
