"""Accuracy against epsilon, with intervals, next to random noise of the same size and the published values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import CONTROL, CONTROL_LOOK, GREY, LOOKS, house_style
from foolflow.figures.text import columns, limited, shorten_all

LONGEST = 24  # columns of each name in the legend
LONGEST_OF_TWO = 46  # columns of a legend entry, if two entries are next to each other
PUBLISHED = {
    "published_tutorial": ("R4 and the tutorial", {"marker": "s"}),
    "published_newer_tutorial": ("the tutorial's newer page", {"marker": "D", "markerfacecolor": "none"}),
}


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the curves of a table. spec: table, its name."""
    return draw(artefacts.table(spec["table"]))


def draw(table: pd.DataFrame) -> Figure:
    """Draw one curve per data set, model, attack and seed, as many as there are LOOKS at most, and their controls.

    table: the CSV of the table `fgsm_sweep`.
    """
    curves = list(table.groupby(["dataset", "model", "attack"], sort=False))
    shown = curves[: len(LOOKS)]
    with house_style():
        figure = Figure(figsize=(7.6, 4.2))
        axes = figure.add_subplot()
        parts = [shorten_all(part, LONGEST) for part in zip(*(map(str, names) for names, _ in shown), strict=True)]
        for (line, colour), label, (_, rows) in zip(
            LOOKS, map(", ".join, zip(*parts, strict=True)), shown, strict=False
        ):
            seeds = [one for _, one in rows.groupby("seed")]
            each = label if len(seeds) == 1 else f"{label} ({len(seeds)} seeds)"
            for place, one in enumerate(seeds):  # which share their entries of the legend
                _draw_one(axes, one, colour, line, "" if place else each)
                _draw_control(axes, one, colour, "" if place else CONTROL)
        _draw_published(axes, table)
        axes.set(xlabel="epsilon (L-infinity, pixels in [0, 1])", ylabel="accuracy (%)", ylim=(0, 101))
        axes.set_xlim(left=-0.005)
        long = max(map(columns, axes.get_legend_handles_labels()[1]), default=0) > LONGEST_OF_TWO
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1 if long else 2)
        axes.set_title(f"Accuracy under attack{limited(len(shown), len(curves), 'curves')}", loc="left")
        return figure


def _draw_one(axes: Axes, rows: pd.DataFrame, colour: str, line: str, label: str) -> None:
    axes.fill_between(rows["epsilon"], 100 * rows["low"], 100 * rows["high"], color=colour, alpha=0.2, linewidth=0)
    values = 100 * rows["accuracy"]
    axes.plot(rows["epsilon"], values, color=colour, linestyle=line, marker="o", markersize=4, label=label)


def _draw_control(axes: Axes, rows: pd.DataFrame, colour: str, label: str) -> None:
    """Draw the curve of random noise, if the table has it."""
    known = rows.dropna(subset=["control_accuracy"])
    if len(known):
        low, high = 100 * known["control_low"], 100 * known["control_high"]
        axes.fill_between(known["epsilon"], low, high, color=colour, alpha=0.12, linewidth=0)
        axes.plot(known["epsilon"], 100 * known["control_accuracy"], color=colour, label=label, **CONTROL_LOOK)


def _draw_published(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw each published row once, even if several curves are compared with it."""
    for column, (label, style) in PUBLISHED.items():
        known = rows.dropna(subset=[column]).drop_duplicates(["dataset", "epsilon", column])
        if len(known):
            common: dict[str, Any] = {"linestyle": "none", "markersize": 6, "color": GREY, "markeredgecolor": GREY}
            axes.plot(known["epsilon"], 100 * known[column], label=label, **(common | style))
