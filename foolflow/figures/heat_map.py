"""A table of percentages as a heat map that shows every number."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, heading, house_style
from foolflow.figures.text import limited, shorten_all
from foolflow.tables.over_seeds import MEAN

MAP = "Blues"
LONGEST = 28  # columns of the name of a row
ROWS, COLUMNS = 40, 20
DETAILED = 8  # with more columns, a cell shows the rounded number alone


@dataclass(frozen=True)
class HeatMap:
    """The contents of a heat map.

    values: (R, K) fractions; NaN leaves a cell empty.  details: a small line of text below each number, (R, K).
    down, across: axis labels of the rows and the columns.  meaning: label of the colours.
    framed: highlighted cells, (row, column).  gaps: columns set slightly apart from the previous one.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: np.ndarray
    details: Sequence[Sequence[str]]
    down: str
    across: str
    meaning: str
    framed: Sequence[tuple[int, int]] = ()
    gaps: Sequence[int] = ()


NUMBERS = ("n", "accuracy", "success", "low", "high", "sd", "rank")


def rows_to_show(artefacts: Artefacts, name: str) -> pd.DataFrame:
    """Read the rows of a table that a heat map shows: with several seeds, their means."""
    # An empty name is a name, too.
    table = artefacts.table(name, dtype=str, na_values=[])
    table = table.assign(**{column: pd.to_numeric(table[column]) for column in NUMBERS if column in table})
    return table[table["seed"] == MEAN] if MEAN in set(table["seed"]) else table


def grid(
    table: pd.DataFrame, rate: str, *, rows: tuple[str, list[str]], columns: tuple[str, list[str]]
) -> dict[str, Any]:
    """Arrange rates in rows and columns, as `values` and `details` of a heat map.

    rate: the column with the rates.  rows, columns: the column with their names, and the names in order.
    """
    (down, in_rows), (across, in_columns) = rows, columns
    shown = table.assign(detail=table.apply(_detail, axis=1)).pivot(index=down, columns=across).reindex(in_rows)
    return {
        "values": shown[rate][in_columns].to_numpy(),
        "details": shown["detail"][in_columns].fillna("").to_numpy().tolist(),
    }


def _detail(row: pd.Series) -> str:
    """Format the interval of a rate, or the standard deviation of a mean."""
    if pd.notna(row["sd"]):
        return f"± {100 * row['sd']:.1f}"
    return f"{100 * row['low']:.1f} to {100 * row['high']:.1f}" if pd.notna(row["low"]) else ""


def draw(title: str, shown: HeatMap) -> Figure:
    """Draw the map. Of more than ROWS rows and COLUMNS columns only the first are drawn; the title says so."""
    rows, columns = list(shown.rows[:ROWS]), list(shown.columns[:COLUMNS])
    title += limited(len(rows), len(shown.rows), "rows") + limited(len(columns), len(shown.columns), "columns")
    detailed = len(columns) <= DETAILED
    with house_style():
        width, height = (0.76, 0.46) if detailed else (0.34, 0.3)
        figure = Figure(figsize=(width * len(columns) + 2.6, height * len(rows) + 1.9), layout="constrained")
        axes = figure.subplots()
        places = [column + 0.12 * sum(gap <= column for gap in shown.gaps) for column in range(len(columns))]
        for row in range(len(rows)):
            for column, place in enumerate(places):
                detail = shown.details[row][column] if detailed else None
                _draw_cell(axes, place, row, shown.values[row, column], detail)
        for row, column in shown.framed:
            if row >= len(rows) or column >= len(columns):
                continue
            frame = Rectangle((places[column] - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor=COLOURS[1])
            frame.set_linewidth(1.6)
            axes.add_patch(frame)
        axes.set(
            xlim=(-0.52, places[-1] + 0.52),
            ylim=(len(rows) - 0.48, -0.52),
            xlabel=shown.across,
            ylabel=shown.down,
        )
        parts = [
            shorten_all(part, LONGEST) for part in zip_longest(*(name.split(", ") for name in columns), fillvalue="")
        ]
        names = [",\n".join(filter(None, lines)) for lines in zip(*parts, strict=True)]
        axes.set_xticks(places, names, rotation=30 if detailed else 60, ha="right", rotation_mode="anchor", fontsize=9)
        axes.set_yticks(range(len(rows)), shorten_all(rows, LONGEST), fontsize=9)
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        colours = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 100), MAP)
        bar = figure.colorbar(colours, ax=axes, label=shown.meaning, pad=0.02, aspect=max(8, 6 * len(rows)))
        bar.outline.set_visible(False)
        heading(figure, title)
        return figure


def _draw_cell(axes: Axes, x: float, y: int, value: float, detail: str | None) -> None:
    """Draw a number with a small line of text below it, or the rounded number if `detail` is None."""
    if np.isnan(value):
        axes.text(x, y, "-", ha="center", va="center", color=GREY)
        return
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=mpl.colormaps[MAP](value), edgecolor="white"))
    colour = "white" if value > 0.65 else "#1a1a1a"
    if detail is None:
        axes.text(x, y, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=8.5)
        return
    number = f"{100 * value:.1f}"
    axes.text(x, y + (0.06 if detail else 0), number, ha="center", va="bottom" if detail else "center", color=colour)
    axes.text(x, y + 0.12, detail, ha="center", va="top", fontsize=7, color=colour)
