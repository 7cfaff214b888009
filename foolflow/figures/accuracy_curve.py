"""Accuracy against epsilon, with intervals, next to the published values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import COLOURS, GREY, house_style

PUBLISHED = {
    "published_tutorial": ("R4 and the tutorial", {"marker": "s"}),
    "published_newer_tutorial": ("the tutorial's newer page", {"marker": "D", "markerfacecolor": "none"}),
}


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the curves of a table. spec: table, its name."""
    return draw(artefacts.table(spec["table"]))


def draw(table: pd.DataFrame) -> Figure:
    """Draw one curve per data set, model, attack and seed. table: the CSV of the table `fgsm_sweep`."""
    with house_style():
        figure = Figure(figsize=(7.6, 4.2))
        axes = figure.add_subplot()
        for colour, ((dataset, model, attack), rows) in zip(
            COLOURS, table.groupby(["dataset", "model", "attack"], sort=False), strict=False
        ):
            for seed, one in rows.groupby("seed"):
                _draw_one(axes, one, colour, f"{dataset}, {model}, {attack} (seed {seed})")
            _draw_published(axes, rows[rows["seed"] == rows["seed"].iloc[0]])
        axes.set(xlabel="epsilon (L-infinity, pixels in [0, 1])", ylabel="accuracy (%)", ylim=(0, 101))
        axes.set_xlim(left=-0.005)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
        axes.set_title("Accuracy under attack", loc="left")
        return figure


def _draw_one(axes: Axes, rows: pd.DataFrame, colour: str, label: str) -> None:
    axes.fill_between(rows["epsilon"], 100 * rows["low"], 100 * rows["high"], color=colour, alpha=0.2, linewidth=0)
    axes.plot(rows["epsilon"], 100 * rows["accuracy"], color=colour, marker="o", markersize=4, label=label)


def _draw_published(axes: Axes, rows: pd.DataFrame) -> None:
    for column, (label, style) in PUBLISHED.items():
        known = rows.dropna(subset=[column])
        if len(known):
            common: dict[str, Any] = {"linestyle": "none", "markersize": 6, "color": GREY, "markeredgecolor": GREY}
            axes.plot(known["epsilon"], 100 * known[column], label=label, **(common | style))
