"""The style of all figures, and saving them reproducibly: the same data give the same bytes."""

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.figures.fonts import BASE, set_fonts
from foolflow.jobs.files import whole_file

# The palette of Okabe and Ito, which colour-blind readers can distinguish.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#666666"
RIGHT, WRONG = "#1a1a1a", "#C0392B"
LOOKS = tuple(product(("-", "--", ":"), COLOURS))  # of lines that can be told apart: (line style, colour)
# The curve of a control has the colour of the curve that it belongs to.
CONTROL = "random noise of the same size"
CONTROL_LOOK: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 1.2, "marker": "x", "markersize": 5}

# A page shows a figure up to 700 pixels wide, which is 7.3 inches. Text of 8 points in a figure of this width then
# still has 7 points.
WIDTH = 8.3

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
}


@contextmanager
def house_style() -> Iterator[None]:
    with mpl.rc_context(SETTINGS):
        yield


def heading(figure: Figure, title: str, **options: Any) -> None:
    """Write the title of a figure, on several lines if it is longer than the figure is wide."""
    longest = max(int(12 * figure.get_figwidth()), 48)  # about 12 characters per inch
    lines = [part for line in title.splitlines() for part in textwrap.wrap(line, longest)]
    figure.suptitle("\n".join(lines), fontsize=11, **options)


def nothing_to_show(title: str, why: str) -> Figure:
    """Make the figure that stands for one without images."""
    with house_style():
        figure = Figure(figsize=(WIDTH, 1.2))
        figure.text(0.5, 0.35, why, ha="center", fontsize=10)
        heading(figure, title)
        return figure


def panels(count: int, *, height: float, alone: float) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels next to each other in pairs, so that any number of them is readable.

    height: of a panel.  alone: width of the figure if there is one panel.  Both in inches.
    """
    across = min(count, 2)
    rows = -(-count // across)
    figure = Figure(figsize=(WIDTH if across > 1 else alone, height * rows), layout="constrained")
    grid = figure.subplots(rows, across, squeeze=False, sharey=True)
    for axes in grid.flat[count:]:
        axes.remove()
    return figure, list(grid.flat[:count])


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
