"""Accuracy against epsilon, with intervals, next to random noise of the same size and the published values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foolflow.data.artefacts import Artefacts
from foolflow.figures.style import CONTROL, CONTROL_LOOK, GREY, LOOKS, house_style, panels
from foolflow.figures.text import columns, limited, shorten, shorten_all
from foolflow.statistics.budget import size_in_words

LONGEST = 24  # columns of each name in the legend
LONGEST_OF_TWO = 46  # columns of a legend entry, if two entries are next to each other
PANELS = 6
WIDE = 20  # how many times its smallest epsilon a sweep's largest is, from which on the axis is logarithmic
TICKS = (0.0001, 0.0003, 0.001, 1 / 255, 2 / 255, 4 / 255, 8 / 255, 0.1, 0.3, 1)  # of such an axis
PUBLISHED = {
    "published_tutorial": ("R4 and the tutorial", {"marker": "s"}),
    "published_newer_tutorial": ("the tutorial's newer page", {"marker": "D", "markerfacecolor": "none"}),
}


def build(spec: Mapping[str, Any], artefacts: Artefacts) -> Figure:
    """Draw the curves of a table. spec: table, its name."""
    return draw(artefacts.table(spec["table"]))


def draw(table: pd.DataFrame) -> Figure:
    """Draw a panel per data set, as many as PANELS at most.

    table: the CSV of the table `fgsm_sweep`.
    """
    datasets = list(table.groupby("dataset", sort=False))
    shown = datasets[:PANELS]
    curves = [rows.drop_duplicates(["model", "attack"]) for _, rows in shown]
    with house_style():
        # An entry for each curve and for its control, and the published rows.
        entries = max(2 * min(len(each), len(LOOKS)) for each in curves) + len(PUBLISHED)
        across = 2 if len(shown) == 1 else 1
        figure, each = panels(len(shown), height=3.9 + 0.2 * entries / across, alone=7.6)
        for axes, (dataset, rows) in zip(each, shown, strict=True):
            part = _draw_panel(axes, rows, across)
            part += limited(len(shown), len(datasets), "data sets")
            axes.set_title(f"{shorten(str(dataset), LONGEST)}{part}", loc="left")
        for axes in each[::2]:
            axes.set_ylabel("accuracy (%)")
        return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, across: int) -> str:
    """Draw one curve per model, attack and seed, as many as there are LOOKS at most, and their controls.

    across: columns of the legend. Returns what the title says of the curves that are left out.
    """
    curves = list(rows.groupby(["model", "attack"], sort=False))
    shown = curves[: len(LOOKS)]
    parts = [shorten_all(part, LONGEST) for part in zip(*(map(str, names) for names, _ in shown), strict=True)]
    for (line, colour), label, (_, of_curve) in zip(
        LOOKS, map(", ".join, zip(*parts, strict=True)), shown, strict=False
    ):
        seeds = [one for _, one in of_curve.groupby("seed")]
        each = label if len(seeds) == 1 else f"{label} ({len(seeds)} seeds)"
        for place, one in enumerate(seeds):  # which share their entries of the legend
            _draw_one(axes, one, colour, line, "" if place else each)
            _draw_control(axes, one, colour, "" if place else CONTROL)
    _draw_published(axes, rows)
    axes.set(xlabel="epsilon (pixels in [0, 1])", ylim=(0, 101))
    sizes = rows.loc[rows["epsilon"] > 0, "epsilon"]
    if len(sizes) and sizes.max() > WIDE * sizes.min():  # the small ones would lie on top of each other
        axes.set_xscale("symlog", linthresh=sizes.min(), linscale=0.5)
        ticks = [0.0, *(tick for tick in TICKS if sizes.min() * 0.999 <= tick <= sizes.max())]
        axes.set_xticks(ticks, map(size_in_words, ticks))
        axes.minorticks_off()
    axes.set_xlim(left=-0.015 * rows["epsilon"].max() if axes.get_xscale() == "linear" else 0)
    long = max(map(columns, axes.get_legend_handles_labels()[1]), default=0) > LONGEST_OF_TWO
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1 if long else across, fontsize=9)
    return limited(len(shown), len(curves), "curves")


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
