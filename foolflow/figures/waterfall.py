"""The change of a rate from step to step."""

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, heading, house_style
from foolflow.figures.text import shorten

LINE = 44  # characters of a step on one line
TOTAL, RISE, FALL = COLOURS[0], COLOURS[2], COLOURS[1]


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the steps of a table. spec: title; table, its name."""
    return draw(spec["title"], artefacts.table(spec["table"]))


def draw(title: str, table: pd.DataFrame) -> Figure:
    """Draw a bar per step, from top to bottom; the first and the last bar start at 0, the others show the change.

    table: the CSV of `foolflow.tables.post_mortem`.
    """
    success = 100 * table["success"].to_numpy()
    before = success.copy()
    before[1:] = success[:-1]
    last = len(table) - 1
    with house_style():
        figure = Figure(figsize=(9.2, 0.46 * len(table) + 1.4), layout="constrained")
        axes = figure.subplots()
        for place, (value, earlier) in enumerate(zip(success, before, strict=True)):
            whole = place in (0, last)
            start, width = (0.0, value) if whole else (min(value, earlier), abs(value - earlier))
            colour = TOTAL if whole else (RISE if value >= earlier else FALL)
            axes.barh(place, width, left=start, height=0.62, color=colour, alpha=1 if whole else 0.85)
            if place < last:
                axes.plot([value, value], [place - 0.31, place + 1.31], color=GREY, linewidth=0.8)
            change = "" if place == 0 else f"  ({value - earlier:+.1f})"
            axes.text(
                max(start + width, 100 * table["high"].iloc[place]) + 1.6,
                place,
                f"{value:.1f} %{change}",
                va="center",
                fontsize=9,
            )
        errors = [success - 100 * table["low"], 100 * table["high"] - success]
        axes.errorbar(success, range(len(table)), xerr=errors, fmt="none", ecolor="black", elinewidth=1, capsize=2.5)
        axes.set_yticks(
            range(len(table)), [textwrap.fill(shorten(change, 2 * LINE), LINE) for change in table["change"]]
        )
        axes.set_ylim(last + 0.6, -0.6)
        axes.set_xlim(0, 122)
        axes.set_xticks(range(0, 101, 20))
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("counted success (%), with 95 % intervals")
        heading(figure, title)
        return figure
