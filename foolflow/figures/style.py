"""The style of all figures, and saving them reproducibly: the same data give the same bytes."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from foolflow.figures.fonts import BASE, set_fonts
from foolflow.jobs.files import whole_file

# The palette of Okabe and Ito, which colour-blind readers can distinguish.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#666666"
RIGHT, WRONG = "#1a1a1a", "#C0392B"

SETTINGS: dict[Any, Any] = {
    "font.family": [BASE],
    "text.parse_math": False,  # a dollar sign in a name is not the start of a formula
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "foolflow",
}


@contextmanager
def house_style() -> Iterator[None]:
    with mpl.rc_context(SETTINGS):
        yield


def save_figure(figure: Figure, png: Path, pdf: Path) -> set[str]:
    """Save a figure as PNG and PDF, without dates, so that equal figures give equal files.

    Returns the characters that no installed font has. Boxes are drawn for them.
    """
    missing = set_fonts(figure)
    with house_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # returned instead
        with whole_file(png) as partial:
            figure.savefig(partial, dpi=160, bbox_inches="tight", metadata={"Software": None})
        with whole_file(pdf) as partial:
            figure.savefig(partial, bbox_inches="tight", metadata={"CreationDate": None, "Producer": None})
    return missing
