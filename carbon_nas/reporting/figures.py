"""From ink to files: pictures that are computed already, in every format; the same numbers give the same bytes."""

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "FORMATS", "Ink", "draw"]

FORMATS = ("pdf", "svg", "png")

# Okabe and Ito (2008), colours that people with colour-vision deficiencies tell apart, and three greys between them.
COLOURS = (
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


@dataclass(frozen=True, slots=True)
class Ink:
    """How one figure is drawn into axes, and its size in inches."""

    draw: Callable[[Any], None]  # Axes, whose library is loaded late.
    size_inches: tuple[float, float]


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


def draw(inks: Mapping[str, Ink]) -> dict[str, dict[str, bytes]]:
    """Draw every figure of a report in every format.

    Returns:
        The files' bytes by figure and by format.
    """
    with _private_cache():
        import matplotlib as mpl
        from matplotlib.figure import Figure

        files: dict[str, dict[str, bytes]] = {}
        with mpl.rc_context(_STYLE):
            for key, ink in inks.items():
                # Without pyplot there is no window, no global state, and no backend to choose.
                figure = Figure(figsize=ink.size_inches, layout="constrained")
                ink.draw(figure.add_subplot())
                files[key] = {file_format: _encode(figure, file_format) for file_format in FORMATS}
        return files
